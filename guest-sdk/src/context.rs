//! What an attempt knows about itself, and what it can ask and tell the host meanwhile.

#[cfg(not(target_family = "wasm"))]
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::Failure;
#[cfg(target_family = "wasm")]
use crate::host;
#[cfg(not(target_family = "wasm"))]
use crate::testing::{Progress, Recorder};

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

#[cfg(not(target_family = "wasm"))]
impl Facts {
    /// Of a job that is nobody's.
    pub(crate) fn for_test() -> Self {
        /// 2026-01-01T00:00:00Z
        const CREATED_AT_MS: u64 = 1_767_225_600_000;
        Self {
            job_id: "job_01KDVFEC00TEST00000000TEST".into(),
            tenant: "default".into(),
            kind: "test".into(),
            queue: "default".into(),
            attempt: 1,
            max_attempts: 10,
            created_at_ms: CREATED_AT_MS,
            run_at_ms: CREATED_AT_MS,
            deadline_ms: CREATED_AT_MS + 30_000,
        }
    }
}

/// The attempt being run: what is known about it, what is left of it, and how to tell how far it is.
///
/// ```
/// # use stoker_sdk::{Context, Failure};
/// fn work(context: &Context) -> Result<u32, Failure> {
///     if context.is_last_attempt() {
///         stoker_sdk::warn!("job {} will not be tried again", context.job_id());
///     }
///     Ok(context.attempt())
/// }
/// # assert_eq!(work(&Context::for_test()), Ok(1));
/// ```
#[derive(Clone, Debug)]
pub struct Context {
    facts: Facts,
    /// Answers what changes while the attempt runs; in a module the host does.
    #[cfg(not(target_family = "wasm"))]
    recorder: Arc<Recorder>,
}

impl Context {
    #[cfg(target_family = "wasm")]
    pub(crate) fn from_host(facts: Facts) -> Self {
        Self { facts }
    }

    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn recorder(&self) -> &Arc<Recorder> {
        &self.recorder
    }

    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn from_recorder(facts: Facts, recorder: Arc<Recorder>) -> Self {
        Self { facts, recorder }
    }

    /// The first attempt of some job of tenant and queue `default`, with the host's default limits: the shortest way to
    /// call a handler in a test. [`FakeHost`](crate::testing::FakeHost) decides and hears more.
    ///
    /// ```
    /// # use stoker_sdk::Context;
    /// assert_eq!(Context::for_test().attempt(), 1);
    /// ```
    #[cfg(not(target_family = "wasm"))]
    pub fn for_test() -> Self {
        Self::from_recorder(Facts::for_test(), Recorder::new())
    }

    /// `job_01…`: the same for every attempt of a job, so use it as an idempotency key towards other systems.
    ///
    /// ```
    /// # let context = stoker_sdk::Context::for_test();
    /// let key = format!("charge-{}", context.job_id());
    /// assert!(key.starts_with("charge-job_"));
    /// ```
    pub fn job_id(&self) -> &str {
        &self.facts.job_id
    }

    /// Whose job it is.
    ///
    /// ```
    /// # let context = stoker_sdk::Context::for_test();
    /// assert_eq!(context.tenant(), "default");
    /// ```
    pub fn tenant(&self) -> &str {
        &self.facts.tenant
    }

    /// The type of job being run.
    ///
    /// ```
    /// # let context = stoker_sdk::Context::for_test();
    /// assert_eq!(context.kind(), "test");
    /// ```
    pub fn kind(&self) -> &str {
        &self.facts.kind
    }

    /// The lane the job waited in.
    ///
    /// ```
    /// # let context = stoker_sdk::Context::for_test();
    /// assert_eq!(context.queue(), "default");
    /// ```
    pub fn queue(&self) -> &str {
        &self.facts.queue
    }

    /// Which attempt this is, from 1. Executions that used no attempt (after a snooze or a shutdown) repeat it.
    ///
    /// ```
    /// # let context = stoker_sdk::Context::for_test();
    /// stoker_sdk::info!("attempt {} of {}", context.attempt(), context.max_attempts());
    /// ```
    pub fn attempt(&self) -> u32 {
        self.facts.attempt
    }

    /// Attempts the job gets in all.
    ///
    /// ```
    /// # let context = stoker_sdk::Context::for_test();
    /// assert_eq!(context.max_attempts(), 10);
    /// ```
    pub fn max_attempts(&self) -> u32 {
        self.facts.max_attempts
    }

    /// Whether a failure now would fail the job for good: the moment to compensate.
    ///
    /// ```
    /// # let context = stoker_sdk::Context::for_test();
    /// if context.is_last_attempt() {
    ///     stoker_sdk::warn!("giving the seats back");
    /// }
    /// ```
    pub fn is_last_attempt(&self) -> bool {
        self.facts.attempt >= self.facts.max_attempts
    }

