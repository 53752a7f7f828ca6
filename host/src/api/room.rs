//! The memory that the bodies of all requests, or what all answers are made of, may take together. A body takes its room
//! as its bytes come, so that one that is announced large and comes slowly takes next to nothing; an answer before its
//! bytes are read. Room that is short is waited for, for a while.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::api::error::{ApiError, ProblemCode};

/// Room is taken in steps of so many bytes. The first step of each body and answer is free: there are at most as many as
/// requests under way, and an ordinary request never waits behind large ones.
pub(in crate::api) const STEP_BYTES: usize = 16 << 10;
/// Bodies of the largest size allowed that may be held at once.
const LARGEST_BODIES_MAX: usize = 4;
/// Least room there is, bytes, however small the largest body may be.
const ROOM_BYTES_MIN: usize = 64 << 20;
/// What all answers may hold of kept logs, bytes: a client may take long to read them.
const ANSWER_BYTES_MAX: usize = 128 << 20;
/// Longest wait for room, of one body or answer in all: who holds some and waits for more keeps it from others.
const ROOM_WAIT_MS_MAX: u64 = 5_000;

const BODIES_FULL: &str =
    "the bodies of other requests take all the memory there is for them; nothing was done, try again later";
const ANSWERS_FULL: &str = "other large logs that are read at the moment take all the memory there \
                            is for them; read fewer at once, to their end, or try again later";

/// Room of one sort. Cheap to clone.
#[derive(Clone, Debug)]
pub(in crate::api) struct Room {
    free: Arc<Semaphore>,
    /// All there is: nothing can take more.
    steps: usize,
    /// Said when there is none.
    full: &'static str,
}

/// What one body or answer takes of it; given back when dropped.
#[derive(Debug)]
pub(in crate::api) struct Taken {
    room: Room,
    permit: Option<OwnedSemaphorePermit>,
    steps: usize,
    /// How long it may still wait.
    patience: Duration,
}

impl Room {
    /// Enough for some bodies of `body_bytes_max`, the most any request may send.
    pub(in crate::api) fn for_bodies_of(body_bytes_max: usize) -> Self {
        Self::of_bytes(body_bytes_max.saturating_mul(LARGEST_BODIES_MAX).max(ROOM_BYTES_MIN), BODIES_FULL)
    }

    /// For what answers are made of.
    pub(in crate::api) fn for_answers() -> Self {
        Self::of_bytes(ANSWER_BYTES_MAX, ANSWERS_FULL)
    }

    fn of_bytes(bytes: usize, full: &'static str) -> Self {
        let steps = (bytes / STEP_BYTES).min(Semaphore::MAX_PERMITS);
        Self { free: Arc::new(Semaphore::new(steps)), steps, full }
    }

    pub(in crate::api) fn nothing_taken(&self) -> Taken {
        Taken { room: self.clone(), permit: None, steps: 1, patience: Duration::from_millis(ROOM_WAIT_MS_MAX) }
    }
}

impl Taken {
    /// Takes what is missing for so many bytes in all, or is refused with 429. What is larger than the whole room gets all
    /// of it.
    pub(in crate::api) async fn grow(&mut self, bytes: usize) -> Result<(), ApiError> {
        let steps = bytes.div_ceil(STEP_BYTES).min(self.room.steps + 1);
        let missing = steps.saturating_sub(self.steps);
        if missing == 0 {
            return Ok(());
        }
        let full = self.room.full;
        let refused = |_| ApiError::new(ProblemCode::Busy, full);
        let missing = u32::try_from(missing).unwrap_or(u32::MAX);
        let wanted = Arc::clone(&self.room.free).acquire_many_owned(missing);
        let given = if let Ok(given) = Arc::clone(&self.room.free).try_acquire_many_owned(missing) {
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
        let room = Room::of_bytes(3 * STEP_BYTES, BODIES_FULL);
        let mut first = room.nothing_taken();
        first.grow(STEP_BYTES).await.unwrap();
        assert_eq!(room.free.available_permits(), 3, "the first step is free");
        first.grow(STEP_BYTES + 1).await.unwrap();
        first.grow(3 * STEP_BYTES).await.unwrap();
        assert_eq!(room.free.available_permits(), 1);
        let mut second = room.nothing_taken();
        let refused = second.grow(4 * STEP_BYTES).await.unwrap_err();
        assert_eq!(refused.code(), ProblemCode::Busy);
        second.grow(STEP_BYTES).await.unwrap();
        drop(first);
        // The largest gets all there is.
        let mut all = room.nothing_taken();
        all.grow(usize::MAX).await.unwrap();
        assert_eq!(room.free.available_permits(), 0);
        drop(all);
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
        assert_eq!(room.free.available_permits(), 3);
    }

    #[test]
    fn there_is_room_for_several_of_the_largest() {
        let permits = |bytes| Room::for_bodies_of(bytes).free.available_permits();
        assert_eq!(permits(64 << 20), (256 << 20) / STEP_BYTES);
        assert_eq!(permits(1), ROOM_BYTES_MIN / STEP_BYTES);
        assert_eq!(permits(usize::MAX), usize::MAX / STEP_BYTES);
    }
}
