//! The lane suspects run in, one at a time. One that has been in it for some time and killed nobody leaves it while it
//! goes on, so that the next may start; the loss of a host counts against the one in the lane only.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::slot::SlotParts;
use crate::job::{FailureReason, Timestamp};
use crate::sandbox::Interrupt;
use crate::store::{AttemptOutcome, AttemptRow, ClaimedJob, LeaseKey, StoreError};

/// How long a suspect that has lost one host is in the lane before the next may start beside it; for each further host it
/// has lost in a row, twice as long. So whatever kills hosts, however late, comes to do it while it is in the lane.
const LANE_STAY: Duration = Duration::from_secs(5);
/// Doublings of it.
const DOUBLINGS_MAX: u32 = 20;
/// Between two tries to write what is to be known of a suspect.
const WRITE_DELAY: Duration = Duration::from_millis(200);

/// Who is in the lane of this host.
#[derive(Debug, Default)]
pub struct Lane(Mutex<Option<LeaseKey>>);

impl Lane {
    /// Whether a suspect may be claimed.
    pub fn is_free(&self) -> bool {
        self.0.lock().is_none()
    }

    /// A suspect was claimed.
    pub fn enter(&self, suspect: LeaseKey) {
        *self.0.lock() = Some(suspect);
    }

    /// It has ended, went back, or goes on outside. `false` if it was no longer in the lane.
    pub fn leave(&self, suspect: LeaseKey) -> bool {
        let mut lane = self.0.lock();
        let was_in = *lane == Some(suspect);
        if was_in {
            *lane = None;
        }
        was_in
    }
}

/// A suspect is entered only once it is on disk that it runs: whatever it takes down, the loss is counted. While that
/// can't be written it waits, unless it is interrupted.
pub async fn announce(parts: &SlotParts, lease: LeaseKey, interrupt: &Interrupt, now: Timestamp) {
    while interrupt.raised().is_none() {
        match parts.store.mark_suspect_running(lease, now).await {
            Ok(true) => return,
            Ok(false) => interrupt.raise(FailureReason::HostLost),
            Err(StoreError::Closed) => interrupt.raise(FailureReason::Shutdown),
            Err(error) => {
                tracing::warn!(job = %lease.0, %error, "a suspect waits until it can be written that it runs");
                tokio::time::sleep(WRITE_DELAY).await;
            }
        }
    }
}

/// How long it is to be in the lane.
pub async fn stay(parts: &SlotParts, job: &ClaimedJob) -> Duration {
    match parts.store.attempts(job.kind.tenant, job.lease.job()).await {
        Ok(attempts) => stay_after(losses_in_a_row(&attempts.unwrap_or_default())),
        Err(error) => {
            tracing::warn!(job = %job.lease.job(), %error, "how many hosts a suspect has lost can't be read; it runs alone");
            stay_after(u32::MAX)
        }
    }
}

/// Hosts that died while it ran, since it last came to another end.
fn losses_in_a_row(attempts: &[AttemptRow]) -> u32 {
    let outcomes = attempts.iter().rev().map(|attempt| attempt.outcome);
    let lost = outcomes.filter(|outcome| *outcome != AttemptOutcome::GivenBack);
    u32::try_from(lost.take_while(|outcome| *outcome == AttemptOutcome::Lost).count()).unwrap_or(u32::MAX)
}

fn stay_after(losses: u32) -> Duration {
    LANE_STAY.saturating_mul(1 << losses.saturating_sub(1).min(DOUBLINGS_MAX))
}

/// Lets an entered suspect out of the lane once it has stayed for so long. First it is on disk that it is in it no more:
/// else the loss of a host would count against it and against the next one.
pub async fn leave_after(parts: Arc<SlotParts>, lease: LeaseKey, stay: Duration) {
    tokio::time::sleep(stay).await;
    loop {
        match parts.store.clear_suspect(lease).await {
            Ok(true) => return parts.leave_lane(lease),
            // It is another's now, or ends with the store: whoever ends it here says so.
            Ok(false) | Err(StoreError::Closed) => return,
            Err(error) => {
                tracing::warn!(job = %lease.0, %error, "a suspect stays in the lane until it can be written that it left");
                tokio::time::sleep(WRITE_DELAY).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use AttemptOutcome::{Failed, GivenBack, Lost};

    use super::*;
    use crate::job::{HostId, JobId, Receipt};

    #[test]
    fn only_who_is_in_the_lane_frees_it() {
        let lane = Lane::default();
        let (first, second) = ((JobId::from_u128(1), 1), (JobId::from_u128(2), 1));
        assert!(lane.is_free());
        lane.enter(first);
        assert!(!lane.is_free() && lane.leave(first) && lane.is_free());
        lane.enter(second);
        // The first one ends only now.
        assert!(!lane.leave(first) && !lane.is_free());
        assert!(!lane.leave((second.0, 2)), "a later claim of the same job");
        assert!(lane.leave(second));
    }

    #[test]
    fn each_loss_doubles_the_stay_until_another_end() {
        let attempts = |outcomes: &[AttemptOutcome]| -> Vec<AttemptRow> {
            let attempt = |(number, outcome): (usize, &AttemptOutcome)| AttemptRow {
                execution: i64::try_from(number).unwrap_or_default(),
                attempt: 1,
                outcome: *outcome,
                error: None,
                started_at: None,
                finished_at: Timestamp(0),
                module: None,
                receipt: Receipt::default(),
                denied: Vec::new(),
                host: HostId::from_u128(1),
            };
            outcomes.iter().enumerate().map(attempt).collect()
        };
        for (outcomes, losses, seconds) in [
            (&[Failed, Lost][..], 1, 5),
            (&[Lost, Lost, Lost], 3, 20),
            (&[Lost, GivenBack, Lost], 2, 10),
            (&[Lost, Failed, Lost], 1, 5),
            (&[], 0, 5),
        ] {
            assert_eq!(losses_in_a_row(&attempts(outcomes)), losses, "{outcomes:?}");
            assert_eq!(stay_after(losses).as_secs(), seconds, "{outcomes:?}");
        }
        assert!(stay_after(u32::MAX) > Duration::from_hours(24));
    }
}
