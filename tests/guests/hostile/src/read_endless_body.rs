//! Reads a body that does not end.

use stoker_sdk::{Context, Failure, handler, http};

use crate::{To, told};

#[handler(kind = "read-endless-body")]
pub fn read_endless_body(_context: &Context, input: To) -> Result<String, Failure> {
    Ok(told(http::get(input.url("/")).body_max(usize::MAX).send()))
}
