//! What the end of a call means: from traps, exits and limits to an outcome with its reason. Pure.
//!
//! Every message tells the author of the guest what happened and what to change.

use std::time::Duration;

use wasmtime::{Trap, WasmBacktrace};
use wasmtime_wasi::I32Exit;

use super::backtrace;
use super::bindings::stoker::handler::types as wit;
use super::capabilities::sockets::CAPABILITY as SOCKETS;
use super::engine::TABLE_ELEMENTS_MAX;
use super::limiter::Refused;
use super::state::Ended;
use crate::job::duration::DURATION_MS_MAX;
use crate::job::grants::setting_of_capability;
use crate::job::{
    ByteSize, ExitFailure, Failure, FailureReason, HandlerVerdict, Limits, Outcome, Span, Suspension, cut,
};

/// Of a failure's one sentence.
const MESSAGE_BYTES_MAX: usize = 4 << 10;
/// Of a failure's longer text.
const DETAIL_BYTES_MAX: usize = 32 << 10;
/// Denied capabilities named in the sentence; the detail has all that were noted.
const DENIED_NAMED_MAX: usize = 3;
/// Exit codes with a meaning of their own, as in sysexits.h.
const EXIT_RETRY: i32 = 75;
const EXIT_FATAL: i32 = 65;
/// What its author can do about a `describe` that meets a limit.
const DESCRIBE_LESS: &str = "do no more in `describe` than name the kinds and their schemas";

/// Whose limits they are, and so what can be done about one that was met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LimitsOf {
    /// Settings say them: the job's, its kind's, the host's.
    Job,
    /// Fixed, but for the memory: that is the most the host gives to anybody.
    Describe,
}

/// What is known about a guest that has ended.
#[derive(Debug)]
pub(super) struct Facts<'a> {
    pub(super) limits: &'a Limits,
    pub(super) limits_of: LimitsOf,
    /// It asked for more memory than it may have.
    pub(super) memory_refused: Option<Refused>,
    /// The end of what it wrote to standard error.
    pub(super) stderr_tail: &'a str,
    pub(super) exit_failure: ExitFailure,
}

/// A guest that ended from within, by anything but returning.
pub(super) fn stopped(error: &wasmtime::Error, facts: &Facts<'_>) -> Stopped {
    if let Some(ended) = error.downcast_ref::<Ended>() {
        return Stopped::Failed(with_detail(ended_by_host(*ended, facts), Some(error), facts));
    }
    if let Some(I32Exit(code)) = error.downcast_ref::<I32Exit>() {
        return Stopped::Exited(*code);
    }
    let failure = match error.downcast_ref::<Trap>() {
        Some(Trap::OutOfFuel) => fuel_exhausted(facts),
        Some(Trap::StackOverflow) => Failure::new(
            FailureReason::StackOverflow,
            "ran out of stack; look for recursion without end, or make it less deep",
        ),
        _ if handed_over_too_much(error) => too_much_handed_over(error, facts),
        trap => {
            if let Some(refused) = facts.memory_refused {
                memory_exceeded(refused, facts)
            } else {
                let cause = trap.map_or_else(|| root_cause(error), ToString::to_string);
                Failure::new(FailureReason::Trap, trapped(&cause, error.is::<WasmBacktrace>(), facts.stderr_tail))
            }
        }
    };
    Stopped::Failed(with_detail(failure, Some(error), facts))
}

/// What a trap was, in a sentence: in the guest's own words where it said why it gave up.
fn trapped(cause: &str, has_backtrace: bool, stderr_tail: &str) -> String {
    if let Some(words) = words_of_panic(stderr_tail) {
        return words;
    }
    let mut message = format!("trapped ({})", cause.trim_start_matches("wasm trap: "));
    if has_backtrace {
        message.push_str("; the backtrace names the function");
    }
    if let Some(line) = last_line(stderr_tail) {
        message.push_str("; the last line on standard error: ");
        message.push_str(line);
    }
    message
}

