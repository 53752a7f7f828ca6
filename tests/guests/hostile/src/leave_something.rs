//! Leaves something in its memory, and tells whether it found what another attempt left.

use std::sync::atomic::{AtomicBool, Ordering};
use stoker_sdk::{Context, Failure, handler};

use crate::Anything;

static LEFT: AtomicBool = AtomicBool::new(false);

#[handler(kind = "leave-something")]
pub fn leave_something(_context: &Context, _input: Anything) -> Result<bool, Failure> {
    Ok(LEFT.swap(true, Ordering::SeqCst))
}
