//! What this host asks the store for, and what becomes of the jobs it is given. Called by the store's writer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::mpsc;

use super::estimate::{Estimates, jobs_to_claim};
use super::feed::FeedItem;
use super::guests::{Guests, Sorted};
use super::slot::SlotParts;
use crate::job::{CompiledFrom, HostId};
use crate::sandbox::{Interrupt, ProgressCell};
use crate::store::{ClaimRequest, Claimant, Claimed, ClaimedJob};

/// Jobs asked for at once.
pub(super) const CLAIM_JOBS_MAX: usize = 512;
/// Payload bytes asked for at once.
const CLAIM_PAYLOAD_BYTES_MAX: usize = 8 << 20;

/// Claims for the slots of one host.
pub(super) struct Claims {
    pub(super) parts: Arc<SlotParts>,
    pub(super) guests: Guests,
    pub(super) host: HostId,
    pub(super) slots: u32,
    /// Expected run time that may wait in front of all guest threads, µs.
    pub(super) ahead_us: u64,
    /// Jobs whose module is being loaded and that can't be held meanwhile: to be parked in the store.
    pub(super) to_park: mpsc::UnboundedSender<Vec<FeedItem>>,
    pub(super) gate: Gate,
}

/// Whether anything is asked for.
#[derive(Debug, Default)]
pub(super) struct Gate {
    closed: AtomicBool,
    /// Only scans are heeded, no wake-up: so that a test can show that wake-ups are no more than hints.
    pub(super) scans_only: bool,
    scan: AtomicBool,
}

impl Gate {
    pub(super) fn new(scans_only: bool) -> Self {
        Self { scans_only, ..Self::default() }
    }

    /// Nothing is asked for any more.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
    }

    /// The periodic look: the next question is answered in any case.
    pub(super) fn scan(&self) {
        self.scan.store(true, Ordering::SeqCst);
    }

    fn is_open(&self) -> bool {
        !self.closed.load(Ordering::SeqCst) && (!self.scans_only || self.scan.load(Ordering::SeqCst))
    }

    fn served(&self) {
        self.scan.store(false, Ordering::SeqCst);
    }
}

impl Claims {
    fn jobs_wanted(&self) -> usize {
        let level = self.parts.feed.level();
        let typical_us = self.parts.estimates.lock().typical_us();
        jobs_to_claim(level.idle_slots, level.queued, level.queued_us, typical_us, self.ahead_us)
    }
}

impl Claimant for Claims {
    fn wants(&self) -> Option<ClaimRequest> {
        if self.slots == 0 || !self.gate.is_open() {
            return None;
        }
        let jobs_max = self.jobs_wanted();
        (jobs_max > 0).then(|| ClaimRequest {
            host: self.host,
            jobs_max,
            payload_bytes_max: CLAIM_PAYLOAD_BYTES_MAX,
            suspect_allowed: !self.parts.suspect_runs.load(Ordering::Acquire),
            loading: self.guests.loading(),
        })
    }

    fn take(&self, claimed: Claimed) {
        self.gate.served();
        self.parts.tally.claimed(claimed.jobs.len());
        let items: Vec<FeedItem> = {
            let mut estimates = self.parts.estimates.lock();
            claimed.jobs.into_iter().map(|job| feed_item(job, &mut estimates)).collect()
        };
        if items.iter().any(|item| item.job.suspect) {
            self.parts.suspect_runs.store(true, Ordering::Release);
        }
        self.parts.active.hold(items.iter().map(|item| {
            let lease = &item.job.lease;
            (lease.job(), lease.number(), lease.attempt(), item.interrupt.clone(), item.progress.clone())
        }));
        let Sorted { runnable, parked } = self.guests.sort(items);
        self.parts.feed.push(runnable);
        if !parked.is_empty() {
            // The receiver lives until the claims have settled.
            let _closed = self.to_park.send(parked);
        }
    }
}

fn feed_item(job: ClaimedJob, estimates: &mut Estimates) -> FeedItem {
    let estimate_us = estimates.expect(job.kind.id);
    FeedItem {
        job,
        compiled: CompiledFrom::Hit,
        interrupt: Interrupt::default(),
        progress: ProgressCell::default(),
        estimate_us,
    }
}
