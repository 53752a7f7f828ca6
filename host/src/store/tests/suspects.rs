//! Jobs that were running when their host died.

use super::*;
use crate::job::{EventType, JobState};

/// The process dies and another one begins.
async fn crash(harness: &mut Harness) -> HostId {
    harness.reopen().await;
    let host = harness.store.register_host(4, "1").await.unwrap();
    harness.clock.advance(1_000);
    host
}

#[tokio::test]
async fn three_counted_losses_fail_a_job_and_its_neighbours_pay_nothing() {
    let mut harness = Harness::new();
    harness.module("m", &["k"]).await;
    let mut host = harness.store.register_host(4, "1").await.unwrap();
    let bad = harness.enqueue(job(harness.kind("k"))).await;
    let claimed_only = harness.enqueue(job(harness.kind("k"))).await;

    for loss in 0..4 {
        let claimed = harness.claim(host, 10).await;
        assert_eq!(claimed.len(), 2);
        let entered = claimed.iter().find(|claimed| claimed.lease.job() == bad).unwrap();
        assert_eq!(entered.suspect, loss > 0);
        assert_eq!(entered.lease.attempt(), 1, "a loss uses no attempt");
        harness.store.note_entry(1, &entered.lease);
        host = crash(&mut harness).await;
        let recovered = harness.store.recover_expired(host, Duration::from_secs(30)).await.unwrap();
        assert_eq!((recovered.jobs, recovered.failed), if loss == 3 { (1, 1) } else { (2, 0) });
        let row = harness.row(claimed_only).await;
        assert!(!row.suspect && row.attempt == 0);
    }
    let row = harness.row(bad).await;
    assert_eq!((row.state, row.error.unwrap().reason), (JobState::Failed, FailureReason::HostLost));
    let attempts = harness.store.attempts(TENANT, bad).await.unwrap().unwrap();
    assert_eq!(attempts.len(), 4);
    assert!(attempts.iter().all(|attempt| attempt.outcome == AttemptOutcome::Lost && attempt.started_at.is_some()));
    assert!(harness.store.attempts(TENANT, claimed_only).await.unwrap().unwrap().is_empty());
    assert_counters_hold(&harness.database());
}

#[tokio::test]
async fn a_normal_end_clears_the_suspicion_and_the_history_shows_both_runs() {
    let mut harness = Harness::new();
    harness.module("m", &["k"]).await;
    let host = harness.store.register_host(4, "1").await.unwrap();
    let id = harness.enqueue(job(harness.kind("k"))).await;
    let claimed = harness.claim(host, 1).await.remove(0);
    harness.store.mark_running(vec![((id, claimed.lease.number()), harness.clock.now())]).await.unwrap();
    assert_eq!(harness.row(id).await.state, JobState::Running);
    let host = crash(&mut harness).await;
    assert!(harness.row(id).await.suspect);
    let mut without = request(host, 5);
    without.suspect_allowed = false;
    let nothing = harness.claim_as(without).await;
    assert!(nothing.jobs.is_empty() && !nothing.more);
    let claimed = harness.claim(host, 5).await.remove(0);
    harness.clock.advance(10);
    let again = Next::Retry(failure(), harness.clock.now());
    harness.store.finish(finish(claimed.lease, again, harness.clock.now())).await.unwrap();
    assert!(!harness.row(id).await.suspect);
    harness.store.promote_due(10).await.unwrap();
    let claimed = harness.claim(host, 5).await.remove(0);
    assert!(!claimed.suspect);
    harness.clock.advance(10);
    let done = Next::Succeed(Bytes::from_static(b"null"));
    harness.store.finish(finish(claimed.lease, done, harness.clock.now())).await.unwrap();
    let history = harness.store.history(TENANT, id).await.unwrap().unwrap();
    let words: Vec<EventType> = history.iter().map(|entry| entry.event_type).collect();
    assert_eq!(
        words,
        [
            EventType::Enqueued,
            EventType::Started,
            EventType::Recovered,
            EventType::Started,
            EventType::Retrying,
            EventType::Started,
            EventType::Succeeded,
        ]
    );
    let detail = harness.store.job(TENANT, id).await.unwrap().unwrap();
    assert_eq!(detail.output.as_deref(), Some(&b"null"[..]), "a null output is an output");
}

#[tokio::test]
async fn a_cancel_outlives_the_host_that_should_have_heard_it() {
    let mut harness = Harness::new();
    harness.module("m", &["k"]).await;
    let host = harness.store.register_host(4, "1").await.unwrap();
    let id = harness.enqueue(job(harness.kind("k"))).await;
    harness.claim(host, 1).await;
    assert!(matches!(harness.store.cancel(TENANT, id).await.unwrap(), CancelResult::Requested(_)));
    crash(&mut harness).await;
    assert_eq!(harness.row(id).await.state, JobState::Cancelled);
    assert_counters_hold(&harness.database());
}

