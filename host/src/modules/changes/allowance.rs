//! What one answer may take: payloads, pages, time. All of it is work for threads of their own, one at a time.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::model::ChangesError;
use crate::schema::SlowWork;

/// Payloads checked for one answer, of all kinds together. Each takes microseconds; a hostile one some milliseconds.
pub(super) const PAYLOADS_CHECKED_MAX: usize = 2_000;
/// Pages of unfinished jobs read for one answer.
const PAGES_MAX: usize = 20;
/// Time for one answer, its waits for a turn included.
pub(super) const ANSWER_MS_MAX: u64 = 10_000;

/// What is left of it.
pub(super) struct Allowance<'a> {
    pub(super) payloads: usize,
    pub(super) pages: usize,
    until: Instant,
    turns: &'a SlowWork,
}

impl<'a> Allowance<'a> {
    pub(super) fn of_one_answer(turns: &'a SlowWork) -> Self {
        let until = Instant::now() + Duration::from_millis(ANSWER_MS_MAX);
        Self { payloads: PAYLOADS_CHECKED_MAX, pages: PAGES_MAX, until, turns }
    }

    /// Whether the time is up.
    pub(super) fn is_late(&self) -> bool {
        Instant::now() >= self.until
    }

    /// Does the work; `None` if it is not done in time. What is under way then comes to its end, unheard.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<Option<T>, ChangesError> {
        match timeout_at(self.until, self.turns.run(work)).await {
            Ok(Some(done)) => Ok(Some(done)),
            Ok(None) => Err(ChangesError::NoRoom),
            Err(_elapsed) => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn whoever_has_no_turn_is_not_kept_for_ever() {
        let turns = SlowWork::with_turns(1);
        let allowance = Allowance::of_one_answer(&turns);
        let taken = turns.take_turn().await;
        assert_eq!(allowance.run(|| 1).await.unwrap(), None);
        assert!(allowance.is_late());
        drop(taken);
        let next = Allowance::of_one_answer(&turns);
        assert!(!next.is_late());
    }

    #[tokio::test]
    async fn what_is_done_in_time_is_told() {
        let turns = SlowWork::with_turns(1);
        assert_eq!(Allowance::of_one_answer(&turns).run(|| 1).await.unwrap(), Some(1));
    }
}
