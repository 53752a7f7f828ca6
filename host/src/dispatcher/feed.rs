//! The claimed jobs that wait for a slot: tenants in the order in which they were given jobs, and in the places a tenant was given
//! its own jobs by rank, whenever they were claimed. So priorities rule within a tenant, and never across.

use std::collections::VecDeque;

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::claims::CLAIM_JOBS_MAX;
use crate::job::CompiledFrom;
use crate::sandbox::{Interrupt, ProgressCell};
use crate::store::{ClaimedJob, KindId};

/// A claimed job on its way to a slot.
#[derive(Debug)]
pub struct FeedItem {
    /// The job and its lease.
    pub job: ClaimedJob,
    /// Where its compiled module came from.
    pub compiled: CompiledFrom,
    /// Ends it from outside.
    pub interrupt: Interrupt,
    /// Where it reports progress.
    pub progress: ProgressCell,
    /// Expected time in a slot, µs.
    pub estimate_us: u64,
    /// It waited here already when last looked for excess.
    pub was_seen_waiting: bool,
}

impl FeedItem {
    /// A job whose module is in memory, as far as is known.
    pub fn new(job: ClaimedJob, estimate_us: u64) -> Self {
        Self {
            job,
            compiled: CompiledFrom::Hit,
            interrupt: Interrupt::default(),
            progress: ProgressCell::default(),
            estimate_us,
            was_seen_waiting: false,
        }
    }
}

/// The queue between the claims and the slots.
pub struct Feed {
    state: Mutex<FeedState>,
    item: Notify,
    /// Says that more jobs are wanted.
    hungry: Box<dyn Fn() + Send + Sync>,
}

impl std::fmt::Debug for Feed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Feed").field("level", &self.level()).finish_non_exhaustive()
    }
}

#[derive(Debug, Default)]
struct FeedState {
    items: VecDeque<FeedItem>,
    queued_us: u64,
    payload_bytes: usize,
    idle_slots: usize,
    low_at: usize,
    /// So many jobs may wait in front of busy slots, since some went back to the store; `None`: as many as fit.
    ahead_jobs_max: Option<usize>,
    closed: bool,
}

impl FeedState {
    /// One more place at the end, for the job or, where it passes others of its tenant, for the last of these.
    fn insert(&mut self, item: FeedItem) {
        let (tenant, rank) = (item.job.kind.tenant, item.job.rank);
        // Nearly always none: only a job of higher priority passes others.
        let own = self.items.iter().enumerate().rev().filter(|(_, waiting)| waiting.job.kind.tenant == tenant);
        let passed: Vec<usize> =
            own.take_while(|(_, waiting)| waiting.job.rank > rank).map(|(place, _)| place).collect();
        let mut moved = item;
        for place in passed.into_iter().rev() {
            if let Some(waiting) = self.items.get_mut(place) {
                std::mem::swap(waiting, &mut moved);
            }
        }
        self.items.push_back(moved);
    }
}

/// What the claims need to know.
#[derive(Clone, Copy, Debug, Default)]
pub struct FeedLevel {
    /// Jobs that wait.
    pub queued: usize,
    /// Their expected time in slots, µs.
    pub queued_us: u64,
    /// Their payloads, bytes.
    pub payload_bytes: usize,
    /// Slots without work.
    pub idle_slots: usize,
    /// So many jobs may wait here beside those for idle slots; `None`: as many as fit. None at all once some were given
    /// back, which would only come again; with each job a slot takes twice as many, so that the bound is soon gone where
    /// slots become free at once, and holds where they seldom do.
    pub ahead_jobs_max: Option<usize>,
}

impl Feed {
    /// An empty feed that calls `hungry`, on any thread, when it runs dry.
    pub fn new(hungry: Box<dyn Fn() + Send + Sync>) -> Self {
        Self { state: Mutex::default(), item: Notify::new(), hungry }
    }

    /// Says that more jobs may be wanted than a moment ago.
    pub fn look_for_jobs(&self) {
        (self.hungry)();
    }