/// What a stop was.
#[derive(Debug)]
pub(super) enum Stopped {
    Failed(Failure),
    Exited(i32),
}

/// A guest that was dropped while it waited in a host call.
pub(super) fn dropped(ended: Ended, facts: &Facts<'_>) -> Failure {
    with_detail(ended_by_host(ended, facts), None, facts)
}

/// A plain command's exit code; 0 is success and never comes here.
pub(super) fn exited(code: Option<i32>, facts: &Facts<'_>) -> Failure {
    // Who asked for too much, was refused and went on to say what is to follow has coped with it.
    let is_said = matches!(code, Some(EXIT_RETRY | EXIT_FATAL));
    if let Some(refused) = facts.memory_refused.filter(|_| !is_said) {
        return with_detail(memory_exceeded(refused, facts), None, facts);
    }
    let what = code.map_or_else(|| "reported failure".to_owned(), |code| format!("exited with code {code}"));
    let message = match last_line(facts.stderr_tail) {
        Some(line) => format!("{what}: {line}"),
        None => format!("{what} and wrote nothing to standard error"),
    };
    let failure = Failure::new(FailureReason::HandlerError, message);
    let failure = match (code, facts.exit_failure) {
        (Some(EXIT_RETRY), _) => failure.with_verdict(HandlerVerdict::Retry { after: None }),
        (Some(EXIT_FATAL), _) | (_, ExitFailure::Fatal) => failure.with_verdict(HandlerVerdict::Fatal),
        // By the kind's policy and `retry_on`.
        (_, ExitFailure::Retry) => failure,
    };
    with_detail(failure, None, facts)
}

/// A handler that called `exit` instead of returning.
pub(super) fn handler_exited(code: i32, facts: &Facts<'_>) -> Failure {
    let failure = match facts.memory_refused {
        Some(refused) => memory_exceeded(refused, facts),
        None => Failure::new(
            FailureReason::Trap,
            // The number that was given does not arrive: WASI 0.2 tells success from failure, no more.
            format!(
                "called `exit` with {}; a handler returns its output or a failure instead",
                if code == 0 { "success" } else { "a failure" }
            ),
        ),
    };
    with_detail(failure, None, facts)
}

/// What a handler returned instead of an output.
pub(super) fn handler_failed(failure: wit::Failure, facts: &Facts<'_>) -> Outcome {
    let said = |message: String| {
        let message = if message.trim().is_empty() { "the handler gave no message".to_owned() } else { message };
        Failure::new(FailureReason::HandlerError, message)
    };
    let failure = match failure {
        wit::Failure::Snooze(ms) => {
            let resume_after = Duration::from_millis(ms.min(DURATION_MS_MAX));
            return Outcome::Suspended(Suspension::Snooze { resume_after });
        }
        wit::Failure::Retry(wit::Retry { message, after_ms }) => {
            let after = after_ms.map(Duration::from_millis);
            said(message).with_verdict(HandlerVerdict::Retry { after })
        }
        wit::Failure::Fatal(message) => said(message).with_verdict(HandlerVerdict::Fatal),
    };
    Outcome::Failed(with_detail(failure, None, facts))
}

