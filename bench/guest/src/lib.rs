//! Jobs that do nothing, so that a benchmark measures everything around them.

use std::time::{SystemTime, UNIX_EPOCH};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stoker_sdk::{Context, Failure, handler};

/// About 200 bytes of typed payload.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Noop {
    /// Any number.
    pub id: u64,
    /// Any text.
    pub name: String,
    /// Any text.
    pub note: String,
}

/// Done.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Done {
    /// Always `true`.
    pub ok: bool,
}

/// Does nothing.
#[handler(kind = "noop")]
pub fn noop(_context: &Context, _input: Noop) -> Result<Done, Failure> {
    Ok(Done { ok: true })
}

/// When the handler was entered.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Entered {
    /// Microseconds since the Unix epoch, by the wall clock.
    pub entered_at_us: u64,
}

/// Nothing, or anything that fits into an object.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Nothing {}

/// Says when it was entered.
#[handler(kind = "entered")]
pub fn entered(_context: &Context, _input: Nothing) -> Result<Entered, Failure> {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH)?;
    Ok(Entered { entered_at_us: u64::try_from(since_epoch.as_micros())? })
}

stoker_sdk::module!(noop, entered);
