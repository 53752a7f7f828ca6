//! Fails, and says what is to follow that.

use stoker_sdk::{Context, Failure, handler};

use crate::Nothing;

#[handler(
    kind = "fail-followed",
    on_failed = job(kind = "echo", queue = "alerts", priority = 1),
    retention(cancelled = "0s", failed = "1h"),
)]
pub fn fail_followed(_context: &Context, _input: Nothing) -> Result<(), Failure> {
    Err(Failure::fatal("to be told on purpose"))
}
