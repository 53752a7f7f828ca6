//! Logs more than the log keeps, in fewer calls than allowed, then succeeds: the excess is dropped and counted.

use schemars::JsonSchema;
use serde::Deserialize;
use stoker_sdk::{Context, Failure, handler};

#[derive(Deserialize, JsonSchema)]
pub struct Flood {
    #[serde(default = "lines_default")]
    lines: u32,
    #[serde(default = "line_bytes_default")]
    line_bytes: usize,
    /// Keeps running this long afterwards.
    #[serde(default)]
    hold_ms: u64,
}

fn lines_default() -> u32 {
    4_000
}

fn line_bytes_default() -> usize {
    500
}

#[handler(kind = "flood-logs")]
pub fn flood_logs(_context: &Context, input: Flood) -> Result<u32, Failure> {
    let line = "x".repeat(input.line_bytes);
    for number in 0..input.lines {
        stoker_sdk::info!("{number} {line}");
    }
    std::thread::sleep(std::time::Duration::from_millis(input.hold_ms));
    Ok(input.lines)
}
