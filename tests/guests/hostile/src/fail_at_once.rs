//! Fails and asks to be tried again at once, each time.

use std::time::Duration;
use stoker_sdk::{Context, Failure, handler};

use crate::Anything;

#[handler(kind = "fail-at-once")]
pub fn fail_at_once(_context: &Context, _input: Anything) -> Result<(), Failure> {
    Err(Failure::retry_after("again", Duration::ZERO))
}
