//! What the dispatcher and a running guest share: the wish to end it, how far it is, and what it has logged.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::Notify;

use super::attempt_log::SharedLog;
use crate::job::{FailureReason, LogLine, Progress};

/// A guest that asks `is-cancelled` has this long to end by itself. Less than half of the time in which a cancel is to be
/// done (50 ms); the rest is for the tick and the commit.
const GRACE: Duration = Duration::from_millis(20);

/// Asks one execution to end, with a reason (`cancelled`, `shutdown`, `host_lost` for a stale lease). Cheap to clone;
/// first reason wins.
#[derive(Clone, Debug, Default)]
pub struct Interrupt(Arc<Raised>);

#[derive(Debug, Default)]
struct Raised {
    /// Code of the reason; 0, which no reason has, while not raised.
    code: AtomicU8,
    news: Notify,
    /// The guest looks whether it is to end: it may have something to leave in order.
    is_asked: AtomicBool,
}

impl Interrupt {
    /// Raises it; later reasons change nothing.
    pub fn raise(&self, reason: FailureReason) {
        if self.0.code.compare_exchange(0, reason.code(), Ordering::AcqRel, Ordering::Acquire).is_ok() {
            self.0.news.notify_waiters();
        }
    }

    /// The reason, once raised.
    pub fn raised(&self) -> Option<FailureReason> {
        match self.0.code.load(Ordering::Acquire) {
            0 => None,
            code => FailureReason::from_code(code),
        }
    }

    /// Asked by the guest itself.
    pub(super) fn ask(&self) -> bool {
        self.0.is_asked.store(true, Ordering::Relaxed);
        self.raised().is_some()
    }

    /// How long a guest may still go on once this is raised: one that never asks has no use for any time.
    pub(super) fn grace(&self) -> Duration {
        if self.0.is_asked.load(Ordering::Relaxed) { GRACE } else { Duration::ZERO }
    }

    /// Resolves once raised.
    pub async fn wait(&self) -> FailureReason {
        loop {
            // Registered before the flag is read: a raise between the two is not missed.
            let raised = self.0.news.notified();
            let mut raised = std::pin::pin!(raised);
            raised.as_mut().enable();
            if let Some(reason) = self.raised() {
                return reason;
            }
            raised.await;
        }
    }
}

/// What a running guest shows of itself: the latest progress it reported, which the dispatcher writes to the store now
/// and then, and its log, which is read by who follows it. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct ProgressCell(Arc<Shown>);

#[derive(Debug, Default)]
struct Shown {
    progress: parking_lot::Mutex<Option<Progress>>,
    /// From the first line on.
    log: OnceLock<SharedLog>,
}

impl ProgressCell {
    /// Replaces what was reported before.
    pub fn set(&self, progress: Progress) {
        *self.0.progress.lock() = Some(progress);
    }
    /// What was reported last.
    pub fn get(&self) -> Option<Progress> {
        self.0.progress.lock().clone()
    }

    /// From now on the log can be read.
    pub(super) fn show_log(&self, log: &SharedLog) {
        // A guest has one log; a second one would be its host's mistake, and is not shown.
        let _shown_already = self.0.log.set(Arc::clone(log));
    }

    /// How many whole lines were logged so far, and how many were dropped. Once the guest has ended they are gone from here.
    pub fn log_length(&self) -> (usize, u64) {
        self.0.log.get().map(|log| log.lock().length()).unwrap_or_default()
    }

    /// These lines, as many as have so many bytes of text together, at least one. The guest waits while they are copied.
    pub fn log_piece(&self, lines: Range<usize>, bytes_max: usize) -> Vec<LogLine> {
        self.0.log.get().map(|log| log.lock().piece(lines, bytes_max)).unwrap_or_default()
    }

    /// Whole lines logged after the first `known` ones.
    pub fn log_after(&self, known: usize) -> Vec<LogLine> {
        self.0.log.get().map(|log| log.lock().after(known)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_reason_wins_and_wakes_those_who_wait() {
        let interrupt = Interrupt::default();
        assert_eq!(interrupt.raised(), None);
        let waiting = tokio::spawn({
            let interrupt = interrupt.clone();
            async move { interrupt.wait().await }
        });
        interrupt.raise(FailureReason::Cancelled);
        interrupt.raise(FailureReason::Shutdown);
        assert_eq!(waiting.await.ok(), Some(FailureReason::Cancelled));
        assert_eq!(interrupt.wait().await, FailureReason::Cancelled);
    }

    #[test]
    fn only_a_guest_that_asks_is_given_time() {
        let interrupt = Interrupt::default();
        assert_eq!(interrupt.grace(), Duration::ZERO);
        assert!(!interrupt.ask());
        interrupt.raise(FailureReason::Cancelled);
        assert_eq!((interrupt.ask(), interrupt.grace()), (true, GRACE));
    }
}
