//! Events that very many wait for: everybody is told once, tenant after tenant, and what they take is counted.

use std::collections::BTreeMap;

use super::tenants::{kind_of, make};
use super::*;
use crate::job::step::Asked;
use crate::job::{ByteSize, JobState, Most, NewEvent, Quotas, Step, StepType};

/// More than two operations wake.
const WAITERS: usize = 1_200;
const CORRELATION: &str = "7";

/// A host that runs jobs of some tenants, each as far as its next wait.
struct World {
    harness: Harness,
    host: HostId,
    /// How many waits each job has begun.
    waits: BTreeMap<JobId, u32>,
}

impl World {
    async fn new() -> Self {
        let harness = Harness::new();
        kind_of(&harness.store, TENANT, "k").await;
        let host = harness.store.register_host(4, "test").await.unwrap();
        Self { harness, host, waits: BTreeMap::new() }
    }

    fn kind(&self, tenant: TenantId) -> KindId {
        self.harness.store.catalog().kind(tenant, &"k".parse().unwrap()).unwrap().id
    }

    fn version(&self, kind: KindId) -> ModuleVersionId {
        self.harness.store.catalog().kinds[&kind].version.as_ref().unwrap().id
    }

    async fn enqueue(&self, tenant: TenantId, jobs: usize) {
        for _ in 0..jobs {
            let created = self.harness.store.enqueue(tenant, job(self.kind(tenant))).await.unwrap();
            assert!(matches!(created, EnqueueResult::Created(_)));
        }
    }

    fn wait(&self, step: u32, execution: i64) -> Step {
        let now = self.harness.store_now();
        let correlation = Some(CORRELATION.to_owned());
        let (step_type, name) = (StepType::Event, "paid".parse().unwrap());
        Step {
            index: step,
            asked: Asked { step_type, name, shape: String::new(), correlation },
            occurrence: step,
            result: None,
            execution,
            started_at: now,
            ended_at: None,
            until: Some(now.plus(Duration::from_hours(1))),
            after_failure: false,
        }
    }

    /// Every job that is ready runs as far as its next wait. How many ran.
    async fn run(&mut self) -> usize {
        let mut ran = 0;
        loop {
            let claimed = self.harness.claim(self.host, 100).await;
            if claimed.is_empty() {
                return ran;
            }
            ran += claimed.len();
            let mut finishes = Vec::new();
            for ClaimedJob { lease, kind, .. } in claimed {
                let step = *self.waits.entry(lease.job()).and_modify(|step| *step += 1).or_default();
                let next = Next::Await(Box::new(self.wait(step, lease.number())));
                let version = Some(self.version(kind.id));
                finishes.push(Finish { version, ..finish(lease, next, self.harness.store_now()) });
            }
            let results = self.harness.store.finish_all(finishes).await.unwrap();
            assert!(results.iter().all(|result| *result == FinishResult::Finished(JobState::Blocked)), "{results:?}");
        }
    }

    /// A job of its own succeeds, and emits it.
    async fn emit(&self, tenant: TenantId, data: &'static [u8]) {
        self.enqueue(tenant, 1).await;
        let lease = self.harness.claim(self.host, 1).await.remove(0).lease;
        let (event_type, correlation) = ("paid".parse().unwrap(), CORRELATION.to_owned());
        let effects = Effects {
            jobs: Vec::new(),
            events: vec![(0, NewEvent { event_type, correlation, data: Bytes::from_static(data) })],
            notifications: Vec::new(),
            mails: Vec::new(),
            mail_tried_for: None,
            if_rejected: Next::Fail(failure()),
        };
        let next = Next::Succeed(Bytes::from_static(b"null"));
        let finish = Finish { effects: Some(Box::new(effects)), ..finish(lease, next, self.harness.store_now()) };
        let finished = self.harness.store.finish(finish).await.unwrap();
        assert_eq!(finished, FinishResult::Finished(JobState::Succeeded));
    }

    /// One turn of upkeep; whether it is to come again at once.
    async fn upkeep(&self) -> bool {
        let promoted = self.harness.store.promote_due(1_000).await.unwrap();
        promoted.next_due.is_some_and(|due| due <= self.harness.store_now())
    }

