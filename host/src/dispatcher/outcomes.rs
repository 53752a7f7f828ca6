//! Outcomes on their way into the store. None is dropped while the process lives: when the store cannot write they
//! wait in bounded memory and are tried again, and the slots stop taking new jobs once that is full.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use parking_lot::Mutex;
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;

use super::active::Active;
use crate::store::{Finish, FinishResult, LeaseKey, Next, Store, StoreError};

/// Outcomes that may wait for the store.
const OUTCOMES_WAITING_MAX: u64 = 10_000;
/// Their outputs and logs, bytes.
const OUTCOMES_WAITING_BYTES_MAX: u64 = 128 << 20;
/// Between two tries of outcomes that could not be written.
const RETRY_DELAY: Duration = Duration::from_millis(200);
/// Between two tries of one outcome that fails by itself, while others can be written.
const RETRY_ALONE_DELAY: Duration = Duration::from_secs(5);

/// Outcomes written together at most.
const GROUP_OUTCOMES_MAX: usize = 256;
/// Groups being written before outcomes gather into the next one.
const GROUPS_UNDER_WAY_MAX: usize = 1;

type Written = Result<Vec<FinishResult>, (Vec<Finish>, StoreError)>;

/// What is remembered of a group while it is written: each lease, and the bytes of all.
#[derive(Debug)]
struct Group {
    leases: Vec<LeaseKey>,
    bytes: u64,
}

type UnderWay = BoxFuture<'static, (Group, Written)>;

/// Hands outcomes in. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Outcomes {
    store: Store,
    shared: Arc<Shared>,
    under_way: mpsc::UnboundedSender<UnderWay>,
}

#[derive(Debug, Default)]
struct Shared {
    gathering: Mutex<Vec<Finish>>,
    groups_under_way: AtomicUsize,
    waiting: AtomicU64,
    waiting_bytes: AtomicU64,
    fewer: Notify,
}

/// Sees them through.
pub struct OutcomeWriter {
    outcomes: Outcomes,
    active: Arc<Active>,
    under_way: mpsc::UnboundedReceiver<UnderWay>,
    /// Not written because the store could write nothing; tried again together.
    postponed: Vec<Finish>,
    retry_at: Instant,
    /// Outcomes that fail by themselves, each with the time of its next try.
    refused: VecDeque<(Instant, Finish)>,
}

impl Outcomes {
    /// The two ends.
    pub fn new(store: Store, active: Arc<Active>) -> (Outcomes, OutcomeWriter) {
        let (sender, under_way) = mpsc::unbounded_channel();
        let outcomes = Outcomes { store, shared: Arc::default(), under_way: sender };
        let writer = OutcomeWriter {
            outcomes: outcomes.clone(),
            active,
            under_way,
            postponed: Vec::new(),
            retry_at: Instant::now(),
            refused: VecDeque::new(),
        };
        (outcomes, writer)
    }

    /// Takes an outcome. It goes to the store at once, unless a group is being written: then it gathers with others
    /// into the next one, so that the busier the store is, the more share a commit.
    pub fn submit(&self, finish: Finish) {
        self.shared.waiting.fetch_add(1, Ordering::Relaxed);
        self.shared.waiting_bytes.fetch_add(size_bytes(&finish), Ordering::Relaxed);
        let gathered = {
            let mut gathering = self.shared.gathering.lock();
            gathering.push(finish);
            gathering.len()
        };
        // Sequentially consistent against the decrement in `written`: one of the two sees the other, so that what
        // gathered is never left behind.
        if gathered >= GROUP_OUTCOMES_MAX || self.shared.groups_under_way.load(Ordering::SeqCst) < GROUPS_UNDER_WAY_MAX
        {
            self.hand_in_gathered();
        }
    }

    /// Hands what has gathered to the store.
    pub fn hand_in_gathered(&self) {
        let finishes = std::mem::take(&mut *self.shared.gathering.lock());
        if !finishes.is_empty() {
            self.hand_in(finishes);
        }
    }

    /// What has effects goes alone: it may have to be taken back without the others.
    fn hand_in(&self, finishes: Vec<Finish>) {
        let (apart, together): (Vec<Finish>, Vec<Finish>) =
            finishes.into_iter().partition(|finish| finish.effects.is_some());
        for group in apart.into_iter().map(|finish| vec![finish]).chain([together]) {
            self.hand_in_group(group);
        }
    }

    fn hand_in_group(&self, finishes: Vec<Finish>) {
        if finishes.is_empty() {
            return;
        }
        let group = Group {
            leases: finishes.iter().map(|finish| (finish.lease.job(), finish.lease.number())).collect(),
            bytes: finishes.iter().map(size_bytes).sum(),
        };
        self.shared.groups_under_way.fetch_add(1, Ordering::SeqCst);
        let written = self.store.finish_all(finishes);
        let future: UnderWay = Box::pin(async move { (group, written.await) });
        // The receiver lives as long as the service; after that nothing is handed in.
        let _closed = self.under_way.send(future);
    }

    /// Until there is room for one more. The bound is soft: every slot may add one.
    pub async fn room(&self) {
        loop {
            if self.has_room() {
                return;
            }
            let fewer = self.shared.fewer.notified();
            if self.has_room() {
                return;
            }
            fewer.await;
        }
    }

