//! Actions on many jobs: exactly those that are meant, each once, at most so fast, and through restarts.

use super::claimant::TestClaimant;
use super::*;
use crate::job::{BulkAction, BulkFilter, JobState, OperationId, OperationState};

async fn registered() -> (Harness, KindId) {
    let harness = Harness::new();
    harness.module("m", &["k", "l"]).await;
    let kind = harness.kind("k");
    (harness, kind)
}

fn asked(action: BulkAction, filter: BulkFilter) -> BulkRequest {
    BulkRequest { action, filter, priority: None, rate: None }
}

fn failed() -> BulkFilter {
    BulkFilter { state: Some(JobState::Failed), ..BulkFilter::default() }
}

impl Harness {
    async fn operation(&self, request: BulkRequest) -> OperationId {
        match self.store.create_operation(TENANT, request, None).await.unwrap() {
            CreateOperationResult::Created(row) => row.id,
            other => panic!("{other:?}"),
        }
    }

    async fn found(&self, id: OperationId) -> OperationRow {
        self.store.operation(TENANT, id).await.unwrap().unwrap()
    }

    /// To its end; the pieces it took.
    async fn work_off(&self, id: OperationId) -> usize {
        let mut pieces = 1;
        while let Some(again_in) = self.store.work_on(TENANT, id).await.unwrap().again_in {
            assert_eq!(again_in, Duration::ZERO);
            pieces += 1;
        }
        pieces
    }

    async fn fail_jobs(&self, kind: KindId, count: usize, reason: FailureReason) -> Vec<JobId> {
        let host = self.store.register_host(8, "1").await.unwrap();
        let mut ids = Vec::new();
        for _ in 0..count {
            ids.push(self.enqueue(job(kind)).await);
        }
        for claimed in self.claim(host, count).await {
            let next = Next::Fail(Failure::new(reason, "no"));
            self.store.finish(finish(claimed.lease, next, self.clock.now())).await.unwrap();
        }
        ids
    }

    async fn count(&self, state: JobState) -> usize {
        let filter = JobFilter { state: Some(state), ..JobFilter::default() };
        self.store.jobs(TENANT, filter, 500, None).await.unwrap().items.len()
    }
}

#[tokio::test]
async fn every_job_that_is_meant_is_changed_once_and_no_other() {
    let (mut harness, kind) = registered().await;
    harness.fail_jobs(kind, 230, FailureReason::Timeout).await;
    harness.fail_jobs(kind, 20, FailureReason::Trap).await;
    harness.fail_jobs(harness.kind("l"), 10, FailureReason::Timeout).await;
    let filter = BulkFilter { kind: Some("k".parse().unwrap()), reason: Some(FailureReason::Timeout), ..failed() };
    let id = harness.operation(asked(BulkAction::Retry, filter)).await;
    assert_eq!(harness.found(id).await.state, OperationState::Queued);
    // Younger than the operation: not meant, whatever it is.
    let younger = harness.fail_jobs(kind, 3, FailureReason::Timeout).await;
    harness.store.work_on(TENANT, id).await.unwrap();
    let first = harness.found(id).await;
    assert_eq!((first.state, first.started_at), (OperationState::Running, Some(harness.clock.now())));
    harness.reopen().await;
    assert!(harness.work_off(id).await >= 2);
    let done = harness.found(id).await;
    assert_eq!(
        (done.state, done.matched, done.changed, done.skipped, done.failed),
        (OperationState::Done, 230, 230, 0, 0)
    );
    assert!(done.finished_at.is_some());
    assert_eq!(harness.count(JobState::Ready).await, 230);
    assert_eq!(harness.row(younger[0]).await.state, JobState::Failed);
    assert_eq!(harness.store.work_on(TENANT, id).await.unwrap(), Worked::default(), "it is over");
    assert_eq!(harness.found(id).await.changed, 230);
    assert_counters_hold(&harness.database());
}

#[tokio::test]
async fn each_action_does_what_it_says_and_passes_over_the_rest() {
    let (harness, kind) = registered().await;
    let failed_ids = harness.fail_jobs(kind, 2, FailureReason::Trap).await;
    let mut later = job(kind);
    later.spec.run_at = Some(harness.clock.now().plus(Duration::from_hours(1)));
    later.spec.tags = vec!["late".to_owned()];
    let (scheduled, ready) = (harness.enqueue(later).await, harness.enqueue(job(kind)).await);
    let all = BulkFilter::default();
    for (action, priority, changed, skipped) in [
        (BulkAction::SetPriority, Some(2), 2, 2),
        (BulkAction::SetPriority, Some(2), 0, 4),
        (BulkAction::Run, None, 1, 3),
        (BulkAction::Retry, None, 2, 2),
        (BulkAction::Delete, None, 0, 4),
        (BulkAction::Cancel, None, 4, 0),
        (BulkAction::Cancel, None, 0, 4),
        (BulkAction::Delete, None, 4, 0),
        (BulkAction::Retry, None, 0, 0),
    ] {
        let id = harness.operation(BulkRequest { priority, ..asked(action, all.clone()) }).await;
        harness.work_off(id).await;
        let done = harness.found(id).await;
        assert_eq!((done.changed, done.skipped, done.failed), (changed, skipped, 0), "{action:?} {priority:?}");
        if action == BulkAction::Run {
            assert_eq!(harness.row(scheduled).await.state, JobState::Ready);
            assert_eq!(harness.row(ready).await.priority, 2);
            assert_eq!(harness.row(failed_ids[0]).await.state, JobState::Failed);
        }
        assert_counters_hold(&harness.database());
    }
}

