//! Returns more than the output limit: `output_too_large`.

use schemars::JsonSchema;
use serde::Deserialize;
use stoker_sdk::{Context, Failure, handler};

#[derive(Deserialize, JsonSchema)]
pub struct Huge {
    #[serde(default = "bytes_default")]
    bytes: usize,
}

fn bytes_default() -> usize {
    2 << 20
}

#[handler(kind = "huge-output")]
pub fn huge_output(_context: &Context, input: Huge) -> Result<String, Failure> {
    Ok("x".repeat(input.bytes))
}