/// Who was refused something, by these names, and then fails, fails for that: so it is told and decided. What a handler said
/// about trying again was about another cause; only that it is pointless remains true.
pub(super) fn after_denials(failure: Failure, denied: &[String]) -> Failure {
    if denied.is_empty() || !matches!(failure.reason, FailureReason::HandlerError | FailureReason::Trap) {
        return failure;
    }
    let named = denied.iter().take(DENIED_NAMED_MAX).cloned().collect::<Vec<_>>().join(", ");
    let more = denied.len().checked_sub(DENIED_NAMED_MAX).filter(|more| *more > 0);
    let more = more.map(|more| format!(" and {more} more")).unwrap_or_default();
    let mut settings: Vec<String> = Vec::new();
    for setting in denied.iter().filter_map(|name| setting_of_capability(name)).map(|setting| format!("`{setting}`")) {
        if !settings.contains(&setting) {
            settings.push(setting);
        }
    }
    let advice = if denied.iter().all(|name| name == SOCKETS) {
        "there are none for a job: make requests by HTTP, to hosts its kind is granted".to_owned()
    } else if settings.is_empty() {
        "grant it in the kind's settings, or do without".to_owned()
    } else {
        format!("grant it in the kind's settings ({}), or do without", settings.join(", "))
    };
    let message =
        format!("used what its kind is not granted: {named}{more}; {advice}. It ended with: {}", failure.message);
    let mut detail = format!("not granted: {}", denied.join(", "));
    if let Some(known) = failure.detail {
        detail.push_str("\n\n");
        detail.push_str(&known);
    }
    Failure {
        reason: FailureReason::CapabilityDenied,
        message: cut(message, MESSAGE_BYTES_MAX),
        detail: Some(cut(detail, DETAIL_BYTES_MAX)),
        verdict: failure.verdict.filter(|verdict| *verdict == HandlerVerdict::Fatal),
    }
}

/// More output than allowed.
pub(super) fn output_too_large(limits: &Limits) -> Failure {
    Failure::new(
        FailureReason::OutputTooLarge,
        format!(
            "the output is larger than {} bytes; return less, or raise `output` in the kind's settings",
            limits.output_bytes
        ),
    )
}

/// How wasmtime says that a guest handed over more than its store allows. It has no type of its own; a test with a
/// real guest keeps the words.
const HANDOVER_WORDS: &str = "fuel allocated for hostcalls has been exhausted";

fn handed_over_too_much(error: &wasmtime::Error) -> bool {
    root_cause(error).contains(HANDOVER_WORDS)
}

/// A backtrace means that the guest was still running, in a call into the host; without one it had returned.
fn too_much_handed_over(error: &wasmtime::Error, facts: &Facts<'_>) -> Failure {
    if error.is::<WasmBacktrace>() {
        return Failure::new(
            FailureReason::Trap,
            "handed too much data to the host in one call; log and report in smaller pieces",
        );
    }
    too_large(facts)
}

fn too_large(facts: &Facts<'_>) -> Failure {
    match facts.limits_of {
        LimitsOf::Job => output_too_large(facts.limits),
        LimitsOf::Describe => Failure::new(
            FailureReason::OutputTooLarge,
            format!(
                "returned a description larger than the {} bytes it may have; serve fewer kinds, or make their schemas smaller",
                facts.limits.output_bytes
            ),
        ),
    }
}

fn fuel_exhausted(facts: &Facts<'_>) -> Failure {
    let fuel = facts.limits.fuel;
    let message = match facts.limits_of {
        LimitsOf::Job => format!(
            "used up its fuel of {fuel} units; do less in one job, or raise `fuel` of the job or in its kind's settings"
        ),
        LimitsOf::Describe => format!("used up its fuel of {fuel} units, which is fixed; {DESCRIBE_LESS}"),
    };
    Failure::new(FailureReason::FuelExhausted, message)
}

fn memory_exceeded(refused: Refused, facts: &Facts<'_>) -> Failure {
    let memory = ByteSize(facts.limits.memory_bytes);
    let message = match (refused, facts.limits_of) {
        (Refused::Memory, LimitsOf::Job) => format!(
            "needed more than {memory} of memory; use less, or raise `memory` of the job or in its kind's settings"
        ),
        (Refused::Memory, LimitsOf::Describe) => format!(
            "needed more than {memory} of memory, the most this host gives (its `memory_max`); use less to begin with"
        ),
        (Refused::TableElements, _) => format!(
            "needed a table of more than {TABLE_ELEMENTS_MAX} elements, which is the most there may be in one; keep less in tables"
        ),
    };
    Failure::new(FailureReason::MemoryExceeded, message)
}

