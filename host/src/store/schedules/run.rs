//! What is due of one schedule: its slots since the last look, each decided once.

use rusqlite::{Connection, params};

use super::cover::{any_queued, cancel_runs, unfinished};
use super::fire::fire;
use super::model::{ScheduleId, ScheduleRan};
use super::rows::{StoredSchedule, by_id};
use super::slots::{Decided, forget_old, is_known, remember};
use crate::job::Timestamp;
use crate::job::schedule::{Definition, SlotFate, SlotVerdict, Unfinished, WhatOverlaps, due_slots, on_overlap};
use crate::store::draft::Draft;
use crate::store::error::StoreError;

/// Slots decided in one operation: what the writer does in about 10 ms.
const SLOTS_BY_ONE_RUN_MAX: usize = 200;

const GO_ON: &str =
    "UPDATE schedules SET decided_until = max(decided_until, ?2), next_at = ?3, queued_slot = ?4 WHERE id = ?1";
const NOTE_FAULT: &str = "UPDATE schedules SET fault = ?2 WHERE id = ?1";

/// Decides the slots of a schedule that have come, at most a bounded number of them.
pub(super) fn run_schedule(sql: &Connection, draft: &mut Draft, id: ScheduleId) -> Result<ScheduleRan, StoreError> {
    let Some(schedule) = by_id(sql, id)? else {
        // Deleted meanwhile; or a row whose kind is gone from a damaged database, which must not come up for ever.
        note_fault(sql, id, "its kind is not known any more; put the schedule anew")?;
        return Ok(ScheduleRan::default());
    };
    if !draft.catalog.is_open(schedule.row.tenant) {
        // Its tenant is being deleted, and it goes with it.
        sql.prepare_cached(GO_ON)?.execute(params![
            id.0,
            schedule.row.decided_until.as_ms(),
            None::<i64>,
            None::<i64>
        ])?;
        return Ok(ScheduleRan::default());
    }
    if schedule.row.is_paused || schedule.row.fault.is_some() {
        return Ok(ScheduleRan::default());
    }
    let Some(definition) = schedule.row.definition.clone() else {
        note_fault(sql, id, "what was put can't be read any more; put the schedule anew")?;
        return Ok(ScheduleRan::default());
    };
    let timing = match definition.plan.timing(schedule.row.anchor_at) {
        Ok(timing) => timing,
        Err(error) => {
            note_fault(sql, id, &error.to_string())?;
            return Ok(ScheduleRan::default());
        }
    };
    let now = draft.now;
    let mut run = Run {
        sql,
        draft,
        schedule: &schedule,
        definition: &definition,
        queued: schedule.row.queued_slot,
        ran: ScheduleRan::default(),
    };
    run.start_queued()?;
    let due = due_slots(&timing, definition.plan.misfire, schedule.row.decided_until, now);
    let mut decided_until = schedule.row.decided_until;
    for (slot, verdict) in due.slots.into_iter().take(SLOTS_BY_ONE_RUN_MAX) {
        run.decide(slot, verdict)?;
        decided_until = slot;
    }
    let Run { queued, ran, .. } = run;
    let next_at = timing.next_after(decided_until).map(Timestamp::as_ms);
    let parameters = params![id.0, decided_until.as_ms(), next_at, queued.map(Timestamp::as_ms)];
    sql.prepare_cached(GO_ON)?.execute(parameters)?;
    forget_old(sql, id)?;
    if queued != schedule.row.queued_slot {
        draft.runs_waited_for = any_queued(sql)?;
    }
    Ok(ran)
}

/// Leaves a schedule alone that can't be run, so that it does not fail again and again.
pub(super) fn note_fault(sql: &Connection, id: ScheduleId, fault: &str) -> Result<(), StoreError> {
    sql.prepare_cached(NOTE_FAULT)?.execute(params![id.0, fault])?;
    Ok(())
}

struct Run<'r> {
    sql: &'r Connection,
    draft: &'r mut Draft,
    schedule: &'r StoredSchedule,
    definition: &'r Definition,
    queued: Option<Timestamp>,
    ran: ScheduleRan,
}

impl Run<'_> {
    /// The slot that waits becomes a job once nothing runs any more.
    fn start_queued(&mut self) -> Result<(), StoreError> {
        let Some(slot) = self.queued else { return Ok(()) };
        if unfinished(self.sql, self.schedule.row.id)? == 0 {
            self.queued = None;
            self.fire(slot)?;
        }
        Ok(())
    }

    fn decide(&mut self, slot: Timestamp, verdict: SlotVerdict) -> Result<(), StoreError> {
        let id = self.schedule.row.id;
        // Nothing leads here twice; were that ever wrong, it must not make a second job.
        if is_known(self.sql, id, slot, false)? {
            return Ok(());
        }
        if verdict == SlotVerdict::Missed {
            return self.remember(slot, SlotFate::Missed);
        }
        let queued = usize::from(self.queued.is_some());
        let unfinished = Unfinished { jobs: unfinished(self.sql, id)? + queued, queued };
        match on_overlap(self.definition.plan.overlap, unfinished) {
            WhatOverlaps::Run => self.fire(slot),
            WhatOverlaps::RunAfterThem => {
                self.queued = Some(slot);
                self.remember(slot, SlotFate::Queued)
            }
            WhatOverlaps::CancelThemAndRun => {
                let interrupt = cancel_runs(self.sql, self.draft, id)?;
                self.ran.interrupt.extend(interrupt);
                self.fire(slot)
            }
            WhatOverlaps::Skip => self.remember(slot, SlotFate::Overlapped),
        }
    }

    fn fire(&mut self, slot: Timestamp) -> Result<(), StoreError> {
        let decided = fire(self.sql, self.draft, self.schedule, self.definition, slot, false)?;
        self.ran.jobs += usize::from(decided.has_own_job());
        remember(self.sql, self.schedule.row.id, &decided, self.draft.now)
    }

    fn remember(&self, slot_at: Timestamp, fate: SlotFate) -> Result<(), StoreError> {
        let decided = Decided { slot_at, is_triggered: false, fate, job: None, detail: None };
        remember(self.sql, self.schedule.row.id, &decided, self.draft.now)
    }
}
