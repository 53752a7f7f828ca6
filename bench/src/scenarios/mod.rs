//! One file per scenario. Each starts hosts of its own on fresh directories, and leaves nothing behind.

mod cold_start;
mod drain;
mod end_to_end;
mod enqueue;
mod latency_idle;
mod queue_fill;
mod receipts;
mod rss;
mod run;

pub(crate) use run::run;
