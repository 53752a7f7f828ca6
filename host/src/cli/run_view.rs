//! The end of one execution as a person reads it: the log, one sentence on how it ended, what would help, what a host
//! would do next, what it cost.

use super::jobs::tone;
use super::quantities::{bytes, count, micros};
use super::terminal::{Colours, Tone, line};
use crate::job::{ByteSize, CompiledFrom, FailureReason, JobState, LogLevel, Span};
use crate::trial::Report;

/// All of it, without the output.
pub(super) fn render(report: &Report, colours: Colours) -> String {
    let mut rows: Vec<String> =
        report.logs.iter().map(|logged| log_row(logged.level, &logged.message, colours)).collect();
    if report.logs_dropped > 0 {
        rows.push(format!("… {} more lines were dropped at the log limit (`logs`)", report.logs_dropped));
    }
    rows.push(ended(report, colours));
    if let Some(error) = &report.error {
        rows.extend(
            error.detail.iter().flat_map(|detail| detail.lines()).map(|detail| format!("  │ {}", line(detail))),
        );
        rows.extend(advice(error.reason, report).map(|advice| format!("  {advice}")));
    }
    rows.extend(follows(report).map(|follows| format!("  {follows}")));
    rows.extend(progress(report).map(|progress| format!("  {progress}")));
    rows.push(format!("  {}", colours.paint(Tone::Faint, &bill(report))));
    rows.join("\n")
}

fn log_row(level: LogLevel, message: &str, colours: Colours) -> String {
    let (name, tone) = match level {
        LogLevel::Trace => ("trace", Tone::Faint),
        LogLevel::Debug => ("debug", Tone::Faint),
        LogLevel::Info => ("info", Tone::Strong),
        LogLevel::Warn => ("warn", Tone::Notable),
        LogLevel::Error => ("error", Tone::Bad),
        LogLevel::Stdout => ("stdout", Tone::Strong),
        LogLevel::Stderr => ("stderr", Tone::Bad),
    };
    format!("{} {}", colours.paint(tone, &format!("{name:<6}")), line(message))
}

fn ended(report: &Report, colours: Colours) -> String {
    let word = match report.state {
        JobState::Retrying => "failed, to be tried again",
        JobState::Scheduled => "asked to be run again later",
        other => other.as_str(),
    };
    let word = colours.paint(tone(report.state.as_str()).unwrap_or(Tone::Strong), word);
    let kind = colours.paint(Tone::Strong, report.kind.as_str());
    let why = report.error.as_ref().map_or_else(
        || format!(" in {}", micros(report.receipt.run_us)),
        |error| format!(": {}: {}", error.reason, line(&error.message)),
    );
    format!("{kind} {word}{why}")
}

/// What to try here, beside what the message says.
fn advice(reason: FailureReason, report: &Report) -> Option<String> {
    let limits = &report.limits;
    Some(match reason {
        FailureReason::FuelExhausted => format!("to see how much it takes: --fuel {}", limits.fuel.saturating_mul(10)),
        FailureReason::Timeout => {
            format!("to see how long it takes: --timeout {}", Span(limits.timeout.saturating_mul(10)))
        }
        FailureReason::MemoryExceeded => {
            format!("to see how much it takes: --memory {}", ByteSize(limits.memory_bytes.saturating_mul(4)))
        }
        FailureReason::OutputTooLarge => {
            let output = ByteSize(limits.output_bytes.saturating_mul(4));
            format!("to let it pass here: --settings '{{\"output\":\"{output}\"}}'")
        }
        FailureReason::HostCallsExceeded => {
            format!("to let it pass here: --settings '{{\"host_calls\":{}}}'", limits.host_calls.saturating_mul(10))
        }
        FailureReason::CapabilityDenied => {
            "a job has no files, no network and no environment but what its payload and settings bring".to_owned()
        }
        _ => return None,
    })
}

/// What a host would do next.
fn follows(report: &Report) -> Option<String> {
    let (attempt, max) = (report.attempt, report.max_attempts);
    let delay = report.delay_ms.map(|ms| Span::from_ms(ms).to_string()).unwrap_or_default();
    match report.state {
        JobState::Retrying => Some(format!("a host would try again in {delay}: attempt {} of {max}", attempt + 1)),
        JobState::Scheduled => Some(format!("a host would run it again in {delay}; no attempt is used")),
        JobState::Failed if attempt >= max => Some(format!("a host would give up: it was attempt {attempt} of {max}")),
        JobState::Failed => Some(format!(
            "a host would give up at once, after attempt {attempt} of {max}: this is not tried again unless `retry_on` says so"
        )),
        _ => None,
    }
}

fn progress(report: &Report) -> Option<String> {
    let progress = report.progress.as_ref()?;
    let total = progress.total.map_or_else(String::new, |total| format!(" of {total}"));
    let message = progress.message.as_ref().map_or_else(String::new, |message| format!(", {}", line(message)));
    Some(format!("last progress: {}{total} done{message}", progress.done))
}

/// What it cost, of what it was allowed.
fn bill(report: &Report) -> String {
    let (receipt, limits) = (&report.receipt, &report.limits);
    format!(
        "instantiated {} · ran {} of {} · fuel {} of {} · memory {} of {} · output {} · host calls {}{}",
        micros(receipt.instantiate_us),
        micros(receipt.run_us),
        Span(limits.timeout),
        count(receipt.fuel_used),
        count(limits.fuel),
        bytes(receipt.memory_peak_bytes),
        bytes(limits.memory_bytes),
        bytes(receipt.output_bytes),
        receipt.host_calls,
        if receipt.compiled == CompiledFrom::Miss { " · module compiled first" } else { "" },
    )
}
