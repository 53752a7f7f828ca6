//! Says that trying again is pointless.

use stoker_sdk::{Context, Failure, handler};

use crate::Nothing;

#[handler(kind = "fail-fatal")]
pub fn fail_fatal(_context: &Context, _input: Nothing) -> Result<(), Failure> {
    Err(Failure::fatal("pointless on purpose"))
}
