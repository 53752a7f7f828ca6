//! Reports its steps, then holds still as long as it was told, so that the report can be seen.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use stoker_sdk::{Context, Failure, handler};

#[derive(Deserialize, JsonSchema)]
pub struct Steps {
    #[serde(default = "steps_default")]
    steps: u64,
    #[serde(default)]
    hold_ms: u64,
}

fn steps_default() -> u64 {
    3
}

#[handler(kind = "progress")]
pub fn progress(context: &Context, input: Steps) -> Result<u64, Failure> {
    for step in 1..=input.steps {
        context.progress(step, input.steps, Some(&format!("step {step}")));
    }
    std::thread::sleep(Duration::from_millis(input.hold_ms));
    Ok(input.steps)
}
