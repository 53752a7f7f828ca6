//! Asks for the time without end.

use std::hint::black_box;
use stoker_sdk::{Context, Failure, handler};
use wasip2::clocks::monotonic_clock;

use crate::Anything;

#[handler(kind = "flood-clocks")]
pub fn flood_clocks(_context: &Context, _input: Anything) -> Result<(), Failure> {
    loop {
        black_box(monotonic_clock::now());
    }
}
