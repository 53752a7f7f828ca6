//! What is enqueued again and again.

use std::time::{Duration, SystemTime};

use serde::{Serialize, Serializer};

use super::object::Object;
use super::{Misfire, NewJob, Overlap};
use crate::json::JsonText;

/// When, and which job: the body of `PUT /v1/schedules/{name}`.
///
/// The job has neither `run_at`, `delay`, `expires_at`, `idempotency_key` and `unique` nor `after` and `batch`: a schedule says when,
/// and a slot makes one job.
///
/// ```
/// use std::time::Duration;
/// use stoker_sdk::enqueue::{Misfire, NewJob, Overlap, Schedule};
///
/// let report = NewJob::of("report", &"orders")?.queue("reports");
/// let nightly = Schedule::cron("0 3 * * MON-FRI", report).timezone("Europe/Berlin").misfire(Misfire::All);
/// assert_eq!(
///     nightly.to_json(),
///     concat!(
///         r#"{"kind":"report","payload":"orders","queue":"reports","cron":"0 3 * * MON-FRI","#,
///         r#""timezone":"Europe/Berlin","misfire":"all"}"#,
///     )
/// );
/// let poll = Schedule::every(Duration::from_secs(900), NewJob::of("poll", &())?).overlap(Overlap::QueueOne);
/// # assert!(poll.to_json().ends_with(r#""every":"900s","overlap":"queue_one"}"#));
/// # Ok::<(), stoker_sdk::enqueue::Refused>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule(Object);

impl Schedule {
    /// At the times an expression names: five fields, six with a second before them, or a name such as `@daily`.
    pub fn cron(expression: impl AsRef<str>, job: NewJob) -> Self {
        let mut object = job.whole();
        object.set_text("cron", expression.as_ref());
        Self(object)
    }

    /// At an interval of at least a second, counted from `starts_at`, or from when it is put.
    pub fn every(interval: Duration, job: NewJob) -> Self {
        let mut object = job.whole();
        object.set_span("every", interval);
        Self(object)
    }

    /// Whose clock the expression means, by its IANA name; `UTC` unless said otherwise.
    #[must_use]
    pub fn timezone(mut self, name: impl AsRef<str>) -> Self {
        self.0.set_text("timezone", name.as_ref());
        self
    }

    /// No slot before it.
    #[must_use]
    pub fn starts_at(mut self, at: SystemTime) -> Self {
        self.0.set_instant("starts_at", at);
        self
    }

    /// No slot after it.
    #[must_use]
    pub fn ends_at(mut self, at: SystemTime) -> Self {
        self.0.set_instant("ends_at", at);
        self
    }

    /// The job of a slot waits for up to so long, at most a day.
    #[must_use]
    pub fn jitter(mut self, jitter: Duration) -> Self {
        self.0.set_span("jitter", jitter);
        self
    }

    /// What becomes of slots nobody was there for.
    #[must_use]
    pub fn misfire(mut self, misfire: Misfire) -> Self {
        self.0.set_text("misfire", misfire.as_str());
        self
    }

    /// What becomes of a slot while an earlier run has not ended.
    #[must_use]
    pub fn overlap(mut self, overlap: Overlap) -> Self {
        self.0.set_text("overlap", overlap.as_str());
        self
    }

    /// Whether its slots are missed. Left out, it stays as it is.
    #[must_use]
    pub fn paused(mut self, paused: bool) -> Self {
        self.0.set("paused", if paused { "true" } else { "false" }.to_owned());
        self
    }

    /// The body of `PUT /v1/schedules/{name}`.
    pub fn to_json(&self) -> String {
        self.0.to_json()
    }
}

impl Serialize for Schedule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        JsonText(&self.to_json()).serialize(serializer)
    }
}
