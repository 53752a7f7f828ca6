//! What handlers ask for on success: it is done in the transaction that writes `succeeded`, or not at all. Pure.

use bytes::Bytes;

use super::mail::NewMail;
use super::notification::NewNotification;
use super::step::EventName;

/// Most effects of one attempt.
pub const EFFECTS_MAX: usize = 1_000;
/// Most bytes of one attempt's effects together.
pub const EFFECTS_BYTES_MAX: usize = 4 << 20;
/// Most bytes of an event's data, JSON text.
pub const EVENT_DATA_BYTES_MAX: usize = 256 << 10;

/// One thing that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Enqueue a job: the body of `POST /v1/jobs`, JSON text.
    Enqueue(Bytes),
    /// Emit an event.
    Emit(NewEvent),
    /// Tell a user.
    Notify(NewNotification),
    /// Send a mail.
    Mail(Box<NewMail>),
}

/// An event that is to be emitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEvent {
    /// Its type, e.g. `payment.received`.
    pub event_type: EventName,
    /// What it is told apart by among those of its type.
    pub correlation: String,
    /// JSON text.
    pub data: Bytes,
}

impl Effect {
    /// What it takes of the bound.
    pub fn bytes(&self) -> usize {
        match self {
            Effect::Enqueue(request) => request.len(),
            Effect::Emit(NewEvent { event_type, correlation, data }) => {
                event_type.as_str().len() + correlation.len() + data.len()
            }
            Effect::Notify(notification) => notification.bytes(),
            Effect::Mail(mail) => mail.bytes(),
        }
    }
}

/// Why no more can be asked for; told to the handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TooMuch {
    /// [`EFFECTS_MAX`].
    #[error("one attempt may ask for at most {EFFECTS_MAX} jobs, events, notifications and mails")]
    Effects,
    /// [`EFFECTS_BYTES_MAX`].
    #[error("what one attempt asks for on success may have at most {} MiB together", EFFECTS_BYTES_MAX >> 20)]
    Bytes,
}

/// What an attempt has asked for so far, in order.
#[derive(Debug, Default)]
pub struct Asked {
    effects: Vec<Effect>,
    bytes: usize,
}

impl Asked {
    /// One more.
    pub fn add(&mut self, effect: Effect) -> Result<(), TooMuch> {
        if self.effects.len() >= EFFECTS_MAX {
            return Err(TooMuch::Effects);
        }
        let bytes = self.bytes.saturating_add(effect.bytes());
        if bytes > EFFECTS_BYTES_MAX {
            return Err(TooMuch::Bytes);
        }
        self.bytes = bytes;
        self.effects.push(effect);
        Ok(())
    }

    /// All of them.
    pub fn into_effects(self) -> Vec<Effect> {
        self.effects
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn count_and_size_are_limited() {
        let effect = |bytes: usize| Effect::Enqueue(Bytes::from(vec![b' '; bytes]));
        let mut many = Asked::default();
        for _ in 0..EFFECTS_MAX {
            assert_eq!(many.add(effect(1)), Ok(()));
        }
        assert_eq!(many.add(effect(1)), Err(TooMuch::Effects));
        let mut large = Asked::default();
        assert_eq!(large.add(effect(EFFECTS_BYTES_MAX)), Ok(()));
        assert_eq!(large.add(effect(1)), Err(TooMuch::Bytes));
        assert_eq!(large.into_effects().len(), 1);
    }
}
