//! Computes without end: ends by fuel or by timeout, whichever comes first.

use std::hint::black_box;

use stoker_sdk::{Context, Failure, handler};

use crate::Nothing;

#[handler(kind = "busy-loop")]
pub fn busy_loop(_context: &Context, _input: Nothing) -> Result<(), Failure> {
    let mut count: u64 = 0;
    loop {
        count = black_box(count.wrapping_add(1));
    }
}
