//! Copies tens of megabytes with single instructions, without end: the timeout must still come in time.

use std::hint::black_box;

use stoker_sdk::{Context, Failure, handler};

use crate::Nothing;

const HALF_BYTES: usize = 40 << 20;

#[handler(kind = "memory-copy", fuel = 1_000_000_000_000)]
pub fn memory_copy(_context: &Context, _input: Nothing) -> Result<(), Failure> {
    let mut buffer = vec![1u8; 2 * HALF_BYTES];
    loop {
        buffer.copy_within(..HALF_BYTES, HALF_BYTES);
        black_box(&mut buffer);
    }
}
