//! Reads the head of an answer that does not end.

use stoker_sdk::{Context, Failure, handler, http};

use crate::{To, told};

#[handler(kind = "read-endless-head")]
pub fn read_endless_head(_context: &Context, input: To) -> Result<String, Failure> {
    Ok(told(http::get(input.url("/")).send()))
}
