//! Fails with a message of eight megabytes.

use stoker_sdk::{Context, Failure, handler};

use crate::Anything;

#[handler(kind = "huge-error")]
pub fn huge_error(_context: &Context, _input: Anything) -> Result<(), Failure> {
    Err(Failure::fatal("x".repeat(8 << 20)))
}
