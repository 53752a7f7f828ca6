//! A job as a page of text: one sentence on where it stands, what happened when, what each execution cost, why it
//! failed, what went in and came out. Pure: the moment it is seen at is given.

use std::fmt::Write;

use super::advice;
use super::jobs::tone;
use super::quantities::{between_us, bytes, count, micros};
use super::terminal::{Colours, Tone, block, json, line};
use super::wire::{Execution, HistoryEntry, Job, JobParent, Receipt};

/// Payloads and outputs are cut here, characters; `--json` shows all.
const VALUE_CHARS_MAX: usize = 2_000;

/// Of a step's result so much is shown, characters.
const STEP_RESULT_CHARS_MAX: usize = 120;

/// What is known of a job.
pub(super) struct View {
    pub(super) job: Job,
    pub(super) attempts: Vec<Execution>,
    pub(super) history: Vec<HistoryEntry>,
}

/// The page, as of `now` (RFC 3339).
pub(super) fn render(view: &View, now: &str, colours: Colours) -> String {
    let View { job, attempts, history } = view;
    let mut page = Page { text: String::new(), colours };
    page.row(&format!("{}  {}", colours.paint(Tone::Strong, &line(&job.id)), line(&job.kind)));
    let state = colours.paint(tone(&job.state).unwrap_or(Tone::Strong), &line(&job.state));
    page.row(&format!("{state}: {}", line(&sentence(job, now))));
    if let Some(advice) = advice::of_failure(job).or_else(|| advice::of_waiting(job)) {
        page.row(&format!("  {} {}", colours.paint(Tone::Notable, "what to do:"), line(&advice)));
    }
    page.facts(job);
    page.timeline(history);
    page.steps(job);
    page.mail(job);
    page.attempts(attempts);
    page.error(job);
    page.value("Payload", job.payload.as_ref().map(|value| value.get()));
    page.value("Output", job.output.as_ref().map(|value| value.get()));
    page.text
}

/// `: what was said`
fn behind(said: Option<&str>) -> String {
    said.map_or_else(String::new, |said| format!(": {}", line(said)))
}

/// Where the job stands, and why.
fn sentence(job: &Job, now: &str) -> String {
    let attempt = format!("attempt {} of {}", job.attempt, job.max_attempts);
    match job.state.as_str() {
        "succeeded" => {
            format!("in {attempt}{}", since("; it took", job.created_at.as_deref(), job.finished_at.as_deref()))
        }
        "failed" => format!("for good, in {attempt}{}", reason(job)),
        "cancelled" if job.error.as_ref().is_some_and(|error| error.reason == "deadline_expired") => {
            "it had not begun in time".to_owned()
        }
        "cancelled" if job.attempt == 0 => match &job.error {
            Some(error) if error.detail.as_deref().is_some_and(|detail| detail.starts_with("job_")) => {
                format!("before it ran: {}", error.message)
            }
            _ => "before it ran".to_owned(),
        },
        "cancelled" => format!("in {attempt}"),
        "running" => format!("{attempt}{}{}", since(", for", job.started_at.as_deref(), Some(now)), progress(job)),
        _ => waiting(job, now),
    }
}

fn waiting(job: &Job, now: &str) -> String {
    let detail = job.waiting.as_ref().and_then(|waiting| waiting.detail.clone());
    let says_why = detail.is_some();
    // The host's sentence says it already.
    let due = if detail.is_some() { String::new() } else { since("; due in", Some(now), job.run_at.as_deref()) };
    let reason = job.waiting.as_ref().map(|waiting| waiting.reason.replace('_', " "));
    let why = detail.or(reason).unwrap_or_else(|| "waits".to_owned());
    let failed = match &job.error {
        Some(error) if job.state == "retrying" && !says_why => {
            format!(" (attempt {} of {} failed: {})", job.attempt, job.max_attempts, error.reason)
        }
        _ => String::new(),
    };
    format!("{}{failed}{due}", why.trim_end_matches('.'))
}

fn reason(job: &Job) -> String {
    job.error.as_ref().map_or_else(String::new, |error| format!(": {}", error.reason))
}

