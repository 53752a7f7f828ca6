//! A deploy and what it changes, as text.

use super::steps::Deployment;
use crate::cli::quantities;
use crate::cli::terminal::{Colours, Tone, line};
use crate::cli::wire::{JobsMeeting, KindDifference, VersionChanges};

/// Sentences shown of one kind; `--json` has all.
const SENTENCES_MAX: usize = 12;
/// Imports shown; WASI alone comes in a dozen interfaces.
const IMPORTS_SHOWN_MAX: usize = 4;

/// What was deployed, and what changes with it.
pub(super) fn deployed(deployment: &Deployment, colours: Colours) -> String {
    let Deployment { module, created, changes, activated, .. } = deployment;
    let headline = match (activated, created) {
        (true, true) => "deployed: a new version is active",
        (true, false) if changes.active.as_deref() == Some(&module.digest.to_string()) => {
            "unchanged: this version is active already"
        }
        (true, false) => "deployed: a version that was stored before is active",
        (false, _) => "stored, not active",
    };
    let mut rows = vec![format!("{} {headline}", colours.paint(Tone::Strong, &line(&module.name)))];
    let mut fact = |name: &str, value: &str| {
        rows.push(format!("  {} {value}", colours.paint(Tone::Faint, &format!("{name:<8}"))));
    };
    let kinds: Vec<String> = changes.kinds.iter().map(|kind| named(kind, changes.active.is_some())).collect();
    fact("kinds", &kinds.join(", "));
    fact("imports", &imports(&module.imports));
    fact("digest", &module.digest.to_string());
    fact("size", &quantities::bytes(module.size_bytes));
    fact("compiled", &format!("in {}", quantities::micros(module.compile_ms.saturating_mul(1_000))));
    rows.extend(changes_rows(changes, colours));
    rows.join("\n")
}

fn imports(names: &[String]) -> String {
    if names.is_empty() {
        return "(none)".to_owned();
    }
    let mut shown: Vec<String> = names.iter().take(IMPORTS_SHOWN_MAX).map(|name| line(name).into_owned()).collect();
    if let Some(more @ 1..) = names.len().checked_sub(IMPORTS_SHOWN_MAX) {
        shown.push(format!("and {more} more"));
    }
    shown.join(", ")
}

/// A kind with what becomes of it, once there was something before.
fn named(kind: &KindDifference, had_version: bool) -> String {
    let name = line(&kind.kind);
    match kind.change.as_str() {
        "added" if !had_version => name.into_owned(),
        "added" => format!("{name} (new)"),
        "removed" => format!("{name} (gone)"),
        "unchanged" => format!("{name} (same)"),
        other => format!("{name} ({})", line(other)),
    }
}

/// Kinds that are served no longer and that no job needs, in a line; one that jobs need stands among the changes.
pub(in crate::cli) fn gone_row(changes: &VersionChanges) -> Option<String> {
    let gone = changes.kinds.iter().filter(|kind| kind.change == "removed" && kind.jobs.unfinished == 0);
    let gone: Vec<_> = gone.map(|kind| line(&kind.kind)).collect();
    (!gone.is_empty()).then(|| format!("served no longer: {}", gone.join(", ")))
}

/// What changes, kind by kind; nothing of those that stay.
pub(in crate::cli) fn changes_rows(changes: &VersionChanges, colours: Colours) -> Vec<String> {
    let mut rows = Vec::new();
    for kind in &changes.kinds {
        let denied = kind.not_granted.iter().map(|name| format!("it asks for {name}, which is not granted"));
        let denied: Vec<String> = if kind.change == "removed" { Vec::new() } else { denied.collect() };
        let parts =
            [("input", &kind.input), ("output", &kind.output), ("settings", &kind.settings), ("grants", &denied)];
        let jobs = jobs_met(kind);
        if parts.iter().all(|(_, sentences)| sentences.is_empty()) && jobs.is_none() {
            continue;
        }
        rows.push(String::new());
        rows.push(format!("{} {}", colours.paint(Tone::Strong, &line(&kind.kind)), line(&kind.change)));
        for (part, sentences) in parts {
            for (index, sentence) in sentences.iter().take(SENTENCES_MAX).enumerate() {
                let part = colours.paint(Tone::Faint, &format!("{:<8}", if index == 0 { part } else { "" }));
                rows.push(format!("  {part} {}", line(sentence)));
            }
            if let Some(more @ 1..) = sentences.len().checked_sub(SENTENCES_MAX) {
                rows.push(format!("           … and {more} more; --json shows all"));
            }
        }
        if let Some(jobs) = jobs {
            rows.push(format!("  {} {jobs}", colours.paint(Tone::Faint, "jobs    ")));
        }
    }
    rows
}