    /// Adds jobs, each behind those of its tenant of its rank or a lower one. Not once closed.
    pub fn push(&self, items: Vec<FeedItem>) {
        let wake = {
            let mut state = self.state.lock();
            let wake = items.len().min(state.idle_slots);
            state.queued_us += items.iter().map(|item| item.estimate_us).sum::<u64>();
            state.payload_bytes += items.iter().map(|item| item.job.payload.len()).sum::<usize>();
            for item in items {
                state.insert(item);
            }
            state.low_at = state.items.len() / 2;
            wake
        };
        for _ in 0..wake {
            self.item.notify_one();
        }
    }

    /// The next job; `None` once closed. `taken` is called in the moment the job leaves the feed.
    pub async fn next<T>(&self, taken: impl Fn() -> T) -> Option<(FeedItem, T)> {
        let mut counted_idle = false;
        loop {
            let mut pushed = std::pin::pin!(self.item.notified());
            {
                let mut state = self.state.lock();
                if counted_idle {
                    state.idle_slots -= 1;
                }
                if state.closed {
                    return None;
                }
                if let Some(item) = state.items.pop_front() {
                    state.queued_us = state.queued_us.saturating_sub(item.estimate_us);
                    state.payload_bytes -= item.job.payload.len();
                    let more = state.ahead_jobs_max.map(|jobs| jobs * 2 + 1);
                    state.ahead_jobs_max = more.filter(|jobs| *jobs < CLAIM_JOBS_MAX);
                    let in_use = taken();
                    let low = state.items.len() == state.low_at;
                    drop(state);
                    if low {
                        self.look_for_jobs();
                    }
                    return Some((item, in_use));
                }
                // Listens before it counts as idle: signals to slots that don't listen yet would fall together into
                // one, and a job would wait beside an idle slot.
                pushed.as_mut().enable();
                state.idle_slots += 1;
                counted_idle = true;
            }
            self.look_for_jobs();
            pushed.await;
        }
    }

    /// How full it is.
    pub fn level(&self) -> FeedLevel {
        let state = self.state.lock();
        FeedLevel {
            queued: state.items.len(),
            queued_us: state.queued_us,
            payload_bytes: state.payload_bytes,
            idle_slots: state.idle_slots,
            ahead_jobs_max: state.ahead_jobs_max,
        }
    }

    /// Takes back what should not have been claimed so early: jobs that waited here at the last look already, whatever
    /// was expected of those before them, and those at the end whose expected time, as estimated now, exceeds
    /// `budget_us`. Nothing should be claimed ahead in their place until slots have taken jobs.
    pub fn take_excess(&self, budget_us: u64, estimate_us: impl Fn(KindId) -> u64) -> Vec<FeedItem> {
        let mut state = self.state.lock();
        let (mut excess, waiting): (Vec<_>, Vec<_>) =
            std::mem::take(&mut state.items).into_iter().partition(|item| item.was_seen_waiting);
        state.items = waiting.into();
        for item in &mut state.items {
            item.was_seen_waiting = true;
            item.estimate_us = estimate_us(item.job.kind.id);
        }
        state.queued_us = state.items.iter().map(|item| item.estimate_us).sum();
        while state.queued_us > budget_us {
            let Some(item) = state.items.pop_back() else { break };
            state.queued_us = state.queued_us.saturating_sub(item.estimate_us);
            excess.push(item);
        }
        state.payload_bytes = state.items.iter().map(|item| item.job.payload.len()).sum();
        state.low_at = state.items.len() / 2;
        if !excess.is_empty() {
            state.ahead_jobs_max = Some(0);
        }
        excess
    }

    /// Sends the slots home and returns what was not started.
    pub fn close(&self) -> Vec<FeedItem> {
        let items = {
            let mut state = self.state.lock();
            state.closed = true;
            state.queued_us = 0;
            state.payload_bytes = 0;
            state.items.drain(..).collect()
        };
        self.item.notify_waiters();
        items
    }
}
