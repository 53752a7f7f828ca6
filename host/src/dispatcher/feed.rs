//! The claimed jobs that wait for a slot, in the order they were claimed.

use std::collections::VecDeque;

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::wakeup::Wakeup;
use crate::job::CompiledFrom;
use crate::sandbox::{Interrupt, ProgressCell};
use crate::store::ClaimedJob;

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
}

/// The queue between the claim loop and the slots.
#[derive(Debug)]
pub struct Feed {
    state: Mutex<FeedState>,
    item: Notify,
    /// Tells the claim loop that it is worth asking for more.
    low: Wakeup,
}

#[derive(Debug, Default)]
struct FeedState {
    items: VecDeque<FeedItem>,
    queued_us: u64,
    idle_slots: usize,
    low_at: usize,
    closed: bool,
}

/// What the claim loop needs to know.
#[derive(Clone, Copy, Debug, Default)]
pub struct FeedLevel {
    /// Jobs that wait.
    pub queued: usize,
    /// Their expected time in slots, µs.
    pub queued_us: u64,
    /// Slots without work.
    pub idle_slots: usize,
}

impl Feed {
    /// An empty feed that wakes `low` when it runs dry.
    pub fn new(low: Wakeup) -> Self {
        Self { state: Mutex::default(), item: Notify::new(), low }
    }

    /// Adds jobs at the end.
    pub fn push(&self, items: Vec<FeedItem>) {
        let wake = {
            let mut state = self.state.lock();
            let wake = items.len().min(state.idle_slots);
            state.queued_us += items.iter().map(|item| item.estimate_us).sum::<u64>();
            state.items.extend(items);
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
                    if state.items.len() == state.low_at {
                        self.low.wants_jobs();
                    }
                    return Some((item, taken()));
                }
                // Listens before it counts as idle: signals to slots that don't listen yet would fall together into
                // one, and a job would wait beside an idle slot.
                pushed.as_mut().enable();
                state.idle_slots += 1;
                counted_idle = true;
            }
            self.low.wants_jobs();
            pushed.await;
        }
    }

    /// How full it is.
    pub fn level(&self) -> FeedLevel {
        let state = self.state.lock();
        FeedLevel { queued: state.items.len(), queued_us: state.queued_us, idle_slots: state.idle_slots }
    }

    /// Takes back the jobs at the end whose expected time exceeds `budget_us`, but none of the first `keep`.
    pub fn take_excess(&self, keep: usize, budget_us: u64) -> Vec<FeedItem> {
        let mut state = self.state.lock();
        let mut excess = Vec::new();
        while state.items.len() > keep && state.queued_us > budget_us {
            let Some(item) = state.items.pop_back() else { break };
            state.queued_us = state.queued_us.saturating_sub(item.estimate_us);
            excess.push(item);
        }
        excess
    }

    /// Sends the slots home and returns what was not started.
    pub fn close(&self) -> Vec<FeedItem> {
        let items = {
            let mut state = self.state.lock();
            state.closed = true;
            state.queued_us = 0;
            state.items.drain(..).collect()
        };
        self.item.notify_waiters();
        items
    }
}
