//! Jobs are handed to the claimant by the commit that makes them ready, before that commit is answered, and never by
//! one that fails.

use parking_lot::Mutex;

use super::adversity::bound_pages;
use super::*;
use crate::job::JobState;

/// Wants so many jobs and keeps what it is given.
pub(super) struct TestClaimant {
    pub(super) host: HostId,
    wanted: Mutex<usize>,
    pub(super) given: Mutex<Vec<ClaimedJob>>,
    questions: AtomicU64,
    pub(super) entered: Mutex<Vec<LeaseKey>>,
    /// At most so many at once.
    at_once: usize,
}

impl Claimant for TestClaimant {
    fn wants(&self) -> Option<ClaimRequest> {
        self.questions.fetch_add(1, Ordering::SeqCst);
        let wanted = *self.wanted.lock();
        (wanted > 0).then(|| request(self.host, wanted.min(self.at_once)))
    }

    fn take(&self, claimed: Claimed) {
        *self.wanted.lock() -= claimed.jobs.len();
        self.given.lock().extend(claimed.jobs);
    }

    fn let_go(&self, (job, number): LeaseKey) -> bool {
        let given = self.given.lock();
        !self.has_entered((job, number))
            && given.iter().any(|given| given.lease.number() == number && given.lease.job() == job)
    }

    fn has_entered(&self, lease: LeaseKey) -> bool {
        self.entered.lock().contains(&lease)
    }
}

impl TestClaimant {
    pub(super) async fn attached(harness: &Harness, at_once: usize) -> Arc<Self> {
        let host = harness.store.register_host(2, "1").await.unwrap();
        let claimant = Arc::new(Self {
            host,
            wanted: Mutex::default(),
            given: Mutex::default(),
            questions: AtomicU64::new(0),
            entered: Mutex::default(),
            at_once,
        });
        let weak: std::sync::Weak<Self> = Arc::downgrade(&claimant);
        harness.store.claim_for(weak);
        claimant
    }

    /// From now on; what is there already comes with the next look.
    pub(super) fn want(&self, jobs: usize) {
        *self.wanted.lock() = jobs;
    }

    fn given(&self) -> Vec<JobId> {
        self.given.lock().iter().map(|job| job.lease.job()).collect()
    }
}

#[tokio::test]
async fn the_commit_that_makes_a_job_ready_hands_it_over_before_it_is_answered() {
    let harness = Harness::new();
    harness.module("m", &["k"]).await;
    let claimant = TestClaimant::attached(&harness, 10).await;
    claimant.want(1);
    let first = harness.enqueue(job(harness.kind("k"))).await;
    assert_eq!(claimant.given(), [first], "known to its holder before the caller knows of it");
    let second = harness.enqueue(job(harness.kind("k"))).await;
    assert_eq!(claimant.given(), [first], "it wants no more");
    claimant.want(1);
    harness.store.look_for_jobs();
    harness.store.claims_settled().await.unwrap();
    assert_eq!(claimant.given(), [first, second]);
    let lease = claimant.given.lock().remove(0).lease;
    let ended = finish(lease, Next::Succeed(Bytes::from_static(b"1")), harness.clock.now());
    assert_eq!(harness.store.finish(ended).await.unwrap(), FinishResult::Finished(JobState::Succeeded));
}

#[tokio::test]
async fn what_is_wanted_is_given_in_as_many_claims_as_it_takes_and_an_idle_writer_asks_nobody() {
    let harness = Harness::new();
    harness.module("m", &["k"]).await;
    let claimant = TestClaimant::attached(&harness, 3).await;
    let mut jobs = Vec::new();
    for _ in 0..20 {
        jobs.push(harness.enqueue(job(harness.kind("k"))).await);
    }
    claimant.want(50);
    harness.store.look_for_jobs();
    while claimant.given().len() < 20 {
        harness.store.claims_settled().await.unwrap();
    }
    assert_eq!(claimant.given(), jobs, "in their order");
    let questions = claimant.questions.load(Ordering::SeqCst);
    harness.store.look_for_jobs();
    harness.store.claims_settled().await.unwrap();
    assert_eq!(claimant.questions.load(Ordering::SeqCst), questions, "there is nothing to ask about");
}