#[tokio::test]
async fn what_is_in_the_way_of_a_job_is_told() {
    let (harness, kind) = registered().await;
    let ids = harness.fail_jobs(harness.kind("l"), 12, FailureReason::Trap).await;
    let held = harness.enqueue(job(kind)).await;
    let host = harness.store.register_host(1, "1").await.unwrap();
    let lease = harness.claim(host, 1).await.remove(0).lease;
    let cancel = BulkFilter { ids: Some(vec![held, ids[0], JobId::from_u128(5)]), ..BulkFilter::default() };
    let id = harness.operation(asked(BulkAction::Cancel, cancel)).await;
    let worked = harness.store.work_on(TENANT, id).await.unwrap();
    assert_eq!(worked.interrupts, [(held, lease.number())], "its holder must be told");
    assert_eq!((harness.found(id).await.changed, harness.found(id).await.skipped), (1, 1), "one does not exist");
    harness.store.delete_module(TENANT, "m".parse().unwrap(), true).await.unwrap();
    let id = harness.operation(asked(BulkAction::Retry, failed())).await;
    harness.work_off(id).await;
    let done = harness.found(id).await;
    assert_eq!((done.failed, done.errors.len(), done.state), (12, 10, OperationState::Done));
    assert!(done.errors[0].job == Some(ids[11]) && done.errors[0].message.contains("kind"), "{:?}", done.errors);
}

#[tokio::test]
async fn no_faster_than_its_rate() {
    let (harness, kind) = registered().await;
    harness.fail_jobs(kind, 7, FailureReason::Trap).await;
    let slow = BulkRequest { rate: Some("2/s".parse().unwrap()), ..asked(BulkAction::Retry, failed()) };
    let id = harness.operation(slow).await;
    let mut waited_ms = 0;
    while let Some(again_in) = harness.store.work_on(TENANT, id).await.unwrap().again_in {
        // Asked too soon it does nothing; nor does a jump of the wall clock help.
        harness.clock.jump(3_600_000);
        let before = harness.found(id).await.changed;
        harness.store.work_on(TENANT, id).await.unwrap();
        assert_eq!(harness.found(id).await.changed, before);
        let wait_ms = u64::try_from(again_in.as_millis()).unwrap();
        assert!((1..=500).contains(&wait_ms), "{again_in:?}");
        harness.clock.advance(500);
        waited_ms += 500;
    }
    assert_eq!((harness.found(id).await.changed, waited_ms), (7, 3_000));
}

/// A guest that was just entered is not written as running yet: what runs is what its holder says.
#[tokio::test]
async fn those_that_run_are_exactly_those_that_were_entered() {
    let (harness, kind) = registered().await;
    let claimant = TestClaimant::attached(&harness, 10).await;
    claimant.want(4);
    let mut ids = Vec::new();
    for tag in ["entered", "shown", "claimed", "claimed"] {
        let mut new = job(kind);
        new.spec.tags = vec![tag.to_owned(), "all".to_owned()];
        ids.push(harness.enqueue(new).await);
    }
    let waiting = harness.enqueue(job(kind)).await;
    let leases: Vec<LeaseKey> =
        claimant.given.lock().iter().map(|given| (given.lease.job(), given.lease.number())).collect();
    claimant.entered.lock().extend([leases[0], leases[1]]);
    harness.store.mark_running(vec![(leases[1], harness.clock.now())]).await.unwrap();
    assert_eq!(
        (harness.row(ids[0]).await.state, harness.row(ids[1]).await.state),
        (JobState::Ready, JobState::Running)
    );
    let in_state = |state| BulkFilter { state: Some(state), ..BulkFilter::default() };
    let tagged = BulkFilter { tag: Some("all".to_owned()), ..in_state(JobState::Running) };
    let named = BulkFilter { ids: Some(ids.clone()), ..in_state(JobState::Running) };
    for (filter, meant) in [(in_state(JobState::Running), 2), (tagged, 0), (named, 0)] {
        let id = harness.operation(asked(BulkAction::Cancel, filter.clone())).await;
        let mut interrupts = Vec::new();
        loop {
            let worked = harness.store.work_on(TENANT, id).await.unwrap();
            interrupts.extend(worked.interrupts);
            if worked.again_in.is_none() {
                break;
            }
        }
        let done = harness.found(id).await;
        assert_eq!(
            (done.matched, done.changed, interrupts.len()),
            (2, meant, usize::try_from(meant).unwrap()),
            "{filter:?}"
        );
        assert!(interrupts.iter().all(|lease| leases[..2].contains(lease)), "{interrupts:?}");
    }
    // The rest is what is ready.
    let id = harness.operation(asked(BulkAction::SetPriority, in_state(JobState::Ready))).await;
    harness.work_off(id).await;
    assert_eq!(harness.found(id).await.matched, 3);
    assert_eq!(harness.row(waiting).await.state, JobState::Ready);
    assert_counters_hold(&harness.database());
}

