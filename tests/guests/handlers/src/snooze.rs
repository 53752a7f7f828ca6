//! Comes back later until a moment of the wall clock has passed; uses no attempt.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stoker_sdk::{Context, Failure, handler};

#[derive(Deserialize, JsonSchema)]
pub struct Snooze {
    /// Milliseconds since the Unix epoch.
    #[serde(default)]
    until_ms: u64,
}

#[derive(Serialize, JsonSchema)]
pub struct Awake {
    attempt: u32,
}

#[handler(kind = "snooze")]
pub fn snooze(context: &Context, input: Snooze) -> Result<Awake, Failure> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
    match Duration::from_millis(input.until_ms).checked_sub(now) {
        Some(left) if !left.is_zero() => Err(Failure::snooze(left + Duration::from_millis(1))),
        _ => Ok(Awake { attempt: context.attempt() }),
    }
}
