//! The writer's memory of limits: what is limited, how much of it is used, and which limits may have come to have room since
//! the last claim. See ADR 11.
//!
//! All of it can be read again from the leases and the buckets on disk, and is, whenever it may be wrong: at start, after
//! something was taken back, when limits change. With no limits anywhere nothing is counted and nothing is looked up.

mod permits;
mod set;
mod usage;
mod waits;

pub(super) use set::Counted;
pub(super) use usage::{Obstacle, Paces, Seen};
