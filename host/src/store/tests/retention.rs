//! How long finished jobs are kept: by state, kind and queue, under keys, through restarts, changes of the settings and of the
//! clock; in pieces; and that the space they took is given back.

use super::*;
use crate::job::{JobState, Keep, LogLine};

pub(super) const HOUR_MS: u64 = 3_600_000;
pub(super) const DAY_MS: u64 = 24 * HOUR_MS;

pub(super) fn hours(hours: u64) -> Keep {
    Keep::For(Duration::from_hours(hours))
}

pub(super) async fn set_kind(harness: &Harness, kind: &str, retention: Retention) {
    let settings = KindSettings { retention: Some(retention), ..KindSettings::default() };
    assert!(harness.store.set_kind_settings(TENANT, kind.parse().unwrap(), settings).await.unwrap());
}

async fn set_queue(harness: &Harness, queue: &str, retention: Retention) {
    let change = QueueChange { retention: Some(retention), ..QueueChange::default() };
    let changed = harness.store.change_queue(TENANT, queue.parse().unwrap(), change, true).await.unwrap();
    assert!(matches!(changed, ChangeQueueResult::Changed(_)), "{changed:?}");
}

/// Enqueues a job and ends it.
async fn ended(harness: &Harness, host: HostId, new: NewJob, next: Next) -> JobId {
    let id = harness.enqueue(new).await;
    let claimed = harness.claim(host, 1).await.remove(0);
    assert_eq!(claimed.lease.job(), id);
    harness.store.finish(finish(claimed.lease, next, harness.store_now())).await.unwrap();
    id
}

async fn succeeded(harness: &Harness, host: HostId, new: NewJob) -> JobId {
    ended(harness, host, new, Next::Succeed(Bytes::from_static(b"{}"))).await
}

/// Until nothing is left to do now.
pub(super) async fn prune(harness: &Harness) -> usize {
    let mut jobs = 0;
    loop {
        let pruned = harness.store.prune_jobs().await.unwrap();
        jobs += pruned.jobs;
        if !pruned.more {
            return jobs;
        }
    }
}

async fn sweep(harness: &Harness) {
    while harness.store.sweep_history().await.unwrap() {}
}

/// After a heartbeat, which writes down how long the store has been at work.
async fn restart(harness: &mut Harness, host: HostId) {
    harness.store.heartbeat(host).await.unwrap();
    harness.reopen().await;
}

pub(super) async fn is_kept(harness: &Harness, job: JobId) -> bool {
    harness.store.job(TENANT, job).await.unwrap().is_some()
}

/// Rows of all tables that have rows of jobs.
fn rows_of_jobs(harness: &Harness) -> Vec<(&'static str, i64)> {
    let sql = rusqlite::Connection::open(harness.database()).unwrap();
    let tables =
        ["finished_jobs", "payloads", "outputs", "attempts", "attempt_logs", "job_tags", "caused_jobs", "looks_due"];
    let count = |table| sql.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap();
    tables.map(|table| (table, count(table))).into_iter().filter(|(_, rows)| *rows > 0).collect()
}

#[tokio::test]
async fn each_state_has_its_time_and_the_kind_the_last_word() {
    let harness = Harness::new();
    harness.module("m", &["k", "long"]).await;
    let host = harness.store.register_host(4, "1").await.unwrap();
    set_kind(&harness, "long", Retention { succeeded: Some(hours(48)), ..Retention::default() }).await;
    set_queue(
        &harness,
        "short",
        Retention { succeeded: Some(hours(1)), failed: Some(hours(2)), ..Retention::default() },
    )
    .await;
    let new = |kind: &str, queue: &str| {
        let mut new = job(harness.kind(kind));
        new.spec.queue = queue.parse().unwrap();
        new
    };
    let usual = succeeded(&harness, host, new("k", "default")).await;
    let failed = ended(&harness, host, new("k", "default"), Next::Fail(failure())).await;
    let cancelled = ended(&harness, host, new("k", "default"), Next::Cancel(failure())).await;
    let short = succeeded(&harness, host, new("k", "short")).await;
    let short_failed = ended(&harness, host, new("k", "short"), Next::Fail(failure())).await;
    let long = succeeded(&harness, host, new("long", "short")).await;
    let long_failed = ended(&harness, host, new("long", "short"), Next::Fail(failure())).await;

    let mut since_ms = 0;
    for (at_ms, gone) in [
        (HOUR_MS - 1_000, vec![]),
        (HOUR_MS + 1_000, vec![short]),
        (2 * HOUR_MS + 1_000, vec![short_failed, long_failed]),
        (DAY_MS - 1_000, vec![]),
        (DAY_MS + 1_000, vec![usual, cancelled]),
        (2 * DAY_MS + 1_000, vec![long]),
        (30 * DAY_MS - 1_000, vec![]),
        (30 * DAY_MS + 1_000, vec![failed]),
    ] {
        harness.clock.advance(at_ms - since_ms);
        since_ms = at_ms;
        assert_eq!(prune(&harness).await, gone.len(), "after {at_ms} ms");
        for job in gone {
            assert!(!is_kept(&harness, job).await, "after {at_ms} ms");
        }
        assert_counters_hold(&harness.database());
    }
    assert_eq!(rows_of_jobs(&harness), []);
}

