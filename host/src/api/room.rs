//! The memory that the bodies of all requests, or what all answers are made of, may take together. A body takes its room
//! as its bytes come, so that one that is announced large and comes slowly takes next to nothing; an answer before its
//! bytes are read. Room that is short is waited for, for a while. A tenant takes no more than its part of it, so that there is some
//! for others whatever it does; who has no part of its own (see `Call::part`) takes of all. Who holds some knows when others wait.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::api::error::{ApiError, ProblemCode};
use crate::each_tenant::EachTenant;
use crate::store::TenantId;

/// Room is taken in steps of so many bytes. The first step of each body and answer is free: there are at most as many as
/// requests under way, and an ordinary request never waits behind large ones.
pub(in crate::api) const STEP_BYTES: usize = 16 << 10;
/// Bodies of the largest size allowed that may be held at once.
const LARGEST_BODIES_MAX: usize = 4;
/// A tenant may take one of so many parts of the room: fewer than there are largest bodies, so one always fits.
const PARTS: usize = 2;
/// Least room there is, bytes, however small the largest body may be.
const ROOM_BYTES_MIN: usize = 64 << 20;
/// What the large answers of a tenant, and the logs they are made of, may hold, bytes: a client may take long to read them.
const ANSWER_BYTES_OF_ONE_MAX: usize = 64 << 20;
/// And those of all: of several tenants that take all they may, and of who has no part of its own.
const ANSWER_BYTES_MAX: usize = PARTS * ANSWER_BYTES_OF_ONE_MAX + (32 << 20);
/// Answers of a tenant that may wait for room when they are made already, and of all who have no part: each of them is memory that is
/// counted nowhere.
const MADE_ANSWERS_WAITING_MAX: usize = 4;
/// Longest wait for room, of one body or answer in all: who holds some and waits for more keeps it from others.
const ROOM_WAIT_MS_MAX: u64 = 5_000;

const BODIES_FULL: &str =
    "the bodies of other requests take all the memory there is for them; nothing was done, try again later";
const OWN_BODIES_FULL: &str = "the bodies of other requests of this tenant take all the memory that one tenant gets for them; nothing \
                               was done, send fewer at once, or try again later";
const OWN_ANSWERS_FULL: &str = "other large answers that this tenant reads at the moment take all the memory that one tenant gets for \
                                them; read fewer at once, to their end, or try again later";
const ANSWERS_FULL: &str = "other large answers that are read at the moment take all the memory there \
                            is for them; read fewer at once, to their end, or try again later";

/// Room of one sort. Cheap to clone.
#[derive(Clone, Debug)]
pub(in crate::api) struct Room {
    free: Arc<Semaphore>,
    own: Arc<EachTenant<TenantId>>,
    /// All there is, and all that one tenant may take.
    steps: usize,
    steps_of_tenant: usize,
    /// How many wait for others' room.
    waiting: Arc<watch::Sender<usize>>,
    /// Places of those who wait with what they want room for.
    made: Arc<EachTenant<Option<TenantId>>>,
    full: Full,
}

/// What is said when there is none.
#[derive(Clone, Copy, Debug)]
struct Full {
    shared: &'static str,
    own: &'static str,
}

/// One that waits; until it is dropped.
struct Waiter<'a>(&'a watch::Sender<usize>);

impl<'a> Waiter<'a> {
    fn of(waiting: &'a watch::Sender<usize>) -> Self {
        waiting.send_modify(|waiting| *waiting += 1);
        Self(waiting)
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|waiting| *waiting = waiting.saturating_sub(1));
    }
}

/// What one body or answer takes of it; given back when dropped.
#[derive(Debug)]
pub(in crate::api) struct Taken {
    room: Room,
    part: Option<TenantId>,
    /// Of all there is, and of the tenant's part.
    permits: Option<OwnedSemaphorePermit>,
    own_permits: Option<OwnedSemaphorePermit>,
    steps: usize,
    /// How long it may still wait.
    patience: Duration,
}

impl Room {
    /// Enough for some bodies of `body_bytes_max`, the most any request may send.
    pub(in crate::api) fn for_bodies_of(body_bytes_max: usize) -> Self {
        let bytes = body_bytes_max.saturating_mul(LARGEST_BODIES_MAX).max(ROOM_BYTES_MIN);
        Self::of_bytes(bytes, bytes / PARTS, Full { shared: BODIES_FULL, own: OWN_BODIES_FULL })
    }

    /// For what answers are made of.
    pub(in crate::api) fn for_answers() -> Self {
        let full = Full { shared: ANSWERS_FULL, own: OWN_ANSWERS_FULL };
        Self::of_bytes(ANSWER_BYTES_MAX, ANSWER_BYTES_OF_ONE_MAX, full)
    }