    /// When the job was enqueued.
    ///
    /// ```
    /// # let context = stoker_sdk::Context::for_test();
    /// let waited = context.run_at().duration_since(context.created_at());
    /// assert!(waited.is_ok());
    /// ```
    pub fn created_at(&self) -> SystemTime {
        instant(self.facts.created_at_ms)
    }

    /// When the job was due.
    ///
    /// ```
    /// # let context = stoker_sdk::Context::for_test();
    /// assert!(context.run_at() >= context.created_at());
    /// ```
    pub fn run_at(&self) -> SystemTime {
        instant(self.facts.run_at_ms)
    }

    /// The time of the schedule's slot this job is for; `None` where no schedule enqueued it. It is the same in every attempt,
    /// and however late the job runs: take it for "now" where a report is to be of its day.
    ///
    /// Asks the host, and so needs one of version 1.1 of `stoker:handler`.
    ///
    /// ```
    /// # let context = stoker_sdk::Context::for_test();
    /// let until = context.slot_time().unwrap_or_else(|| context.run_at());
    /// assert_eq!(until, context.run_at());
    /// ```
    pub fn slot_time(&self) -> Option<SystemTime> {
        #[cfg(target_family = "wasm")]
        let slot_ms = host::slot_time_ms();
        #[cfg(not(target_family = "wasm"))]
        let slot_ms = self.recorder.lock().slot_ms;
        slot_ms.map(instant)
    }

    /// When the host will end this attempt as a `timeout`.
    ///
    /// ```
    /// # let context = stoker_sdk::Context::for_test();
    /// assert!(context.deadline() > context.run_at());
    /// ```
    pub fn deadline(&self) -> SystemTime {
        instant(self.facts.deadline_ms)
    }

    /// Time left until the deadline.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use stoker_sdk::{Context, Failure};
    /// fn work(context: &Context) -> Result<u32, Failure> {
    ///     if context.remaining_time() < Duration::from_secs(2) {
    ///         return Err(Failure::snooze(Duration::from_secs(1)));
    ///     }
    ///     Ok(1)
    /// }
    /// # assert_eq!(work(&Context::for_test()), Ok(1));
    /// ```
    pub fn remaining_time(&self) -> Duration {
        #[cfg(target_family = "wasm")]
        return Duration::from_millis(host::remaining_time_ms());
        #[cfg(not(target_family = "wasm"))]
        return self.recorder.lock().remaining_time;
    }

    /// Fuel left; about one unit an instruction.
    ///
    /// ```
    /// # let context = stoker_sdk::Context::for_test();
    /// assert!(context.remaining_fuel() > 1_000_000);
    /// ```
    pub fn remaining_fuel(&self) -> u64 {
        #[cfg(target_family = "wasm")]
        return host::remaining_fuel();
        #[cfg(not(target_family = "wasm"))]
        return self.recorder.lock().remaining_fuel;
    }

    /// Whether the attempt was asked to end. It will be interrupted shortly after: the time to say goodbye.
    ///
    /// ```
    /// # let context = stoker_sdk::Context::for_test();
    /// for row in 0..3 {
    ///     if context.is_cancelled() {
    ///         stoker_sdk::info!("stopped before row {row}");
    ///         break;
    ///     }
    /// }
    /// ```
    pub fn is_cancelled(&self) -> bool {
        #[cfg(target_family = "wasm")]
        return host::is_cancelled();
        #[cfg(not(target_family = "wasm"))]
        return self.recorder.is_cancelled();
    }

    /// What a job returned that this one runs after (`after`), by its name in their workflow or its id. `None`: it did not
    /// succeed, or is none of those this one runs after. A fatal failure where it does not fit `T`, and where the other job was
    /// removed, by retention or by hand, and its output with it.
    ///
    /// ```
    /// # use stoker_sdk::testing::FakeHost;
    /// let host = FakeHost::new().parent_output("render", "{\"pages\": 7}");
    /// #[derive(serde::Deserialize)]
    /// struct Rendered {
    ///     pages: u32,
    /// }
    /// let rendered: Option<Rendered> = host.context().parent_output("render").unwrap();
    /// assert_eq!(rendered.map(|rendered| rendered.pages), Some(7));
    /// ```
    pub fn parent_output<T: serde::de::DeserializeOwned>(&self, parent: &str) -> Result<Option<T>, Failure> {
        #[cfg(target_family = "wasm")]
        let output = host::parent_output(parent).map_err(Failure::fatal)?;
        #[cfg(not(target_family = "wasm"))]
        let output = self.recorder.lock().parent_outputs.get(parent).cloned();
        output.map(|output| crate::payload::parse_output(parent, &output)).transpose()
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
        let total = total.into();
        #[cfg(target_family = "wasm")]
        host::report_progress(done, total, message);
        #[cfg(not(target_family = "wasm"))]
        self.recorder.lock().progress.push(Progress { done, total, message: message.map(str::to_owned) });
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
    fn an_instant_past_the_end_of_time_does_not_panic() {
        let _ = instant(u64::MAX);
    }
}
