//! The memory that the bodies of all requests may take together. A body takes its room as its bytes come, so that one
//! that is announced large and comes slowly takes next to nothing. Room that is short is waited for, for a while.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::api::error::{ApiError, ProblemCode};

/// Room is taken in steps of so many bytes. The first step of every body is free: there are at most as many as requests
/// under way, and an ordinary request never waits behind large ones.
pub(super) const STEP_BYTES: usize = 16 << 10;
/// Bodies of the largest size allowed that may be held at once.
const LARGEST_BODIES_MAX: usize = 4;
/// Least room there is, bytes, however small the largest body may be.
const ROOM_BYTES_MIN: usize = 64 << 20;
/// Longest wait for room, of one body in all: who holds some and waits for more keeps it from others.
const ROOM_WAIT_MS_MAX: u64 = 5_000;

/// Room for bodies. Cheap to clone.
#[derive(Clone, Debug)]
pub(in crate::api) struct BodyRoom(Arc<Semaphore>);

/// What one body takes of it; given back when dropped.
#[derive(Debug)]
pub(super) struct Taken {
    room: BodyRoom,
    permit: Option<OwnedSemaphorePermit>,
    steps: usize,
    /// How long it may still wait.
    patience: Duration,
}

impl BodyRoom {
    /// Enough for some bodies of `body_bytes_max`, the most any request may send.
    pub(in crate::api) fn for_bodies_of(body_bytes_max: usize) -> Self {
        Self::of_bytes(body_bytes_max.saturating_mul(LARGEST_BODIES_MAX).max(ROOM_BYTES_MIN))
    }

    pub(super) fn of_bytes(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new((bytes / STEP_BYTES).min(Semaphore::MAX_PERMITS))))
    }

    pub(super) fn nothing_taken(&self) -> Taken {
        Taken { room: self.clone(), permit: None, steps: 1, patience: Duration::from_millis(ROOM_WAIT_MS_MAX) }
    }
}

impl Taken {
    /// Takes what is missing for a body of so many bytes in all, or is refused with 429.
    pub(super) async fn grow(&mut self, bytes: usize) -> Result<(), ApiError> {
        let steps = bytes.div_ceil(STEP_BYTES);
        let missing = steps.saturating_sub(self.steps);
        if missing == 0 {
            return Ok(());
        }
        let refused = |_| {
            let sentence =
                "the bodies of other requests take all the memory there is for them; nothing was done, try again later";
            ApiError::new(ProblemCode::Busy, sentence)
        };
        let missing = u32::try_from(missing).unwrap_or(u32::MAX);
        let wanted = Arc::clone(&self.room.0).acquire_many_owned(missing);
        let given = if let Ok(given) = Arc::clone(&self.room.0).try_acquire_many_owned(missing) {
            Ok(given)
        } else {
            let began = tokio::time::Instant::now();
            let given = tokio::time::timeout(self.patience, wanted).await.map_err(refused)?;
            self.patience = self.patience.saturating_sub(began.elapsed());
            given
        };
        let given = given.map_err(|error| ApiError::internal(&error))?;
        match &mut self.permit {
            Some(permit) => permit.merge(given),
            None => self.permit = Some(given),
        }
        self.steps = steps;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn room_is_taken_in_steps_and_given_back() {
        let room = BodyRoom::of_bytes(3 * STEP_BYTES);
        let mut first = room.nothing_taken();
        first.grow(STEP_BYTES).await.unwrap();
        assert_eq!(room.0.available_permits(), 3, "the first step is free");
        first.grow(STEP_BYTES + 1).await.unwrap();
        first.grow(3 * STEP_BYTES).await.unwrap();
        assert_eq!(room.0.available_permits(), 1);
        let mut second = room.nothing_taken();
        let refused = second.grow(4 * STEP_BYTES).await.unwrap_err();
        assert_eq!(refused.code(), ProblemCode::Busy);
        second.grow(STEP_BYTES).await.unwrap();
        drop(first);
        second.grow(4 * STEP_BYTES).await.unwrap();
        // All its waits together have a bound.
        let mut third = room.nothing_taken();
        let began = tokio::time::Instant::now();
        let waits = async {
            third.grow(2 * STEP_BYTES).await?;
            third.grow(3 * STEP_BYTES).await
        };
        let frees = async {
            tokio::time::sleep(Duration::from_millis(ROOM_WAIT_MS_MAX / 2)).await;
            let _freed = second.permit.as_mut().and_then(|permit| permit.split(1));
        };
        assert_eq!(tokio::join!(waits, frees).0.unwrap_err().code(), ProblemCode::Busy);
        assert_eq!(began.elapsed(), Duration::from_millis(ROOM_WAIT_MS_MAX));
        drop(third);
        drop(second);
        assert_eq!(room.0.available_permits(), 3);
    }

    #[test]
    fn there_is_room_for_several_of_the_largest() {
        let permits = |bytes| BodyRoom::for_bodies_of(bytes).0.available_permits();
        assert_eq!(permits(64 << 20), (256 << 20) / STEP_BYTES);
        assert_eq!(permits(1), ROOM_BYTES_MIN / STEP_BYTES);
        assert_eq!(permits(usize::MAX), usize::MAX / STEP_BYTES);
    }
}
