//! Waits for a server that takes the request and never answers, again and again.

use stoker_sdk::{Context, Failure, handler, http};

use crate::To;

#[handler(kind = "wait-for-silence")]
pub fn wait_for_silence(_context: &Context, input: To) -> Result<(), Failure> {
    loop {
        let _ = http::get(input.url("/")).send();
    }
}
