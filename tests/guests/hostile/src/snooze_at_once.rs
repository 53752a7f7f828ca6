//! Comes back at once, for ever, and uses no attempt: a job that would never end and always be first.

use std::time::Duration;
use stoker_sdk::{Context, Failure, handler};

use crate::Anything;

#[handler(kind = "snooze-at-once")]
pub fn snooze_at_once(_context: &Context, _input: Anything) -> Result<(), Failure> {
    Err(Failure::snooze(Duration::ZERO))
}
