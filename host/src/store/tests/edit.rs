//! Waiting jobs are changed and hurried; others are not.

use super::claimant::TestClaimant;
use super::*;
use crate::job::{EventType, JobState, LimitRequest};

async fn registered() -> (Harness, KindId) {
    let harness = Harness::new();
    harness.module("m", &["k"]).await;
    let kind = harness.kind("k");
    (harness, kind)
}

impl Harness {
    async fn edit(&self, job: JobId, edit: JobEdit) -> JobRow {
        match self.store.edit(TENANT, job, edit).await.unwrap() {
            EditResult::Edited(row) => *row,
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn everything_about_a_waiting_job_can_be_changed() {
    let (mut harness, kind) = registered().await;
    let host = harness.store.register_host(4, "1").await.unwrap();
    let mut new = job(kind);
    new.spec.tags = vec!["old".to_owned(), "kept".to_owned()];
    new.spec.options.limits = LimitRequest { fuel: Some(7), ..LimitRequest::default() };
    let id = harness.enqueue(new).await;
    let later = harness.clock.now().plus(Duration::from_mins(5));
    let row = harness
        .edit(
            id,
            JobEdit {
                payload: Some((Bytes::from_static(b"\"new\""), None)),
                run_at: Some(later),
                delay_ms: None,
                expires_at: None,
                queue: Some("side".parse().unwrap()),
                priority: Some(1),
                max_attempts: Some(9),
                tags: Some(vec!["kept".to_owned(), "new".to_owned()]),
                retry: None,
                limits: LimitRequest { timeout_ms: Some(5), ..LimitRequest::default() },
            },
        )
        .await;
    assert_eq!((row.state, row.run_at, row.queue.as_str()), (JobState::Scheduled, later, "side"));
    assert_eq!((row.priority, row.max_attempts), (1, 9));
    assert_eq!((row.options.limits.fuel, row.options.limits.timeout_ms), (Some(7), Some(5)), "what is not named stays");
    assert_eq!(row.tags, ["kept", "new"]);
    for (tag, jobs) in [("old", 0), ("kept", 1), ("new", 1)] {
        let filter = JobFilter { tag: Some(tag.to_owned()), ..JobFilter::default() };
        assert_eq!(harness.store.jobs(TENANT, filter, 5, None).await.unwrap().items.len(), jobs, "{tag}");
    }
    assert_counters_hold(&harness.database());
    let queue = harness.store.queue(TENANT, "side".parse().unwrap()).await.unwrap().unwrap();
    assert!(queue.counts.contains(&(JobState::Scheduled, 1)), "{queue:?}");
    harness.reopen().await;
    let host = if harness.store.heartbeat(host).await.unwrap().registered {
        host
    } else {
        harness.store.register_host(4, "1").await.unwrap()
    };
    assert!(harness.claim(host, 5).await.is_empty());
    harness.clock.advance(300_000);
    harness.store.promote_due(10).await.unwrap();
    let claimed = harness.claim(host, 5).await;
    assert_eq!((claimed[0].payload.clone(), claimed[0].queue.as_str()), (Bytes::from_static(b"\"new\""), "side"));
    let history = harness.store.history(TENANT, id).await.unwrap().unwrap();
    assert!(history.iter().any(|entry| entry.event_type == EventType::Edited && entry.state == JobState::Scheduled));
}

#[tokio::test]
async fn by_when_a_job_is_to_have_begun_can_be_set_moved_and_taken_away() {
    let (harness, kind) = registered().await;
    let minutes = |minutes| Timestamp(START).plus(Duration::from_mins(minutes));
    let expiring = |at| JobEdit { expires_at: Some(at), ..JobEdit::default() };
    let mut new = job(kind);
    new.spec.options.expires_at = Some(minutes(10));
    new.spec.options.expires_in_ms = Some(600_000);
    let [moved, free, set] =
        [harness.enqueue(new.clone()).await, harness.enqueue(new).await, harness.enqueue(job(kind)).await];
    assert_eq!(harness.edit(moved, expiring(Some(minutes(20)))).await.options.expires_at, Some(minutes(20)));
    assert_eq!(harness.edit(set, expiring(Some(minutes(30)))).await.options.expires_at, Some(minutes(30)));
    let options = harness.edit(free, expiring(None)).await.options;
    assert_eq!((options.expires_at, options.expires_in_ms), (None, None));
    // What is due then could never begin.
    let later = JobEdit { run_at: Some(minutes(20)), ..JobEdit::default() };
    let too_late = |result: EditResult| match result {
        EditResult::TooLate { run_at, expires_at } => (run_at, expires_at),
        other => panic!("{other:?}"),
    };
    assert_eq!(too_late(harness.store.edit(TENANT, moved, later.clone()).await.unwrap()), (minutes(20), minutes(20)));
    let both = JobEdit { expires_at: Some(Some(minutes(21))), ..later.clone() };
    assert_eq!(harness.edit(moved, both).await.state, JobState::Scheduled);
    let sooner = harness.store.edit(TENANT, moved, expiring(Some(minutes(19)))).await.unwrap();
    assert_eq!(too_late(sooner), (minutes(20), minutes(19)));
    assert_eq!(harness.edit(free, later).await.run_at, minutes(20));
    // It is no more than what it says: each ends at its time, and the free one never.
    for (minute, left) in [(15, 3), (21, 2), (30, 1), (9_999, 1)] {
        harness.clock.jump((minutes(minute).as_ms() - harness.clock.now().as_ms()).max(0));
        harness.store.expire_due().await.unwrap();
        let unfinished = JobFilter { unfinished: true, ..JobFilter::default() };
        let page = harness.store.jobs(TENANT, unfinished, 9, None).await.unwrap();
        assert_eq!(page.items.len(), left, "after {minute} minutes");
        assert!(page.items.iter().any(|row| row.id == free));
    }
    let cancelled = harness.row(set).await;
    assert_eq!(cancelled.error.unwrap().reason, FailureReason::DeadlineExpired);
    assert_counters_hold(&harness.database());
}

#[tokio::test]
async fn the_order_follows_at_once() {
    let (harness, kind) = registered().await;
    let host = harness.store.register_host(4, "1").await.unwrap();
    let mut ids = Vec::new();
    for _ in 0..4 {
        ids.push(harness.enqueue(job(kind)).await);
    }
    // The queue's first place is known from now on.
    assert_eq!(harness.claim(host, 1).await[0].lease.job(), ids[0]);
    harness.edit(ids[3], JobEdit { priority: Some(0), ..JobEdit::default() }).await;
    harness.edit(ids[1], JobEdit { priority: Some(9), ..JobEdit::default() }).await;
    let order: Vec<JobId> = harness.claim(host, 5).await.iter().map(|claimed| claimed.lease.job()).collect();
    assert_eq!(order, [ids[3], ids[2], ids[1]]);
}

#[tokio::test]
async fn what_runs_or_has_ended_stays_as_it_is_and_a_claimed_job_is_taken_back() {
    let (harness, kind) = registered().await;
    let claimant = TestClaimant::attached(&harness, 10).await;
    let edit = || JobEdit { priority: Some(1), ..JobEdit::default() };
    claimant.want(2);
    let (entered, claimed) = (harness.enqueue(job(kind)).await, harness.enqueue(job(kind)).await);
    let lease = claimant.given.lock()[0].lease.number();
    claimant.entered.lock().push((entered, lease));
    assert!(matches!(harness.store.edit(TENANT, entered, edit()).await.unwrap(), EditResult::NotWaiting(_)));
    let row = harness.edit(claimed, edit()).await;
    assert_eq!((row.state, row.leased_by, row.priority), (JobState::Ready, None, 1));
    let given_back = claimant.given.lock().remove(1).lease;
    let finished = finish(given_back, Next::Succeed(Bytes::from_static(b"1")), harness.clock.now());
    assert_eq!(harness.store.finish(finished).await.unwrap(), FinishResult::StaleLease, "nobody runs the old one");
    harness.store.cancel(TENANT, claimed).await.unwrap();
    assert!(matches!(harness.store.edit(TENANT, claimed, edit()).await.unwrap(), EditResult::NotWaiting(_)));
    let nobody = JobId::from_u128(7);
    assert!(matches!(harness.store.edit(TENANT, nobody, edit()).await.unwrap(), EditResult::NotFound));
    let others = harness.store.edit(TenantId(99), entered, edit()).await.unwrap();
    assert!(matches!(others, EditResult::NotFound), "another tenant's job does not exist");
    assert_counters_hold(&harness.database());
}

#[tokio::test]
async fn a_job_that_waits_for_its_time_runs_now_with_the_attempts_it_has() {
    let (harness, kind) = registered().await;
    let host = harness.store.register_host(4, "1").await.unwrap();
    let retrying = harness.enqueue(job(kind)).await;
    let claimed = harness.claim(host, 1).await.remove(0);
    let hour = harness.clock.now().plus(Duration::from_hours(1));
    harness.store.finish(finish(claimed.lease, Next::Retry(failure(), hour), harness.clock.now())).await.unwrap();
    let snoozed = harness.enqueue(job(kind)).await;
    let claimed = harness.claim(host, 1).await.remove(0);
    harness.store.finish(finish(claimed.lease, Next::Suspend(hour), harness.clock.now())).await.unwrap();
    let mut new = job(kind);
    new.spec.run_at = Some(hour);
    let scheduled = harness.enqueue(new).await;
    for (id, attempt) in [(retrying, 1), (snoozed, 0), (scheduled, 0)] {
        for _ in 0..2 {
            match harness.store.run_now(TENANT, id).await.unwrap() {
                RunNowResult::Ready(row) => {
                    assert_eq!((row.state, row.attempt, row.snoozed), (JobState::Ready, attempt, false));
                }
                other => panic!("{other:?}"),
            }
        }
    }
    assert_eq!(harness.claim(host, 9).await.len(), 3);
    harness.store.cancel(TENANT, retrying).await.unwrap();
    assert!(matches!(harness.store.run_now(TENANT, JobId::from_u128(1)).await.unwrap(), RunNowResult::NotFound));
    assert_counters_hold(&harness.database());
}
