//! Work of which only so much is done at once. Requests wait for their turn with their bodies read, so that a slow
//! client keeps nobody waiting, and not for ever; those of one tenant in a line of their own, of which only so many as are done
//! at once stand in the line of all: whoever comes from another tenant is soon served.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};

use super::error::{ApiError, ProblemCode};
use crate::each_tenant::EachTenant;
use crate::store::TenantId;

/// Longest wait for a turn.
const TURN_WAIT_MS_MAX: u64 = 30_000;

/// Turns at one sort of work.
#[derive(Debug)]
pub(super) struct Turns {
    free: Arc<Semaphore>,
    own: EachTenant<TenantId>,
    /// What is done in a turn, in the plural.
    work: &'static str,
}

/// Goes on until it is dropped.
#[derive(Debug)]
pub(super) struct Turn {
    _own: OwnedSemaphorePermit,
    _shared: OwnedSemaphorePermit,
}

impl Turns {
    pub(super) fn new(at_once_max: usize, work: &'static str) -> Self {
        Self { free: Arc::new(Semaphore::new(at_once_max)), own: EachTenant::with(at_once_max), work }
    }

    /// A turn for a tenant's request; 429 if none comes in time.
    pub(super) async fn take(&self, tenant: TenantId) -> Result<Turn, ApiError> {
        let turn = async {
            let own = self.own.of(&tenant).acquire_owned().await?;
            let shared = Arc::clone(&self.free).acquire_owned().await?;
            Ok::<_, AcquireError>(Turn { _own: own, _shared: shared })
        };
        let wait = Duration::from_millis(TURN_WAIT_MS_MAX);
        let Ok(turn) = tokio::time::timeout(wait, turn).await else {
            let (work, wait_s) = (self.work, wait.as_secs());
            let sentence = format!(
                "other {work} were under way for {wait_s} s, so this one had no turn; nothing was done, try again later"
            );
            return Err(ApiError::new(ProblemCode::Busy, sentence));
        };
        turn.map_err(|error| ApiError::internal(&error))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const TENANT: TenantId = TenantId(1);

    #[tokio::test]
    async fn who_floods_waits_behind_its_own() {
        let turns = Arc::new(Turns::new(2, "uploads"));
        let (first, _second) = (turns.take(TENANT).await.unwrap(), turns.take(TENANT).await.unwrap());
        let flood: Vec<_> = (0..10)
            .map(|_| {
                let turns = Arc::clone(&turns);
                tokio::spawn(async move { drop(turns.take(TENANT).await) })
            })
            .collect();
        tokio::task::yield_now().await;
        let other = tokio::spawn({
            let turns = Arc::clone(&turns);
            async move { turns.take(TenantId(2)).await.ok() }
        });
        tokio::task::yield_now().await;
        drop(first);
        tokio::task::yield_now().await;
        // It holds its turn until it is asked for it.
        assert!(other.is_finished() && !flood.iter().any(tokio::task::JoinHandle::is_finished));
        assert!(other.await.unwrap().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_turn_is_waited_for_but_not_for_ever() {
        let turns = Arc::new(Turns::new(1, "batches"));
        let first = turns.take(TENANT).await.unwrap();
        let refused = turns.take(TENANT).await.unwrap_err();
        assert_eq!(refused.code(), ProblemCode::Busy);
        assert!(refused.detail().contains("batches"), "{}", refused.detail());
        let waiting = tokio::spawn({
            let turns = Arc::clone(&turns);
            async move { turns.take(TENANT).await.is_ok() }
        });
        tokio::task::yield_now().await;
        drop(first);
        assert!(waiting.await.unwrap());
    }
}
