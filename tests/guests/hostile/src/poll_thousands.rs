//! Waits for thousands of timers at once, again and again.

use stoker_sdk::{Context, Failure, handler};
use wasip2::clocks::monotonic_clock::subscribe_duration;
use wasip2::io::poll::poll;

use crate::Anything;

#[handler(kind = "poll-thousands")]
pub fn poll_thousands(_context: &Context, _input: Anything) -> Result<(), Failure> {
    let timers: Vec<_> = (0..4_000).map(|_| subscribe_duration(u64::MAX)).collect();
    let mut waited: Vec<_> = timers.iter().collect();
    let soon = subscribe_duration(1);
    waited.push(&soon);
    loop {
        poll(&waited);
    }
}
