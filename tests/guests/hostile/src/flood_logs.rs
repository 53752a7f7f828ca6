//! Writes lines to the log without end.

use stoker_sdk::{Context, Failure, handler};

use crate::Anything;

#[handler(kind = "flood-logs")]
pub fn flood_logs(_context: &Context, _input: Anything) -> Result<(), Failure> {
    loop {
        stoker_sdk::info!("{}", "x".repeat(1_000));
    }
}
