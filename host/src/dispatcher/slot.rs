//! One slot: takes the next job from the feed, runs it, hands its outcome in, takes the next. Lives on the guest
//! threads and never waits for a commit, only for room among the outcomes.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use parking_lot::Mutex;

use super::active::Active;
use super::attempt::AttemptRunner;
use super::estimate::Estimates;
use super::feed::Feed;
use super::outcomes::Outcomes;
use super::tally::Tally;
use crate::job::{FailureReason, Lease};
use crate::sandbox::Interrupt;
use crate::store::{LeaseKey, Store, StoreError};

/// A slot that finds work without waiting lets the other tasks of its thread run at least this often.
const YIELD_PERIOD: Duration = Duration::from_millis(1);

/// Between two tries to write that a suspect runs.
const ANNOUNCE_DELAY: Duration = Duration::from_millis(200);

/// What all slots share.
#[derive(Debug)]
pub struct SlotParts {
    pub(super) store: Store,
    pub(super) feed: Arc<Feed>,
    pub(super) active: Arc<Active>,
    pub(super) runner: AttemptRunner,
    pub(super) outcomes: Outcomes,
    pub(super) estimates: Mutex<Estimates>,
    pub(super) tally: Tally,
    /// A suspect runs; at most one does.
    pub(super) suspect_runs: AtomicBool,
}

impl SlotParts {
    /// The suspect this host held has ended or went back: the next one may come.
    pub(super) fn suspect_ended(&self) {
        self.suspect_runs.store(false, Ordering::Release);
        self.feed.look_for_jobs();
    }
}

/// Runs until the feed is closed.
pub async fn run(slot: u32, parts: Arc<SlotParts>) {
    let mut yielded_at = Instant::now();
    // A slot is in use from the moment its job leaves the feed: a stop finds the job in one or the other.
    while let Some((item, in_use)) = parts.feed.next(|| parts.tally.slot()).await {
        let (lease, kind, suspect) =
            ((item.job.lease.job(), item.job.lease.number()), item.job.kind.id, item.job.suspect);
        let (host, attempt) = (item.job.lease.host(), item.job.lease.attempt());
        if suspect {
            announce_suspect(&parts, lease, &item.interrupt).await;
        }
        let taken_up = Instant::now();
        let entered = |claimed: &crate::store::ClaimedJob, at| {
            parts.store.note_entry(slot, &claimed.lease);
            parts.active.entered(lease, at);
        };
        // A bug of the host's must not take the slot along, nor leave the job held for ever.
        let ran = AssertUnwindSafe(parts.runner.run(item, entered)).catch_unwind().await;
        let (finish, outcome) =
            ran.unwrap_or_else(|_| parts.runner.broken(Lease::granted(lease.0, host, lease.1, attempt)));
        if let Some(entered_at) = finish.started_at {
            parts.store.note_end(&finish.lease, entered_at);
        }
        let took = taken_up.elapsed();
        parts.tally.ended(&outcome, &finish.receipt);
        parts.outcomes.submit(finish);
        drop(in_use);
        parts.estimates.lock().learn(kind, took);
        if suspect {
            parts.suspect_ended();
        }
        parts.outcomes.room().await;
        if yielded_at.elapsed() >= YIELD_PERIOD {
            tokio::task::yield_now().await;
            yielded_at = Instant::now();
        }
    }
}

/// A suspect is entered only once it is on disk that it runs: whatever it takes down, the loss is counted. While that
/// can't be written it waits, unless it is interrupted.
async fn announce_suspect(parts: &SlotParts, lease: LeaseKey, interrupt: &Interrupt) {
    while interrupt.raised().is_none() {
        match parts.store.mark_suspect_running(lease, parts.runner.clock.now()).await {
            Ok(true) => return,
            Ok(false) => interrupt.raise(FailureReason::HostLost),
            Err(StoreError::Closed) => interrupt.raise(FailureReason::Shutdown),
            Err(error) => {
                tracing::warn!(job = %lease.0, %error, "a suspect waits until it can be written that it runs");
                tokio::time::sleep(ANNOUNCE_DELAY).await;
            }
        }
    }
}
