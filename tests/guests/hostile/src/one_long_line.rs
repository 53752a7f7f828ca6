//! Writes one line of thirty megabytes to the log.

use stoker_sdk::{Context, Failure, handler};

use crate::Anything;

#[handler(kind = "one-long-line")]
pub fn one_long_line(_context: &Context, _input: Anything) -> Result<(), Failure> {
    stoker_sdk::info!("{}", "x".repeat(30 << 20));
    Ok(())
}
