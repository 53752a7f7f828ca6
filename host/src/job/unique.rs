//! Which jobs count as the same, and what becomes of one that comes while another of the same identity counts.
//!
//! The terms are those of the job that has the identity: it has it while its state is in its scope and its period is not
//! over. What then becomes of the next one is for the next one to say.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::clock::Timestamp;
use super::json_text::parse_strict_value;
use super::state::JobState;

/// Most fields an identity may be made of.
pub const UNIQUE_FIELDS_MAX: usize = 16;
/// Longest key, and longest pointer to a field, bytes.
pub const UNIQUE_KEY_BYTES_MAX: usize = 255;
/// A debounced job waits at most so many times its delay, where the request does not say.
pub const MAX_WAIT_DELAYS: u32 = 10;

/// What becomes of a job that comes while another one has its identity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnConflict {
    /// It is refused.
    #[default]
    Reject,
    /// It is not made; the answer is the other one.
    ReturnExisting,
    /// The waiting one takes its payload, time, priority and tags.
    Replace,
    /// The waiting one takes its payload and begins to wait anew.
    Debounce,
    /// It is not made before the period is over, whatever became of the other one.
    Throttle,
}

/// A set of states.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Scope(u16);

impl Scope {
    /// Whatever becomes of it.
    pub const ALWAYS: Scope = Scope((1 << JobState::ALL.len()) - 1);

    /// These states.
    pub fn of(states: impl IntoIterator<Item = JobState>) -> Self {
        Self(states.into_iter().fold(0, |bits, state| bits | bit(state)))
    }

    /// Those of a job that has not ended.
    pub fn unfinished() -> Self {
        Self::of(JobState::ALL.into_iter().filter(|state| !state.is_terminal()))
    }

    /// Those of a job that waits.
    pub fn waiting() -> Self {
        Self::of(JobState::ALL.into_iter().filter(|state| state.is_waiting()))
    }

    /// Whether a job in this state counts.
    pub fn contains(self, state: JobState) -> bool {
        self.0 & bit(state) != 0
    }

    /// Whether it has any state in which a job waits.
    pub fn has_waiting(self) -> bool {
        self.0 & Self::waiting().0 != 0
    }

    /// The number the store keeps.
    pub fn bits(self) -> u16 {
        self.0
    }

    /// From the number the store keeps.
    pub fn from_bits(bits: u16) -> Self {
        Self(bits & Self::ALWAYS.0)
    }
}

/// A bit each, in the order of `JobState::ALL`.
fn bit(state: JobState) -> u16 {
    JobState::ALL.iter().position(|known| *known == state).map_or(0, |index| 1 << index)
}

/// What a job's identity is: a hash of its kind and of what tells it from others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Identity(pub [u8; 32]);

/// That a job is to be the only one of its identity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Unique {
    /// Which.
    #[serde(with = "hexadecimal")]
    pub identity: Identity,
    /// In which states it has it.
    pub scope: Scope,
    /// How long it has it at most.
    pub period: Option<Duration>,
    /// What becomes of it if another one has it.
    pub on_conflict: OnConflict,
    /// `debounce`: how long to wait anew.
    pub delay: Duration,
    /// `debounce`: how long to wait in all, from the first job on.
    pub max_wait: Duration,
}

/// What a job that has an identity keeps of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Held {
    /// Which, in hexadecimal.
    #[serde(with = "hexadecimal")]
    pub identity: Identity,
    /// In which states.
    pub scope: Scope,
    /// Until when.
    pub expires_at: Option<Timestamp>,
}

impl Held {
    /// Until when a job that has ended in this state still has it for a time that was named, and so has to stay.
    pub fn kept_until(&self, ended: JobState) -> Option<Timestamp> {
        self.expires_at.filter(|_| self.scope.contains(ended))
    }
}

impl Unique {
    /// What a job made now keeps.
    pub fn held(&self, now: Timestamp) -> Held {
        Held { identity: self.identity, scope: self.scope, expires_at: self.period.map(|period| now.plus(period)) }
    }
}

/// Who has an identity, and on which terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Where the job is; `None`: somebody has deleted it, and its identity is free.
    pub state: Option<JobState>,
    /// In which states it has it.
    pub scope: Scope,
    /// Since when.
    pub first_at: Timestamp,
    /// Until when.
    pub expires_at: Option<Timestamp>,
}

impl Holder {
    /// Whether it has the identity now.
    pub fn holds(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|at| now < at) && self.state.is_some_and(|state| self.scope.contains(state))
    }
}

/// What to do with a job whose identity somebody had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Make it; the identity is its from now on.
    Insert,
    /// Refuse it.
    Refuse,
    /// Answer with the other one.
    Return,
    /// Give the other one its payload, time, priority and tags.
    Replace,
    /// Give the other one its payload, and this time.
    Postpone(Timestamp),
}

