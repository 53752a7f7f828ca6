//! How jobs end that came too late, and what follows the failure of others; through rollbacks, restarts and retries.

use serde_json::Value;

use super::*;
use crate::job::on_failed::ON_FAILED_CHAIN_MAX;
use crate::job::{CausedBy, JobState, OnFailed, Parent, QueueName, Wanted, expiry};

fn expiring(kind: KindId, at: i64) -> NewJob {
    let mut new = job(kind);
    new.spec.options.expires_at = Some(Timestamp(at));
    new
}

fn on_failed(kind: &str) -> OnFailed {
    OnFailed { kind: kind.parse().unwrap(), queue: None, priority: None }
}

async fn end(harness: &Harness, host: HostId, next: Next) {
    let claimed = harness.claim(host, 1).await.remove(0);
    harness.store.finish(finish(claimed.lease, next, harness.store_now())).await.unwrap();
}

async fn detail(harness: &Harness, job: JobId) -> JobDetail {
    harness.store.job(TENANT, job).await.unwrap().unwrap()
}

/// The end of the first is the end of those after it: each ends once.
#[tokio::test]
async fn those_that_come_too_late_with_what_they_wait_for_end_once() {
    let harness = Harness::new();
    harness.module("m", &["k"]).await;
    let kind = harness.kind("k");
    let mut last = harness.enqueue(expiring(kind, START + 1_000)).await;
    for _ in 0..2 {
        let after = vec![Parent { job: last, wanted: Wanted::Succeeded }];
        let ties = Some(Box::new(JobTies { after, batch: None }));
        last = harness.enqueue(NewJob { ties, ..expiring(kind, START + 1_000) }).await;
    }
    harness.clock.advance(1_000);
    assert_eq!(harness.store.expire_due().await.unwrap().jobs, 1, "the others ended with it");
    assert_eq!(harness.row(last).await.state, JobState::Cancelled);
    assert_counters_hold(&harness.database());
}

#[tokio::test]
async fn what_waits_past_its_time_is_cancelled_whatever_it_waits_for() {
    let harness = Harness::new();
    harness.module("m", &["k", "gone"]).await;
    let (kind, host) = (harness.kind("k"), harness.store.register_host(4, "1").await.unwrap());
    // Without a handler from now on.
    let parked = harness.enqueue(expiring(harness.kind("gone"), START + 1_000)).await;
    let version = new_version(&harness.store, "m", &["k"]).await;
    harness.store.activate_new(version, true).await.unwrap();
    let held = harness.enqueue(expiring(kind, START + 1_000)).await;
    assert_eq!(harness.claim(host, 9).await.len(), 1);
    let ready = harness.enqueue(expiring(kind, START + 1_000)).await;
    let mut later = expiring(kind, START + 1_000);
    later.spec.run_at = Some(Timestamp(START + 900));
    let scheduled = harness.enqueue(later).await;
    let lasting = harness.enqueue(expiring(kind, START + 5_000)).await;

    harness.clock.advance(999);
    let expired = harness.store.expire_due().await.unwrap();
    assert_eq!((expired.jobs, expired.next_expiry), (0, Some(Timestamp(START + 1_000))));
    harness.clock.advance(1);
    let expired = harness.store.expire_due().await.unwrap();
    assert_eq!((expired.jobs, expired.more, expired.next_expiry), (3, false, Some(Timestamp(START + 5_000))));
    for job in [parked, ready, scheduled] {
        let row = harness.row(job).await;
        assert_eq!((row.state, row.error, row.attempt), (JobState::Cancelled, Some(expiry::never_entered()), 0));
        let history = harness.store.history(TENANT, job).await.unwrap().unwrap();
        assert_eq!(history.last().unwrap().event_type, crate::job::EventType::Expired);
    }
    assert_eq!(harness.row(held).await.state, JobState::Ready, "who holds it decides");
    assert_eq!(harness.row(lasting).await.state, JobState::Ready);
    assert_eq!(harness.store.expire_due().await.unwrap().jobs, 0);
    assert_counters_hold(&harness.database());
}

