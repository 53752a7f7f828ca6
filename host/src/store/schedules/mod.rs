//! Schedules: what recurs, and what became of each time it should have.
//!
//! Guarantees: a slot becomes at most one job, since its row, the job and the mark that no slot before it comes up again are
//! one transaction; a mark only ever goes forward. Each schedule is run in an operation of its own, so that one that can't be
//! stops no other.

mod bytes;
mod change;
mod cover;
mod declare;
mod delete;
mod due;
mod facts;
mod fire;
mod list;
mod model;
mod operations;
mod put;
mod rows;
mod run;
mod slots;
mod trigger;

pub(super) use cover::{any_queued, run_ends};
pub(super) use declare::declare_schedules;
pub(super) use facts::schedule_facts;
pub use model::*;
pub(super) use slots::slot_of_job;
