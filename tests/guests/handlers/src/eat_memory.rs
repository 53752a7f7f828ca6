//! Allocates and touches memory until it is refused; Rust then aborts: `memory_exceeded`.

use std::hint::black_box;

use stoker_sdk::{Context, Failure, handler};

use crate::Nothing;

const PIECE_BYTES: usize = 1 << 20;

#[handler(kind = "eat-memory")]
pub fn eat_memory(_context: &Context, _input: Nothing) -> Result<(), Failure> {
    let mut pieces = Vec::new();
    loop {
        pieces.push(vec![1u8; PIECE_BYTES]);
        black_box(&pieces);
    }
}
