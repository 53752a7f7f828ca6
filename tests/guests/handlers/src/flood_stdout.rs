//! Prints more than the log keeps, then succeeds: the excess is dropped and counted.

use std::io::Write;

use schemars::JsonSchema;
use serde::Deserialize;
use stoker_sdk::{Context, Failure, handler};

const LINE: &str = "this line is printed many times over, 64 bytes of it, again ...\n";
const LINES_PER_WRITE: usize = 64;

#[derive(Deserialize, JsonSchema)]
pub struct Flood {
    /// Bytes to print.
    #[serde(default = "bytes_default")]
    bytes: usize,
}

fn bytes_default() -> usize {
    2 << 20
}

#[handler(kind = "flood-stdout")]
pub fn flood_stdout(_context: &Context, input: Flood) -> Result<usize, Failure> {
    let block = LINE.repeat(LINES_PER_WRITE);
    let mut stdout = std::io::stdout().lock();
    let mut printed = 0;
    while printed < input.bytes {
        stdout.write_all(block.as_bytes())?;
        printed += block.len();
    }
    Ok(printed)
}
