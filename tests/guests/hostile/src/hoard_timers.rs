//! Makes timers and keeps them: each is an entry in a table of the host.

use stoker_sdk::{Context, Failure, handler};
use wasip2::clocks::monotonic_clock::subscribe_duration;

use crate::Anything;

#[handler(kind = "hoard-timers")]
pub fn hoard_timers(_context: &Context, _input: Anything) -> Result<(), Failure> {
    let mut timers = Vec::new();
    loop {
        timers.push(subscribe_duration(u64::MAX));
    }
}
