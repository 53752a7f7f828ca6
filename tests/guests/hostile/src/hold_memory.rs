//! Takes all the memory it may have and then sleeps: many of these at once want more than the machine has.

use std::hint::black_box;
use std::time::Duration;
use stoker_sdk::{Context, Failure, handler};

use crate::Anything;

#[handler(kind = "hold-memory")]
pub fn hold_memory(_context: &Context, _input: Anything) -> Result<(), Failure> {
    let bytes = vec![1u8; 100 << 20];
    std::thread::sleep(Duration::from_hours(1));
    black_box(bytes);
    Ok(())
}
