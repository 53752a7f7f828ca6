//! Makes requests, sends none, and keeps them: each is an entry in a table of the host.

use stoker_sdk::{Context, Failure, handler};
use wasip2::http::types::Fields;

use crate::{Anything, outgoing};

#[handler(kind = "hoard-requests")]
pub fn hoard_requests(_context: &Context, _input: Anything) -> Result<(), Failure> {
    let mut held = Vec::new();
    loop {
        held.push(outgoing(Fields::new(), "127.0.0.1", &"/x".repeat(4_000)));
    }
}
