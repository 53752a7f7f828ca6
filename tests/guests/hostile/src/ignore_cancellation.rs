//! Asks whether it is to end, and does not.

use std::hint::black_box;
use stoker_sdk::{Context, Failure, handler};

use crate::Anything;

#[handler(kind = "ignore-cancellation")]
pub fn ignore_cancellation(context: &Context, _input: Anything) -> Result<(), Failure> {
    loop {
        black_box(context.is_cancelled());
        for _ in 0..1_000_000 {
            black_box(());
        }
    }
}
