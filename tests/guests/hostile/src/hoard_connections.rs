//! Begins requests, finishes none, and keeps all of them open.

use stoker_sdk::{Context, Failure, handler};
use wasip2::clocks::monotonic_clock::subscribe_duration;
use wasip2::http::outgoing_handler::handle;
use wasip2::http::types::Fields;

use crate::{To, outgoing};

#[handler(kind = "hoard-connections")]
pub fn hoard_connections(_context: &Context, input: To) -> Result<(), Failure> {
    let mut held = Vec::new();
    for _ in 0..90 {
        held.extend(handle(outgoing(Fields::new(), &input.to, "/"), None));
    }
    subscribe_duration(u64::MAX).block();
    drop(held);
    Ok(())
}
