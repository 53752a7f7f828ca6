//! Calls itself without end: `stack_overflow`. Frames hold little beside registers, so that the engine's stack
//! runs out before the one in linear memory does.

use std::hint::black_box;

use stoker_sdk::{Context, Failure, handler};

use crate::Nothing;

#[handler(kind = "recurse")]
pub fn recurse(_context: &Context, _input: Nothing) -> Result<u64, Failure> {
    Ok(descend(0))
}

#[inline(never)]
fn descend(depth: u64) -> u64 {
    // What follows the call keeps it from becoming a loop.
    if depth == black_box(u64::MAX) { depth } else { descend(depth + 1) ^ black_box(depth) }
}
