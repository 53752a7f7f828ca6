//! What an attempt ended in. Whatever a guest does is an outcome, a value; only host faults are errors.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::clock::Timestamp;
use super::step::Step;

/// How one execution ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// The handler returned an output: JSON text, valid against the kind's output schema.
    Succeeded {
        /// JSON text.
        output: Bytes,
    },
    /// Anything else the guest or the host ended it with.
    Failed(Failure),
    /// The handler is to be run again later, from its top; no attempt is used.
    Suspended(Suspension),
}

/// What a suspended handler waits for.
#[derive(Clone, Debug, PartialEq)]
pub enum Suspension {
    /// It returned that it wants to come back.
    Snooze {
        /// From the end of this execution.
        resume_after: Duration,
    },
    /// Its sleep has not ended, which is this step.
    Sleep(Box<Step>),
    /// The event has not come that this step waits for.
    Event(Box<Step>),
}

/// Why an attempt failed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Failure {
    /// The stable word for it.
    pub reason: FailureReason,
    /// One sentence for people.
    pub message: String,
    /// Longer text: a wasm backtrace, schema errors, the tail of stderr.
    pub detail: Option<String>,
    /// The handler's own answer on whether and when to try again; overrides the kind's policy.
    pub verdict: Option<HandlerVerdict>,
}

impl Failure {
    /// A failure with a reason and a sentence.
    pub fn new(reason: FailureReason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), detail: None, verdict: None }
    }

    /// With longer text.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// With the handler's own answer.
    #[must_use]
    pub fn with_verdict(mut self, verdict: HandlerVerdict) -> Self {
        self.verdict = Some(verdict);
        self
    }
}

/// What a handler said about trying again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HandlerVerdict {
    /// Try again, by the policy or after exactly this long.
    Retry {
        /// Overrides the policy's delay.
        after: Option<Duration>,
    },
    /// Trying again is pointless.
    Fatal,
}

macro_rules! failure_reasons {
    ($($(#[$doc:meta])* $name:ident = $code:literal $word:literal,)*) => {
        /// The stable words of `error.reason`. Codes are what the store keeps; they are never reused.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum FailureReason {
            $($(#[$doc])* $name,)*
        }

        impl FailureReason {
            /// Every reason.
            pub const ALL: &'static [FailureReason] = &[$(FailureReason::$name,)*];

            /// The word used in HTTP, logs and the dashboard.
            pub const fn as_str(self) -> &'static str {
                match self { $(FailureReason::$name => $word,)* }
            }

            /// The number the store keeps.
            pub const fn code(self) -> u8 {
                match self { $(FailureReason::$name => $code,)* }
            }

            /// From the number the store keeps; `None` for one this binary does not know.
            pub const fn from_code(code: u8) -> Option<Self> {
                match code { $($code => Some(FailureReason::$name),)* _ => None }
            }
        }
    };
}

failure_reasons! {
    /// The handler returned a failure, or a plain command a non-zero exit code.
    HandlerError = 1 "handler_error",
    /// The guest trapped (unreachable, out of bounds, a panic, …).
    Trap = 2 "trap",
    /// The wall-time limit was reached.
    Timeout = 3 "timeout",
    /// The fuel limit was reached.
    FuelExhausted = 4 "fuel_exhausted",
    /// The memory limit was reached.
    MemoryExceeded = 5 "memory_exceeded",
    /// The guest's stack overflowed.
    StackOverflow = 6 "stack_overflow",
    /// The output was larger than allowed.
    OutputTooLarge = 7 "output_too_large",
    /// The output is not JSON, or breaks the kind's output schema.
    InvalidOutput = 8 "invalid_output",
    /// The payload breaks the schema of the version that was to run it.
    InvalidPayload = 9 "invalid_payload",
    /// An effect could not be committed.
    EffectRejected = 10 "effect_rejected",
    /// A capability was used that was not granted.
    CapabilityDenied = 11 "capability_denied",
    /// The job's `expires_at` passed.
    DeadlineExpired = 12 "deadline_expired",
    /// The host that ran it died.
    HostLost = 13 "host_lost",
    /// The host was stopping.
    Shutdown = 14 "shutdown",
    /// The module could not be loaded.
    ModuleUnavailable = 15 "module_unavailable",
    /// Somebody cancelled the job.
    Cancelled = 16 "cancelled",
    /// More host calls than allowed.
    HostCallsExceeded = 17 "host_calls_exceeded",
}

impl FailureReason {
    /// Whether another attempt is made when neither the kind nor the handler says otherwise.
    pub const fn retried_by_default(self) -> bool {
        matches!(self, FailureReason::HandlerError | FailureReason::Trap | FailureReason::Timeout)
    }

    /// Whether `retry_on` may name it: everything a guest can cause.
    pub const fn is_guests(self) -> bool {
        !matches!(
            self,
            FailureReason::HostLost
                | FailureReason::Shutdown
                | FailureReason::ModuleUnavailable
                | FailureReason::Cancelled
                | FailureReason::DeadlineExpired
        )
    }
}

/// Not a reason of a failure.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is no reason of a failure; those are {}", words(FailureReason::ALL))]
pub struct UnknownReason;

fn words(reasons: &[FailureReason]) -> String {
    let words: Vec<&str> = reasons.iter().map(|reason| reason.as_str()).collect();
    words.join(", ")
}

impl std::str::FromStr for FailureReason {
    type Err = UnknownReason;

    fn from_str(word: &str) -> Result<Self, UnknownReason> {
        Self::ALL.iter().copied().find(|reason| reason.as_str() == word).ok_or(UnknownReason)
    }
}

impl fmt::Display for FailureReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How important a log line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogLevel {
    /// Finest.
    Trace,
    /// For the author.
    Debug,
    /// Worth knowing.
    Info,
    /// Worth a look.
    Warn,
    /// Something failed.
    Error,
    /// A line the guest wrote to standard output.
    Stdout,
    /// A line the guest wrote to standard error.
    Stderr,
}

/// One line of an attempt's log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// When it was written.
    pub at: Timestamp,
    /// How important, or which stream.
    pub level: LogLevel,
    /// Text without its line end.
    pub message: String,
}

/// How far an attempt says it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Units done.
    pub done: u64,
    /// Units in all, when known.
    pub total: Option<u64>,
    /// What is being done.
    pub message: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_known_again() {
        for reason in FailureReason::ALL {
            assert_eq!(FailureReason::from_code(reason.code()), Some(*reason));
            assert_eq!(serde_json::to_value(reason).ok(), Some(reason.as_str().into()));
            assert_eq!(reason.as_str().parse(), Ok(*reason));
        }
        assert_eq!(FailureReason::from_code(0), None);
    }

    #[test]
    fn three_reasons_are_retried_by_default() {
        let retried: Vec<_> = FailureReason::ALL.iter().filter(|reason| reason.retried_by_default()).collect();
        assert_eq!(retried, [&FailureReason::HandlerError, &FailureReason::Trap, &FailureReason::Timeout]);
    }
}
