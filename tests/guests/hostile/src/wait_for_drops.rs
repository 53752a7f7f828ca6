//! Reads from a server that sends a byte now and then, for days: a slow loris.

use stoker_sdk::{Context, Failure, handler, http};

use crate::To;

#[handler(kind = "wait-for-drops")]
pub fn wait_for_drops(_context: &Context, input: To) -> Result<usize, Failure> {
    Ok(http::get(input.url("/")).send()?.body().len())
}
