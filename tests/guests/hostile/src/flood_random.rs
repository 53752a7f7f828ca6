//! Asks for a gigabyte of random bytes at once.

use stoker_sdk::{Context, Failure, handler};
use wasip2::random::random::get_random_bytes;

use crate::Anything;

#[handler(kind = "flood-random")]
pub fn flood_random(_context: &Context, _input: Anything) -> Result<usize, Failure> {
    Ok(get_random_bytes(1 << 30).len())
}