fn since(words: &str, earlier: Option<&str>, later: Option<&str>) -> String {
    let known = earlier.zip(later).and_then(|(earlier, later)| between_us(earlier, later));
    known.filter(|us| *us > 0).map_or_else(String::new, |us| format!("{words} {}", micros(us)))
}

fn progress(job: &Job) -> String {
    let Some(progress) = &job.progress else { return String::new() };
    let total = progress.total.map_or_else(String::new, |total| format!(" of {total}"));
    let message = progress.message.as_ref().map_or_else(String::new, |message| format!(", {message}"));
    format!("; {}{total} done{message}", progress.done)
}

/// The page being written. Writing to a string can't fail, so those results say nothing.
struct Page {
    text: String,
    colours: Colours,
}

impl Page {
    fn row(&mut self, row: &str) {
        let _infallible = writeln!(self.text, "{}", row.trim_end());
    }

    fn heading(&mut self, heading: &str) {
        let heading = self.colours.paint(Tone::Strong, heading);
        let _infallible = writeln!(self.text, "\n{heading}");
    }

    fn facts(&mut self, job: &Job) {
        let module = job.module.as_ref().map_or_else(
            || "(none yet)".to_owned(),
            |module| format!("{} {}", line(&module.name), line(module.digest.get(..19).unwrap_or(&module.digest))),
        );
        self.row(&format!("  queue {} · priority {} · module {module}", line(&job.queue), job.priority));
        if let Some(schedule) = &job.schedule {
            let name = schedule.name.as_deref().unwrap_or("that was deleted");
            self.row(&format!("  schedule {} · slot {}", line(name), line(&schedule.slot_at)));
        }
        if let Some(workflow) = &job.workflow {
            let name = workflow.name.as_deref().map_or_else(String::new, |name| format!(" as {}", line(name)));
            self.row(&format!("  of {}{name}", line(&workflow.id)));
        }
        if let Some(batch) = &job.batch {
            self.row(&format!("  of {}", line(batch)));
        }
        for JobParent { job, name, on, state } in &job.after {
            let name = if name.is_empty() { String::new() } else { format!(" {}", line(name)) };
            let on = if on == "succeeded" { String::new() } else { format!(" once it has {}", line(on)) };
            let state = state.as_deref().unwrap_or("deleted");
            self.row(&format!("  after {}{name}{on}: {}", line(job), line(state)));
        }
        if !job.tags.is_empty() {
            self.row(&format!("  tags {}", line(&job.tags.join(", "))));
        }
        // Of one that waits the sentence says it.
        if let Some(at) = job.expires_at.as_ref().filter(|_| job.waiting.is_none()) {
            self.row(&format!("  was to begin before {}", line(at)));
        }
        if let Some(until) = &job.kept_until {
            self.row(&format!("  kept until {}", line(until)));
        }
        if let Some(by) = &job.enqueued_by {
            self.row(&format!("  asked for by {}", line(by)));
        }
        if let Some(cause) = &job.caused_by {
            self.row(&format!("  made because {} failed", line(cause)));
        }
        if !job.on_failed_jobs.is_empty() {
            self.row(&format!("  its failure was followed by {}", line(&job.on_failed_jobs.join(", "))));
        }
    }

    fn timeline(&mut self, history: &[HistoryEntry]) {
        if history.is_empty() {
            return;
        }
        self.heading("History");
        let mut before: Option<&str> = None;
        for entry in history {
            let step = before.and_then(|before| between_us(before, &entry.at)).filter(|us| *us > 0);
            let step = step.map_or_else(String::new, |us| format!("+{}", micros(us)));
            let attempt = if entry.attempt > 0 { format!(" #{}", entry.attempt) } else { String::new() };
            let detail = entry.detail.as_deref().map_or_else(String::new, |detail| format!("  {}", line(detail)));
            let event = line(&entry.event).replace('_', " ");
            self.row(&format!("  {}  {step:>9}  {event}{attempt}{detail}", line(&entry.at)));
            before = Some(&entry.at);
        }
    }