fn ended_by_host(ended: Ended, facts: &Facts<'_>) -> Failure {
    let Facts { limits, limits_of, .. } = facts;
    match ended {
        Ended::TimedOut => {
            let timeout = Span(limits.timeout);
            let message = match limits_of {
                LimitsOf::Job => format!(
                    "did not end within {timeout}; do less in one job, or raise `timeout` of the job or in its kind's settings"
                ),
                LimitsOf::Describe => format!("did not end within {timeout}, which is fixed; {DESCRIBE_LESS}"),
            };
            Failure::new(FailureReason::Timeout, message)
        }
        Ended::Interrupted(reason) => Failure::new(
            reason,
            match reason {
                FailureReason::Cancelled => "the job was cancelled while it ran".to_owned(),
                FailureReason::Shutdown => "the host was stopping; the job will run again".to_owned(),
                FailureReason::HostLost => "the host lost its claim on the job; another attempt decides".to_owned(),
                other => format!("the execution was ended: {other}"),
            },
        ),
        Ended::HostCalls => {
            let calls = limits.host_calls;
            let message = match limits_of {
                LimitsOf::Job => format!(
                    "made more than {calls} calls into the host; make fewer, or raise `host_calls` in the kind's settings"
                ),
                LimitsOf::Describe => {
                    format!("made more than {calls} calls into the host, which is fixed; {DESCRIBE_LESS}")
                }
            };
            Failure::new(FailureReason::HostCallsExceeded, message)
        }
        Ended::OutputTooLarge => too_large(facts),
        // A handler that waits is told from one that fails before this is asked.
        Ended::Suspended => Failure::new(FailureReason::HandlerError, "it waits where nothing can be waited for"),
    }
}

fn with_detail(mut failure: Failure, error: Option<&wasmtime::Error>, facts: &Facts<'_>) -> Failure {
    let mut detail = String::new();
    if let Some(error) = error {
        detail.push_str(&root_cause(error));
        if let Some(backtrace) = error.downcast_ref::<WasmBacktrace>() {
            detail.push('\n');
            detail.push_str(&backtrace::told(backtrace));
        }
    }
    let stderr = facts.stderr_tail.trim_end();
    if !stderr.is_empty() {
        if !detail.is_empty() {
            detail.push_str("\n\n");
        }
        detail.push_str("end of standard error:\n");
        detail.push_str(stderr);
    }
    failure.message = cut(failure.message, MESSAGE_BYTES_MAX);
    if failure.detail.is_none() && !detail.is_empty() {
        failure.detail = Some(cut(detail, DETAIL_BYTES_MAX));
    }
    failure
}

fn root_cause(error: &wasmtime::Error) -> String {
    error.root_cause().to_string()
}

fn last_line(text: &str) -> Option<&str> {
    text.lines().map(str::trim).rfind(|line| !line.is_empty())
}

/// How the lines begin in which languages and their libraries say why they give up: Go, C and C++, AssemblyScript,
/// JavaScript, Zig.
const PANIC_BEGINNINGS: [&str; 8] =
    ["panic:", "fatal error:", "Uncaught", "abort", "Abort", "Assertion failed", "terminate called", "libc++abi"];
/// Where a line with none of those beginnings says so.
const PANIC_WORDS: [&str; 3] = ["assertion failed", "Assertion `", "AssertionError"];
/// Of the message of a Rust panic; `assert_eq!` has three.
const PANIC_LINES_MAX: usize = 4;
/// How Python begins the trace of an exception, which is told in its last line.
const PYTHON_TRACE: &str = "Traceback (most recent call last)";

/// What Rust said, of which `lines` are the end: `thread '…' panicked at src/lib.rs:1:2:`, the message, a note. The thread
/// is left out: there is but one.
fn words_of_rust(lines: &[&str]) -> String {
    let (first, rest) = lines.split_first().map_or(("", lines), |(first, rest)| (*first, rest));
    let mut words = first.find("panicked at").map_or(first, |at| first.split_at(at).1).to_owned();
    for line in rest.iter().take(PANIC_LINES_MAX).take_while(|line| !line.starts_with("note:")) {
        words.push(' ');
        words.push_str(line);
    }
    words
}

