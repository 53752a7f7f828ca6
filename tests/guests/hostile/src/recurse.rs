//! Calls itself without end.

use std::hint::black_box;
use stoker_sdk::{Context, Failure, handler};

use crate::Anything;

#[inline(never)]
#[expect(unconditional_recursion)]
fn deeper(depth: u64) -> u64 {
    black_box(depth) + deeper(black_box(depth + 1))
}

#[handler(kind = "recurse")]
pub fn recurse(_context: &Context, _input: Anything) -> Result<u64, Failure> {
    Ok(deeper(1))
}
