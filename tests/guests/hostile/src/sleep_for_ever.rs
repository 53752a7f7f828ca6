//! Waits in a call into the host that never returns.

use stoker_sdk::{Context, Failure, handler};
use wasip2::clocks::monotonic_clock::{now, subscribe_instant};

use crate::Anything;

#[handler(kind = "sleep-for-ever")]
pub fn sleep_for_ever(_context: &Context, _input: Anything) -> Result<(), Failure> {
    subscribe_instant(now().saturating_add(u64::MAX / 2)).block();
    Ok(())
}
