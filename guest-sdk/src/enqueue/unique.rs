//! That a job is to be the only one like it.

use std::time::Duration;

use super::object::{Object, quoted};
use super::{OnConflict, State};

/// That a job is to be the only one like it, and what becomes of one that is not.
///
/// ```
/// # use std::time::Duration;
/// # use stoker_sdk::enqueue::{NewJob, OnConflict, State, Unique};
/// let hour = Duration::from_secs(3_600);
/// let one_an_hour = Unique::key("newsletter").on_conflict(OnConflict::Throttle).within(hour);
/// let job = NewJob::of("double", &21)?.unique(one_an_hour);
/// assert!(job.to_json().ends_with(r#""unique":{"key":"newsletter","on_conflict":"throttle","for":"3600s"}}"#));
/// // The first of those with the same customer, as long as it waits.
/// let waiting = Unique::fields(["/customer"]).scope([State::Ready, State::Scheduled]).on_conflict(OnConflict::ReturnExisting);
/// # let _ = waiting;
/// # Ok::<(), stoker_sdk::enqueue::Refused>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unique(Object);

impl Unique {
    /// No other of its kind with the same payload.
    pub fn payload() -> Self {
        Self(Object::default())
    }

    /// No other of its kind with the same key, 1 to 255 bytes.
    pub fn key(key: impl AsRef<str>) -> Self {
        let mut object = Object::default();
        object.set_text("key", key.as_ref());
        Self(object)
    }

    /// No other of its kind with the same values at these places of the payload: 1 to 16 JSON pointers.
    pub fn fields<F: AsRef<str>>(fields: impl IntoIterator<Item = F>) -> Self {
        let mut object = Object::default();
        object.set_array("fields", fields.into_iter().map(|field| quoted(field.as_ref())));
        Self(object)
    }

    /// The states in which it keeps others away. By default all in which it has not ended; with
    /// [`Debounce`](OnConflict::Debounce) those in which it waits.
    #[must_use]
    pub fn scope(mut self, states: impl IntoIterator<Item = State>) -> Self {
        self.0.set_array("scope", states.into_iter().map(|state| quoted(state.as_str())));
        self
    }

    /// The API's `for`: how long it keeps others away at most, with [`Throttle`](OnConflict::Throttle) for how long exactly.
    #[must_use]
    pub fn within(mut self, period: Duration) -> Self {
        self.0.set_span("for", period);
        self
    }

    /// What becomes of this job if there is one like it; by default it is refused.
    #[must_use]
    pub fn on_conflict(mut self, on_conflict: OnConflict) -> Self {
        self.0.set_text("on_conflict", on_conflict.as_str());
        self
    }

    /// [`Debounce`](OnConflict::Debounce): the longest wait, from the first job on. By default ten times the delay.
    #[must_use]
    pub fn max_wait(mut self, max_wait: Duration) -> Self {
        self.0.set_span("max_wait", max_wait);
        self
    }

    pub(super) fn to_json(&self) -> String {
        self.0.to_json()
    }
}
