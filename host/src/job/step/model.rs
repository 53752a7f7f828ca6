//! What a step is, and within which bounds.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::job::clock::Timestamp;
use crate::job::text::control_character;

/// Most steps of one job, sleeps and waits among them.
pub const STEPS_MAX: usize = 1_000;
/// Largest result of a step, bytes of JSON text.
pub const STEP_RESULT_BYTES_MAX: usize = 256 << 10;
/// Most bytes the results of one job's steps may have together.
pub const STEPS_BYTES_MAX: usize = 1 << 20;
/// Longest sleep and longest wait for an event.
pub const WAIT_MAX: Duration = Duration::from_hours(366 * 24);
/// Most bytes of what an event is told apart by.
pub const CORRELATION_BYTES_MAX: usize = 255;

/// What a step does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepType {
    /// Runs a part of the handler.
    Step,
    /// Lets time pass.
    Sleep,
    /// Waits for an event.
    Event,
}

impl StepType {
    /// The word used in HTTP and the dashboard.
    pub const fn as_str(self) -> &'static str {
        match self {
            StepType::Step => "step",
            StepType::Sleep => "sleep",
            StepType::Event => "event",
        }
    }

    /// The number the store keeps; never reused.
    pub const fn code(self) -> u8 {
        match self {
            StepType::Step => 1,
            StepType::Sleep => 2,
            StepType::Event => 3,
        }
    }

    /// From the number the store keeps.
    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            1 => Some(StepType::Step),
            2 => Some(StepType::Sleep),
            3 => Some(StepType::Event),
            _ => None,
        }
    }
}

macro_rules! short_text {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Most bytes.
            pub const BYTES_MAX: usize = 128;

            /// As text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = StepNameError;

            fn from_str(text: &str) -> Result<Self, StepNameError> {
                let is_sound = !text.is_empty() && text.len() <= Self::BYTES_MAX && control_character(text).is_none();
                if is_sound { Ok(Self(text.into())) } else { Err(StepNameError { what: $what }) }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }
    };
}

short_text! {
    /// What a handler calls a step. Chosen by it, and so any short text.
    StepName, "the name of a step"
}
short_text! {
    /// The type of an event, e.g. `payment.received`. Chosen by whoever emits it.
    EventName, "the type of an event"
}

/// Why a text can't be a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} must be 1 to {} bytes of text without control characters", StepName::BYTES_MAX)]
pub struct StepNameError {
    what: &'static str,
}

/// What a handler asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// What it does.
    pub step_type: StepType,
    /// Its name; of a wait, the type of the event.
    pub name: StepName,
    /// The type of its result in the handler's own words; empty where it has none.
    pub shape: String,
    /// What the event is told apart by; of a wait alone.
    pub correlation: Option<String>,
}

/// A step as it is recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Its place among the job's steps, from 0, in the order they were recorded.
    pub index: u32,
    /// What was asked for.
    pub asked: Asked,
    /// The how many-eth of its name it is, from 0.
    pub occurrence: u32,
    /// JSON text. `None` of a sleep, of a wait that goes on, and of one whose time was over first.
    pub result: Option<Bytes>,
    /// The execution that recorded it.
    pub execution: i64,
    /// When it was begun.
    pub started_at: Timestamp,
    /// When it was recorded, or what it waited for came, or its time was over. `None`: it goes on, or is a sleep.
    pub ended_at: Option<Timestamp>,
    /// When the sleep or the wait is over.
    pub until: Option<Timestamp>,
    /// In its execution a step had failed before it: an execution in which that one succeeds does not come here.
    pub after_failure: bool,
}

impl Step {
    /// What it takes of a job's bytes.
    pub fn bytes(&self) -> usize {
        self.result.as_ref().map_or(0, Bytes::len)
    }

    /// Whether a sleep or wait goes on at this moment.
    pub fn goes_on(&self, now: Timestamp) -> bool {
        match self.asked.step_type {
            StepType::Step => false,
            StepType::Sleep => self.until.is_some_and(|until| now < until),
            StepType::Event => self.ended_at.is_none(),
        }
    }
}