    fn of_bytes(bytes: usize, bytes_of_tenant: usize, full: Full) -> Self {
        let steps = (bytes / STEP_BYTES).min(Semaphore::MAX_PERMITS);
        let steps_of_tenant = (bytes_of_tenant / STEP_BYTES).min(steps);
        Self {
            free: Arc::new(Semaphore::new(steps)),
            own: Arc::new(EachTenant::with(steps_of_tenant)),
            steps,
            steps_of_tenant,
            waiting: Arc::new(watch::Sender::new(0)),
            made: Arc::new(EachTenant::with(MADE_ANSWERS_WAITING_MAX)),
            full,
        }
    }

    /// For a body or answer out of a tenant's part, or of nobody's.
    pub(in crate::api) fn nothing_taken(&self, part: Option<TenantId>) -> Taken {
        let patience = Duration::from_millis(ROOM_WAIT_MS_MAX);
        Taken { room: self.clone(), part, permits: None, own_permits: None, steps: 1, patience }
    }
}

impl Taken {
    /// Takes what is missing for so many bytes in all, or is refused with 429. What is larger than all it may take gets all of that.
    pub(in crate::api) async fn grow(&mut self, bytes: usize) -> Result<(), ApiError> {
        let steps_max = if self.part.is_some() { self.room.steps_of_tenant } else { self.room.steps };
        let steps = bytes.div_ceil(STEP_BYTES).min(steps_max + 1);
        let missing = steps.saturating_sub(self.steps);
        if missing == 0 {
            return Ok(());
        }
        let missing = u32::try_from(missing).unwrap_or(u32::MAX);
        let Full { shared, own } = self.room.full;
        // First of its own: who has none left there stands in nobody's way.
        let given_own = match &self.part {
            Some(tenant) => {
                let of_own = self.room.own.of(tenant);
                Some(wait_for(&of_own, missing, &mut self.patience, own, None).await?)
            }
            None => None,
        };
        let (free, waiting) = (&self.room.free, Some(&*self.room.waiting));
        let given = wait_for(free, missing, &mut self.patience, shared, waiting).await?;
        add(&mut self.own_permits, given_own);
        add(&mut self.permits, Some(given));
        self.steps = steps;
        Ok(())
    }

    /// The same for what is there already: only a few of a tenant's wait, and others are refused at once.
    pub(in crate::api) async fn grow_made(&mut self, bytes: usize) -> Result<(), ApiError> {
        let place = self.room.made.of(&self.part).try_acquire_owned();
        if place.is_err() {
            self.patience = Duration::ZERO;
        }
        self.grow(bytes).await
    }

    /// Comes when others wait for room while this holds some; else never.
    pub(in crate::api) async fn wanted_by_others(&self) {
        if self.permits.is_some() {
            let mut waiting = self.room.waiting.subscribe();
            drop(waiting.wait_for(|waiting| *waiting > 0).await);
        } else {
            std::future::pending::<()>().await;
        }
    }
}

fn add(held: &mut Option<OwnedSemaphorePermit>, given: Option<OwnedSemaphorePermit>) {
    match (held.as_mut(), given) {
        (Some(held), Some(given)) => held.merge(given),
        (None, given) => *held = given,
        (Some(_), None) => {}
    }
}

