//! Computes without end: `fuel_exhausted` by default; the kind with fuel for minutes ends by `timeout`.

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

#[handler(kind = "busy-loop-fuelled", fuel = 1_000_000_000_000)]
pub fn busy_loop_fuelled(context: &Context, input: Nothing) -> Result<(), Failure> {
    busy_loop(context, input)
}
