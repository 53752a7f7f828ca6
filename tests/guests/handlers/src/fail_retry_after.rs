//! Asks for another attempt after exactly so long; succeeds in the second.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use stoker_sdk::{Context, Failure, handler};

#[derive(Deserialize, JsonSchema)]
pub struct RetryAfter {
    #[serde(default = "after_ms_default")]
    after_ms: u64,
}

fn after_ms_default() -> u64 {
    300
}

#[handler(kind = "fail-retry-after")]
pub fn fail_retry_after(context: &Context, input: RetryAfter) -> Result<u32, Failure> {
    match context.attempt() {
        1 => Err(Failure::retry_after("not yet", Duration::from_millis(input.after_ms))),
        attempt => Ok(attempt),
    }
}
