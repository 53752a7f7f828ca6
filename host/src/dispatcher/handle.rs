//! What the API sees of the dispatcher.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::active::RunningLog;
use super::guests::{Guests, LoadFailure};
use super::slot::SlotParts;
use crate::job::{Digest, FailureReason, JobId, Progress, Timestamp};
use crate::store::LeaseKey;

/// An attempt whose guest has been entered on this host.
#[derive(Clone, Debug)]
pub struct ActiveAttempt {
    /// The lease it runs under.
    pub lease_number: i64,
    /// From 1.
    pub attempt: u32,
    /// When entered.
    pub started_at: Timestamp,
    /// Last reported.
    pub progress: Option<Progress>,
}

/// Slots of this host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slots {
    /// Attempts running.
    pub used: u32,
    /// Attempts that may run at once; 0 = accepts and does not run.
    pub total: u32,
}

/// Numbers for `/metrics`.
#[derive(Clone, Debug, Default)]
pub struct DispatcherMetrics {
    /// Executions ended since start, by outcome word (`succeeded`, `suspended`, or the failure reason's).
    pub executions: Vec<(&'static str, u64)>,
    /// Guest run time since start, µs.
    pub run_us: u64,
    /// Fuel burnt since start.
    pub fuel: u64,
    /// Jobs claimed since start.
    pub claimed: u64,
    /// Outcomes waiting for the store.
    pub outcomes_waiting: u64,
}

/// Cheap to clone.
#[derive(Clone, Debug)]
pub struct DispatcherHandle {
    pub(super) parts: Arc<SlotParts>,
    pub(super) guests: Guests,
    pub(super) slots_total: u32,
    pub(super) stopping: Arc<AtomicBool>,
}

impl DispatcherHandle {
    /// The job's running attempt on this host, if its guest has been entered.
    pub fn active(&self, job: JobId) -> Option<ActiveAttempt> {
        self.parts.active.get(job)
    }

    /// The log of the job's running attempt on this host, if its guest has been entered.
    pub fn running_log(&self, job: JobId) -> Option<RunningLog> {
        self.parts.active.log(job)
    }

    /// Interrupts what runs under this lease, if it does here. Idempotent; a later run of the job is not meant.
    pub fn interrupt(&self, lease: LeaseKey, reason: FailureReason) {
        self.parts.active.interrupt(lease, reason);
    }

    /// Interrupts every job this host holds: it was taken for dead and they are others' now.
    pub fn interrupt_all(&self, reason: FailureReason) {
        self.parts.active.interrupt_all(reason);
    }

    /// Modules being loaded, or waiting to be tried again: their jobs stay parked.
    pub fn absent_modules(&self) -> Vec<Digest> {
        self.guests.absent()
    }

    /// Why jobs of this module wait, if it could not be loaded.
    pub fn load_failure(&self, digest: Digest) -> Option<LoadFailure> {
        self.guests.failure(digest)
    }

    /// Slots in use and in all.
    pub fn slots(&self) -> Slots {
        Slots { used: self.parts.tally.slots_used(), total: self.slots_total }
    }

    /// Running numbers.
    pub fn metrics(&self) -> DispatcherMetrics {
        DispatcherMetrics { outcomes_waiting: self.parts.outcomes.waiting(), ..self.parts.tally.metrics() }
    }

    /// Stopped claiming (shutdown).
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }
}
