//! Who runs next: claims ready jobs, feeds the slots, writes what became of them.
//!
//! Wake-ups are hints; with all of them dropped everything still runs, only later. Nothing here names SQLite or
//! wasmtime, and nothing assumes to be the only host.

mod active;
mod attempt;
mod claims;
mod databases;
mod estimate;
mod feed;
mod granted;
mod guests;
mod handle;
mod lane;
mod outcomes;
mod parents;
mod service;
mod slot;
mod steps;
mod tally;

#[cfg(test)]
mod tests;

pub use active::RunningLog;
pub use guests::LoadFailure;
pub use handle::{ActiveAttempt, DispatcherHandle, DispatcherMetrics, Slots};
pub use service::{Dispatcher, DispatcherOptions, DispatcherParts};
