//! One slot: takes the next job from the feed, runs it, hands its outcome in, takes the next. Lives on the guest
//! threads and never waits for a commit, only for room among the outcomes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::active::Active;
use super::attempt::AttemptRunner;
use super::estimate::Estimates;
use super::feed::Feed;
use super::outcomes::Outcomes;
use super::tally::Tally;
use super::wakeup::Wakeup;
use crate::store::Store;

/// A slot that finds work without waiting lets the other tasks of its thread run at least this often.
const YIELD_PERIOD: Duration = Duration::from_millis(1);

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
    pub(super) wakeup: Wakeup,
    /// A suspect runs; at most one does.
    pub(super) suspect_runs: std::sync::atomic::AtomicBool,
}

/// Runs until the feed is closed.
pub async fn run(slot: u32, parts: Arc<SlotParts>) {
    let mut yielded_at = Instant::now();
    while let Some(item) = parts.feed.next().await {
        let in_use = parts.tally.slot();
        let (job, number, kind, suspect) =
            (item.job.lease.job(), item.job.lease.number(), item.job.kind.id, item.job.suspect);
        let taken_up = Instant::now();
        let entered = |claimed: &crate::store::ClaimedJob, at| {
            parts.store.note_entry(slot, &claimed.lease);
            parts.active.entered(job, number, at);
        };
        let (finish, outcome) = parts.runner.run(item, entered).await;
        parts.store.note_exit(slot);
        let took = taken_up.elapsed();
        parts.tally.ended(&outcome, &finish.receipt);
        parts.outcomes.submit(finish);
        drop(in_use);
        parts.estimates.lock().learn(kind, took);
        if suspect {
            parts.suspect_runs.store(false, std::sync::atomic::Ordering::Release);
            parts.wakeup.jobs_ready();
        }
        parts.outcomes.room().await;
        if yielded_at.elapsed() >= YIELD_PERIOD {
            tokio::task::yield_now().await;
            yielded_at = Instant::now();
        }
    }
}
