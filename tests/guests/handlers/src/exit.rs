//! Ends the process inside a handler, which has none to end: `trap`.

use schemars::JsonSchema;
use serde::Deserialize;
use stoker_sdk::{Context, Failure, handler};

#[derive(Deserialize, JsonSchema)]
pub struct Exit {
    #[serde(default)]
    code: i32,
}

#[handler(kind = "exit")]
pub fn exit(_context: &Context, input: Exit) -> Result<(), Failure> {
    std::process::exit(input.code)
}