#[tokio::test]
async fn all_that_belongs_to_a_job_goes_with_it_and_nothing_else() {
    let harness = Harness::new();
    harness.module("m", &["k"]).await;
    let host = harness.store.register_host(4, "1").await.unwrap();
    let line = || LogLine { at: Timestamp(START), level: crate::job::LogLevel::Info, message: "m".repeat(100) };
    let mut new = job(harness.kind("k"));
    new.spec.tags = vec!["a".into(), "b".into()];
    new.spec.max_attempts = 1_000;
    let id = harness.enqueue(new).await;
    for turn in 0..30 {
        let claimed = harness.claim(host, 1).await.remove(0);
        let next = if turn < 29 {
            Next::Retry(failure(), harness.store_now())
        } else {
            Next::Succeed(Bytes::from_static(b"1"))
        };
        let finish = Finish { log: vec![line()], ..finish(claimed.lease, next, harness.store_now()) };
        harness.store.finish(finish).await.unwrap();
        harness.store.promote_due(9).await.unwrap();
    }
    assert!(rows_of_jobs(&harness).contains(&("attempt_logs", 30)));
    let waiting = harness.enqueue(job(harness.kind("k"))).await;
    harness.clock.advance(DAY_MS + 1_000);
    assert_eq!(prune(&harness).await, 1);
    assert_eq!(rows_of_jobs(&harness), [("payloads", 1)], "that of the one that waits");
    assert!(!is_kept(&harness, id).await && is_kept(&harness, waiting).await);
    assert_counters_hold(&harness.database());
}

#[tokio::test]
async fn a_job_is_kept_for_as_long_as_its_key() {
    let harness = Harness::new();
    harness.module("m", &["k"]).await;
    let host = harness.store.register_host(4, "1").await.unwrap();
    set_kind(&harness, "k", Retention { succeeded: Some(hours(1)), ..Retention::default() }).await;
    let key = IdempotencyKey { key: "once".into(), request_hash: [7; 32] };
    let mut new = job(harness.kind("k"));
    new.idempotency = Some(key.clone());
    let keyed = succeeded(&harness, host, new.clone()).await;
    let of_batch = harness
        .store
        .enqueue_batch(
            TENANT,
            vec![job(harness.kind("k"))],
            false,
            Some(IdempotencyKey { key: "batch".into(), ..key }),
            vec![],
        )
        .await
        .unwrap();
    let BatchResult::Done(items) = of_batch else { panic!("{of_batch:?}") };
    let [BatchItem::Created(of_batch)] = items[..] else { panic!("{items:?}") };
    let claimed = harness.claim(host, 1).await.remove(0);
    let next = Next::Succeed(Bytes::from_static(b"1"));
    harness.store.finish(finish(claimed.lease, next, harness.store_now())).await.unwrap();
    let plain = succeeded(&harness, host, job(harness.kind("k"))).await;
    harness.clock.advance(HOUR_MS + 1_000);
    assert_eq!(prune(&harness).await, 1);
    assert!(!is_kept(&harness, plain).await && is_kept(&harness, keyed).await && is_kept(&harness, of_batch).await);
    let again = harness.store.enqueue(TENANT, new).await.unwrap();
    assert!(matches!(&again, EnqueueResult::Replayed(row) if row.id == keyed), "{again:?}");
    harness.clock.advance(23 * HOUR_MS);
    assert_eq!(prune(&harness).await, 2);
}