#[tokio::test]
async fn an_end_for_want_of_time_keeps_what_the_last_attempt_ended_in() {
    let harness = Harness::new();
    harness.module("m", &["k"]).await;
    let host = harness.store.register_host(4, "1").await.unwrap();
    for (ended_in, attempt, outcome) in
        [(Some(failure()), 1, AttemptOutcome::Failed), (None, 0, AttemptOutcome::Suspended)]
    {
        let id = harness.enqueue(expiring(harness.kind("k"), START + 1_000)).await;
        let why = expiry::never_again(1, ended_in.as_ref());
        end(&harness, host, Next::Expire(ended_in.clone(), why.clone())).await;
        let row = harness.row(id).await;
        assert_eq!((row.state, row.error, row.attempt), (JobState::Cancelled, Some(why), attempt));
        let attempts = harness.store.attempts(TENANT, id).await.unwrap().unwrap();
        assert_eq!(attempts.len(), 1);
        assert_eq!((attempts[0].outcome, &attempts[0].error), (outcome, &ended_in));
        let history = harness.store.history(TENANT, id).await.unwrap().unwrap();
        assert_eq!(history.last().unwrap().event_type, crate::job::EventType::Expired, "{history:#?}");
    }
    assert_counters_hold(&harness.database());
}

#[tokio::test]
async fn who_retries_a_job_past_its_time_wants_it_to_run() {
    let mut harness = Harness::new();
    harness.module("m", &["k"]).await;
    let id = harness.enqueue(expiring(harness.kind("k"), START + 1_000)).await;
    harness.clock.advance(2_000);
    assert_eq!(harness.store.expire_due().await.unwrap().jobs, 1);
    assert!(matches!(harness.store.retry(TENANT, id).await.unwrap(), RetryResult::Retried(_)));
    assert_eq!(harness.store.expire_due().await.unwrap().jobs, 0);
    assert_eq!(harness.row(id).await.options.expires_at, None);
    // A time that is still to come stays.
    let id = harness.enqueue(expiring(harness.kind("k"), START + 9_000)).await;
    harness.store.cancel(TENANT, id).await.unwrap();
    harness.store.retry(TENANT, id).await.unwrap();
    harness.reopen().await;
    harness.clock.advance(7_000);
    assert_eq!(harness.store.expire_due().await.unwrap().jobs, 1);
    assert_eq!(harness.row(id).await.state, JobState::Cancelled);
}

#[tokio::test]
async fn a_failure_is_followed_in_its_own_transaction_each_time() {
    let mut harness = Harness::new();
    harness.module("m", &["k", "alert"]).await;
    let host = harness.store.register_host(4, "1").await.unwrap();
    let settings = KindSettings { on_failed: Some(on_failed("alert")), ..KindSettings::default() };
    harness.store.set_kind_settings(TENANT, "k".parse().unwrap(), settings).await.unwrap();
    let id = harness.enqueue(job(harness.kind("k"))).await;
    end(&harness, host, Next::Fail(failure())).await;
    let [first] = detail(&harness, id).await.on_failed_jobs[..] else { panic!("one job follows") };
    let follower = detail(&harness, first).await;
    assert_eq!((follower.row.kind.as_str(), follower.row.state), ("alert", JobState::Ready));
    assert_eq!(follower.row.options.caused_by, Some(CausedBy { job: id, chain: 1 }));
    let told: Value = serde_json::from_slice(&follower.payload).unwrap();
    assert_eq!((&told["job_id"], &told["payload"]["n"]), (&id.to_string().into(), &1.into()));
    assert_eq!((&told["error"]["reason"], &told["attempt"]), (&"handler_error".into(), &1.into()));
    end(&harness, host, Next::Succeed(Bytes::from_static(b"1"))).await;

    // Brought back, it fails anew, and is followed anew; through a restart.
    harness.store.retry(TENANT, id).await.unwrap();
    harness.reopen().await;
    let host = harness.store.register_host(4, "1").await.unwrap();
    end(&harness, host, Next::Fail(failure())).await;
    let followers = detail(&harness, id).await.on_failed_jobs;
    assert!(followers.len() == 2 && followers[0] > followers[1] && followers[1] == first, "{followers:?}");
    // A cancel is no failure.
    let id = harness.enqueue(job(harness.kind("k"))).await;
    harness.store.cancel(TENANT, id).await.unwrap();
    assert_eq!(detail(&harness, id).await.on_failed_jobs, []);
    // What goes takes its links along.
    assert_eq!(harness.store.delete(TENANT, first).await.unwrap(), DeleteResult::Deleted);
    assert_counters_hold(&harness.database());
}

