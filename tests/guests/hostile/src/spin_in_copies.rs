//! Keeps a core for itself inside single instructions that copy forty megabytes each: none of them can be interrupted.

use std::hint::black_box;
use stoker_sdk::{Context, Failure, handler};

use crate::Anything;

#[handler(kind = "spin-in-copies")]
pub fn spin_in_copies(_context: &Context, _input: Anything) -> Result<(), Failure> {
    let mut bytes = vec![1u8; 80 << 20];
    loop {
        bytes.copy_within(..40 << 20, 40 << 20);
        black_box(&bytes);
    }
}
