//! Outcomes on their way into the store. None is dropped while the process lives: when the store cannot write they
//! wait in bounded memory and are tried again, and the slots stop taking new jobs once that is full.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::sync::{Notify, mpsc};

use super::active::Active;
use crate::job::JobId;
use crate::store::{Finish, FinishResult, Next, Store, StoreError};

/// Outcomes that may wait for the store.
const OUTCOMES_WAITING_MAX: u64 = 10_000;
/// Their outputs and logs, bytes.
const OUTCOMES_WAITING_BYTES_MAX: u64 = 128 << 20;
/// Between two tries of an outcome that could not be written.
const RETRY_DELAY: Duration = Duration::from_millis(200);

type Written = (JobId, i64, u64, Result<FinishResult, (Finish, StoreError)>);

/// Hands outcomes in. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Outcomes {
    store: Store,
    shared: Arc<Shared>,
    under_way: mpsc::UnboundedSender<BoxFuture<'static, Written>>,
}

#[derive(Debug, Default)]
struct Shared {
    waiting: AtomicU64,
    waiting_bytes: AtomicU64,
    fewer: Notify,
}

/// Sees them through.
pub struct OutcomeWriter {
    outcomes: Outcomes,
    active: Arc<Active>,
    under_way: mpsc::UnboundedReceiver<BoxFuture<'static, Written>>,
}

impl Outcomes {
    /// The two ends.
    pub fn new(store: Store, active: Arc<Active>) -> (Outcomes, OutcomeWriter) {
        let (sender, under_way) = mpsc::unbounded_channel();
        let outcomes = Outcomes { store, shared: Arc::default(), under_way: sender };
        (outcomes.clone(), OutcomeWriter { outcomes, active, under_way })
    }

    /// Hands an outcome to the store at once; the writer sees it through.
    pub fn submit(&self, finish: Finish) {
        let bytes = size_bytes(&finish);
        self.shared.waiting.fetch_add(1, Ordering::Relaxed);
        self.shared.waiting_bytes.fetch_add(bytes, Ordering::Relaxed);
        let (job, number) = (finish.lease.job(), finish.lease.number());
        let written = self.store.finish(finish);
        // The receiver lives as long as the service; after that nothing is submitted.
        let _closed = self.under_way.send(Box::pin(async move { (job, number, bytes, written.await) }));
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
            // `notified` is registered at its first poll; the short timeout covers a signal given before that.
            let _timeout = tokio::time::timeout(Duration::from_millis(20), fewer).await;
        }
    }
}

impl OutcomeWriter {
    /// Runs until every `Outcomes` but its own is gone; the app aborts it after the drain.
    pub async fn run(mut self) {
        let mut writing: FuturesUnordered<BoxFuture<'static, Written>> = FuturesUnordered::new();
        loop {
            tokio::select! {
                biased;
                Some((job, number, bytes, result)) = writing.next(), if !writing.is_empty() => {
                    self.written(job, number, bytes, result);
                }
                handed_in = self.under_way.recv() => match handed_in {
                    Some(future) => writing.push(future),
                    None => return,
                },
            }
        }
    }

    fn written(&self, job: JobId, number: i64, bytes: u64, result: Result<FinishResult, (Finish, StoreError)>) {
        match result {
            Ok(FinishResult::Finished(_)) => {}
            Ok(FinishResult::StaleLease) => {
                tracing::warn!(%job, lease = number, "the lease was lost before the outcome was written; dropped");
            }
            Err((_, StoreError::Closed)) => {
                tracing::warn!(%job, "the store closed before the outcome was written; the job will run again");
            }
            Err((finish, error)) => {
                tracing::warn!(%job, %error, "an outcome could not be written; trying again");
                let store = self.outcomes.store.clone();
                let again = async move {
                    tokio::time::sleep(RETRY_DELAY).await;
                    (job, number, bytes, store.finish(finish).await)
                };
                let _closed = self.outcomes.under_way.send(Box::pin(again));
                return;
            }
        }
        self.active.remove(job, number);
        self.outcomes.shared.waiting.fetch_sub(1, Ordering::Relaxed);
        self.outcomes.shared.waiting_bytes.fetch_sub(bytes, Ordering::Relaxed);
        self.outcomes.shared.fewer.notify_waiters();
    }
}

fn size_bytes(finish: &Finish) -> u64 {
    let output = match &finish.next {
        Next::Succeed(output) => output.len(),
        Next::Retry(failure, _) | Next::Fail(failure) | Next::Cancel(failure) | Next::GiveBack(failure) => {
            failure.message.len() + failure.detail.as_ref().map_or(0, String::len)
        }
        Next::Suspend(_) => 0,
    };
    let log: usize = finish.log.iter().map(|line| line.message.len()).sum();
    (output + log) as u64
}
