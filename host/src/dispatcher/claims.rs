//! What this host asks the store for, and what becomes of the jobs it is given. Called by the store's writer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use super::estimate::jobs_to_claim;
use super::feed::{FeedItem, FeedLevel};
use super::guests::{Guests, Sorted};
use super::slot::SlotParts;
use crate::job::HostId;
use crate::store::{ClaimRequest, Claimant, Claimed, LeaseKey};

/// Jobs asked for at once.
pub(super) const CLAIM_JOBS_MAX: usize = 512;
/// Payload bytes that may wait in front of the slots.
const PAYLOAD_BYTES_AHEAD_MAX: usize = 8 << 20;
/// A host leaves suspects alone until it has been up for so long: one that kills hosts can't keep them from all other
/// work, and a host that is killed again and again from outside makes no innocent job look guilty.
const SUSPECTS_AFTER: Duration = Duration::from_secs(2);

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
    /// Whether anything is asked for. False once stopping; when wake-ups are ignored, true only during a scan.
    pub(super) asking: AtomicBool,
    pub(super) started: Instant,
}

impl Claims {
    fn jobs_wanted(&self, level: FeedLevel) -> usize {
        let typical_us = self.parts.estimates.lock().typical_us();
        let wanted = jobs_to_claim(level.idle_slots, level.queued, level.queued_us, typical_us, self.ahead_us);
        level.ahead_jobs_max.map_or(wanted, |ahead| wanted.min((level.idle_slots + ahead).saturating_sub(level.queued)))
    }
}

impl Claimant for Claims {
    fn wants(&self) -> Option<ClaimRequest> {
        if self.slots == 0 || !self.asking.load(Ordering::SeqCst) {
            return None;
        }
        let level = self.parts.feed.level();
        let payload_bytes_max = PAYLOAD_BYTES_AHEAD_MAX.saturating_sub(level.payload_bytes);
        let jobs_max = self.jobs_wanted(level);
        (jobs_max > 0 && payload_bytes_max > 0).then(|| ClaimRequest {
            host: self.host,
            jobs_max,
            payload_bytes_max,
            suspect_allowed: self.started.elapsed() >= SUSPECTS_AFTER && self.parts.lane.is_free(),
            absent: self.guests.absent(),
        })
    }

    fn take(&self, claimed: Claimed) {
        self.parts.tally.claimed(claimed.jobs.len());
        let items: Vec<FeedItem> = {
            let mut estimates = self.parts.estimates.lock();
            let jobs = claimed.jobs.into_iter();
            jobs.map(|job| {
                let estimate_us = estimates.expect(job.kind.id);
                FeedItem::new(job, estimate_us)
            })
            .collect()
        };
        if let Some(item) = items.iter().find(|item| item.job.suspect) {
            self.parts.lane.enter((item.job.lease.job(), item.job.lease.number()));
        }
        self.parts.active.hold(&items);
        let Sorted { runnable, parked } = self.guests.sort(items);
        self.parts.feed.push(runnable);
        if !parked.is_empty() {
            // The receiver lives until the claims have settled.
            let _closed = self.to_park.send(parked);
        }
    }

    fn let_go(&self, lease: LeaseKey) -> bool {
        self.parts.active.let_go(lease)
    }

    fn has_entered(&self, lease: LeaseKey) -> bool {
        self.parts.active.has_entered(lease)
    }
}
