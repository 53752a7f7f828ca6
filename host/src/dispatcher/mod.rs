//! Who runs next: claims ready jobs, feeds the slots, writes what became of them.
//!
//! Wake-ups are hints; with all of them dropped everything still runs, only later.

mod handle;

pub use handle::{ActiveAttempt, DispatcherHandle, DispatcherMetrics, Slots};
