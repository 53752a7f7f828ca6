//! Sleeps; past the timeout unless told otherwise.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use stoker_sdk::{Context, Failure, handler};

#[derive(Deserialize, JsonSchema)]
pub struct Sleep {
    #[serde(default = "an_hour_ms")]
    ms: u64,
}

fn an_hour_ms() -> u64 {
    3_600_000
}

#[handler(kind = "sleep")]
pub fn sleep(_context: &Context, input: Sleep) -> Result<(), Failure> {
    std::thread::sleep(Duration::from_millis(input.ms));
    Ok(())
}
