//! Ends in the middle of everything.

use stoker_sdk::{Context, Failure, handler};

use crate::Anything;

#[handler(kind = "trap")]
pub fn trap(_context: &Context, _input: Anything) -> Result<(), Failure> {
    std::process::abort()
}
