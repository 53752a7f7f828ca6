//! When a failed job is tried again, and what follows when it no longer is.

use std::time::Duration;

use super::object::{Object, quoted_span};
use crate::json;

/// Delays between attempts.
///
/// ```
/// # use std::time::Duration;
/// # use stoker_sdk::enqueue::{NewJob, Retry};
/// let second = Duration::from_secs(1);
/// let job = NewJob::of("double", &21)?.retry(Retry::exponential().base(second).cap(60 * second).jitter(0.5));
/// let other = NewJob::of("double", &21)?.retry(Retry::list([second, 10 * second, 60 * second]));
/// assert!(other.to_json().ends_with(r#""retry":{"strategy":"list","delays":["1s","10s","60s"]}}"#));
/// # assert!(job.to_json().ends_with(r#"{"strategy":"exponential","base":"1s","cap":"60s","jitter":0.5}}"#));
/// # Ok::<(), stoker_sdk::enqueue::Refused>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retry(Object);

/// [`Retry::exponential`], whose parts can be said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exponential(Object);

impl Retry {
    /// The delay doubles from 5 s up to an hour, up to a fifth of it taken off by chance, unless said otherwise.
    pub fn exponential() -> Exponential {
        Exponential(strategy("exponential"))
    }

    /// The same delay each time.
    pub fn fixed(delay: Duration) -> Self {
        let mut object = strategy("fixed");
        object.set_span("delay", delay);
        Self(object)
    }

    /// One delay after the other; the last repeats. 1 to 100.
    pub fn list(delays: impl IntoIterator<Item = Duration>) -> Self {
        let mut object = strategy("list");
        object.set_array("delays", delays.into_iter().map(quoted_span));
        Self(object)
    }

    pub(super) fn to_json(&self) -> String {
        self.0.to_json()
    }
}

impl Exponential {
    /// The delay after the first attempt.
    #[must_use]
    pub fn base(mut self, base: Duration) -> Self {
        self.0.set_span("base", base);
        self
    }

    /// The longest delay.
    #[must_use]
    pub fn cap(mut self, cap: Duration) -> Self {
        self.0.set_span("cap", cap);
        self
    }

    /// The share of a delay that chance may take off, 0 to 1.
    #[must_use]
    pub fn jitter(mut self, jitter: f64) -> Self {
        // What is no number is written as `null`, which is the default.
        self.0.set("jitter", json::print(&jitter).unwrap_or_else(|_| "null".to_owned()));
        self
    }
}

impl From<Exponential> for Retry {
    fn from(exponential: Exponential) -> Self {
        Self(exponential.0)
    }
}

fn strategy(name: &str) -> Object {
    let mut object = Object::default();
    object.set_text("strategy", name);
    object
}

/// What is enqueued when a job has failed for good. Its payload is what is known of the failure: `{job_id, kind, queue, attempt,
/// payload, error: {reason, message, detail}, failed_at}`.
///
/// ```
/// # use stoker_sdk::enqueue::{NewJob, OnFailed};
/// let job = NewJob::of("double", &21)?.on_failed(OnFailed::kind("alert").queue("alerts").priority(0));
/// assert!(job.to_json().ends_with(r#""on_failed":{"kind":"alert","queue":"alerts","priority":0}}"#));
/// # Ok::<(), stoker_sdk::enqueue::Refused>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OnFailed(Object);

impl OnFailed {
    /// A job of this kind.
    pub fn kind(kind: impl Into<String>) -> Self {
        let mut object = Object::default();
        object.set_text("kind", &kind.into());
        Self(object)
    }

    /// The lane; by default that kind's.
    #[must_use]
    pub fn queue(mut self, queue: impl AsRef<str>) -> Self {
        self.0.set_text("queue", queue.as_ref());
        self
    }

    /// 0 to 9, lower first; by default that kind's.
    #[must_use]
    pub fn priority(mut self, priority: u8) -> Self {
        self.0.set_number("priority", priority.into());
        self
    }

    pub(super) fn to_json(&self) -> String {
        self.0.to_json()
    }
}
