//! What a schedule is and what it decides: when its slots are, which of those that have come become jobs, and what a run
//! that still goes on means for the next. Pure; the rows are the store's.

mod declared;
mod definition;
mod due;
mod fate;
mod overlap;
mod plan;
mod timing;

pub use declared::{DeclaredSchedule, check_declared};
pub use definition::{Definition, Inherited};
pub use due::{DueSlots, MISSED_RUN_MAX, Misfire, ON_TIME_WITHIN, SLOTS_KEPT_MAX, SlotVerdict, due_slots};
pub use fate::SlotFate;
pub use overlap::{Overlap, Unfinished, WhatOverlaps, on_overlap};
pub use plan::{JITTER_MAX, Plan, PlanRequest, Recurrence};
pub use timing::{EVERY_MIN, Timing, Trigger};
