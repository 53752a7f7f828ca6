//! One file per scenario. Each starts hosts of its own on fresh directories, and leaves nothing behind.

mod cancel;
mod cold_start;
mod drain;
mod end_to_end;
mod enqueue;
mod fairness;
mod fifo_keys;
mod latency_idle;
mod limits;
mod queue_fill;
mod receipts;
mod rss;
mod run;
mod scheduled;
mod steps;

pub(crate) use run::run;
