//! The words of states, and what the ends of executions make of a job.

use super::*;
use crate::job::EventType::{Due, Enqueued, Failed, Reopened, Started, Succeeded};
use crate::job::{EventType, JobState, LogLevel, LogLine, Progress};

const LIFECYCLE: &str = include_str!("../../../../docs/job-lifecycle.md");
const MIGRATION: &str = include_str!("../../../../migrations/0001_foundation.sql");

#[test]
fn the_same_states_stand_in_code_in_sql_and_in_the_docs() {
    let code: Vec<&str> = JobState::ALL.iter().map(|state| state.as_str()).collect();
    let mut sql: Vec<&str> = MIGRATION
        .lines()
        .filter_map(|line| line.split_once("CHECK (state = '")?.1.split_once("')"))
        .flat_map(|(words, _)| words.split("' OR state = '"))
        .collect();
    sql.sort_by_key(|word| code.iter().position(|state| state == word));
    assert_eq!(sql, code);
    let docs: Vec<&str> =
        LIFECYCLE.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`')).map(|(word, _)| word).collect();
    assert_eq!(docs, code);
}

#[test]
fn the_docs_draw_every_legal_change_and_no_other() {
    let drawn: Vec<(JobState, JobState)> = LIFECYCLE
        .lines()
        .filter_map(|line| line.trim().split_once(" --> "))
        .map(|(from, rest)| (from, rest.split_once(':').map_or(rest, |(to, _)| to)))
        .filter_map(|(from, to)| Some((from.trim().parse().ok()?, to.trim().parse().ok()?)))
        .collect();
    for from in JobState::ALL {
        for to in JobState::ALL {
            assert_eq!(drawn.contains(&(from, to)), from.can_become(to), "{from} --> {to}");
        }
    }
}

#[tokio::test]
async fn every_end_of_an_execution_and_the_attempt_it_uses() {
    let harness = Harness::new();
    harness.module("m", &["k"]).await;
    let host = harness.store.register_host(4, "1").await.unwrap();
    let later = harness.clock.now().plus(Duration::from_mins(1));
    for (next, state, attempt) in [
        (Next::Succeed(Bytes::from_static(b"1")), JobState::Succeeded, 1),
        (Next::Fail(failure()), JobState::Failed, 1),
        (Next::Cancel(Failure::new(FailureReason::Cancelled, "x")), JobState::Cancelled, 1),
        (Next::Retry(failure(), later), JobState::Retrying, 1),
        (Next::Suspend(later), JobState::Scheduled, 0),
        (Next::GiveBack(Failure::new(FailureReason::Shutdown, "x")), JobState::Ready, 0),
    ] {
        let id = harness.enqueue(job(harness.kind("k"))).await;
        let claimed = harness.claim(host, 1).await.remove(0);
        assert_eq!(harness.row(id).await.leased_by, Some((host, 1)));
        let mut ended = finish(claimed.lease, next, harness.clock.now());
        ended.log = vec![LogLine { at: harness.clock.now(), level: LogLevel::Info, message: "hello".into() }];
        ended.log_lines_dropped = 2;
        ended.progress = Some(Progress { done: 3, ..Progress::default() });
        assert_eq!(harness.store.finish(ended).await.unwrap(), FinishResult::Finished(state));
        let row = harness.row(id).await;
        assert_eq!((row.state, row.attempt, row.leased_by), (state, attempt, None));
        assert_eq!(row.receipt.unwrap().run_us, 5);
        assert_eq!(row.snoozed, state == JobState::Scheduled);
        assert_eq!(row.finished_at.is_some(), state.is_terminal());
        let attempts = harness.store.attempts(TENANT, id).await.unwrap().unwrap();
        assert_eq!((attempts.len(), attempts[0].execution, attempts[0].attempt), (1, 1, 1));
        let logs = harness.store.logs(TENANT, id, None).await.unwrap().unwrap().items;
        let (execution, mut lines) = harness.store.log_lines(TENANT, id, (1, 1)).await.unwrap().remove(0);
        let lines = lines.piece(usize::MAX).unwrap();
        assert_eq!((execution, lines[0].message.as_str(), logs[0].dropped), (1, "hello", 2));
        if state == JobState::Ready {
            let claimed = harness.claim(host, 1).await.remove(0);
            assert_eq!((claimed.lease.number(), claimed.lease.attempt()), (2, 1));
            harness.store.release(vec![claimed.lease], None).await.unwrap();
        }
    }
    assert_counters_hold(&harness.database());
}

#[tokio::test]
async fn a_cancel_asked_for_meanwhile_wins_over_all_but_an_end() {
    let harness = Harness::new();
    harness.module("m", &["k"]).await;
    let host = harness.store.register_host(4, "1").await.unwrap();
    let later = harness.clock.now().plus(Duration::from_mins(1));
    for (next, entered, state) in [
        (Next::Succeed(Bytes::from_static(b"1")), true, JobState::Succeeded),
        (Next::Fail(failure()), true, JobState::Failed),
        (Next::Retry(failure(), later), true, JobState::Cancelled),
        (Next::Suspend(later), true, JobState::Cancelled),
        (Next::GiveBack(failure()), true, JobState::Cancelled),
        (Next::GiveBack(failure()), false, JobState::Cancelled),
        (Next::Cancel(failure()), false, JobState::Cancelled),
    ] {
        let id = harness.enqueue(job(harness.kind("k"))).await;
        let claimed = harness.claim(host, 1).await.remove(0);
        for _ in 0..2 {
            let result = harness.store.cancel(TENANT, id).await.unwrap();
            assert!(matches!(result, CancelResult::Requested(row) if row.cancel_requested));
        }
        let mut finish = finish(claimed.lease, next, harness.clock.now());
        finish.started_at = finish.started_at.filter(|_| entered);
        assert_eq!(harness.store.finish(finish).await.unwrap(), FinishResult::Finished(state));
        let history = harness.store.history(TENANT, id).await.unwrap().unwrap();
        assert_eq!(history.last().unwrap().state, state, "{history:?}");
        assert!(matches!(harness.store.cancel(TENANT, id).await.unwrap(), CancelResult::AlreadyTerminal(_)));
    }
    let id = harness.enqueue(job(harness.kind("k"))).await;
    let claimed = harness.claim(host, 1).await.remove(0);
    harness.store.cancel(TENANT, id).await.unwrap();
    harness.store.release(vec![claimed.lease], None).await.unwrap();
    assert_eq!(harness.row(id).await.state, JobState::Cancelled);
    assert_counters_hold(&harness.database());
}

#[tokio::test]
async fn a_failed_job_comes_back_with_its_past_and_can_be_deleted_in_the_end() {
    let harness = Harness::new();
    harness.module("m", &["k"]).await;
    let host = harness.store.register_host(4, "1").await.unwrap();
    let mut delayed = job(harness.kind("k"));
    delayed.spec.run_at = Some(harness.clock.now().plus(Duration::from_secs(5)));
    delayed.spec.tags = vec!["red".into(), "blue".into()];
    let id = harness.enqueue(delayed).await;
    assert!(matches!(harness.store.retry(TENANT, id).await.unwrap(), RetryResult::WrongState(_)));
    let promoted = harness.store.promote_due(10).await.unwrap();
    assert_eq!((promoted.jobs, promoted.next_due), (0, Some(Timestamp(START + 5_000))));
    harness.clock.advance(5_000);
    assert_eq!(harness.store.promote_due(10).await.unwrap().jobs, 1);
    let claimed = harness.claim(host, 1).await.remove(0);
    harness.clock.advance(1);
    harness.store.finish(finish(claimed.lease, Next::Fail(failure()), harness.clock.now())).await.unwrap();
    harness.clock.advance(1);
    assert!(matches!(harness.store.retry(TENANT, id).await.unwrap(), RetryResult::Retried(row) if row.attempt == 0));
    assert_eq!(harness.store.delete(TENANT, id).await.unwrap(), DeleteResult::WrongState(JobState::Ready));
    let claimed = harness.claim(host, 1).await.remove(0);
    assert_eq!((claimed.lease.number(), claimed.lease.attempt()), (2, 1));
    harness.clock.advance(1);
    let done = Next::Succeed(Bytes::from_static(b"7"));
    harness.store.finish(finish(claimed.lease, done, harness.clock.now())).await.unwrap();
    let history = harness.store.history(TENANT, id).await.unwrap().unwrap();
    let words: Vec<EventType> = history.iter().map(|entry| entry.event_type).collect();
    assert_eq!(words, [Enqueued, Due, Started, Failed, Reopened, Started, Succeeded]);
    assert_eq!(harness.row(id).await.tags, ["red", "blue"]);
    assert_eq!(harness.store.delete(TENANT, id).await.unwrap(), DeleteResult::Deleted);
    assert!(harness.store.job(TENANT, id).await.unwrap().is_none());
    assert_eq!(harness.store.delete(TENANT, id).await.unwrap(), DeleteResult::NotFound);
    assert!(matches!(harness.store.retry(TENANT, id).await.unwrap(), RetryResult::NotFound));
    assert_counters_hold(&harness.database());
}

#[tokio::test]
async fn commits_tell_what_they_did() {
    let harness = Harness::new();
    let (sender, notices) = crossbeam_channel::unbounded();
    harness.store.on_commit(Box::new(move |notice| sender.send(notice.clone()).unwrap()));
    harness.module("m", &["k"]).await;
    let id = harness.enqueue(job(harness.kind("k"))).await;
    let mut later = job(harness.kind("k"));
    later.spec.run_at = Some(Timestamp(START + 9_000));
    harness.enqueue(later).await;
    let notices: Vec<CommitNotice> = notices.try_iter().filter(|notice| !notice.events.is_empty()).collect();
    assert_eq!((notices[0].events[0].job, notices[0].events[0].event_type), (id, EventType::Enqueued));
    assert!(notices[0].next_due.is_none() && notices[0].commit == 1);
    assert!(notices[1].next_due == Some(Timestamp(START + 9_000)) && notices[1].commit == 2);
}

#[tokio::test]
async fn an_illegal_change_fails_its_operation_alone_and_is_not_written() {
    let harness = Harness::new();
    harness.module("m", &["k"]).await;
    let kind = harness.kind("k");
    let id = harness.enqueue(job(kind)).await;
    let illegal = move |sql: &rusqlite::Connection, draft: &mut Draft| {
        sql.execute("UPDATE live_jobs SET parked = 1", [])?;
        let queue = draft.queue(sql, TENANT, &"default".parse().unwrap())?;
        let lane = super::super::counters::Lane { tenant: TENANT, kind, queue };
        draft.move_count(lane, JobState::Scheduled, JobState::Succeeded)
    };
    let (before, refused, after) = tokio::join!(
        harness.store.enqueue(TENANT, job(kind)),
        harness.store.write(Durability::Synced, illegal),
        harness.store.enqueue(TENANT, job(kind)),
    );
    let Err(StoreError::Internal(said)) = refused else { panic!("{refused:?}") };
    assert_eq!(said, "a job can't go from scheduled to succeeded");
    assert!(before.is_ok() && after.is_ok());
    assert_eq!(harness.row(id).await.parked, None);
    assert_counters_hold(&harness.database());
}
