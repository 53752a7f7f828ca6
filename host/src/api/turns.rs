//! Work of which only so much is done at once. Requests wait for their turn with their bodies read, so that a slow
//! client keeps nobody waiting, and not for ever; those of one tenant in a line of their own, of which only so many stand in the
//! line of all that where there are several turns, one is left for whoever comes from another tenant, however long those last. Who
//! has no part of its own (see `Call::part`) stands in the line of all at once.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};

use super::error::{ApiError, ProblemCode};
use crate::each_tenant::EachTenant;
use crate::store::TenantId;

/// Longest wait for a turn, beside the time that whoever is before may take.
const TURN_WAIT_MS_MAX: u64 = 30_000;
/// Of each so many turns one is left to others than one tenant. Of two or three one as well; where there is one, all share it.
const TURNS_PER_SPARE: usize = 4;

/// Turns at one sort of work.
#[derive(Debug)]
pub(super) struct Turns {
    free: Arc<Semaphore>,
    own: EachTenant<TenantId>,
    /// Longest wait.
    wait: Duration,
    /// What is done in a turn, in the plural.
    work: &'static str,
}

/// Goes on until it is dropped.
#[derive(Debug)]
pub(super) struct Turn {
    _own: Option<OwnedSemaphorePermit>,
    _shared: OwnedSemaphorePermit,
}

impl Turns {
    pub(super) fn new(at_once_max: usize, work: &'static str) -> Self {
        Self {
            free: Arc::new(Semaphore::new(at_once_max)),
            own: EachTenant::with(of_one_tenant(at_once_max)),
            wait: Duration::from_millis(TURN_WAIT_MS_MAX),
            work,
        }
    }

    /// Each of them may take so long, and is waited for.
    pub(super) fn lasting(mut self, turn_max: Duration) -> Self {
        self.wait = self.wait.saturating_add(turn_max);
        self
    }

    /// A turn out of a tenant's part, or of nobody's; 429 if none comes in time.
    pub(super) async fn take(&self, part: Option<TenantId>) -> Result<Turn, ApiError> {
        let turn = async {
            let own = match part {
                Some(tenant) => Some(self.own.of(&tenant).acquire_owned().await?),
                None => None,
            };
            let shared = Arc::clone(&self.free).acquire_owned().await?;
            Ok::<_, AcquireError>(Turn { _own: own, _shared: shared })
        };
        let Ok(turn) = tokio::time::timeout(self.wait, turn).await else {
            let (work, wait_s) = (self.work, self.wait.as_secs());
            let sentence = format!(
                "other {work} were under way for {wait_s} s, so this one had no turn; nothing was done, try again later"
            );
            return Err(ApiError::new(ProblemCode::Busy, sentence));
        };
        turn.map_err(|error| ApiError::internal(&error))
    }
}

/// How many of so many turns a tenant may have at once.
fn of_one_tenant(at_once_max: usize) -> usize {
    at_once_max.saturating_sub((at_once_max / TURNS_PER_SPARE).max(1)).max(1)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const TENANT: Option<TenantId> = Some(TenantId(1));

    /// How many turns one tenant gets of so many, none of which ever ends, and whether another one gets one as well.
    async fn taken_by_a_flood(at_once_max: usize) -> (usize, bool) {
        let turns = Arc::new(Turns::new(at_once_max, "uploads"));
        let flood: Vec<_> = (0..3 * at_once_max)
            .map(|_| {
                let turns = Arc::clone(&turns);
                tokio::spawn(async move { turns.take(TENANT).await })
            })
            .collect();
        tokio::task::yield_now().await;
        let taken = flood.iter().filter(|take| take.is_finished()).count();
        let began = tokio::time::Instant::now();
        let other = turns.take(Some(TenantId(2))).await;
        let is_at_once = began.elapsed().is_zero();
        for take in flood {
            take.abort();
        }
        (taken, other.is_ok() && is_at_once)
    }

    #[tokio::test(start_paused = true)]
    async fn one_tenant_never_has_every_turn() {
        for (at_once_max, own) in [(2, 1), (3, 2), (4, 3), (8, 6)] {
            assert_eq!(taken_by_a_flood(at_once_max).await, (own, true), "of {at_once_max}");
        }
        // Where there is one, it is waited for.
        assert_eq!(taken_by_a_flood(1).await, (1, false));
    }

    #[tokio::test]
    async fn who_floods_waits_behind_its_own() {
        let turns = Arc::new(Turns::new(1, "comparisons"));
        let first = turns.take(TENANT).await.unwrap();
        let flood: Vec<_> = (0..10)
            .map(|_| {
                let turns = Arc::clone(&turns);
                tokio::spawn(async move { drop(turns.take(TENANT).await) })
            })
            .collect();
        tokio::task::yield_now().await;
        let other = tokio::spawn({
            let turns = Arc::clone(&turns);
            async move { turns.take(Some(TenantId(2))).await.ok() }
        });
        tokio::task::yield_now().await;
        drop(first);
        // None of the first tenant's was in the line of all: it held the only place of its own.
        tokio::task::yield_now().await;
        assert!(other.is_finished() && !flood.iter().any(tokio::task::JoinHandle::is_finished));
        // It holds its turn until it is asked for it.
        assert!(other.await.unwrap().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_turn_is_waited_for_but_not_for_ever() {
        let turns = Arc::new(Turns::new(1, "batches").lasting(Duration::from_mins(2)));
        let first = turns.take(TENANT).await.unwrap();
        let began = tokio::time::Instant::now();
        let refused = turns.take(TENANT).await.unwrap_err();
        // As long as the one before may take, and then some.
        assert_eq!(began.elapsed(), Duration::from_secs(150));
        assert_eq!(refused.code(), ProblemCode::Busy);
        assert!(refused.detail().contains("batches") && refused.detail().contains("150 s"), "{}", refused.detail());
        let waiting = tokio::spawn({
            let turns = Arc::clone(&turns);
            async move { turns.take(TENANT).await.is_ok() }
        });
        tokio::task::yield_now().await;
        drop(first);
        assert!(waiting.await.unwrap());
    }
}
