//! When a cron expression fires, in a time zone. Hands out instants; nothing of the libraries behind it shows.
//!
//! Guarantees: the times of an expression are strictly increasing, whatever the zone does to its clock. A local time that
//! falls into a gap (the clock is set forward over it) fires once, at the first instant after the gap, where the expression
//! names its hour. One that comes twice (the clock is set back) fires the first time only, unless the expression is an
//! interval, which keeps its pace through both.

mod expression;
mod next;
mod ranges;
#[cfg(test)]
mod tests;
mod zone;

pub use expression::{Cron, CronError};
pub use zone::{Zone, ZoneError};
