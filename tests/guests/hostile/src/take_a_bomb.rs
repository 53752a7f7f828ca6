//! Takes an answer that is small, and hundreds of megabytes for whoever unpacks it.

use stoker_sdk::{Context, Failure, handler, http};

use crate::To;

#[handler(kind = "take-a-bomb")]
pub fn take_a_bomb(_context: &Context, input: To) -> Result<usize, Failure> {
    Ok(http::get(input.url("/")).header("accept-encoding", "gzip").send()?.body().len())
}
