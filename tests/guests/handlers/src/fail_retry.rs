//! Asks for another attempt, until the one it was told to succeed in.

use schemars::JsonSchema;
use serde::Deserialize;
use stoker_sdk::{Context, Failure, handler};

#[derive(Deserialize, JsonSchema)]
pub struct Retry {
    /// 0 for never.
    #[serde(default)]
    succeed_on_attempt: u32,
}

#[handler(kind = "fail-retry")]
pub fn fail_retry(context: &Context, input: Retry) -> Result<u32, Failure> {
    let attempt = context.attempt();
    if input.succeed_on_attempt > 0 && attempt >= input.succeed_on_attempt {
        return Ok(attempt);
    }
    Err(Failure::retry(format_args!("attempt {attempt} fails on purpose")))
}
