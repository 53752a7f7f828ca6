//! What happens while `dev` runs, and how it is shown: a block for people, or one JSON object a line.

use std::path::PathBuf;

use serde::Serialize;
use serde_json::value::RawValue;

use crate::cli::advice;
use crate::cli::hints::addressed;
use crate::cli::quantities;
use crate::cli::terminal::{self, Colours, Tone, block, line};
use crate::cli::versions::short;
use crate::cli::wire::{Job, LogLine};

/// Lines of a job's log shown; `stoker logs` has the others.
const LOG_LINES_MAX: usize = 100;
/// Characters of an output shown; `stoker job` has the rest.
const OUTPUT_CHARS_MAX: usize = 400;

/// Something to tell.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(super) enum Event {
    /// Jobs run there.
    Host {
        url: String,
        /// Started by this command, with its log in this file; `None`: it was there.
        log: Option<PathBuf>,
    },
    /// A command is run.
    Building { command: String },
    /// The project does not build.
    BuildFailed { message: String, stays: Option<String> },
    /// The host did not take it. This version stays active, if there is one.
    Refused { message: String, stays: Option<String> },
    /// A version is active.
    Deployed {
        module: String,
        digest: String,
        size_bytes: u64,
        kinds: Vec<String>,
        is_new: bool,
        /// Against the version before, and what that means for jobs that wait; lines for people.
        changes: Vec<String>,
    },
    /// How to try it.
    Try { command: String },
    /// Something to know.
    Note { message: String },
    /// An attempt has ended, and the job with it or not.
    Job(Box<JobEnd>),
    /// Waits for changes now.
    Watching,
    /// The host started here is stopped.
    Stopping,
}

/// A job whose attempt has ended.
#[derive(Debug, Serialize)]
pub(super) struct JobEnd {
    pub(super) id: String,
    pub(super) kind: String,
    pub(super) state: String,
    pub(super) attempt: u32,
    pub(super) max_attempts: u32,
    pub(super) reason: Option<String>,
    pub(super) message: Option<String>,
    /// What to do about it.
    pub(super) advice: Option<String>,
    pub(super) run_us: Option<u64>,
    pub(super) output: Option<Box<RawValue>>,
    pub(super) logs: Vec<LogLine>,
    pub(super) logs_dropped: u64,
}

impl JobEnd {
    /// Of a job as the API shows it, and the log of its last execution.
    pub(super) fn of(job: Job, logs: Vec<LogLine>, logs_dropped: u64) -> JobEnd {
        let advice = advice::of_failure(&job);
        let (reason, message) = job.error.map_or((None, None), |error| (Some(error.reason), Some(error.message)));
        JobEnd {
            id: job.id,
            kind: job.kind,
            state: job.state,
            attempt: job.attempt,
            max_attempts: job.max_attempts,
            reason,
            message,
            advice,
            run_us: job.receipt.map(|receipt| receipt.run_us),
            output: job.output,
            logs,
            logs_dropped,
        }
    }
}

/// Where events go. Cheap to copy; every event is printed whole.
#[derive(Clone, Copy, Debug)]
pub(super) enum Report {
    /// For people.
    Text(Colours),
    /// For programs.
    Json,
}

impl Report {
    /// Tells it. When nobody reads any more there is nobody to tell that.
    pub(super) fn tell(self, event: &Event) {
        let _nobody_reads = match self {
            Report::Text(colours) => terminal::print(&text(event, colours)),
            Report::Json => terminal::print(&terminal::json(
                &serde_json::to_string(event).unwrap_or_else(|error| error.to_string()),
            )),
        };
    }
}

fn text(event: &Event, colours: Colours) -> String {
    let headed = |tone, head: &str, rest: &str| {
        let rest = if rest.is_empty() { String::new() } else { format!(" {rest}") };
        format!("{}{rest}", colours.paint(tone, head))
    };
    match event {
        Event::Host { url, log: None } => headed(Tone::Strong, "host", &format!("at {}", line(url))),
        Event::Host { url, log: Some(log) } => {
            let what = format!("at {}, started for now; its log is {}", line(url), line(&log.display().to_string()));
            headed(Tone::Strong, "host", &what)
        }
        Event::Building { command } => colours.paint(Tone::Faint, &line(command)),
        Event::BuildFailed { message, stays } => headed(Tone::Bad, "not built:", &failure(message, stays.as_deref())),
        Event::Refused { message, stays } => headed(Tone::Bad, "not deployed:", &failure(message, stays.as_deref())),
        Event::Deployed { module, digest, size_bytes, kinds, is_new, changes } => {
            let digest = short(digest);
            let kinds: Vec<_> = kinds.iter().map(|kind| line(kind)).collect();
            let size = quantities::bytes(*size_bytes);
            let head = if *is_new { "deployed" } else { "unchanged" };
            let what = format!("{} {digest} · {size} · kinds: {}", line(module), kinds.join(", "));
            let changes = changes.iter().filter(|row| !row.is_empty()).map(String::as_str);
            let rows: Vec<&str> = std::iter::once(what.as_str()).chain(changes).collect();
            headed(Tone::Good, head, &rows.join("\n  "))
        }
        Event::Try { command } => headed(Tone::Strong, "try", &line(command)),
        Event::Note { message } => headed(Tone::Notable, "note:", &block(message)),
        Event::Job(end) => job(end, colours),
        Event::Watching => colours.paint(Tone::Faint, "watching for changes; Ctrl-C ends this"),
        Event::Stopping => headed(Tone::Strong, "stopping", "the host"),
    }
}