/// So many steps, at once or as long as there is patience.
async fn wait_for(
    free: &Arc<Semaphore>,
    steps: u32,
    patience: &mut Duration,
    full: &'static str,
    waiting: Option<&watch::Sender<usize>>,
) -> Result<OwnedSemaphorePermit, ApiError> {
    if let Ok(given) = Arc::clone(free).try_acquire_many_owned(steps) {
        return Ok(given);
    }
    let refusal = || ApiError::new(ProblemCode::Busy, full);
    if patience.is_zero() {
        return Err(refusal());
    }
    let _waiter = waiting.map(Waiter::of);
    let began = tokio::time::Instant::now();
    let given = tokio::time::timeout(*patience, Arc::clone(free).acquire_many_owned(steps)).await;
    *patience = patience.saturating_sub(began.elapsed());
    let given = given.map_err(|_elapsed| refusal())?;
    given.map_err(|error| ApiError::internal(&error))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use futures_util::FutureExt;

    const FULL: Full = Full { shared: BODIES_FULL, own: OWN_BODIES_FULL };
    const A: Option<TenantId> = Some(TenantId(1));
    const B: Option<TenantId> = Some(TenantId(2));

    #[tokio::test(start_paused = true)]
    async fn room_is_taken_in_steps_and_given_back() {
        let room = Room::of_bytes(PARTS * 3 * STEP_BYTES, 3 * STEP_BYTES, FULL);
        let free = || (room.own.of(&TenantId(1)).available_permits(), room.free.available_permits());
        let mut first = room.nothing_taken(A);
        first.grow(STEP_BYTES).await.unwrap();
        assert_eq!(free(), (3, 6), "the first step is free");
        first.grow(STEP_BYTES + 1).await.unwrap();
        first.grow(3 * STEP_BYTES).await.unwrap();
        assert_eq!(free(), (1, 4));
        let mut second = room.nothing_taken(A);
        let refused = second.grow(4 * STEP_BYTES).await.unwrap_err();
        assert_eq!((refused.code(), refused.detail()), (ProblemCode::Busy, OWN_BODIES_FULL));
        second.grow(STEP_BYTES).await.unwrap();
        drop(first);
        // The largest gets all there is.
        let mut all = room.nothing_taken(A);
        all.grow(usize::MAX).await.unwrap();
        assert_eq!(free(), (0, 3));
        drop(all);
        second.grow(4 * STEP_BYTES).await.unwrap();
        // All its waits together have a bound.
        let mut third = room.nothing_taken(A);
        let began = tokio::time::Instant::now();
        let waits = async {
            third.grow(2 * STEP_BYTES).await?;
            third.grow(3 * STEP_BYTES).await
        };
        let frees = async {
            tokio::time::sleep(Duration::from_millis(ROOM_WAIT_MS_MAX / 2)).await;
            let _freed = second.own_permits.as_mut().and_then(|own| own.split(1));
        };
        assert_eq!(tokio::join!(waits, frees).0.unwrap_err().code(), ProblemCode::Busy);
        assert_eq!(began.elapsed(), Duration::from_millis(ROOM_WAIT_MS_MAX));
        drop(third);
        drop(second);
        assert_eq!(free(), (3, 6));
        // Who has no part takes of all.
        let mut nobodys = room.nothing_taken(None);
        nobodys.grow(usize::MAX).await.unwrap();
        assert_eq!(free(), (3, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_tenant_that_takes_all_it_can_leaves_room_for_the_largest_of_another() {
        let body_bytes_max = 64 << 20;
        let room = Room::for_bodies_of(body_bytes_max);
        let mut held = Vec::new();
        loop {
            let mut taken = room.nothing_taken(A);
            if let Err(refused) = taken.grow(body_bytes_max).await {
                assert_eq!(refused.detail(), OWN_BODIES_FULL);
                break;
            }
            held.push(taken);
        }
        assert_eq!(held.len(), LARGEST_BODIES_MAX / PARTS);
        let began = tokio::time::Instant::now();
        room.nothing_taken(B).grow(body_bytes_max).await.unwrap();
        room.nothing_taken(None).grow(body_bytes_max).await.unwrap();
        assert!(began.elapsed().is_zero());
    }

    #[tokio::test(start_paused = true)]
    async fn who_holds_room_hears_of_others_that_wait_for_it() {
        let room = Room::of_bytes(PARTS * 3 * STEP_BYTES, 3 * STEP_BYTES, FULL);
        let (mut first, mut second) = (room.nothing_taken(A), room.nothing_taken(B));
        first.grow(usize::MAX).await.unwrap();
        second.grow(usize::MAX).await.unwrap();
        let wanted = |taken: &Taken| taken.wanted_by_others().now_or_never().is_some();
        assert!(!wanted(&first));
        // Who waits for its own only wants nobody else's.
        let mut own = room.nothing_taken(A);
        let mut other = room.nothing_taken(None);
        let mut own_waits = std::pin::pin!(own.grow(2 * STEP_BYTES));
        assert!(own_waits.as_mut().now_or_never().is_none());
        assert!(!wanted(&first));
        {
            let mut waits = std::pin::pin!(other.grow(2 * STEP_BYTES));
            assert!(waits.as_mut().now_or_never().is_none());
            assert!(wanted(&first) && wanted(&second));
            assert!(!wanted(&room.nothing_taken(A)), "it holds none");
        }
        assert!(!wanted(&first), "it has gone");
    }

    #[tokio::test]
    async fn tenants_that_take_all_they_can_of_the_answers_leave_some_for_who_has_no_part() {
        let room = Room::for_answers();
        let mut held = Vec::new();
        for tenant in [A, B] {
            let mut taken = room.nothing_taken(tenant);
            taken.grow(ANSWER_BYTES_OF_ONE_MAX).await.unwrap();
            held.push(taken);
        }
        room.nothing_taken(None).grow(16 << 20).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn few_wait_that_are_made_already() {
        let room = Room::for_answers();
        let mut all = room.nothing_taken(A);
        all.grow(usize::MAX).await.unwrap();
        let wait = async |part| {
            let began = tokio::time::Instant::now();
            let refused = room.nothing_taken(part).grow_made(2 * STEP_BYTES).await.is_err();
            refused.then(|| !began.elapsed().is_zero())
        };
        let waits = futures_util::future::join_all((0..3 * MADE_ANSWERS_WAITING_MAX).map(|_| wait(A))).await;
        assert!(waits.iter().all(Option::is_some), "all are refused");
        assert_eq!(waits.iter().filter(|waited| **waited == Some(true)).count(), MADE_ANSWERS_WAITING_MAX);
        assert_eq!(wait(B).await, None);
        drop(all);
        assert_eq!(wait(A).await, None);
    }

    #[test]
    fn there_is_room_for_several_of_the_largest() {
        let permits = |bytes| Room::for_bodies_of(bytes).free.available_permits();
        assert_eq!(permits(64 << 20), (256 << 20) / STEP_BYTES);
        assert_eq!(permits(1), ROOM_BYTES_MIN / STEP_BYTES);
        assert_eq!(permits(usize::MAX), usize::MAX / STEP_BYTES);
    }
}