    fn steps(&mut self, job: &Job) {
        if job.steps.is_empty() {
            return;
        }
        self.heading("Steps");
        for step in &job.steps {
            let again = if step.occurrence > 0 { format!(" ({})", step.occurrence + 1) } else { String::new() };
            let of = step.correlation.as_deref().filter(|of| !of.is_empty());
            let of = of.map_or_else(String::new, |of| format!(" of {}", line(of)));
            let what = match step.step_type.as_str() {
                "sleep" => "sleep ",
                "event" => "event ",
                _ => "",
            };
            let end = match (&step.ended_at, &step.until) {
                (Some(_), _) => since("  took", Some(&step.started_at), step.ended_at.as_deref()),
                (None, Some(until)) => format!("  until {}", line(until)),
                (None, None) => String::new(),
            };
            let result = step.result.as_ref().map(|result| result.get()).filter(|result| *result != "null");
            let result = result.map_or_else(String::new, |result| {
                let shown: String = result.chars().take(STEP_RESULT_CHARS_MAX).collect();
                let rest = if shown.len() < result.len() { " …" } else { "" };
                format!("  {}{rest}", json(&shown))
            });
            let (at, name) = (line(&step.started_at), line(&step.name));
            self.row(&format!("  {at}  {what}{name}{again}{of}{end}{result}"));
        }
    }

    fn mail(&mut self, job: &Job) {
        if job.mail.is_empty() {
            return;
        }
        self.heading("Mail");
        for mail in &job.mail {
            let error = behind(mail.error.as_deref());
            self.row(&format!("  {}  {}{error}", line(&mail.id), line(&mail.state)));
            for recipient in &mail.recipients {
                let answer = behind(recipient.answer.as_deref());
                self.row(&format!("    {}  {}{answer}", line(&recipient.address), line(&recipient.state)));
            }
        }
    }

    fn attempts(&mut self, attempts: &[Execution]) {
        if attempts.is_empty() {
            return;
        }
        self.heading("Attempts");
        for attempt in attempts {
            let why = attempt.error.as_ref().map(|error| line(&error.reason).into_owned());
            let outcome = match why.as_deref() {
                Some("cancelled") => "cancelled".to_owned(),
                Some(why) => format!("{} {why}", line(&attempt.outcome).replace('_', " ")),
                None => line(&attempt.outcome).replace('_', " "),
            };
            let took = since(", took", attempt.started_at.as_deref(), attempt.finished_at.as_deref());
            self.row(&format!("  #{} {outcome}{took}", attempt.attempt));
            if !attempt.denied.is_empty() {
                self.row(&format!("     was not granted {}", line(&attempt.denied.join(", "))));
            }
            if let Some(receipt) = &attempt.receipt {
                self.row(&format!("     {}", bill(receipt)));
            }
        }
    }

    fn error(&mut self, job: &Job) {
        let Some(error) = &job.error else { return };
        self.heading(if job.state == "failed" { "Error" } else { "Last error" });
        self.row(&format!("  {}: {}", line(&error.reason), line(&error.message)));
        for detail in error.detail.iter().flat_map(|detail| detail.lines()) {
            self.row(&format!("  │ {}", block(detail)));
        }
    }

    fn value(&mut self, name: &str, value: Option<&str>) {
        let Some(value) = value.filter(|value| *value != "null") else { return };
        let size = bytes(value.len() as u64);
        self.heading(&format!("{name} ({size})"));
        let shown: String = value.chars().take(VALUE_CHARS_MAX).collect();
        let rest = if shown.len() < value.len() { " … (--json shows all)" } else { "" };
        self.row(&format!("  {}{rest}", json(&shown)));
    }
}