fn failure(message: &str, stays: Option<&str>) -> String {
    let what_now = match stays {
        Some(digest) => format!("the version in use ({}) stays active", short(digest)),
        None => "nothing was deployed; the next change is tried again".to_owned(),
    };
    format!("{}\n{what_now}", block(message))
}

fn job(end: &JobEnd, colours: Colours) -> String {
    let JobEnd { id, kind, state, attempt, max_attempts, reason, message, advice, run_us, output, logs, logs_dropped } =
        end;
    let tone = match state.as_str() {
        "succeeded" => Tone::Good,
        "failed" => Tone::Bad,
        _ => Tone::Notable,
    };
    let took = run_us.map_or_else(String::new, |us| format!(" · {}", quantities::micros(us)));
    let mut rows = vec![format!(
        "{} {} {} · attempt {attempt} of {max_attempts}{took}",
        colours.paint(tone, &line(state)),
        line(kind),
        colours.paint(Tone::Faint, &line(id)),
    )];
    for logged in logs.iter().take(LOG_LINES_MAX) {
        let level = colours.paint(Tone::Faint, &format!("{:<6}", line(&logged.level)));
        rows.push(format!("  {level} {}", line(&logged.message)));
    }
    let unseen = logs.len().saturating_sub(LOG_LINES_MAX) as u64 + logs_dropped;
    if unseen > 0 {
        let look = addressed(format!("see `stoker logs {}`", line(id)));
        rows.push(format!("  … {unseen} more lines; {look}"));
    }
    if let Some(reason) = reason {
        let message = message.as_deref().unwrap_or_default();
        rows.push(format!("  {}: {}", colours.paint(tone, &line(reason)), line(message)));
        rows.extend(advice.iter().map(|advice| format!("  → {}", line(advice))));
    }
    if let Some(output) = output.as_ref().map(|output| output.get()).filter(|output| *output != "null") {
        let shown: String = output.chars().take(OUTPUT_CHARS_MAX).collect();
        let rest = if shown.len() < output.len() { " …" } else { "" };
        rows.push(format!("  {}{rest}", terminal::json(&shown)));
    }
    rows.join("\n")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    fn end(json: &str, lines: &[(&str, &str)], dropped: u64) -> Event {
        let line = |(level, message): &(&str, &str)| LogLine {
            at: "2026-11-21T09:00:00.012Z".to_owned(),
            level: (*level).to_owned(),
            message: (*message).to_owned(),
        };
        Event::Job(Box::new(JobEnd::of(serde_json::from_str(json).unwrap(), lines.iter().map(line).collect(), dropped)))
    }

    #[test]
    fn a_job_is_one_block() {
        let succeeded = end(
            r#"{"id":"job_1","kind":"greet","state":"succeeded","attempt":1,"max_attempts":5,"output":{"greeting":"Hello"},
                "receipt":{"run_us":3149}}"#,
            &[("info", "greeting Ada"), ("stderr", "\u{1b}[2Jforged\nline")],
            0,
        );
        insta::assert_snapshot!(text(&succeeded, Colours::Off), @r#"
        succeeded greet job_1 · attempt 1 of 5 · 3.1 ms
          info   greeting Ada
          stderr \u{1b}[2Jforged\nline
          {"greeting":"Hello"}
        "#);
        let failed = end(
            r#"{"id":"job_2","kind":"greet","state":"failed","attempt":5,"max_attempts":5,
                "error":{"reason":"memory_exceeded","message":"more than 64 MiB"},
                "limits":{"memory":{"value":67108864,"from":"module","ceiling":1073741824}}}"#,
            &[],
            3,
        );
        insta::assert_snapshot!(text(&failed, Colours::Off), @r#"
        failed greet job_2 · attempt 5 of 5
          … 3 more lines; see `stoker logs job_2`
          memory_exceeded: more than 64 MiB
          → raise it from 64MiB (`stoker kinds greet --set memory=128MiB`), or use less, then `stoker retry job_2`
        "#);
        let retrying = end(
            r#"{"id":"job_3","kind":"greet","state":"retrying","attempt":1,"max_attempts":5,
                "error":{"reason":"handler_error","message":"on purpose"}}"#,
            &[],
            0,
        );
        insta::assert_snapshot!(text(&retrying, Colours::Off), @r#"
        retrying greet job_3 · attempt 1 of 5
          handler_error: on purpose
          → the handler returned this: `stoker logs job_3` shows what it logged before. Mend it and deploy; it is tried again by itself, or at once with `stoker retry job_3`
        "#);
    }

    #[test]
    fn a_failure_says_what_stays() {
        let failed = |stays: Option<&str>| {
            let event = Event::BuildFailed { message: "m".to_owned(), stays: stays.map(str::to_owned) };
            text(&event, Colours::Off)
        };
        assert_eq!(failed(None), "not built: m\nnothing was deployed; the next change is tried again");
        let digest = "sha256:0123456789abcdef";
        assert_eq!(failed(Some(digest)), "not built: m\nthe version in use (sha256:0123456789ab) stays active");
    }

    #[test]
    fn events_are_objects_for_programs() {
        let json = |event: &Event| serde_json::to_value(event).unwrap();
        assert_eq!(json(&Event::Stopping)["event"], "stopping");
        let failed = json(&end(r#"{"id":"job_2","state":"failed","error":{"reason":"trap","message":"m"}}"#, &[], 0));
        assert_eq!((&failed["event"], &failed["reason"]), (&"job".into(), &"trap".into()));
    }
}
