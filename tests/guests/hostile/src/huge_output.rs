//! Returns a text of fifty megabytes.

use stoker_sdk::{Context, Failure, handler};

use crate::Anything;

#[handler(kind = "huge-output")]
pub fn huge_output(_context: &Context, _input: Anything) -> Result<String, Failure> {
    Ok("x".repeat(50 << 20))
}
