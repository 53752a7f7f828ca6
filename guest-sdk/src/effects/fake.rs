//! What a fake host collects, and what it refuses: what a real one does, in its words.

use serde::Deserialize;

use super::EffectError;
use super::notify::fake::Notified;
use crate::Context;
use crate::mail::Mail;
use crate::testing::bounds::{
    CORRELATION_BYTES_MAX, EFFECTS_BYTES_MAX, EFFECTS_MAX, EVENT_DATA_BYTES_MAX, STEP_NAME_BYTES_MAX,
};
use crate::testing::texts::{control_character, is_short_text, size, stumbling_block};

/// An event as a fake host collected it.
///
/// ```
/// # use stoker_sdk::testing::FakeHost;
/// let host = FakeHost::new().may_emit("done");
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
    count: usize,
    bytes: usize,
}

impl Effects {
    /// Room for one more.
    pub(crate) fn take(&mut self, bytes: usize) -> Result<(), EffectError> {
        if self.count >= EFFECTS_MAX {
            let sentence =
                format!("one attempt may ask for at most {EFFECTS_MAX} jobs, events, notifications and mails");
            return Err(EffectError::Refused(sentence));
        }
        let together = self.bytes.saturating_add(bytes);
        if together > EFFECTS_BYTES_MAX {
            let most = EFFECTS_BYTES_MAX >> 20;
            let sentence = format!("what one attempt asks for on success may have at most {most} MiB together");
            return Err(EffectError::Refused(sentence));
        }
        (self.count, self.bytes) = (self.count + 1, together);
        Ok(())
    }
}

/// What is looked at before the request is kept.
#[derive(Deserialize)]
struct Request {
    kind: String,
}

impl Context {
    pub(super) fn enqueue_json(&self, request: &str) -> Result<(), EffectError> {
        let Request { kind } = serde_json::from_str(request).map_err(|error| {
            EffectError::Refused(format!("a request for a job is an object with a `kind`: {error}"))
        })?;
        let mut record = self.recorder().lock();
        if !record.grants.allows_enqueue(&kind) {
            return Err(EffectError::NotGranted);
        }
        // What is kept is read by others.
        let request = record.redacted(request);
        record.effects.take(request.len())?;
        record.effects.enqueued.push(request);
        Ok(())
    }

    #[allow(clippy::needless_pass_by_value)] // As a real host takes it.
    pub(super) fn emit_json(&self, event_type: &str, correlation: &str, data: String) -> Result<(), EffectError> {
        let mut record = self.recorder().lock();
        if !record.grants.allows_event(event_type) {
            return Err(EffectError::NotGranted);
        }
        check_event(event_type, correlation, &data).map_err(EffectError::Refused)?;
        let data = record.redacted(&data);
        record.effects.take(event_type.len() + correlation.len() + data.len())?;
        let event = Emitted { event_type: event_type.to_owned(), correlation: correlation.to_owned(), data };
        record.effects.emitted.push(event);
        Ok(())
    }
}

fn check_event(event_type: &str, correlation: &str, data: &str) -> Result<(), String> {
    if !is_short_text(event_type, STEP_NAME_BYTES_MAX) {
        return Err(format!(
            "the type of an event must be 1 to {STEP_NAME_BYTES_MAX} bytes of text without control characters"
        ));
    }
    if correlation.len() > CORRELATION_BYTES_MAX {
        return Err(format!("a correlation may have at most {CORRELATION_BYTES_MAX} bytes"));
    }
    if let Some(sentence) = control_character(correlation) {
        return Err(format!("a correlation {sentence}"));
    }
    if data.len() > EVENT_DATA_BYTES_MAX {
        let most = size(EVENT_DATA_BYTES_MAX as u64);
        return Err(format!("the data of an event has {} bytes; it may have at most {most}", data.len()));
    }
    stumbling_block(data).map_or(Ok(()), |sentence| Err(format!("the data of an event {sentence}")))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::testing::FakeHost;

    fn refusal(asked: Result<(), EffectError>) -> String {
        match asked {
            Err(EffectError::Refused(sentence)) => sentence,
            other => panic!("{other:?} is no refusal"),
        }
    }

    #[test]
    fn nothing_is_collected_that_is_not_granted() {
        let host = FakeHost::new().may_enqueue("email.*").may_emit("order.*");
        let context = host.context();
        assert_eq!(context.enqueue("sms.send", &1), Err(EffectError::NotGranted));
        assert_eq!(context.enqueue("email.send", &1), Ok(()));
        assert_eq!(context.emit("orders", "", &1), Err(EffectError::NotGranted));
        assert_eq!(context.emit("order.paid", "", &1), Ok(()));
        assert_eq!((host.enqueued().len(), host.emitted().len()), (1, 1));
        assert_eq!(FakeHost::new().context().emit("order.paid", "", &1), Err(EffectError::NotGranted));
    }

    #[test]
    fn events_out_of_bounds_are_refused() {
        let host = FakeHost::new().may_emit("*");
        let context = host.context();
        let long = "x".repeat(CORRELATION_BYTES_MAX + 1);
        let data = "x".repeat(EVENT_DATA_BYTES_MAX);
        for (event_type, correlation, data, said) in [
            ("", "", "", "the type of an event must be 1 to 128 bytes"),
            ("a\nb", "", "", "without control characters"),
            ("a", &long, "", "a correlation may have at most 255 bytes"),
            ("a", "7\u{7f}", "", "a correlation must hold no control characters: the one in place 2 is U+007F"),
            ("a", "", &data, "the data of an event has 262146 bytes; it may have at most 256KiB"),
        ] {
            let refused = refusal(context.emit(event_type, correlation, data));
            assert!(refused.contains(said), "{refused}");
        }
        assert!(host.emitted().is_empty());
        assert_eq!(context.emit("a", &long[1..], &data[2..]), Ok(()));
    }

    #[test]
    fn count_and_bytes_are_those_of_all_effects_together() {
        let host = FakeHost::new().may_emit("*").may_enqueue("*").may_notify();
        let context = host.context();
        for _ in 0..EFFECTS_MAX / 2 {
            context.emit("a", "", &1).unwrap();
            context.notify("ann", crate::NotificationLevel::Info, "Hi").unwrap();
        }
        assert!(refusal(context.enqueue("a", &1)).starts_with("one attempt may ask for at most 1000 jobs"));

        let host = FakeHost::new().may_emit("*").may_enqueue("*");
        let context = host.context();
        for _ in 0..15 {
            context.emit("a", "", &"x".repeat(EVENT_DATA_BYTES_MAX - 2)).unwrap();
        }
        let refused = refusal(context.enqueue("a", &"x".repeat(EVENT_DATA_BYTES_MAX)));
        assert_eq!(refused, "what one attempt asks for on success may have at most 4 MiB together");
        assert_eq!(context.enqueue("a", &1), Ok(()), "what was refused takes no room");
    }
}
