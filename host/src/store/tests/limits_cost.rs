//! What limits cost a claim that does not take from them: nothing, however many have room, and however many jobs they hold.

use std::collections::BTreeSet;
use std::time::Instant;

use super::limits::{keyed, set_pace};
use super::unique::unique;
use super::*;
use crate::job::{KeyOrder, KindPace, OnConflict};

const FIFO: KindPace =
    KindPace { concurrency: None, rate: None, key_concurrency: None, key_rate: None, key_order: Some(KeyOrder::Fifo) };
const ONE_OF_A_KEY: KindPace = KindPace { key_order: None, key_concurrency: Some(1), ..FIFO };

/// More than one claim lines up.
const MANY: usize = 2_500;

struct Limited {
    harness: Harness,
    host: HostId,
}

impl Limited {
    async fn new(pace: KindPace) -> Self {
        let harness = Harness::new();
        harness.module("m", &["k", "other"]).await;
        set_pace(&harness, "k", pace).await;
        let host = harness.store.register_host(8, "1").await.unwrap();
        Self { harness, host }
    }

    async fn enqueue(&self, jobs: Vec<NewJob>) {
        let done = self.harness.store.enqueue_batch(TENANT, jobs, true, None, Vec::new()).await.unwrap();
        assert!(matches!(done, BatchResult::Done(_)), "{done:?}");
    }

    /// So many jobs of each key, key after key.
    async fn enqueue_keyed(&self, keys: usize, jobs_of_a_key: usize) {
        let kind = self.harness.kind("k");
        let jobs = (0..keys * jobs_of_a_key).map(|job| keyed(kind, &(job % keys).to_string()));
        self.enqueue(jobs.collect()).await;
    }

    /// All that can begin, in as many claims as it takes; how many that were.
    async fn claim_all(&self) -> (Vec<ClaimedJob>, usize) {
        let (mut jobs, mut claims) = (Vec::new(), 0);
        loop {
            let claimed = self.harness.claim_as(request(self.host, 10_000)).await;
            claims += 1;
            jobs.extend(claimed.jobs);
            if !claimed.more {
                return (jobs, claims);
            }
        }
    }

    /// What one claim gives, and the rows it writes on top of those `written`.
    async fn claim_counted(&self, written: &mut u64) -> Vec<ClaimedJob> {
        let wanted = request(self.host, 10);
        let counted = move |sql: &rusqlite::Connection, draft: &mut Draft| {
            let before = sql.total_changes();
            let claimed = crate::store::claim::claim(sql, draft, &wanted)?;
            Ok((claimed.jobs, sql.total_changes() - before))
        };
        let (jobs, changes) = self.harness.store.write(Durability::Relaxed, counted).await.unwrap();
        *written += changes;
        jobs
    }

    async fn claim_one(&self, written: &mut u64) -> ClaimedJob {
        let mut jobs = self.claim_counted(written).await;
        assert_eq!(jobs.len(), 1);
        jobs.remove(0)
    }

    async fn succeed(&self, jobs: Vec<ClaimedJob>) {
        let now = self.harness.clock.now();
        let done = |job: ClaimedJob| finish(job.lease, Next::Succeed(Bytes::from_static(b"1")), now);
        self.harness.store.finish_all(jobs.into_iter().map(done).collect()).await.unwrap();
    }
}

/// The shortest of some claims, each of a few jobs that come before those of so many keys with room.
async fn claim_beside(keys: usize, pace: KindPace) -> Duration {
    const CLAIMS: usize = 30;
    const JOBS: usize = 4;
    let limited = Limited::new(pace).await;
    limited.enqueue_keyed(keys, 2).await;
    let (first, _) = limited.claim_all().await;
    assert_eq!(first.len(), keys);
    limited.succeed(first).await;
    let mut before = job(limited.harness.kind("other"));
    before.spec.priority = 0;
    limited.enqueue(vec![before; CLAIMS * JOBS]).await;
    let mut shortest = Duration::MAX;
    for _ in 0..CLAIMS {
        let wanted = request(limited.host, JOBS);
        let timed = move |sql: &rusqlite::Connection, draft: &mut Draft| {
            let began = Instant::now();
            let claimed = crate::store::claim::claim(sql, draft, &wanted)?;
            Ok((claimed.jobs.len(), began.elapsed()))
        };
        let (jobs, took) = limited.harness.store.write(Durability::Relaxed, timed).await.unwrap();
        assert_eq!(jobs, JOBS);
        shortest = shortest.min(took);
    }
    assert_eq!(limited.claim_all().await.0.len(), keys, "and then they have their turn");
    shortest
}

