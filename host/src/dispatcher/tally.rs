//! Running numbers of the dispatcher, for `/metrics`.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crate::job::{FailureReason, Outcome, Receipt};

/// Outcome words that are not failure reasons.
const SUCCEEDED: usize = 0;
const SUSPENDED: usize = 1;
const FIRST_REASON: usize = 2;

/// Counters since start. Relaxed: each number is right, their moment may differ.
#[derive(Debug)]
pub struct Tally {
    executions: Vec<AtomicU64>,
    run_us: AtomicU64,
    fuel: AtomicU64,
    claimed: AtomicU64,
    scans: AtomicU64,
    slots_used: AtomicU32,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            executions: (0..FIRST_REASON + FailureReason::ALL.len()).map(|_| AtomicU64::new(0)).collect(),
            run_us: AtomicU64::new(0),
            fuel: AtomicU64::new(0),
            claimed: AtomicU64::new(0),
            scans: AtomicU64::new(0),
            slots_used: AtomicU32::new(0),
        }
    }
}

impl Tally {
    /// An execution ended.
    pub fn ended(&self, outcome: &Outcome, receipt: &Receipt) {
        let index = match outcome {
            Outcome::Succeeded { .. } => SUCCEEDED,
            Outcome::Suspended(_) => SUSPENDED,
            Outcome::Failed(failure) => {
                let position = FailureReason::ALL.iter().position(|reason| *reason == failure.reason);
                FIRST_REASON + position.unwrap_or_default()
            }
        };
        if let Some(counter) = self.executions.get(index) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
        self.run_us.fetch_add(receipt.run_us, Ordering::Relaxed);
        self.fuel.fetch_add(receipt.fuel_used, Ordering::Relaxed);
    }

    /// Jobs were claimed.
    pub fn claimed(&self, jobs: usize) {
        self.claimed.fetch_add(jobs as u64, Ordering::Relaxed);
    }

    /// The waiting jobs were looked through.
    pub fn scanned(&self) {
        self.scans.fetch_add(1, Ordering::Relaxed);
    }

    /// How often they were.
    #[cfg(test)]
    pub fn scans(&self) -> u64 {
        self.scans.load(Ordering::Relaxed)
    }

    /// A slot took up a job; the guard gives it back.
    pub fn slot(&self) -> SlotInUse<'_> {
        self.slots_used.fetch_add(1, Ordering::Relaxed);
        SlotInUse(self)
    }

    /// Slots in use now.
    pub fn slots_used(&self) -> u32 {
        self.slots_used.load(Ordering::Relaxed)
    }

    /// The numbers, except outcomes waiting.
    pub fn metrics(&self) -> super::handle::DispatcherMetrics {
        let words = ["succeeded", "suspended"].into_iter().chain(FailureReason::ALL.iter().map(|r| r.as_str()));
        super::handle::DispatcherMetrics {
            executions: words.zip(&self.executions).map(|(word, n)| (word, n.load(Ordering::Relaxed))).collect(),
            run_us: self.run_us.load(Ordering::Relaxed),
            fuel: self.fuel.load(Ordering::Relaxed),
            claimed: self.claimed.load(Ordering::Relaxed),
            outcomes_waiting: 0,
        }
    }
}

/// One slot in use.
#[derive(Debug)]
pub struct SlotInUse<'a>(&'a Tally);

impl Drop for SlotInUse<'_> {
    fn drop(&mut self) {
        self.0.slots_used.fetch_sub(1, Ordering::Relaxed);
    }
}