#[tokio::test]
async fn a_group_of_dead_letters_comes_back_at_its_pace_and_no_other() {
    let (harness, kind) = registered().await;
    harness.fail_jobs(kind, 5, FailureReason::Trap).await;
    harness.fail_jobs(kind, 3, FailureReason::Timeout).await;
    harness.fail_jobs(harness.kind("l"), 3, FailureReason::Trap).await;
    let groups = harness.store.dead_letters(TENANT, DeadLetterFilter::default(), 9, None).await.unwrap().items;
    let group = groups.iter().find(|group| group.jobs == 5).unwrap().id;
    let of_group = || BulkFilter { group: Some(group), ..BulkFilter::default() };
    let slow = BulkRequest { rate: Some("2/s".parse().unwrap()), ..asked(BulkAction::Retry, of_group()) };
    let id = harness.operation(slow).await;
    let mut waits = 0;
    while let Some(again_in) = harness.store.work_on(TENANT, id).await.unwrap().again_in {
        assert!(again_in <= Duration::from_millis(500), "{again_in:?}");
        harness.clock.advance(500);
        waits += 1;
    }
    let done = harness.found(id).await;
    assert_eq!((done.matched, done.changed, done.failed), (5, 5, 0));
    assert_eq!(waits, 4, "one at once, and one every half second");
    assert_eq!((harness.count(JobState::Ready).await, harness.count(JobState::Failed).await), (5, 6));
    // Found, and brought back by somebody else before its turn.
    let left = harness.store.dead_letters(TENANT, DeadLetterFilter::default(), 9, None).await.unwrap().items;
    let one = BulkFilter { group: Some(left[0].id), ids: Some(vec![left[0].newest_job]), ..BulkFilter::default() };
    let id = harness.operation(asked(BulkAction::Retry, one)).await;
    harness.store.cancel(TENANT, left[0].newest_job).await.unwrap();
    harness.store.retry(TENANT, left[0].newest_job).await.unwrap();
    harness.work_off(id).await;
    assert_eq!(harness.found(id).await.matched, 0);
    let gone = harness.store.create_operation(TENANT, asked(BulkAction::Retry, of_group()), None).await.unwrap();
    assert!(matches!(gone, CreateOperationResult::Unmatchable(Unmatchable::Group)), "{gone:?}");
    assert_counters_hold(&harness.database());
}

#[tokio::test]
async fn what_could_never_fit_is_refused_unless_it_came_before() {
    let (harness, kind) = registered().await;
    harness.fail_jobs(kind, 1, FailureReason::Trap).await;
    harness.module("other", &["o"]).await;
    harness.store.delete_module(TENANT, "other".parse().unwrap(), true).await.unwrap();
    let kind_of = |kind: &str| BulkFilter { kind: Some(kind.parse().unwrap()), ..BulkFilter::default() };
    let module = |module: &str, filter| BulkFilter { module: Some(module.parse().unwrap()), ..filter };
    let queue = |queue: &str| BulkFilter { queue: Some(queue.parse().unwrap()), ..BulkFilter::default() };
    for (filter, expected) in [
        (kind_of("k"), None),
        (kind_of("o"), None),
        (queue("default"), None),
        (module("m", kind_of("k")), None),
        (module("other", BulkFilter::default()), None),
        (kind_of("kk"), Some(Unmatchable::Kind)),
        (queue("defualt"), Some(Unmatchable::Queue)),
        (module("n", BulkFilter::default()), Some(Unmatchable::Module)),
        (module("m", kind_of("o")), Some(Unmatchable::KindOfModule)),
        (module("other", kind_of("o")), Some(Unmatchable::KindOfModule)),
        (BulkFilter { group: Some(crate::job::GroupId([1; 16])), ..failed() }, Some(Unmatchable::Group)),
    ] {
        let created = harness.store.create_operation(TENANT, asked(BulkAction::Retry, filter.clone()), None).await;
        match (created.unwrap(), expected) {
            (CreateOperationResult::Created(_), None) => {}
            (CreateOperationResult::Unmatchable(found), Some(expected)) => assert_eq!(found, expected, "{filter:?}"),
            other => panic!("{filter:?}: {other:?}"),
        }
    }
    let key = || Some(IdempotencyKey { key: "a".to_owned(), request_hash: [1; 32] });
    harness.store.change_queue(TENANT, "gone".parse().unwrap(), QueueChange::default(), true).await.unwrap();
    let request = || asked(BulkAction::Retry, queue("gone"));
    let created = harness.store.create_operation(TENANT, request(), key()).await.unwrap();
    assert!(matches!(created, CreateOperationResult::Created(_)), "{created:?}");
    harness.store.delete_queue(TENANT, "gone".parse().unwrap()).await.unwrap();
    let replayed = harness.store.create_operation(TENANT, request(), key()).await.unwrap();
    assert!(matches!(replayed, CreateOperationResult::Replayed(_)), "{replayed:?}");
}