/// What a panic or an uncaught exception said, as the languages write it: Rust's place and message on two lines,
/// Python's in the line that ends its trace, others' in one line. Nothing, if it is a log line like any other.
fn words_of_panic(stderr: &str) -> Option<String> {
    let lines: Vec<&str> = stderr.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    if let Some(place) = lines.iter().rposition(|line| line.contains("panicked at")) {
        return Some(words_of_rust(&lines[place..]));
    }
    let is_panic = |line: &&&str| {
        let is_zigs = line.starts_with("thread ") && line.contains(" panic: ");
        is_zigs
            || PANIC_BEGINNINGS.iter().any(|beginning| line.starts_with(beginning))
            || PANIC_WORDS.iter().any(|words| line.contains(words))
    };
    if let Some(panic) = lines.iter().rev().find(is_panic) {
        return Some((*panic).to_owned());
    }
    let trace = stderr.rfind(PYTHON_TRACE)?;
    // The trace itself is indented; the exception is not.
    let told = stderr.get(trace..)?.lines().skip(1).find(|line| !line.trim().is_empty() && !line.starts_with(' '));
    told.map(|line| line.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts<'a>(limits: &'a Limits, stderr_tail: &'a str) -> Facts<'a> {
        Facts { limits, limits_of: LimitsOf::Job, memory_refused: None, stderr_tail, exit_failure: ExitFailure::Retry }
    }

    fn reason(error: &wasmtime::Error, facts: &Facts<'_>) -> FailureReason {
        match stopped(error, facts) {
            Stopped::Failed(failure) => failure.reason,
            Stopped::Exited(code) => panic!("exited {code}"),
        }
    }

    #[test]
    fn each_limit_has_its_own_reason() {
        let limits = Limits::default();
        let calm = facts(&limits, "");
        let refused = Facts { memory_refused: Some(Refused::Memory), ..facts(&limits, "") };
        for (error, facts, expected) in [
            (Trap::OutOfFuel.into(), &refused, FailureReason::FuelExhausted),
            (Trap::StackOverflow.into(), &refused, FailureReason::StackOverflow),
            (Trap::UnreachableCodeReached.into(), &refused, FailureReason::MemoryExceeded),
            (Trap::UnreachableCodeReached.into(), &calm, FailureReason::Trap),
            (Trap::MemoryOutOfBounds.into(), &calm, FailureReason::Trap),
            (wasmtime::Error::msg("something else"), &calm, FailureReason::Trap),
            (Ended::TimedOut.into(), &refused, FailureReason::Timeout),
            (Ended::HostCalls.into(), &calm, FailureReason::HostCallsExceeded),
            (Ended::OutputTooLarge.into(), &calm, FailureReason::OutputTooLarge),
            (Ended::Interrupted(FailureReason::Cancelled).into(), &calm, FailureReason::Cancelled),
            (Ended::Interrupted(FailureReason::Shutdown).into(), &calm, FailureReason::Shutdown),
        ] {
            let error: wasmtime::Error = error;
            assert_eq!(reason(&error, facts), expected);
        }
    }

    #[test]
    fn who_was_refused_something_and_fails_fails_for_that() {
        let denied = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<String>>();
        let said = Failure::new(FailureReason::HandlerError, "no answer").with_detail("where");
        let retries = said.clone().with_verdict(HandlerVerdict::Retry { after: None });
        let fatal = said.clone().with_verdict(HandlerVerdict::Fatal);
        assert_eq!(after_denials(retries.clone(), &[]), retries);
        let one = denied(&["http a.example:443"]);
        for (failure, verdict) in [(said, None), (retries, None), (fatal, Some(HandlerVerdict::Fatal))] {
            let failure = after_denials(failure, &one);
            assert_eq!((failure.reason, failure.verdict), (FailureReason::CapabilityDenied, verdict));
            assert!(failure.message.contains("http a.example:443") && failure.message.ends_with("no answer"));
            assert_eq!(failure.detail.as_deref(), Some("not granted: http a.example:443\n\nwhere"));
        }
        let sockets = after_denials(Failure::new(FailureReason::Trap, "x"), &denied(&["sockets"]));
        assert!(sockets.message.contains("there are none"), "{}", sockets.message);
        let mail = after_denials(
            Failure::new(FailureReason::HandlerError, "x"),
            &denied(&["mail ceo@shop.example", "mail cfo@shop.example", "notify", "sockets"]),
        );
        let named = "mail ceo@shop.example, mail cfo@shop.example, notify and 1 more; grant it in the kind's settings \
                     (`grants.mail`, `grants.notify`), or do without";
        assert!(mail.message.contains(named), "{}", mail.message);
        let many = denied(&["kv a", "kv b", "kv c", "kv d", "kv e"]);
        let trapped = after_denials(Failure::new(FailureReason::Trap, "x"), &many);
        assert!(trapped.message.contains("kv a, kv b, kv c and 2 more;"), "{}", trapped.message);
        for limit in [FailureReason::Timeout, FailureReason::FuelExhausted, FailureReason::InvalidOutput] {
            assert_eq!(after_denials(Failure::new(limit, "x"), &one).reason, limit);
        }
    }

    #[test]
    fn exit_codes() {
        let limits = Limits::default();
        let fatal = Facts { exit_failure: ExitFailure::Fatal, ..facts(&limits, "oh\nno\n") };
        let retry = facts(&limits, "oh\nno\n");
        let again = Some(HandlerVerdict::Retry { after: None });
        for (code, facts, verdict) in [
            (Some(75), &fatal, again),
            (Some(65), &retry, Some(HandlerVerdict::Fatal)),
            (Some(1), &retry, None),
            (Some(1), &fatal, Some(HandlerVerdict::Fatal)),
            (None, &retry, None),
        ] {
            let failure = exited(code, facts);
            assert_eq!((failure.reason, failure.verdict), (FailureReason::HandlerError, verdict), "{code:?}");
            assert!(failure.message.ends_with(": no"), "{}", failure.message);
        }
        let refused = Facts { memory_refused: Some(Refused::Memory), ..facts(&limits, "oh\nno\n") };
        for (code, reason) in [
            (Some(75), FailureReason::HandlerError),
            (Some(65), FailureReason::HandlerError),
            (Some(1), FailureReason::MemoryExceeded),
            (None, FailureReason::MemoryExceeded),
        ] {
            assert_eq!(exited(code, &refused).reason, reason, "{code:?}");
        }
    }

    #[test]
    fn a_handler_that_exits_is_told_no_number() {
        let limits = Limits::default();
        for (code, said) in [(0, "`exit` with success;"), (1, "`exit` with a failure;")] {
            let failure = handler_exited(code, &facts(&limits, ""));
            assert_eq!(failure.reason, FailureReason::Trap);
            assert!(failure.message.contains(said) && !failure.message.contains(&code.to_string()), "{failure:?}");
        }
    }

    #[test]
    fn a_panic_is_quoted() {
        let rust =
            "thread 'main' panicked at src/lib.rs:3:5:\nindex out of bounds\nnote: run with `RUST_BACKTRACE=1`\n";
        let said = |stderr| words_of_panic(stderr);
        assert_eq!(said(rust).as_deref(), Some("panicked at src/lib.rs:3:5: index out of bounds"));
        let compared = "x\n\nthread '<unnamed>' (1) panicked at a.rs:1:2:\nassertion `left == right` failed\n  left: 1\n right: 2\nnote: run\n";
        assert_eq!(
            said(compared).as_deref(),
            Some("panicked at a.rs:1:2: assertion `left == right` failed left: 1 right: 2")
        );
        for (stderr, words) in [
            ("x\npanic: boom\n\ngoroutine 1 [running]:\n", "panic: boom"),
            ("Traceback (most recent call last):\n  File \"a\", line 1\n    x\nValueError: bad\n", "ValueError: bad"),
            ("Uncaught Error: no\n    at a.js:1\n", "Uncaught Error: no"),
            ("Assertion failed: x > 0 (a.c: main: 3)\n", "Assertion failed: x > 0 (a.c: main: 3)"),
            ("abort: why in a.ts(1:2)\n", "abort: why in a.ts(1:2)"),
            ("thread 1 panic: reached unreachable code\n???: 0x1\n", "thread 1 panic: reached unreachable code"),
        ] {
            assert_eq!(said(stderr).as_deref(), Some(words));
        }
    }

    #[test]
    fn a_log_line_is_no_cause() {
        for (stderr, backtrace, message) in [
            (
                "args=2 x\n",
                true,
                "trapped (a); the backtrace names the function; the last line on standard error: args=2 x",
            ),
            ("to stderr\n", false, "trapped (a); the last line on standard error: to stderr"),
            (" \n", true, "trapped (a); the backtrace names the function"),
            ("", false, "trapped (a)"),
        ] {
            assert_eq!(trapped("wasm trap: a", backtrace, stderr), message);
        }
    }

    /// Nobody can raise them: what helps is another `describe`.
    #[test]
    fn limits_of_describe_come_with_other_advice() {
        let limits = Limits::default();
        let facts = Facts { limits_of: LimitsOf::Describe, ..facts(&limits, "") };
        let stopped = |error: wasmtime::Error| match stopped(&error, &facts) {
            Stopped::Failed(failure) => failure.message,
            Stopped::Exited(code) => panic!("exited {code}"),
        };
        for message in [
            stopped(Trap::OutOfFuel.into()),
            stopped(Ended::TimedOut.into()),
            stopped(Ended::HostCalls.into()),
            stopped(Ended::OutputTooLarge.into()),
            memory_exceeded(Refused::Memory, &facts).message,
        ] {
            assert!(!message.contains("job") && !message.contains("settings"), "{message}");
        }
    }

    /// What can be set on a job, too, is not the kind's alone.
    #[test]
    fn the_place_to_raise_a_limit_is_told() {
        let limits = Limits::default();
        let facts = facts(&limits, "");
        let message = |error: wasmtime::Error| match stopped(&error, &facts) {
            Stopped::Failed(failure) => failure.message,
            Stopped::Exited(code) => panic!("exited {code}"),
        };
        for (message, limit) in [
            (message(Trap::OutOfFuel.into()), "fuel"),
            (message(Ended::TimedOut.into()), "timeout"),
            (memory_exceeded(Refused::Memory, &facts).message, "memory"),
        ] {
            assert!(message.contains(&format!("raise `{limit}` of the job or in its kind's settings")), "{message}");
        }
        for (message, limit) in
            [(message(Ended::HostCalls.into()), "host_calls"), (message(Ended::OutputTooLarge.into()), "output")]
        {
            assert!(message.contains(&format!("raise `{limit}` in the kind's settings")), "{message}");
        }
    }

    #[test]
    fn what_a_handler_returns() {
        let limits = Limits::default();
        let facts = facts(&limits, "");
        let snoozed = handler_failed(wit::Failure::Snooze(1_500), &facts);
        let resume_after = Duration::from_millis(1_500);
        assert_eq!(snoozed, Outcome::Suspended(Suspension::Snooze { resume_after }));
        let Outcome::Failed(failure) = handler_failed(wit::Failure::Fatal(String::new()), &facts) else { panic!() };
        assert_eq!(failure.verdict, Some(HandlerVerdict::Fatal));
        assert!(!failure.message.is_empty());
    }
}
