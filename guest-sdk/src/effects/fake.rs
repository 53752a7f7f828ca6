//! What a fake host collects.

// The methods are those of a real host, which can refuse.
#![allow(clippy::unnecessary_wraps)]

use super::EffectError;
use super::notify::fake::Notified;
use crate::Context;
use crate::mail::Mail;

/// An event as a fake host collected it.
///
/// ```
/// # use stoker_sdk::testing::FakeHost;
/// let host = FakeHost::new();
/// host.context().emit("done", "7", &()).unwrap();
/// assert_eq!(host.emitted()[0].data, "null");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Emitted {
    /// Its type.
    pub event_type: String,
    /// What it is told apart by.
    pub correlation: String,
    /// JSON text.
    pub data: String,
}

/// What one execution asked for so far; of one that did not succeed nothing is left.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    pub(crate) enqueued: Vec<String>,
    pub(crate) emitted: Vec<Emitted>,
    pub(crate) notified: Vec<Notified>,
    pub(crate) mails: Vec<Mail>,
}

impl Context {
    pub(super) fn enqueue_json(&self, request: &str) -> Result<(), EffectError> {
        self.recorder().lock().effects.enqueued.push(request.to_owned());
        Ok(())
    }

    pub(super) fn emit_json(&self, event_type: &str, correlation: &str, data: String) -> Result<(), EffectError> {
        let event = Emitted { event_type: event_type.to_owned(), correlation: correlation.to_owned(), data };
        self.recorder().lock().effects.emitted.push(event);
        Ok(())
    }
}
