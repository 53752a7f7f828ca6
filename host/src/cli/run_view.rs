//! One execution as a person reads it: the lines of its log, one sentence on how it ended, what would help, what a host would
//! do next, what it cost.

use std::path::Path;

use super::jobs::tone;
use super::limited::Limited;
use super::quantities::{bytes, count, micros};
use super::terminal::{Colours, Tone, line};
use crate::job::{CompiledFrom, FailureReason, GuestType, JobState, LogLevel, Span};
use crate::trial::{GivenUp, Report, ReportedFailure};

/// All of it but the output and the first `told` lines of the log. `file`: where limits were read from.
pub(super) fn render(report: &Report, told: usize, file: Option<&Path>, colours: Colours) -> String {
    let mut rows: Vec<String> =
        report.logs.iter().skip(told).map(|logged| log_row(logged.level, &logged.message, colours)).collect();
    if report.logs_dropped > 0 {
        rows.push(format!("… {} more lines were dropped at the log limit (`logs`)", report.logs_dropped));
    }
    rows.push(ended(report, colours));
    if let Some(error) = &report.error {
        rows.extend(
            error.detail.iter().flat_map(|detail| detail.lines()).map(|detail| format!("  │ {}", line(detail))),
        );
        rows.extend(advice(error, report).map(|advice| format!("  {advice}")));
    }
    if !report.denied.is_empty() {
        rows.push(format!("  was not granted {}; --grant gives it here", line(&report.denied.join(", "))));
    }
    rows.extend(report.effects.iter().map(|effect| format!("  a host would now {}", line(&effect.shown()))));
    rows.extend(follows(report).map(|follows| format!("  {follows}")));
    rows.extend(progress(report).map(|progress| format!("  {progress}")));
    let read = file.map_or_else(String::new, |file| format!(" · limits of {}", line(&file.display().to_string())));
    rows.push(format!("  {}", colours.paint(Tone::Faint, &format!("{}{read}", bill(report)))));
    rows.join("\n")
}

/// A line of the log.
pub(super) fn log_row(level: LogLevel, message: &str, colours: Colours) -> String {
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
fn advice(error: &ReportedFailure, report: &Report) -> Option<String> {
    let limit = match error.reason {
        FailureReason::HandlerError | FailureReason::Trap
            if super::advice::is_closed_door(&error.message, error.detail.as_deref()) =>
        {
            return Some(super::advice::CLOSED.to_owned());
        }
        FailureReason::FuelExhausted => Limited::Fuel,
        FailureReason::Timeout => Limited::Timeout,
        FailureReason::MemoryExceeded => Limited::Memory,
        FailureReason::OutputTooLarge => Limited::Output,
        FailureReason::HostCallsExceeded => Limited::HostCalls,
        FailureReason::CapabilityDenied => {
            let what = "a host grants it by `stoker kinds KIND --set 'grants={…}'`; --grant does so here, for one run";
            return Some(what.to_owned());
        }
        _ => return None,
    };
    Some(limit.run_advice(&report.limits, &report.ceilings))
}

/// What a host would do next.
fn follows(report: &Report) -> Option<String> {
    let (attempt, max) = (report.attempt, report.max_attempts);
    let delay = report.delay_ms.map(|ms| Span::from_ms(ms).to_string()).unwrap_or_default();
    match report.state {
        JobState::Retrying => Some(format!("a host would try again in {delay}: attempt {} of {max}", attempt + 1)),
        JobState::Scheduled => Some(format!("a host would run it again in {delay}; no attempt is used")),
        JobState::Ready => Some("a host would run it again; no attempt is used".to_owned()),
        JobState::Failed => report.given_up.as_ref().map(|why| gives_up(why, report)),
        _ => None,
    }
}

fn gives_up(why: &GivenUp, report: &Report) -> String {
    let (attempt, max) = (report.attempt, report.max_attempts);
    let reason = report.error.as_ref().map_or("the reason", |error| error.reason.as_str());
    let why = match why {
        GivenUp::AttemptsUsed => return format!("a host would give up: it was attempt {attempt} of {max}"),
        GivenUp::Fatal if report.module.guest == GuestType::Handler => "the handler says that it is fatal".to_owned(),
        GivenUp::Fatal if report.module.guest == GuestType::CoreCommand => {
            "its exit code says that it is fatal (65; with `exit_failure = \"fatal\"` any but 0 and 75)".to_owned()
        }
        GivenUp::Fatal => "`exit_failure = \"fatal\"` says that it is fatal".to_owned(),
        GivenUp::NotByDefault => format!("`{reason}` is tried again only where `retry_on` names it"),
        GivenUp::NotAmong(reasons) if reasons.is_empty() => "its `retry_on` names nothing to try again".to_owned(),
        GivenUp::NotAmong(reasons) => {
            let named: Vec<&str> = reasons.iter().map(|reason| reason.as_str()).collect();
            format!("its `retry_on` names {}, and not `{reason}`", named.join(", "))
        }
    };
    format!("a host would give up at once, after attempt {attempt} of {max}: {why}")
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