#[tokio::test]
async fn nothing_is_handed_over_by_a_commit_that_fails() {
    let harness = Harness::new();
    harness.module("m", &["k"]).await;
    let claimant = TestClaimant::attached(&harness, 10).await;
    let waiting = harness.enqueue(job(harness.kind("k"))).await;
    let database = harness.database();
    let fill = |pages: Option<i64>| bound_pages(&harness.store, pages);
    fill(Some(0)).await;
    claimant.want(5);
    let mut big = job(harness.kind("k"));
    big.spec.payload = Bytes::from(vec![b' '; 1 << 20]);
    assert!(matches!(harness.store.enqueue(TENANT, big).await, Err(StoreError::Unavailable(_))));
    assert!(claimant.given().is_empty(), "the disk is full");
    fill(None).await;
    harness.store.heartbeat(claimant.host).await.unwrap();
    harness.store.claims_settled().await.unwrap();
    assert_eq!(claimant.given(), [waiting], "claims go on by themselves once commits succeed");
    assert_counters_hold(&database);
}

#[tokio::test]
async fn a_claim_that_fails_costs_its_neighbours_nothing() {
    let harness = Harness::new();
    harness.module("m", &["k"]).await;
    let claimant = TestClaimant::attached(&harness, 10).await;
    harness.enqueue(job(harness.kind("k"))).await;
    let spoil = |sql: &rusqlite::Connection, _: &mut Draft| {
        sql.execute("UPDATE live_jobs SET options = '{'", [])?;
        Ok(())
    };
    harness.store.write(Durability::Relaxed, spoil).await.unwrap();
    claimant.want(5);
    harness.enqueue(job(harness.kind("k"))).await;
    harness.enqueue(job(harness.kind("k"))).await;
    assert!(claimant.given().is_empty());
    assert_eq!(harness.store.counters().await.unwrap()[0].jobs, 3);
    assert_counters_hold(&harness.database());
}

#[tokio::test]
async fn a_host_that_was_recovered_is_given_nothing_and_asked_once_a_commit() {
    let harness = Harness::new();
    harness.module("m", &["k"]).await;
    let claimant = TestClaimant::attached(&harness, 10).await;
    harness.store.retire_host(claimant.host).await.unwrap();
    claimant.want(5);
    harness.enqueue(job(harness.kind("k"))).await;
    harness.store.claims_settled().await.unwrap();
    assert!(claimant.given().is_empty());
}

#[tokio::test]
async fn what_is_due_is_handed_over_before_what_waits_for_the_disk_is_begun() {
    let harness = Harness::new();
    harness.module("m", &["k"]).await;
    let claimant = TestClaimant::attached(&harness, 10).await;
    let mut due = job(harness.kind("k"));
    due.spec.run_at = Some(harness.clock.now().plus(Duration::from_millis(10)));
    let due = harness.enqueue(due).await;
    harness.clock.advance(10);
    claimant.want(1);
    // While this one keeps the writer busy, the others come together.
    let (go_on, gone_on) = std::sync::mpsc::channel::<()>();
    let (began, has_begun) = tokio::sync::oneshot::channel();
    let mut began = Some(began);
    let busy = move |_: &rusqlite::Connection, _: &mut Draft| {
        let _told = began.take().map(|began| began.send(()));
        gone_on.recv().map_err(StoreError::internal)
    };
    let store = harness.store.clone();
    let holding = tokio::spawn(async move { store.write(Durability::Relaxed, busy).await });
    has_begun.await.unwrap();
    let holder = Arc::clone(&claimant);
    let (given, promoted, ()) = tokio::join!(
        harness.store.write(Durability::Synced, move |_, _| Ok(holder.given())),
        harness.store.promote_due(10),
        async { go_on.send(()).unwrap() },
    );
    holding.await.unwrap().unwrap();
    assert_eq!(promoted.unwrap().jobs, 1);
    assert_eq!(given.unwrap(), [due], "though it came later");
}