/// A receipt on one line.
fn bill(receipt: &Receipt) -> String {
    format!(
        "waited {} · instantiated {} · ran {} · fuel {} · memory {} · output {} · host calls {}{}",
        micros(receipt.queue_wait_us),
        micros(receipt.instantiate_us),
        micros(receipt.run_us),
        count(receipt.fuel_used),
        bytes(receipt.memory_peak_bytes),
        bytes(receipt.output_bytes),
        receipt.host_calls,
        match receipt.compiled.as_str() {
            "disk" => " · module loaded from disk",
            "miss" => " · module compiled first",
            _ => "",
        },
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use serde::Deserialize;

    use super::*;

    const NOW: &str = "2026-11-21T09:01:00.000Z";

    #[derive(Deserialize)]
    struct Fixture {
        job: Job,
        #[serde(default)]
        attempts: Vec<Execution>,
        #[serde(default)]
        history: Vec<HistoryEntry>,
    }

    fn page(json: &str) -> String {
        let Fixture { job, attempts, history } = serde_json::from_str(json).unwrap();
        render(&View { job, attempts, history }, NOW, Colours::Off)
    }

    #[test]
    fn a_job_that_succeeded_the_second_time() {
        insta::assert_snapshot!(page(include_str!("fixtures/succeeded.json")));
    }

    #[test]
    fn a_job_that_failed() {
        let page = page(include_str!("fixtures/failed.json"));
        assert!(!page.contains('\u{1b}'), "{page:?}");
        insta::assert_snapshot!(page);
    }

    #[test]
    fn a_job_that_a_dying_host_gave_back() {
        insta::assert_snapshot!(page(include_str!("fixtures/recovered.json")));
    }

    #[test]
    fn a_job_that_goes_on_is_told_what_it_waits_for_and_not_how_to_mend_what_is_past() {
        for (state, waiting, expected) in [
            ("ready", r#""waiting":{"reason":"no_handler"},"#, Some("deploy a module that serves `greet`")),
            ("scheduled", r#""waiting":{"reason":"scheduled"},"#, Some("it starts by itself when it is due")),
            ("running", "", None),
        ] {
            let page = page(&format!(
                r#"{{"job":{{"id":"job_01","kind":"greet","state":"{state}",{waiting}"error":{{"reason":"trap","message":"m"}}}}}}"#
            ));
            assert_eq!(page.contains("what to do:"), expected.is_some(), "{page}");
            assert!(expected.is_none_or(|words| page.contains(words)) && !page.contains("stoker retry"), "{page}");
            assert!(page.contains("Last error"), "{page}");
        }
    }

    #[test]
    fn every_state_has_its_sentence() {
        let sentence_of = |json: &str| sentence(&serde_json::from_str::<Job>(json).unwrap(), NOW);
        for (json, expected) in [
            (r#"{"state":"ready","waiting":{"reason":"behind","detail":"12 jobs come first."}}"#, "12 jobs come first"),
            (r#"{"state":"ready","waiting":{"reason":"no_handler"}}"#, "no handler"),
            (r#"{"state":"blocked"}"#, "waits"),
            (
                r#"{"state":"scheduled","run_at":"2026-11-21T09:06:00Z","waiting":{"reason":"scheduled"}}"#,
                "scheduled; due in 5m",
            ),
            (
                r#"{"state":"retrying","attempt":2,"max_attempts":10,"run_at":"2026-11-21T09:01:10Z",
                    "waiting":{"reason":"retry_backoff"},"error":{"reason":"trap","message":"m"}}"#,
                "retry backoff (attempt 2 of 10 failed: trap); due in 10.00 s",
            ),
            (
                r#"{"state":"running","attempt":1,"max_attempts":10,"started_at":"2026-11-21T09:00:58.500Z",
                    "progress":{"done":3,"total":9,"message":"resizing"}}"#,
                "attempt 1 of 10, for 1.50 s; 3 of 9 done, resizing",
            ),
            (
                r#"{"state":"scheduled","run_at":"2026-11-21T09:06:00Z",
                    "waiting":{"reason":"scheduled","detail":"it is due at 09:06 (in 5m)"}}"#,
                "it is due at 09:06 (in 5m)",
            ),
            (r#"{"state":"cancelled","attempt":0,"max_attempts":3,"error":{"reason":"cancelled"}}"#, "before it ran"),
            (
                r#"{"state":"cancelled","attempt":1,"max_attempts":3,"error":{"reason":"deadline_expired"}}"#,
                "it had not begun in time",
            ),
            (
                r#"{"state":"cancelled","attempt":1,"max_attempts":3,"error":{"reason":"cancelled"}}"#,
                "in attempt 1 of 3",
            ),
        ] {
            assert_eq!(sentence_of(json), expected, "{json}");
        }
    }
}