    fn has_room(&self) -> bool {
        self.shared.waiting.load(Ordering::Relaxed) < OUTCOMES_WAITING_MAX
            && self.shared.waiting_bytes.load(Ordering::Relaxed) < OUTCOMES_WAITING_BYTES_MAX
    }

    /// Outcomes not yet written.
    pub fn waiting(&self) -> u64 {
        self.shared.waiting.load(Ordering::Relaxed)
    }

    /// Until all are written.
    pub async fn drained(&self) {
        loop {
            let fewer = self.shared.fewer.notified();
            if self.waiting() == 0 {
                return;
            }
            // From its creation on it hears `notify_waiters`.
            fewer.await;
        }
    }
}

impl OutcomeWriter {
    /// Runs until the app aborts it after the drain.
    pub async fn run(mut self) {
        let mut writing: FuturesUnordered<UnderWay> = FuturesUnordered::new();
        loop {
            let retry_at = self.retry_at();
            tokio::select! {
                biased;
                Some((group, written)) = writing.next(), if !writing.is_empty() => self.written(&group, written),
                Some(future) = self.under_way.recv() => writing.push(future),
                () = tokio::time::sleep_until(retry_at.unwrap_or_else(Instant::now)), if retry_at.is_some() => self.retry(),
                else => return,
            }
        }
    }

    fn retry_at(&self) -> Option<Instant> {
        let together = (!self.postponed.is_empty()).then_some(self.retry_at);
        let alone = self.refused.front().map(|(at, _)| *at);
        together.into_iter().chain(alone).min()
    }

    fn retry(&mut self) {
        let now = Instant::now();
        if now >= self.retry_at {
            // While the disk is full the heartbeat finds out when it no longer is; a try each would only fill the log.
            if self.outcomes.store.is_writable() {
                let mut postponed = std::mem::take(&mut self.postponed).into_iter().peekable();
                while postponed.peek().is_some() {
                    self.outcomes.hand_in(postponed.by_ref().take(GROUP_OUTCOMES_MAX).collect());
                }
            }
            self.retry_at = now + RETRY_DELAY;
        }
        while let Some((_, finish)) = self.refused.pop_front_if(|(at, _)| *at <= now) {
            self.outcomes.hand_in(vec![finish]);
        }
    }

    fn written(&mut self, group: &Group, written: Written) {
        self.outcomes.shared.groups_under_way.fetch_sub(1, Ordering::SeqCst);
        self.outcomes.hand_in_gathered();
        match written {
            Ok(results) => {
                for ((job, number), result) in group.leases.iter().zip(results) {
                    // What was let go was taken back by whoever changed it.
                    if result == FinishResult::StaleLease && !self.active.was_let_go((*job, *number)) {
                        tracing::warn!(%job, lease = number, "the lease was lost before the outcome was written; dropped");
                    }
                }
            }
            Err((finishes, StoreError::Closed | StoreError::SyncFailed(_) | StoreError::Damaged(_))) => {
                tracing::warn!(jobs = finishes.len(), "the store closed before outcomes were written; they run again");
            }
            Err((
                finishes,
                error @ (StoreError::Unavailable(_) | StoreError::LogFull { .. } | StoreError::Busy { .. }),
            )) => {
                if self.postponed.is_empty() {
                    tracing::warn!(jobs = finishes.len(), %error, "outcomes could not be written; they wait");
                    self.retry_at = Instant::now() + RETRY_DELAY;
                }
                self.postponed.extend(finishes);
                return;
            }
            Err((finishes, StoreError::Internal(_))) if finishes.len() > 1 => {
                // A bad one must not hold the others back: each goes alone.
                for finish in finishes {
                    self.outcomes.hand_in(vec![finish]);
                }
                return;
            }
            Err((finishes, error)) => {
                for finish in finishes {
                    let job = finish.lease.job();
                    tracing::error!(%job, %error, "an outcome could not be written; trying again");
                    self.refused.push_back((Instant::now() + RETRY_ALONE_DELAY, finish));
                }
                return;
            }
        }
        for lease in &group.leases {
            self.active.remove(*lease);
        }
        self.outcomes.shared.waiting.fetch_sub(group.leases.len() as u64, Ordering::Relaxed);
        self.outcomes.shared.waiting_bytes.fetch_sub(group.bytes, Ordering::Relaxed);
        self.outcomes.shared.fewer.notify_waiters();
    }
}

fn failure_bytes(failure: &crate::job::Failure) -> usize {
    failure.message.len() + failure.detail.as_ref().map_or(0, String::len)
}

fn size_bytes(finish: &Finish) -> u64 {
    let output = match &finish.next {
        Next::Succeed(output) => output.len(),
        Next::Retry(failure, _) | Next::Fail(failure) | Next::Cancel(failure) | Next::GiveBack(failure) => {
            failure_bytes(failure)
        }
        Next::Expire(ended_in, failure) => ended_in.as_ref().map_or(0, failure_bytes) + failure_bytes(failure),
        Next::Suspend(_) | Next::Sleep(_) | Next::Await(_) => 0,
    };
    let log: usize = finish.log.iter().map(|line| line.message.len()).sum();
    let effects = finish.effects.as_ref().map_or(0, |effects| effects.bytes());
    (output + log + effects) as u64
}