/// The one rule.
pub fn decide(holder: &Holder, unique: &Unique, now: Timestamp) -> Action {
    if !holder.holds(now) {
        return Action::Insert;
    }
    let waits = holder.state.is_some_and(JobState::is_waiting);
    match unique.on_conflict {
        OnConflict::ReturnExisting | OnConflict::Throttle => Action::Return,
        OnConflict::Replace if waits => Action::Replace,
        OnConflict::Debounce if waits => {
            Action::Postpone(now.plus(unique.delay).min(holder.first_at.plus(unique.max_wait)))
        }
        // What runs, or has ended, can't be changed any more.
        OnConflict::Reject | OnConflict::Replace | OnConflict::Debounce => Action::Refuse,
    }
}

/// What tells a job from others of its kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selector {
    /// A name the caller gives it.
    Key(String),
    /// The values at these JSON pointers into the payload; a missing one is a value of its own.
    Fields(Vec<String>),
    /// All of the payload.
    Payload,
}

impl Selector {
    /// The identity of a job with this payload (JSON text), whatever the order of its members, its white space and the way
    /// its numbers are written.
    pub fn identity(&self, kind: &str, payload: &[u8]) -> Result<Identity, String> {
        let mut hash = Sha256::new();
        text(kind, &mut hash);
        match self {
            Selector::Key(key) => {
                hash.update(b"k");
                text(key, &mut hash);
            }
            Selector::Fields(pointers) => {
                let payload = parsed(payload)?;
                for pointer in pointers {
                    hash.update(b"f");
                    text(pointer, &mut hash);
                    match payload.pointer(pointer) {
                        Some(found) => value(found, &mut hash),
                        None => hash.update(b"-"),
                    }
                }
            }
            Selector::Payload => {
                hash.update(b"p");
                value(&parsed(payload)?, &mut hash);
            }
        }
        Ok(Identity(hash.finalize().into()))
    }
}

fn parsed(payload: &[u8]) -> Result<Value, String> {
    std::str::from_utf8(payload).map_err(|error| error.to_string()).and_then(parse_strict_value)
}

fn text(text: &str, hash: &mut Sha256) {
    hash.update((text.len() as u64).to_le_bytes());
    hash.update(text);
}

/// Every value in one way, each with what it is and how long.
fn value(found: &Value, hash: &mut Sha256) {
    match found {
        Value::Null => hash.update(b"n"),
        Value::Bool(is_true) => hash.update(if *is_true { b"t" } else { b"u" }),
        Value::Number(number) => {
            hash.update(b"#");
            text(&canonical(number), hash);
        }
        Value::String(found) => {
            hash.update(b"s");
            text(found, hash);
        }
        Value::Array(items) => {
            hash.update(b"a");
            hash.update((items.len() as u64).to_le_bytes());
            for item in items {
                value(item, hash);
            }
        }
        Value::Object(members) => {
            hash.update(b"o");
            hash.update((members.len() as u64).to_le_bytes());
            let mut sorted: Vec<_> = members.iter().collect();
            sorted.sort_unstable_by_key(|(name, _)| *name);
            for (name, member) in sorted {
                text(name, hash);
                value(member, hash);
            }
        }
    }
}

/// `1`, `1.0` and `1e0` are one number.
fn canonical(number: &serde_json::Number) -> String {
    if number.is_i64() || number.is_u64() {
        return number.to_string();
    }
    match number.as_f64() {
        // Of these every whole number is exactly itself, with zero among them whatever its sign.
        Some(float) if float.fract() == 0.0 && float.abs() < 9_007_199_254_740_992.0 => {
            format!("{:.0}", float + 0.0)
        }
        _ => number.to_string(),
    }
}

mod hexadecimal {
    use serde::{Deserialize, Deserializer, Serializer, de::Error as _};

    use super::Identity;

    pub(super) fn serialize<S: Serializer>(identity: &Identity, serializer: S) -> Result<S::Ok, S::Error> {
        let mut text = String::with_capacity(64);
        for byte in identity.0 {
            use std::fmt::Write as _;
            write!(text, "{byte:02x}").map_err(serde::ser::Error::custom)?;
        }
        serializer.serialize_str(&text)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Identity, D::Error> {
        let text = String::deserialize(deserializer)?;
        let mut bytes = [0; 32];
        if text.len() != 64 || !text.is_ascii() {
            return Err(D::Error::custom("an identity has 64 hexadecimal digits"));
        }
        for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
            let digits = std::str::from_utf8(digits).map_err(D::Error::custom)?;
            *byte = u8::from_str_radix(digits, 16).map_err(D::Error::custom)?;
        }
        Ok(Identity(bytes))
    }
}

#[cfg(test)]
#[path = "unique_tests.rs"]
mod tests;