/// The jobs that meet a change, in a sentence; `None` where there are none, or nothing to tell.
fn jobs_met(kind: &KindDifference) -> Option<String> {
    let JobsMeeting { unfinished, checked, refused, unchecked, .. } = &kind.jobs;
    let have = if *unfinished == 1 { "1 job has".to_owned() } else { format!("{unfinished} jobs have") };
    let met = match (kind.change.as_str(), unfinished, checked, refused) {
        ("unchanged", ..) | (_, 0, ..) => return None,
        ("removed", ..) => return Some(format!("{have} not ended, and would wait as no_handler")),
        (_, 1, 1, 0) => format!("{have} not ended; its payload still fits"),
        (_, 1, 1, _) => format!("{have} not ended; its payload would be refused"),
        (_, _, 0, _) => format!("{have} not ended; no payload was checked"),
        (_, _, _, 0) => format!("{have} not ended; {} still fit", of(*checked, *unfinished)),
        (_, _, _, refused) => {
            format!("{have} not ended; of {}, {refused} would be refused", of(*checked, *unfinished))
        }
    };
    Some(match unchecked {
        Some(why) => format!("{met} ({})", line(why)),
        None => met,
    })
}

fn of(checked: u64, unfinished: u64) -> String {
    if checked >= unfinished { format!("all {checked} payloads") } else { format!("{checked} payloads checked") }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn changes() -> VersionChanges {
        serde_json::from_str(
            r#"{"active":"sha256:00","kinds":[
            {"kind":"email.send","change":"changed","input":["`name` is new and required","`count` is gone\u001b[2J"],"output":[],
             "settings":["`timeout` is 5s now (was 30s)"],"not_granted":["http api.example.com"],
             "jobs":{"unfinished":12,"checked":12,"refused":3}},
            {"kind":"email.old","change":"removed","jobs":{"unfinished":1}},
            {"kind":"email.same","change":"unchanged","jobs":{"unfinished":7}},
            {"kind":"email.new","change":"added"}]}"#,
        )
        .unwrap()
    }

    #[test]
    fn changes_are_told_kind_by_kind() {
        insta::assert_snapshot!(changes_rows(&changes(), Colours::Off).join("\n"));
    }

    #[test]
    fn a_kind_that_nobody_needs_any_more_is_named() {
        assert_eq!(gone_row(&changes()), None, "a job needs it");
        let gone = r#"{"active":null,"kinds":[{"kind":"greet","change":"removed"},{"kind":"new","change":"added"}]}"#;
        assert_eq!(gone_row(&serde_json::from_str(gone).unwrap()).as_deref(), Some("served no longer: greet"));
    }

    #[test]
    fn jobs_that_were_not_looked_at_are_told() {
        let told = |jobs: &str| {
            let kind = format!(r#"{{"kind":"k","change":"changed","jobs":{jobs}}}"#);
            jobs_met(&serde_json::from_str(&kind).unwrap()).unwrap()
        };
        for (jobs, expected) in [
            (
                r#"{"unfinished":12,"unchecked":"the schema of the payload stays"}"#,
                "12 jobs have not ended; no payload was checked (the schema of the payload stays)",
            ),
            (
                r#"{"unfinished":12,"checked":10,"unchecked":"2 are running"}"#,
                "12 jobs have not ended; 10 payloads checked still fit (2 are running)",
            ),
            (
                r#"{"unfinished":9000,"checked":2000,"refused":3,"unchecked":"at most 2000 payloads are checked, the oldest"}"#,
                "9000 jobs have not ended; of 2000 payloads checked, 3 would be refused (at most 2000 payloads are checked, \
                 the oldest)",
            ),
            (r#"{"unfinished":2,"checked":2}"#, "2 jobs have not ended; all 2 payloads still fit"),
            (r#"{"unfinished":1,"checked":1,"refused":1}"#, "1 job has not ended; its payload would be refused"),
            (
                r#"{"unfinished":1,"unchecked":"1 is running"}"#,
                "1 job has not ended; no payload was checked (1 is running)",
            ),
        ] {
            assert_eq!(told(jobs), expected);
        }
    }

    #[test]
    fn kinds_say_what_becomes_of_them() {
        let kinds: Vec<String> = changes().kinds.iter().map(|kind| named(kind, true)).collect();
        assert_eq!(kinds, ["email.send (changed)", "email.old (gone)", "email.same (same)", "email.new (new)"]);
        assert_eq!(named(&changes().kinds[3], false), "email.new");
    }
}
