//! JSON Schemas, which come from modules and may be hostile, and the checking of values against them, within bounds.
//! The only code that names jsonschema.
//!
//! A schema past a bound of its shape is refused before it is compiled (`shape.rs`). A check that goes on for too long
//! or too deep is given up (`budget.rs`), wherever in the evaluator it is: values are shown to it through a
//! representation that counts every look (`metered.rs`), and texts are matched in one pass that counts its steps
//! (`pattern.rs`). What takes long is done on threads of its own (`slow.rs`).

#![cfg_attr(test, allow(clippy::expect_used, clippy::unwrap_used))]

mod bounded;
mod budget;
mod deep_stack;
mod difference;
mod lookaround;
mod metered;
mod pattern;
mod shape;
mod slow;

pub use bounded::{BoundedSchema, Effort, Verdict, Violation};
pub use budget::{Exhausted, thread_cpu_time};
pub use difference::difference;
pub use slow::{SharedSchema, SlowWork};