#[tokio::test]
async fn a_great_many_go_in_pieces_through_a_restart_while_others_come() {
    let mut harness = Harness::new();
    harness.module("m", &["k"]).await;
    let kind = harness.kind("k");
    let batch = |jobs: usize| (0..jobs).map(|_| job(kind)).collect::<Vec<_>>();
    harness.store.enqueue_batch(TENANT, batch(2_500), true, None, vec![]).await.unwrap();
    let host = harness.store.register_host(4, "1").await.unwrap();
    let mut request = request(host, 4_000);
    request.payload_bytes_max = usize::MAX;
    let now = harness.store_now();
    let claimed = harness.claim_as(request).await.jobs;
    let finishes = claimed.into_iter().map(|job| finish(job.lease, Next::Succeed(Bytes::from_static(b"1")), now));
    harness.store.finish_all(finishes.collect()).await.unwrap();
    assert_eq!(rows_of_jobs(&harness).last(), Some(&("looks_due", 1)), "one row for all of a commit");

    harness.clock.advance(DAY_MS + 1_000);
    let first = harness.store.prune_jobs().await.unwrap();
    assert!(first.more && (1..=1_000).contains(&first.jobs), "{first:?}");
    restart(&mut harness, host).await;
    let (mut pruned, mut pieces) = (first.jobs, 1);
    loop {
        harness.enqueue(job(kind)).await;
        let piece = harness.store.prune_jobs().await.unwrap();
        (pruned, pieces) = (pruned + piece.jobs, pieces + 1);
        assert_counters_hold(&harness.database());
        if !piece.more {
            break;
        }
    }
    assert_eq!(pruned, 2_500);
    assert!(pieces >= 3, "{pieces}");
    assert_eq!(rows_of_jobs(&harness), [("payloads", pieces - 1)], "of those enqueued meanwhile");
}

#[tokio::test]
async fn whoever_sets_the_clock_removes_nothing() {
    let harness = Harness::new();
    harness.module("m", &["k"]).await;
    let host = harness.store.register_host(4, "1").await.unwrap();
    let id = succeeded(&harness, host, job(harness.kind("k"))).await;
    harness.clock.jump(400 * i64::try_from(DAY_MS).unwrap());
    assert_eq!(prune(&harness).await, 0);
    harness.clock.jump(-800 * i64::try_from(DAY_MS).unwrap());
    harness.clock.advance(DAY_MS + 1_000);
    assert_eq!(prune(&harness).await, 0, "by the clock on the wall it has not even ended");
    assert!(is_kept(&harness, id).await);
    harness.clock.jump(400 * i64::try_from(DAY_MS).unwrap());
    assert_eq!(prune(&harness).await, 0, "the next look is 400 days away");
    harness.clock.advance(401 * DAY_MS);
    assert_eq!(prune(&harness).await, 1);
}

#[tokio::test]
async fn what_was_brought_back_stays_and_counts_anew_from_its_next_end() {
    let harness = Harness::new();
    harness.module("m", &["k"]).await;
    let host = harness.store.register_host(4, "1").await.unwrap();
    let id = ended(&harness, host, job(harness.kind("k")), Next::Cancel(failure())).await;
    harness.clock.advance(DAY_MS - 1_000);
    harness.store.retry(TENANT, id).await.unwrap();
    harness.clock.advance(2_000);
    assert_eq!(prune(&harness).await, 0);
    let claimed = harness.claim(host, 1).await.remove(0);
    harness.store.finish(finish(claimed.lease, Next::Cancel(failure()), harness.store_now())).await.unwrap();
    harness.clock.advance(DAY_MS - 2_000);
    assert_eq!(prune(&harness).await, 0);
    harness.clock.advance(3_000);
    assert_eq!(prune(&harness).await, 1);
}

#[tokio::test]
async fn a_change_of_the_settings_reaches_what_ended_before_it() {
    let mut harness = Harness::new();
    harness.module("m", &["k", "other"]).await;
    let host = harness.store.register_host(4, "1").await.unwrap();
    let (mut jobs, mut others) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        jobs.push(succeeded(&harness, host, job(harness.kind("k"))).await);
        others.push(succeeded(&harness, host, job(harness.kind("other"))).await);
    }
    sweep(&harness).await;
    set_kind(&harness, "k", Retention { succeeded: Some(hours(1)), ..Retention::default() }).await;
    set_kind(&harness, "other", Retention { succeeded: Some(Keep::Forever), ..Retention::default() }).await;
    harness.reopen().await;
    sweep(&harness).await;
    harness.clock.advance(HOUR_MS + 1_000);
    assert_eq!(prune(&harness).await, 3, "sooner than was noted at their end");
    harness.clock.advance(400 * DAY_MS);
    assert_eq!(prune(&harness).await, 0, "later than was noted at their end");
    set_kind(&harness, "other", Retention::default()).await;
    sweep(&harness).await;
    harness.clock.advance(1_000);
    assert_eq!(prune(&harness).await, 3, "what was for ever is so no longer");
}

