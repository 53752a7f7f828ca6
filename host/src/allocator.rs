//! The allocator of the host, and how it is set. The bench takes the same, so that its floors stand on the same ground.

use std::ffi::{c_int, c_long};
use std::time::Duration;

/// Many small allocations on many threads are what a job runner does.
pub use mimalloc::MiMalloc as Allocator;

/// Its number among the allocator's options.
const PURGE_DELAY: c_int = 15;
/// How long freed memory is kept before it goes back to the system, ms. The default of 10 makes a busy host take back
/// what it has just given away, page by page.
const PURGE_DELAY_MS: c_long = 1_000;

/// Time between two calls of [`give_back`].
pub const GIVE_BACK_PERIOD: Duration = Duration::from_secs(5);

/// Gives memory back that has been free for long enough. The allocator does so by itself only when it needs more: a host that
/// has become idle would keep what it last needed for good.
#[allow(unsafe_code)]
pub fn give_back() {
    unsafe extern "C" {
        fn mi_collect(force: bool);
    }
    // SAFETY: tidies up the calling thread's part of the allocator that is linked in; may be called at any time.
    unsafe { mi_collect(false) };
}

/// To be called first of all.
#[allow(unsafe_code)]
pub fn set_up() {
    unsafe extern "C" {
        fn mi_option_set(option: c_int, value: c_long);
    }
    // SAFETY: stores a number among the options of the allocator that is linked in; may be called at any time.
    unsafe { mi_option_set(PURGE_DELAY, PURGE_DELAY_MS) };
}
