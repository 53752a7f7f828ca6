//! Upkeep: small idempotent tasks without input, run by one driver when their period is over or their signal comes.
//! A task that never ran, ran twice or was killed half-way leaves nothing wrong, only later.

mod driver;
mod status;
mod tasks;

pub use driver::{Maintenance, MaintenanceOptions, MaintenanceSignals};
pub use status::{MaintenanceStatus, TaskStatus};