#[tokio::test]
async fn history_from_before_is_gone_through_and_goes_on_after_a_restart() {
    let mut harness = Harness::new();
    harness.module("m", &["k"]).await;
    let kind = harness.kind("k");
    let batch = (0..1_200).map(|_| job(kind)).collect::<Vec<_>>();
    let BatchResult::Done(items) = harness.store.enqueue_batch(TENANT, batch, true, None, vec![]).await.unwrap() else {
        panic!("all of them")
    };
    for item in items {
        let BatchItem::Created(id) = item else { panic!("{item:?}") };
        harness.store.cancel(TENANT, id).await.unwrap();
    }
    let host = harness.store.register_host(4, "1").await.unwrap();
    harness.store.close().await.unwrap();
    let sql = rusqlite::Connection::open(harness.database()).unwrap();
    sql.execute_batch("DELETE FROM looks_due; DELETE FROM sweep").unwrap();
    drop(sql);
    harness.store = open_at(harness.directory.path(), harness.aging, &harness.clock).unwrap();
    harness.clock.advance(DAY_MS + 1_000);
    assert_eq!(prune(&harness).await, 0);
    assert!(harness.store.sweep_history().await.unwrap(), "there is more than one page");
    restart(&mut harness, host).await;
    sweep(&harness).await;
    assert!(!harness.store.sweep_history().await.unwrap());
    harness.clock.advance(1_000);
    assert_eq!(prune(&harness).await, 1_200);
}

/// 30 MiB of jobs that come and go.
async fn fill_and_prune(harness: &Harness) {
    let host = harness.store.register_host(4, "1").await.unwrap();
    for _ in 0..30 {
        let mut new = job(harness.kind("k"));
        new.spec.payload = Bytes::from(format!("\"{}\"", "x".repeat(1 << 20)));
        succeeded(harness, host, new).await;
    }
    assert!(!harness.store.give_back_space().await.unwrap(), "nothing is free");
    harness.clock.advance(DAY_MS + 1_000);
    assert_eq!(prune(harness).await, 30);
}

/// What somebody does with the database while no host has it.
async fn with_database(harness: &mut Harness, statements: &str) {
    harness.store.close().await.unwrap();
    rusqlite::Connection::open(harness.database()).unwrap().execute_batch(statements).unwrap();
    harness.store = open_at(harness.directory.path(), harness.aging, &harness.clock).unwrap();
}

#[tokio::test]
async fn a_database_of_before_gives_back_space_once_it_was_rewritten() {
    let mut harness = Harness::new();
    harness.module("m", &["k"]).await;
    with_database(&mut harness, "PRAGMA auto_vacuum = none; VACUUM").await;
    fill_and_prune(&harness).await;
    assert!(!harness.store.give_back_space().await.unwrap(), "it can't");
    // As the documentation says.
    with_database(&mut harness, "PRAGMA auto_vacuum = incremental; VACUUM;").await;
    fill_and_prune(&harness).await;
    assert!(harness.store.give_back_space().await.unwrap(), "it can");
}

#[tokio::test]
async fn space_is_given_back_a_little_at_a_time() {
    let harness = Harness::new();
    harness.module("m", &["k"]).await;
    fill_and_prune(&harness).await;
    let pages = || {
        let sql = rusqlite::Connection::open(harness.database()).unwrap();
        sql.query_row("PRAGMA page_count", [], |row| row.get::<_, i64>(0)).unwrap()
    };
    let before = pages();
    let mut turns = 1;
    while harness.store.give_back_space().await.unwrap() {
        turns += 1;
    }
    let given_back = before - pages();
    assert!(given_back > 3_000, "{given_back} of {before} pages");
    assert!(turns >= given_back / 512, "{given_back} pages in {turns} turns");
}

#[tokio::test]
async fn what_is_rolled_back_is_not_looked_at() {
    let harness = Harness::new();
    harness.module("m", &["k"]).await;
    let id = harness.enqueue(job(harness.kind("k"))).await;
    let taken_back = harness
        .store
        .write(Durability::Synced, move |sql, draft| {
            super::super::cancel::cancel(sql, draft, TENANT, id)?;
            Err::<(), _>(StoreError::internal("taken back"))
        })
        .await;
    assert!(taken_back.is_err());
    assert_eq!(harness.row(id).await.state, JobState::Ready);
    assert_eq!(rows_of_jobs(&harness), [("payloads", 1)]);
}