    fn count(&self, query: &str) -> i64 {
        let sql = rusqlite::Connection::open(self.harness.database()).unwrap();
        sql.query_row(query, [], |row| row.get(0)).unwrap()
    }

    fn stored(&self) -> i64 {
        self.count("SELECT coalesce(sum(bytes), 0) FROM stored_bytes")
    }
}

#[tokio::test]
async fn jobs_that_wait_again_keep_nobody_from_what_came() {
    let mut world = World::new().await;
    let other = make(&world.harness.store, "other").await;
    kind_of(&world.harness.store, other, "k").await;
    world.enqueue(TENANT, WAITERS).await;
    world.enqueue(other, WAITERS / 2).await;
    assert_eq!(world.run().await, WAITERS + WAITERS / 2);

    // Those that were told wait for the next one, in front of those that were not.
    world.emit(TENANT, b"1").await;
    assert_eq!(world.run().await, 500);
    world.emit(other, b"2").await;
    assert_eq!(world.run().await, 500);
    // A tenant does not wait until another has told everybody.
    for woken in [500, 100, 200] {
        assert!(world.upkeep().await);
        assert_eq!(world.run().await, woken);
    }
    assert!(!world.upkeep().await, "everybody is told: there is nothing to do at once");
    let told_once = "SELECT count(*) FROM
        (SELECT job_id FROM job_steps WHERE event IS NOT NULL GROUP BY job_id HAVING count(*) = 1)";
    assert_eq!(world.count(told_once), i64::try_from(WAITERS + WAITERS / 2).unwrap());
    assert_eq!(world.count("SELECT count(*) FROM job_steps WHERE event IS NOT NULL"), world.count(told_once));

    // What they were given once they are not given again.
    world.harness.reopen().await;
    assert!(!world.upkeep().await);
    assert_eq!(world.count("SELECT count(*) FROM event_waits"), i64::try_from(WAITERS + WAITERS / 2).unwrap());
}

#[tokio::test]
async fn the_next_process_goes_on_where_the_last_one_stood() {
    let mut world = World::new().await;
    world.enqueue(TENANT, WAITERS).await;
    world.run().await;
    world.emit(TENANT, b"1").await;
    world.harness.reopen().await;
    let mut turns = 0;
    while world.upkeep().await {
        turns += 1;
        assert!(turns < 10, "it never comes to an end");
    }
    assert_eq!((turns, world.count("SELECT count(*) FROM event_waits")), (2, 0));
}

#[tokio::test]
async fn the_smallest_event_takes_a_row_and_gives_back_what_it_took() {
    let world = World::new().await;
    world.emit(TENANT, b"1").await;
    let of_job = i64::try_from(b"{\"n\":1}".len()).unwrap();
    assert!(world.stored() - of_job > 100, "{}", world.stored());
    world.harness.clock.advance(25 * 3_600_000);
    while world.harness.store.prune_emitted_events().await.unwrap() {}
    assert_eq!((world.stored(), world.count("SELECT count(*) FROM emitted_events")), (of_job, 0));
}

#[tokio::test]
async fn what_a_job_receives_is_stored_once_more_or_refused() {
    let world = World::new().await;
    let version = world.version(world.kind(TENANT));
    world.enqueue(TENANT, 1).await;
    let lease = world.harness.claim(world.host, 1).await.remove(0).lease;
    for data in [b"[1,2,3]", b"[4,5,6]"] {
        world.emit(TENANT, data).await;
    }
    let receive = async |step| {
        let step = world.wait(step, lease.number());
        world.harness.store.receive_event(crate::store::Holder::of(&lease), version, step).await.unwrap()
    };
    let before = world.stored();
    assert!(matches!(receive(0).await, ReceiveEventResult::Received(_)));
    assert_eq!(world.stored() - before, 7);

    let most = u64::try_from(world.stored()).unwrap();
    let quotas = Quotas { stored_bytes: Some(Most::Of(ByteSize(most))), ..Quotas::default() };
    let change = TenantChange { quotas: Some(quotas), ..TenantChange::default() };
    assert!(matches!(world.harness.store.change_tenant(TENANT, change).await.unwrap(), ChangeTenantResult::Changed(_)));
    assert!(matches!(receive(1).await, ReceiveEventResult::OverQuota(_)));
    assert_eq!(world.stored(), i64::try_from(most).unwrap());
}
