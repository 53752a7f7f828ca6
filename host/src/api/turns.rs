//! Work of which only so much is done at once. Requests wait for their turn with their bodies read, so that a slow
//! client keeps nobody waiting, and not for ever.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::error::{ApiError, ProblemCode};

/// Longest wait for a turn.
const TURN_WAIT_MS_MAX: u64 = 30_000;

/// Turns at one sort of work.
#[derive(Debug)]
pub(super) struct Turns {
    free: Arc<Semaphore>,
    /// What is done in a turn, in the plural.
    work: &'static str,
}

impl Turns {
    pub(super) fn new(at_once_max: usize, work: &'static str) -> Self {
        Self { free: Arc::new(Semaphore::new(at_once_max)), work }
    }

    /// A turn, over when dropped; 429 if none comes in time.
    pub(super) async fn take(&self) -> Result<OwnedSemaphorePermit, ApiError> {
        let turn = Arc::clone(&self.free).acquire_owned();
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

    #[tokio::test(start_paused = true)]
    async fn a_turn_is_waited_for_but_not_for_ever() {
        let turns = Arc::new(Turns::new(1, "batches"));
        let first = turns.take().await.unwrap();
        let refused = turns.take().await.unwrap_err();
        assert_eq!(refused.code(), ProblemCode::Busy);
        assert!(refused.detail().contains("batches"), "{}", refused.detail());
        let waiting = tokio::spawn({
            let turns = Arc::clone(&turns);
            async move { turns.take().await.is_ok() }
        });
        tokio::task::yield_now().await;
        drop(first);
        assert!(waiting.await.unwrap());
    }
}