#[tokio::test]
async fn the_job_has_the_last_word_on_what_follows_it() {
    let harness = Harness::new();
    harness.module("m", &["k", "alert", "other"]).await;
    let host = harness.store.register_host(4, "1").await.unwrap();
    let settings = KindSettings { on_failed: Some(on_failed("alert")), ..KindSettings::default() };
    harness.store.set_kind_settings(TENANT, "k".parse().unwrap(), settings).await.unwrap();
    let queue: QueueName = "mail".parse().unwrap();
    let mut new = job(harness.kind("k"));
    new.spec.options.on_failed =
        Some(OnFailed { kind: "other".parse().unwrap(), queue: Some(queue.clone()), priority: Some(1) });
    let id = harness.enqueue(new).await;
    end(&harness, host, Next::Fail(failure())).await;
    let follower = harness.row(detail(&harness, id).await.on_failed_jobs[0]).await;
    assert_eq!((follower.kind.as_str(), &follower.queue, follower.priority), ("other", &queue, 1));
}

#[tokio::test]
async fn a_kind_that_has_gone_is_waited_for() {
    let harness = Harness::new();
    harness.module("m", &["k"]).await;
    let host = harness.store.register_host(4, "1").await.unwrap();
    let mut new = job(harness.kind("k"));
    new.spec.options.on_failed = Some(on_failed("never-seen"));
    let id = harness.enqueue(new).await;
    end(&harness, host, Next::Fail(failure())).await;
    let follower = detail(&harness, id).await.on_failed_jobs[0];
    assert_eq!(harness.claim(host, 9).await.len(), 0);
    assert_eq!(harness.row(follower).await.parked, Some(crate::job::WaitingReason::NoHandler));
    harness.module("n", &["never-seen"]).await;
    harness.store.unpark(Vec::new(), None).await.unwrap();
    assert_eq!(harness.claim(host, 9).await.len(), 1);
}

#[tokio::test]
async fn a_chain_of_failures_ends() {
    let harness = Harness::new();
    harness.module("m", &["k"]).await;
    let host = harness.store.register_host(4, "1").await.unwrap();
    // It is to follow itself.
    let settings = KindSettings { on_failed: Some(on_failed("k")), ..KindSettings::default() };
    harness.store.set_kind_settings(TENANT, "k".parse().unwrap(), settings).await.unwrap();
    harness.enqueue(job(harness.kind("k"))).await;
    for _ in 0..=ON_FAILED_CHAIN_MAX {
        end(&harness, host, Next::Fail(failure())).await;
    }
    assert_eq!(harness.claim(host, 9).await.len(), 0, "nothing follows the last");
}

#[tokio::test]
async fn what_is_rolled_back_is_followed_by_nothing() {
    let harness = Harness::new();
    harness.module("m", &["k", "alert"]).await;
    let host = harness.store.register_host(4, "1").await.unwrap();
    let mut new = job(harness.kind("k"));
    new.spec.options.on_failed = Some(on_failed("alert"));
    let id = harness.enqueue(new).await;
    let claimed = harness.claim(host, 1).await.remove(0);
    let copy = Lease::granted(id, host, claimed.lease.number(), claimed.lease.attempt());
    let now = harness.store_now();
    let failed = harness
        .store
        .write(Durability::Synced, move |sql, draft| {
            let lease = Lease::granted(id, host, copy.number(), copy.attempt());
            super::super::finish::write_finish(sql, draft, &finish(lease, Next::Fail(failure()), now))?;
            Err::<(), _>(StoreError::internal("taken back"))
        })
        .await;
    assert!(failed.is_err());
    assert_eq!(detail(&harness, id).await.row.state, JobState::Ready);
    assert_counters_hold(&harness.database());
    harness.store.finish(finish(claimed.lease, Next::Fail(failure()), now)).await.unwrap();
    assert_eq!(detail(&harness, id).await.on_failed_jobs.len(), 1, "once, not twice");
    assert_counters_hold(&harness.database());
}
