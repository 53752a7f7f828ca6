//! Asks for memory page by page and writes to all of it, until there is no more, and then goes on asking.

use std::hint::black_box;
use stoker_sdk::{Context, Failure, handler};

use crate::Anything;

#[handler(kind = "grow-memory")]
pub fn grow_memory(_context: &Context, _input: Anything) -> Result<(), Failure> {
    let mut pieces: Vec<Vec<u8>> = Vec::new();
    loop {
        let mut piece = Vec::new();
        if piece.try_reserve_exact(64 << 10).is_ok() {
            piece.resize(64 << 10, 1);
            pieces.push(piece);
        }
        black_box(&pieces);
    }
}
