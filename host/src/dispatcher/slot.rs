//! One slot: takes the next job from the feed, runs it, hands its outcome in, takes the next. Lives on the guest
//! threads and never waits for a commit, only for room among the outcomes.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use parking_lot::Mutex;
use tokio_util::task::AbortOnDropHandle;

use super::active::Active;
use super::attempt::{Attempt, AttemptRunner};
use super::estimate::Estimates;
use super::feed::{Feed, FeedItem};
use super::guests::Guests;
use super::lane::{self, Lane};
use super::outcomes::Outcomes;
use super::tally::Tally;
use crate::job::Lease;
use crate::sandbox::Remains;
use crate::store::{ClaimedJob, LeaseKey, Store};

/// A slot that finds work without waiting lets the other tasks of its thread run at least this often.
const YIELD_PERIOD: Duration = Duration::from_millis(1);

/// A slot without room for a guest tries again when one has ended, or after so long.
const CROWDED_PAUSE: Duration = Duration::from_secs(1);

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
    pub(super) lane: Lane,
}

impl SlotParts {
    /// The suspect has ended, went back, or may have another beside it.
    pub(super) fn leave_lane(&self, suspect: LeaseKey) {
        if self.lane.leave(suspect) {
            self.feed.look_for_jobs();
        }
    }

    /// Gives back a job whose guest was not entered, at no cost.
    pub(super) fn give_back(&self, job: ClaimedJob, why: &str) {
        let suspect = job.suspect.then(|| (job.lease.job(), job.lease.number()));
        self.outcomes.submit(self.runner.given_back(job, why));
        if let Some(suspect) = suspect {
            self.leave_lane(suspect);
        }
    }
}

/// Runs until the feed is closed.
pub async fn run(slot: u32, parts: Arc<SlotParts>, guests: Guests) {
    let mut yielded_at = Instant::now();
    // A slot is in use from the moment its job leaves the feed: a stop finds the job in one or the other.
    while let Some((item, in_use)) = parts.feed.next(|| parts.tally.slot()).await {
        match hindrance(&parts, &guests, &item) {
            Some(why) => parts.give_back(item.job, why),
            None => attempt(slot, &parts, &guests, item).await,
        }
        drop(in_use);
        parts.outcomes.room().await;
        if yielded_at.elapsed() >= YIELD_PERIOD {
            tokio::task::yield_now().await;
            yielded_at = Instant::now();
        }
    }
}

/// Why a job is to be claimed anew though a slot is free.
fn hindrance(parts: &SlotParts, guests: &Guests, item: &FeedItem) -> Option<&'static str> {
    let job = &item.job;
    if item.interrupt.raised().is_some() && parts.active.was_let_go((job.lease.job(), job.lease.number())) {
        return Some("somebody changed the job");
    }
    let version = job.kind.version.as_ref();
    let catalog = parts.store.catalog();
    let kind = catalog.kinds.get(&job.kind.id);
    let active = kind.and_then(|kind| kind.version.as_ref());
    if !job.is_pinned && active.map(|version| version.id) != version.map(|version| version.id) {
        // It is to run on the version that is active when it starts; what it was claimed for may be deleted by now.
        return Some("another version of the module was activated");
    }
    if catalog.is_paused(job.queue_id) {
        return Some("its queue was paused");
    }
    if !catalog.is_active(job.kind.tenant) {
        return Some("its tenant was suspended");
    }
    let queue_pace = catalog.queue_settings.get(&job.queue_id).map(|settings| settings.pace);
    if kind.is_some_and(|kind| kind.settings.pace != job.kind.settings.pace)
        || queue_pace.is_some_and(|pace| pace != job.queue_pace)
    {
        return Some("its limits were changed");
    }
    version.is_some_and(|version| guests.is_set_back(version.digest)).then_some("the module can't be run now")
}

/// One attempt, and what follows from it.
async fn attempt(slot: u32, parts: &Arc<SlotParts>, guests: &Guests, item: FeedItem) {
    let (lease, suspect) = ((item.job.lease.job(), item.job.lease.number()), item.job.suspect);
    let (host, attempt, kind) = (item.job.lease.host(), item.job.lease.attempt(), Arc::clone(&item.job.kind));
    let mut stay = Duration::ZERO;
    if suspect {
        stay = lane::stay(parts, &item.job).await;
        lane::announce(parts, lease, &item.interrupt, parts.runner.clock.now()).await;
    }
    let taken_up = Instant::now();
    // Ends with the attempt.
    let mut leaving = None;
    let entered = |claimed: &ClaimedJob, at| {
        parts.store.note_entry(slot, &claimed.lease);
        parts.active.entered(lease, at);
        if suspect {
            let way_out = lane::leave_after(Arc::clone(parts), lease, stay);
            leaving = Some(AbortOnDropHandle::new(tokio::spawn(way_out)));
        }
    };
    // A bug of the host's must not take the slot along, nor leave the job held for ever.
    let ran = AssertUnwindSafe(parts.runner.run(item, entered)).catch_unwind().await;
    drop(leaving);
    let (finish, outcome, remains) = match ran {
        Ok(Attempt::Made(finish, outcome, remains)) => (*finish, outcome, remains),
        Ok(Attempt::Unavailable(job, why)) => {
            if let Some(version) = &kind.version {
                guests.set_back(version, &why);
            }
            return parts.give_back(job, &why);
        }
        Ok(Attempt::Crowded(job, why)) => {
            parts.give_back(job, &why);
            // Another try makes sense once there is room; so as many slots are at work as the host has room for.
            return parts.runner.wait_for_room(CROWDED_PAUSE).await;
        }
        Err(_) => {
            let (finish, outcome) = parts.runner.broken(Lease::granted(lease.0, host, lease.1, attempt));
            (finish, outcome, Remains::default())
        }
    };
    if let Some(entered_at) = finish.started_at {
        parts.store.note_end(&finish.lease, entered_at);
        if let Some(version) = &kind.version {
            guests.runs(version.digest);
        }
    }
    let took = taken_up.elapsed();
    parts.tally.ended(&outcome, &finish.receipt);
    parts.outcomes.submit(finish);
    // Not before: somebody may wait for the end, and nobody for its memory.
    drop(remains);
    parts.estimates.lock().learn(kind.id, took);
    if suspect {
        parts.leave_lane(lease);
    }
}