#[tokio::test]
async fn an_operation_can_be_ended_repeated_and_is_bounded_and_forgotten() {
    let (harness, kind) = registered().await;
    harness.fail_jobs(kind, 150, FailureReason::Trap).await;
    let key = |key: &str, hash| Some(IdempotencyKey { key: key.to_owned(), request_hash: [hash; 32] });
    let request = asked(BulkAction::Retry, failed());
    let create = |key| harness.store.create_operation(TENANT, request.clone(), key);
    let CreateOperationResult::Created(first) = create(key("a", 1)).await.unwrap() else { panic!("not made") };
    assert!(matches!(create(key("a", 1)).await.unwrap(), CreateOperationResult::Replayed(row) if row.id == first.id));
    assert!(matches!(create(key("a", 2)).await.unwrap(), CreateOperationResult::KeyConflict));
    harness.store.work_on(TENANT, first.id).await.unwrap();
    // A piece has so many jobs, or takes so long.
    let changed = harness.found(first.id).await.changed;
    assert!((1..=100).contains(&changed), "{changed}");
    for _ in 0..2 {
        let cancelled = harness.store.cancel_operation(TENANT, first.id).await.unwrap();
        assert!(matches!(cancelled, CancelOperationResult::Cancelled(row) if row.state == OperationState::Cancelled));
    }
    assert_eq!(harness.store.work_on(TENANT, first.id).await.unwrap(), Worked::default());
    assert_eq!(harness.found(first.id).await.changed, changed, "what was done stays done");
    let others = TenantId(99);
    assert!(harness.store.operation(others, first.id).await.unwrap().is_none());
    assert!(matches!(harness.store.cancel_operation(others, first.id).await.unwrap(), CancelOperationResult::NotFound));
    for _ in 0..100 {
        harness.operation(request.clone()).await;
    }
    assert!(matches!(create(None).await.unwrap(), CreateOperationResult::TooMany(100)));
    let page = harness.store.operations(TENANT, None, 60).await.unwrap();
    let rest = harness.store.operations(TENANT, page.last().map(|row| row.id), 60).await.unwrap();
    assert_eq!((page.len(), rest.len(), rest.last().map(|row| row.id)), (60, 41, Some(first.id)));
    assert_eq!(harness.store.unfinished_operations().await.unwrap().len(), 100);
    harness.clock.advance(7 * 24 * 3_600 * 1_000);
    while harness.store.prune_operations().await.unwrap() {}
    assert!(harness.store.operation(TENANT, first.id).await.unwrap().is_none());
    assert_eq!(harness.store.unfinished_operations().await.unwrap().len(), 100, "what is not finished is kept");
    let given_up = page[0].id;
    harness.store.fail_operation(TENANT, given_up, "no way".to_owned()).await.unwrap();
    let row = harness.found(given_up).await;
    assert_eq!((row.state, row.errors[0].message.as_str()), (OperationState::Failed, "no way"));
}

/// Two that look at the same moment: the piece of one is done, that of the other is not done again.
#[tokio::test]
async fn a_piece_is_done_once() {
    let (harness, kind) = registered().await;
    harness.fail_jobs(kind, 120, FailureReason::Trap).await;
    let id = harness.operation(asked(BulkAction::Retry, failed())).await;
    let (one, other) = tokio::join!(harness.store.work_on(TENANT, id), harness.store.work_on(TENANT, id));
    assert!(one.is_ok() && other.is_ok());
    harness.work_off(id).await;
    assert_eq!((harness.found(id).await.matched, harness.found(id).await.changed), (120, 120));
}
