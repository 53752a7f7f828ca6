//! Schedules as lines and one as a page: when, what comes next, what became of what was. Pure.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use crate::cli::jobs;
use crate::cli::table::table;
use crate::cli::terminal::{Colours, Tone, line};
use crate::cli::wire::{Schedule, Slot, SlotJob};

/// Slots of a page; `--json` shows all.
const SLOTS_SHOWN: usize = 15;

/// One line each.
pub(super) fn schedules_table(schedules: &[Schedule], colours: Colours) -> String {
    let row = |schedule: &Schedule| {
        let last = schedule.slots.first();
        [
            schedule.name.clone(),
            schedule.kind.clone(),
            schedule.definition.as_ref().map(when).unwrap_or_default(),
            standing(schedule).to_owned(),
            schedule.next.first().map(|next| next.local.clone()).unwrap_or_default(),
            last.map(|slot| slot.at.clone()).unwrap_or_default(),
            last.map(fate).unwrap_or_default(),
        ]
    };
    let rows: Vec<_> = schedules.iter().map(row).collect();
    table(["SCHEDULE", "KIND", "WHEN", "STATE", "NEXT", "LAST", "LAST RESULT"], &rows, colours, |row, column| {
        let schedule = schedules.get(row)?;
        match column {
            3 if schedule.fault.is_some() => Some(Tone::Bad),
            3 => Some(Tone::Notable),
            6 => slot_tone(schedule.slots.first()?),
            _ => None,
        }
    })
}

/// One of them in full.
pub(super) fn page(schedule: &Schedule, colours: Colours) -> String {
    let mut text = String::new();
    let mut row = |line: &str| {
        // Writing to a string can't fail.
        let _infallible = writeln!(text, "{line}");
    };
    row(&format!("{}  {}", colours.paint(Tone::Strong, &line(&schedule.name)), line(&schedule.kind)));
    if let Some(definition) = &schedule.definition {
        row(&line(&when(definition)));
        for (field, value) in definition {
            if !["kind", "cron", "every", "timezone"].contains(&field.as_str()) {
                row(&format!("  {} {}", colours.paint(Tone::Faint, &line(field)), line(&plain(value))));
            }
        }
    }
    if let Some(fault) = &schedule.fault {
        row(&format!("{}: {}", colours.paint(Tone::Bad, "left alone"), line(fault)));
    }
    if schedule.paused {
        row(&colours.paint(Tone::Notable, "paused: its times are missed until `--resume`"));
    }
    match &schedule.module {
        Some(module) if schedule.overridden => {
            row(&line(&format!("replaces what module {module} declares; `--delete` brings that back")));
        }
        Some(module) => row(&line(&format!("declared by module {module}"))),
        None => {}
    }
    if let Some(slot) = &schedule.queued_slot {
        row(&line(&format!("{slot} waits for the run before it to end")));
    }
    if !schedule.next.is_empty() {
        row("");
        let rows: Vec<_> = schedule.next.iter().map(|next| [next.local.clone(), next.at.clone()]).collect();
        row(&table(["NEXT", "UTC"], &rows, colours, |_, _| None));
    }
    if !schedule.slots.is_empty() {
        row("");
        let shown = schedule.slots.get(..SLOTS_SHOWN).unwrap_or(&schedule.slots);
        let cells = |slot: &Slot| {
            let job = slot.job.as_ref().map(|job| job.id.clone()).unwrap_or_default();
            [slot.at.clone(), fate(slot), job, slot.detail.clone().unwrap_or_default()]
        };
        let rows: Vec<_> = shown.iter().map(cells).collect();
        row(&table(["SLOT", "RESULT", "JOB", "WHY"], &rows, colours, |row, column| {
            shown.get(row).filter(|_| column == 1).and_then(slot_tone)
        }));
    }
    text.truncate(text.trim_end().len());
    text
}

fn when(definition: &Map<String, Value>) -> String {
    let text = |field: &str| definition.get(field).map(plain);
    match (text("cron"), text("every")) {
        (Some(cron), _) => match text("timezone").filter(|zone| zone != "UTC") {
            Some(zone) => format!("{cron} ({zone})"),
            None => cron,
        },
        (None, Some(every)) => format!("every {every}"),
        (None, None) => String::new(),
    }
}

/// A text without quotes, everything else as JSON.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn standing(schedule: &Schedule) -> &'static str {
    match schedule {
        Schedule { fault: Some(_), .. } => "faulty",
        Schedule { paused: true, .. } => "paused",
        Schedule { next, .. } if next.is_empty() => "ended",
        Schedule { .. } => "",
    }
}

/// The job that was made for a slot. (What `unique` met is another's.)
fn own_job(slot: &Slot) -> Option<&SlotJob> {
    slot.job.as_ref().filter(|_| matches!(slot.fate.as_str(), "enqueued" | "failed"))
}

/// What became of the job, where there is one.
fn fate(slot: &Slot) -> String {
    let fate = match own_job(slot) {
        Some(job) => job.state.as_deref().unwrap_or("deleted"),
        None => &slot.fate,
    };
    if slot.triggered { format!("{fate}, by hand") } else { fate.to_owned() }
}

fn slot_tone(slot: &Slot) -> Option<Tone> {
    match own_job(slot).and_then(|job| job.state.as_deref()) {
        Some(state) => jobs::tone(state),
        None => (slot.fate != "enqueued").then_some(Tone::Notable),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    fn schedules() -> Vec<Schedule> {
        serde_json::from_value(json!([
            {"name": "nightly", "kind": "report",
                "definition": {"cron": "0 3 * * *", "timezone": "Europe/Berlin", "kind": "report", "misfire": "once",
                    "overlap": "skip", "payload": {"name": "Ada"}},
                "next": [{"at": "2026-11-23T02:00:00.000Z", "local": "2026-11-23T03:00:00+01:00"}],
                "slots": [
                    {"slot_at": "2026-11-22T02:00:00.000Z", "fate": "enqueued", "job": {"id": "job_01", "state": "succeeded"}},
                    {"slot_at": "2026-11-21T14:00:00.123Z", "fate": "enqueued", "triggered": true, "job": {"id": "job_00"}},
                    {"slot_at": "2026-11-21T02:00:00.000Z", "fate": "overlapped"},
                    {"slot_at": "2026-11-20T02:00:00.000Z", "fate": "rejected", "job": {"id": "job_99", "state": "ready"},
                        "detail": "unique: job_99 is the only one like it; this slot has no job"},
                ]},
            {"name": "poll", "kind": "fetch", "definition": {"every": "30s", "kind": "fetch"}, "paused": true, "module": "m",
                "queued_slot": "2026-11-22T02:00:00.000Z"},
            {"name": "old\u{1b}[2J", "kind": "k", "fault": "put the schedule anew"},
        ]))
        .unwrap()
    }

    #[test]
    fn a_schedule_is_a_line() {
        insta::assert_snapshot!(schedules_table(&schedules(), Colours::Off));
    }

    #[test]
    fn one_in_full() {
        let pages: Vec<String> = schedules().iter().map(|schedule| page(schedule, Colours::Off)).collect();
        insta::assert_snapshot!(pages.join("\n----\n"));
    }
}
