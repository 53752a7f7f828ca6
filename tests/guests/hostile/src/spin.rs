//! Keeps a core for itself, without a call and without an allocation.

use std::hint::black_box;
use stoker_sdk::{Context, Failure, handler};

use crate::Anything;

#[handler(kind = "spin")]
pub fn spin(_context: &Context, _input: Anything) -> Result<(), Failure> {
    loop {
        black_box(());
    }
}
