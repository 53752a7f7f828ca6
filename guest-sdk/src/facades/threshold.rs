//! Which lines of the `log` and `tracing` crates are kept. Libraries are talkative, and each line is one of the attempt's
//! host calls: what does not matter enough is dropped before.

use std::cell::Cell;

use crate::Level;

const AT_FIRST: Level = Level::Info;

thread_local! {
    // A module has one thread; natively tests in parallel have one each.
    static LOWEST: Cell<Level> = const { Cell::new(AT_FIRST) };
}

/// Keeps what the `log` and `tracing` crates say at this level and above, from here to the end of the attempt; at first
/// that is [`Level::Info`]. Lines of [`debug!`](crate::debug) and its sisters are always kept.
///
/// Libraries log at `Debug` and `Trace` what only their authors want to know, and each line is one of the attempt's
/// `host_calls`.
///
/// ```
/// # use stoker_sdk::testing::FakeHost;
/// use stoker_sdk::Level;
///
/// # let host = FakeHost::new();
/// log::debug!("dropped");
/// stoker_sdk::set_log_level(Level::Debug);
/// log::debug!("kept");
/// # assert_eq!(host.logs().len(), 1);
/// ```
pub fn set_log_level(lowest: Level) {
    LOWEST.set(lowest);
}

pub(super) fn reset() {
    set_log_level(AT_FIRST);
}

pub(super) fn keeps(level: Level) -> bool {
    level >= LOWEST.get()
}