#[tokio::test]
async fn a_claim_costs_the_same_however_many_limits_have_room() {
    for pace in [FIFO, ONE_OF_A_KEY] {
        let (few, many) = (claim_beside(20, pace).await, claim_beside(2_000, pace).await);
        assert!(many < few * 4, "{many:?} beside 2,000 keys, {few:?} beside 20: {pace:?}");
    }
}

#[tokio::test]
async fn what_is_too_much_for_one_claim_is_lined_up_by_those_that_follow() {
    for pace in [FIFO, ONE_OF_A_KEY] {
        let mut limited = Limited::new(pace).await;
        limited.enqueue_keyed(MANY, 2).await;
        let (first, _) = limited.claim_all().await;
        assert_eq!(first.len(), MANY);
        // All limits are unknown, and nobody holds a lease any more.
        limited.harness.reopen().await;
        limited.host = limited.harness.store.register_host(8, "1").await.unwrap();
        let (again, claims) = limited.claim_all().await;
        let ids = |jobs: &[ClaimedJob]| jobs.iter().map(|job| job.lease.job()).collect::<BTreeSet<JobId>>();
        assert_eq!(ids(&again), ids(&first));
        assert!(claims > 2, "{claims} claims");
        // All have room at once.
        limited.succeed(again).await;
        let (second, claims) = limited.claim_all().await;
        assert_eq!(second.len(), MANY);
        assert!(claims > 2, "{claims} claims");
    }
}

#[tokio::test]
async fn an_atomic_batch_that_is_refused_makes_nobody_look_anew() {
    let limited = Limited::new(ONE_OF_A_KEY).await;
    limited.enqueue_keyed(20, 2).await;
    assert_eq!(limited.claim_all().await.0.len(), 20);
    let kind = limited.harness.kind("other");
    let only = || NewJob { unique: Some(Box::new(unique(1, OnConflict::Reject))), ..job(kind) };
    let known = limited.harness.enqueue(only()).await;
    let refused = limited.harness.store.enqueue_batch(TENANT, vec![job(kind), only()], true, None, Vec::new()).await;
    let BatchResult::Rejected { index: 1, result } = refused.unwrap() else { panic!("it is refused") };
    assert_eq!(result, BatchItem::UniqueConflict(Some(known)));
    let is_unscanned = |_: &rusqlite::Connection, draft: &mut Draft| Ok(draft.holding.is_unscanned());
    assert!(!limited.harness.store.write(Durability::Relaxed, is_unscanned).await.unwrap());
    assert_eq!(limited.claim_all().await.0.len(), 1, "nothing of the batch is there");
}

#[tokio::test]
async fn no_job_is_moved_from_limit_to_limit_again_and_again() {
    const JOBS: usize = 300;
    const ROUNDS: u64 = 10;
    let limited = Limited::new(KindPace { concurrency: Some(2), ..ONE_OF_A_KEY }).await;
    let of_key = |key: &str, priority: u8| {
        let mut new = keyed(limited.harness.kind("k"), key);
        new.spec.priority = priority;
        new
    };
    let mut written = 0;
    limited.enqueue(vec![of_key("many", 9); JOBS]).await;
    let mut many = limited.claim_one(&mut written).await;
    for _ in 0..ROUNDS {
        limited.enqueue(vec![of_key("other", 9)]).await;
        let other = limited.claim_one(&mut written).await;
        // The key has room and the kind has none.
        limited.enqueue(vec![of_key("urgent", 0)]).await;
        limited.succeed(vec![many]).await;
        let urgent = limited.claim_one(&mut written).await;
        limited.succeed(vec![other]).await;
        many = limited.claim_one(&mut written).await;
        // The kind has room and the key has none.
        limited.succeed(vec![urgent]).await;
        assert!(limited.claim_counted(&mut written).await.is_empty());
    }
    let most = JOBS as u64 + 6 * ROUNDS;
    assert!(written <= most, "{written} rows written by the claims of {} jobs", 3 * ROUNDS + 1);
}
