//! What an attempt knows about itself, and what it can ask and tell the host meanwhile.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::host;

/// The facts the host hands to an attempt.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    pub(crate) job_id: String,
    pub(crate) tenant: String,
    pub(crate) kind: String,
    pub(crate) queue: String,
    pub(crate) attempt: u32,
    pub(crate) max_attempts: u32,
    pub(crate) created_at_ms: u64,
    pub(crate) run_at_ms: u64,
    pub(crate) deadline_ms: u64,
}

/// Who answers what changes while the attempt runs.
#[derive(Clone, Debug)]
enum Answers {
    /// The host.
    #[cfg_attr(not(target_family = "wasm"), allow(dead_code))]
    Host,
    /// A test decided them beforehand.
    Fixed { cancelled: bool, remaining_time: Duration, remaining_fuel: u64 },
}

/// The attempt being run.
#[derive(Clone, Debug)]
pub struct Context {
    facts: Facts,
    answers: Answers,
}

impl Context {
    #[cfg_attr(not(target_family = "wasm"), allow(dead_code))]
    pub(crate) fn from_host(facts: Facts) -> Self {
        Self { facts, answers: Answers::Host }
    }

    /// The first attempt of some job of tenant and queue `default`, with the host's default limits, for calling a
    /// handler in a test. Progress goes nowhere, log lines to stderr.
    pub fn for_test() -> Self {
        /// 2026-01-01T00:00:00Z
        const CREATED_AT_MS: u64 = 1_767_225_600_000;
        const TIMEOUT: Duration = Duration::from_secs(30);
        Self {
            facts: Facts {
                job_id: "job_01KDVFEC00TEST00000000TEST".into(),
                tenant: "default".into(),
                kind: "test".into(),
                queue: "default".into(),
                attempt: 1,
                max_attempts: 10,
                created_at_ms: CREATED_AT_MS,
                run_at_ms: CREATED_AT_MS,
                deadline_ms: CREATED_AT_MS + 30_000,
            },
            answers: Answers::Fixed { cancelled: false, remaining_time: TIMEOUT, remaining_fuel: 10_000_000_000 },
        }
    }

    /// This context, in its `attempt`-th attempt of `max_attempts`; for tests.
    #[must_use]
    pub fn with_attempt(mut self, attempt: u32, max_attempts: u32) -> Self {
        self.facts.attempt = attempt;
        self.facts.max_attempts = max_attempts;
        self
    }

    /// This context, of a job somebody has cancelled; for tests.
    #[must_use]
    pub fn with_cancellation(mut self) -> Self {
        self.answers = Answers::Fixed {
            cancelled: true,
            remaining_time: self.remaining_time(),
            remaining_fuel: self.remaining_fuel(),
        };
        self
    }

    /// `job_01…`: the same for every attempt of a job, so use it as an idempotency key towards other systems.
    pub fn job_id(&self) -> &str {
        &self.facts.job_id
    }

    /// Whose job it is.
    pub fn tenant(&self) -> &str {
        &self.facts.tenant
    }

    /// The type of job being run.
    pub fn kind(&self) -> &str {
        &self.facts.kind
    }

    /// The lane the job waited in.
    pub fn queue(&self) -> &str {
        &self.facts.queue
    }

    /// Which attempt this is, from 1. Executions that used no attempt (after a snooze or a shutdown) repeat it.
    pub fn attempt(&self) -> u32 {
        self.facts.attempt
    }

    /// Attempts the job gets in all.
    pub fn max_attempts(&self) -> u32 {
        self.facts.max_attempts
    }

    /// Whether a failure now would fail the job for good: the moment to compensate.
    pub fn is_last_attempt(&self) -> bool {
        self.facts.attempt >= self.facts.max_attempts
    }

    /// When the job was enqueued.
    pub fn created_at(&self) -> SystemTime {
        instant(self.facts.created_at_ms)
    }

    /// When the job was due.
    pub fn run_at(&self) -> SystemTime {
        instant(self.facts.run_at_ms)
    }

    /// When the host will end this attempt as a `timeout`.
    pub fn deadline(&self) -> SystemTime {
        instant(self.facts.deadline_ms)
    }

    /// Time left until the deadline.
    pub fn remaining_time(&self) -> Duration {
        match self.answers {
            Answers::Host => Duration::from_millis(host::remaining_time_ms()),
            Answers::Fixed { remaining_time, .. } => remaining_time,
        }
    }

    /// Fuel left; about one unit an instruction.
    pub fn remaining_fuel(&self) -> u64 {
        match self.answers {
            Answers::Host => host::remaining_fuel(),
            Answers::Fixed { remaining_fuel, .. } => remaining_fuel,
        }
    }

    /// Whether the attempt was asked to end. It will be interrupted shortly after: the time to say goodbye.
    pub fn is_cancelled(&self) -> bool {
        match self.answers {
            Answers::Host => host::is_cancelled(),
            Answers::Fixed { cancelled, .. } => cancelled,
        }
    }

    /// Tells the people who wait how far the attempt is; replaces what was reported before.
    ///
    /// ```
    /// # let context = stoker_sdk::Context::for_test();
    /// # let rows = ["a", "b"];
    /// for (done, row) in (0..).zip(&rows) {
    ///     context.progress(done, rows.len() as u64, Some("importing"));
    ///     // …
    /// }
    /// context.progress(2, None, None);
    /// ```
    pub fn progress(&self, done: u64, total: impl Into<Option<u64>>, message: Option<&str>) {
        match self.answers {
            Answers::Host => host::report_progress(done, total.into(), message),
            Answers::Fixed { .. } => {}
        }
    }
}

fn instant(epoch_ms: u64) -> SystemTime {
    // Only a host that lies can overflow this.
    UNIX_EPOCH.checked_add(Duration::from_millis(epoch_ms)).unwrap_or(UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_decides_what_the_attempt_sees() {
        let context = Context::for_test().with_attempt(3, 3).with_cancellation();
        assert!(context.is_last_attempt() && context.is_cancelled());
        assert_eq!(context.deadline().duration_since(context.run_at()).ok(), Some(context.remaining_time()));
        assert!(!Context::for_test().is_last_attempt());
    }

    #[test]
    fn an_instant_past_the_end_of_time_does_not_panic() {
        let _ = instant(u64::MAX);
    }
}
