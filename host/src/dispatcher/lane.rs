//! The lane suspects run in, one at a time.

use std::time::Duration;

use parking_lot::Mutex;

use super::slot::SlotParts;
use crate::job::{FailureReason, Timestamp};
use crate::sandbox::Interrupt;
use crate::store::{LeaseKey, StoreError};

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

    /// It has ended or went back. `false` if it was no longer in the lane.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::JobId;

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
}
