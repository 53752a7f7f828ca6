//! Which states a job can be in and which changes are legal. The same words stand in the SQL CHECK of
//! `migrations/` and in `docs/job-lifecycle.md`; a test compares all three.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Where a job is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// `run_at` lies in the future.
    Scheduled,
    /// Waits for other jobs or an event.
    Blocked,
    /// Could run now.
    Ready,
    /// A guest has been entered.
    Running,
    /// Failed, waits for its next attempt.
    Retrying,
    /// Ended well.
    Succeeded,
    /// Attempts used up, or a fatal failure: the dead-letter list.
    Failed,
    /// Ended by someone's wish.
    Cancelled,
}

impl JobState {
    /// Every state, in the order of a job's life.
    pub const ALL: [JobState; 8] = [
        JobState::Scheduled,
        JobState::Blocked,
        JobState::Ready,
        JobState::Running,
        JobState::Retrying,
        JobState::Succeeded,
        JobState::Failed,
        JobState::Cancelled,
    ];

    /// The terminal ones.
    pub const ENDS: [JobState; 3] = [JobState::Succeeded, JobState::Failed, JobState::Cancelled];

    /// The word used in SQL, HTTP, logs and the dashboard.
    pub const fn as_str(self) -> &'static str {
        match self {
            JobState::Scheduled => "scheduled",
            JobState::Blocked => "blocked",
            JobState::Ready => "ready",
            JobState::Running => "running",
            JobState::Retrying => "retrying",
            JobState::Succeeded => "succeeded",
            JobState::Failed => "failed",
            JobState::Cancelled => "cancelled",
        }
    }

    /// Final until an operator reopens it.
    pub const fn is_terminal(self) -> bool {
        matches!(self, JobState::Succeeded | JobState::Failed | JobState::Cancelled)
    }

    /// Neither running nor ended.
    pub const fn is_waiting(self) -> bool {
        matches!(self, JobState::Scheduled | JobState::Blocked | JobState::Ready | JobState::Retrying)
    }

    /// Whether a job may go from this state to `next`. The one rule every writer of states obeys.
    ///
    /// `Ready` may end without passing through `Running`: a claimed job stays `ready` until its guest is entered,
    /// and a short one has finished before anybody could see it run.
    pub const fn can_become(self, next: JobState) -> bool {
        use JobState::{Blocked, Cancelled, Failed, Ready, Retrying, Running, Scheduled, Succeeded};
        match self {
            Scheduled | Retrying => matches!(next, Ready | Scheduled | Blocked | Cancelled),
            Blocked => matches!(next, Ready | Scheduled | Cancelled),
            Ready | Running => match next {
                Scheduled | Blocked | Ready | Retrying | Succeeded | Failed | Cancelled => true,
                Running => matches!(self, Ready),
            },
            // Reopened by an operator's recorded retry or redrive.
            Succeeded => matches!(next, Ready),
            Failed | Cancelled => matches!(next, Ready | Blocked),
        }
    }
}

impl fmt::Display for JobState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Text that names no state.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is not a state; states are scheduled, blocked, ready, running, retrying, succeeded, failed, cancelled")]
pub struct UnknownState(String);

impl FromStr for JobState {
    type Err = UnknownState;
    fn from_str(text: &str) -> Result<Self, UnknownState> {
        Self::ALL
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or_else(|| UnknownState(text.chars().take(64).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_state() -> impl Strategy<Value = JobState> {
        prop::sample::select(&JobState::ALL[..])
    }

    proptest! {
        #[test]
        fn terminal_states_reopen_only_to_wait(from in any_state(), to in any_state()) {
            if from.is_terminal() && from.can_become(to) {
                prop_assert!(to.is_waiting());
            }
        }

        #[test]
        fn only_a_ready_job_starts_running(from in any_state()) {
            prop_assert_eq!(from.can_become(JobState::Running), from == JobState::Ready);
        }

        #[test]
        fn success_and_failure_come_only_from_a_claimed_job(from in any_state()) {
            let claimed = matches!(from, JobState::Ready | JobState::Running);
            prop_assert_eq!(from.can_become(JobState::Succeeded), claimed);
            prop_assert_eq!(from.can_become(JobState::Failed), claimed);
        }

        #[test]
        fn everything_unfinished_can_be_cancelled(from in any_state()) {
            prop_assert_eq!(from.can_become(JobState::Cancelled), !from.is_terminal());
        }

        /// Any legal walk stays inside the eight words and can always still reach an end.
        #[test]
        fn every_state_can_reach_an_end(from in any_state()) {
            let mut reached = vec![from];
            let mut index = 0;
            while index < reached.len() {
                for next in JobState::ALL {
                    if reached[index].can_become(next) && !reached.contains(&next) {
                        reached.push(next);
                    }
                }
                index += 1;
            }
            prop_assert!(reached.iter().any(|state| state.is_terminal()));
        }

        #[test]
        fn words_round_trip(state in any_state()) {
            prop_assert_eq!(state.as_str().parse(), Ok(state));
        }
    }
}