#[tokio::test]
async fn those_with_fewest_losses_come_first() {
    let mut harness = Harness::new();
    harness.module("m", &["k"]).await;
    let host = harness.store.register_host(4, "1").await.unwrap();
    let [first, second] =
        [harness.enqueue(job(harness.kind("k"))).await, harness.enqueue(job(harness.kind("k"))).await];
    for (slot, claimed) in harness.claim(host, 2).await.iter().enumerate() {
        harness.store.note_entry(u32::try_from(slot).unwrap(), &claimed.lease);
    }
    let mut turns = Vec::new();
    for _ in 0..4 {
        let host = crash(&mut harness).await;
        harness.store.recover_expired(host, Duration::from_secs(30)).await.unwrap();
        let claimed = harness.claim(host, 2).await.remove(0);
        harness.store.note_entry(1, &claimed.lease);
        turns.push(claimed.lease.job());
    }
    assert_eq!(turns, [first, second, first, second]);
}

/// It left the lane of suspects while it ran; another is in it when the host dies.
#[tokio::test]
async fn a_loss_counts_for_the_one_in_the_lane_and_not_for_one_that_left_it() {
    let mut harness = Harness::new();
    harness.module("m", &["k"]).await;
    let mut host = harness.store.register_host(4, "1").await.unwrap();
    let patient = harness.enqueue(job(harness.kind("k"))).await;
    let killer = harness.enqueue(job(harness.kind("k"))).await;
    for (slot, claimed) in harness.claim(host, 2).await.iter().enumerate() {
        harness.store.note_entry(u32::try_from(slot).unwrap(), &claimed.lease);
    }
    for loss in 1..=3 {
        host = crash(&mut harness).await;
        harness.store.recover_expired(host, Duration::from_secs(30)).await.unwrap();
        for (slot, expected) in [patient, killer].into_iter().enumerate() {
            let claimed = harness.claim(host, 2).await.remove(0);
            let lease = (claimed.lease.job(), claimed.lease.number());
            assert!(claimed.suspect && lease.0 == expected, "those with fewest losses first");
            assert!(harness.store.mark_suspect_running(lease, harness.clock.now()).await.unwrap());
            harness.store.note_entry(u32::try_from(slot).unwrap(), &claimed.lease);
            if lease.0 == patient {
                assert!(harness.store.clear_suspect(lease).await.unwrap());
                assert!(!harness.store.clear_suspect((lease.0, lease.1 - 1)).await.unwrap(), "an old lease");
                assert!(!harness.row(patient).await.suspect);
            }
        }
        assert_eq!(harness.row(killer).await.state, JobState::Running, "loss {loss}");
    }
    let host = crash(&mut harness).await;
    harness.store.recover_expired(host, Duration::from_secs(30)).await.unwrap();
    let row = harness.row(killer).await;
    assert_eq!((row.state, row.error.unwrap().reason), (JobState::Failed, FailureReason::HostLost));
    let row = harness.row(patient).await;
    assert!(row.state == JobState::Ready && row.suspect && row.attempt == 0);
    assert_eq!(harness.store.attempts(TENANT, patient).await.unwrap().unwrap().len(), 4, "its history tells of each");
    assert_counters_hold(&harness.database());
}

#[tokio::test]
async fn one_that_had_ended_is_lost_in_the_history_and_no_suspect() {
    let mut harness = Harness::new();
    harness.module("m", &["k"]).await;
    let mut host = harness.store.register_host(4, "1").await.unwrap();
    let id = harness.enqueue(job(harness.kind("k"))).await;
    for ended in [false, true] {
        let claimed = harness.claim(host, 1).await.remove(0);
        assert_eq!(claimed.suspect, ended);
        harness.store.note_entry(0, &claimed.lease);
        if ended {
            harness.store.note_end(&claimed.lease, harness.clock.now());
        }
        host = crash(&mut harness).await;
        harness.store.recover_expired(host, Duration::from_secs(30)).await.unwrap();
        assert_eq!(harness.row(id).await.suspect, !ended);
    }
    let attempts = harness.store.attempts(TENANT, id).await.unwrap().unwrap();
    let outcomes: Vec<_> = attempts.iter().map(|attempt| attempt.outcome).collect();
    assert_eq!(outcomes, [AttemptOutcome::Lost, AttemptOutcome::Lost]);
    assert_counters_hold(&harness.database());
}

#[tokio::test]
async fn a_suspect_is_shown_running_before_it_is_entered_and_not_under_an_old_lease() {
    let mut harness = Harness::new();
    harness.module("m", &["k"]).await;
    let host = harness.store.register_host(4, "1").await.unwrap();
    let id = harness.enqueue(job(harness.kind("k"))).await;
    let claimed = harness.claim(host, 1).await.remove(0);
    let lease = (id, claimed.lease.number());
    assert!(harness.store.mark_suspect_running(lease, harness.clock.now()).await.unwrap());
    assert!(harness.store.mark_suspect_running(lease, harness.clock.now()).await.unwrap(), "once more does no harm");
    assert_eq!(harness.row(id).await.state, JobState::Running);
    // No note was written: what the database says is enough.
    let host = crash(&mut harness).await;
    harness.store.recover_expired(host, Duration::from_secs(30)).await.unwrap();
    assert!(harness.row(id).await.suspect);
    assert!(!harness.store.mark_suspect_running(lease, harness.clock.now()).await.unwrap());
}
