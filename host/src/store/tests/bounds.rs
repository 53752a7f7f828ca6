//! What is bounded, and what a caller is told at the bound.

use std::sync::Mutex;

use super::super::codec::pack_log;
use super::super::facade::WAITING_MAX;
use super::super::wal::WalBounds;
use super::adversity::bound_pages;
use super::*;
use crate::job::{LogLevel, LogLine};

fn in_queue(kind: KindId, name: &str) -> NewJob {
    let mut new = job(kind);
    new.spec.queue = name.parse().unwrap();
    new
}

#[tokio::test]
async fn there_are_only_so_many_queues() {
    let harness = Harness::new();
    harness.module("m", &["k"]).await;
    let kind = harness.kind("k");
    let all = (0..QUEUES_MAX - 1).map(|number| in_queue(kind, &format!("q{number}"))).collect();
    harness.store.enqueue_batch(TENANT, all, true, None, Vec::new()).await.unwrap();
    let mixed = || ["q0", "last", "last", "one-more", "q1"].map(|name| in_queue(kind, name)).to_vec();
    let rejected = harness.store.enqueue_batch(TENANT, mixed(), true, None, Vec::new()).await.unwrap();
    assert!(matches!(rejected, BatchResult::Rejected { index: 3, result: BatchItem::TooManyQueues }), "{rejected:?}");
    let BatchResult::Done(items) = harness.store.enqueue_batch(TENANT, mixed(), false, None, Vec::new()).await.unwrap()
    else {
        panic!("nothing was done")
    };
    let refused: Vec<bool> = items.iter().map(|item| matches!(item, BatchItem::TooManyQueues)).collect();
    assert_eq!(refused, [false, false, false, true, false]);
    let one_more = harness.store.enqueue(TENANT, in_queue(kind, "one-more")).await.unwrap();
    assert!(matches!(one_more, EnqueueResult::TooManyQueues), "{one_more:?}");
    harness.enqueue(in_queue(kind, "last")).await;
    assert_eq!(harness.store.catalog().queues.len(), QUEUES_MAX);
    let host = harness.store.register_host(4, "1").await.unwrap();
    assert_eq!(harness.claim(host, 2_000).await.len(), QUEUES_MAX - 1 + 4 + 1);
}

/// Counts the jobs enqueued by each commit from now on.
fn count_by_commit(store: &Store) -> Arc<Mutex<Vec<usize>>> {
    let counts = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&counts);
    store.on_commit(Box::new(move |notice| seen.lock().unwrap().push(notice.events.len())));
    counts
}

#[tokio::test]
async fn a_long_batch_comes_in_pieces_unless_it_must_be_whole() {
    let harness = Harness::new();
    harness.module("m", &["k"]).await;
    let jobs = || vec![job(harness.kind("k")); 2_500];
    let counts = count_by_commit(&harness.store);
    let key = || Some(IdempotencyKey { key: "all".into(), request_hash: [1; 32] });
    for (atomic, key, expected) in
        [(false, None, &[1_000, 1_000, 500][..]), (true, None, &[2_500]), (false, key(), &[2_500])]
    {
        let result = harness.store.enqueue_batch(TENANT, jobs(), atomic, key, Vec::new()).await.unwrap();
        let BatchResult::Done(items) = result else { panic!("{result:?}") };
        assert!(items.len() == 2_500 && items.iter().all(|item| matches!(item, BatchItem::Created(_))));
        assert_eq!(std::mem::take(&mut *counts.lock().unwrap()), expected);
    }
}

#[tokio::test]
async fn a_batch_cut_short_by_a_full_disk_says_which_jobs_are_written() {
    let harness = Harness::new();
    harness.module("m", &["k"]).await;
    let mut big = job(harness.kind("k"));
    big.spec.payload = Bytes::from(vec![b' '; 3_000]);
    bound_pages(&harness.store, Some(2_000)).await;
    let result = harness.store.enqueue_batch(TENANT, vec![big.clone(); 4_000], false, None, Vec::new()).await.unwrap();
    let BatchResult::Done(items) = result else { panic!("{result:?}") };
    let written = items.iter().filter(|item| matches!(item, BatchItem::Created(_))).count();
    assert!(items.len() == 4_000 && (1_000..4_000).contains(&written), "{written}");
    assert!(items[written..].iter().all(|item| *item == BatchItem::Unwritten));
    assert_eq!(harness.store.counters().await.unwrap()[0].jobs, written as u64);
    let nothing = harness.store.enqueue_batch(TENANT, vec![big; 4_000], false, None, Vec::new()).await;
    assert!(matches!(nothing, Err(StoreError::Unavailable(_))), "{nothing:?}");
}

#[tokio::test]
async fn logs_come_newest_first_in_pages_and_in_order_within_one() {
    let harness = Harness::new();
    harness.module("m", &["k"]).await;
    let id = harness.enqueue(job(harness.kind("k"))).await;
    let line = LogLine { at: harness.clock.now(), level: LogLevel::Info, message: "x".repeat(1 << 20) };
    let packed = pack_log(&[line]).unwrap();
    let insert = move |sql: &rusqlite::Connection, _: &mut Draft| {
        for execution in 1..=10 {
            sql.execute("INSERT INTO attempt_logs VALUES (?1, ?2, 1, 0, ?3)", (id.to_bytes(), execution, &packed))?;
        }
        Ok(())
    };
    harness.store.write(Durability::Synced, insert).await.unwrap();
    let (mut pages, mut cursor) = (Vec::new(), None);
    loop {
        let page = harness.store.logs(TENANT, id, cursor).await.unwrap().unwrap();
        pages.push(page.items.iter().map(|log| log.execution).collect::<Vec<_>>());
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(pages, [vec![7, 8, 9, 10], vec![3, 4, 5, 6], vec![1, 2]]);
    assert!(harness.store.logs(TENANT, JobId::from_u128(9), None).await.unwrap().is_none());
}

#[tokio::test]
async fn of_a_job_that_runs_without_end_the_newest_executions_are_kept() {
    let harness = Harness::new();
    harness.module("m", &["k"]).await;
    let host = harness.store.register_host(1, "1").await.unwrap();
    let id = harness.enqueue(job(harness.kind("k"))).await;
    let first = harness.claim(host, 1).await.remove(0);
    let line = LogLine { at: harness.clock.now(), level: LogLevel::Info, message: "x".into() };
    let later = harness.clock.now().plus(Duration::from_secs(1));
    let snoozed =
        |lease| Finish { log: vec![line.clone()], ..finish(lease, Next::Suspend(later), harness.clock.now()) };
    harness.store.finish(snoozed(first.lease)).await.unwrap();
    let repeat = move |sql: &rusqlite::Connection, _: &mut Draft| {
        for execution in 2..=1_500 {
            sql.execute(
                "INSERT INTO attempts SELECT job_id, ?1, body, failure FROM attempts WHERE execution = 1",
                [execution],
            )?;
            sql.execute(
                "INSERT INTO attempt_logs SELECT job_id, ?1, attempt, dropped, lines FROM attempt_logs WHERE execution = 1",
                [execution],
            )?;
        }
        sql.execute("UPDATE live_jobs SET lease_number = 1500", [])?;
        Ok(())
    };
    harness.store.write(Durability::Synced, repeat).await.unwrap();
    harness.clock.advance(1_000);
    harness.store.promote_due(1).await.unwrap();
    let last = harness.claim(host, 1).await.remove(0);
    harness.store.finish(snoozed(last.lease)).await.unwrap();
    let attempts = harness.store.attempts(TENANT, id).await.unwrap().unwrap();
    assert_eq!((attempts.len(), attempts[0].execution, attempts[999].execution), (1_000, 502, 1_501));
    let kept = harness
        .store
        .read(|sql, _| Ok(sql.query_row("SELECT count(*) FROM attempts", [], |row| row.get::<_, i64>(0))?));
    assert_eq!(kept.await.unwrap(), 1_000);
    let logs = harness.store.logs(TENANT, id, None).await.unwrap().unwrap().items;
    assert_eq!((logs.len(), logs[0].execution, logs[99].execution), (100, 1_402, 1_501));
}

#[tokio::test]
async fn leases_that_were_only_given_back_push_out_no_execution_and_no_log() {
    let harness = Harness::new();
    harness.module("m", &["k"]).await;
    let host = harness.store.register_host(1, "1").await.unwrap();
    let id = harness.enqueue(job(harness.kind("k"))).await;
    let line = LogLine { at: harness.clock.now(), level: LogLevel::Info, message: "x".into() };
    let wait = |sql: &rusqlite::Connection, _: &mut Draft| {
        // As if it had been claimed and given back so often.
        sql.execute("UPDATE live_jobs SET lease_number = lease_number + 5000", [])?;
        Ok(())
    };
    for round in 1..=3 {
        let claimed = harness.claim(host, 1).await.remove(0);
        let later = harness.clock.now().plus(Duration::from_secs(1));
        let next = if round < 3 { Next::Suspend(later) } else { Next::Fail(failure()) };
        let snoozed = Finish { log: vec![line.clone()], ..finish(claimed.lease, next, harness.clock.now()) };
        harness.store.finish(snoozed).await.unwrap();
        harness.clock.advance(2_000);
        harness.store.promote_due(1).await.unwrap();
        harness.store.write(Durability::Synced, wait).await.unwrap();
    }
    harness.store.retry(TENANT, id).await.unwrap();
    let numbers: Vec<_> = harness.store.attempts(TENANT, id).await.unwrap().unwrap();
    let numbers: Vec<_> = numbers.iter().map(|attempt| attempt.execution).collect();
    assert_eq!(numbers, [1, 5_002, 10_003]);
    let logs = harness.store.logs(TENANT, id, None).await.unwrap().unwrap().items;
    assert_eq!(logs.iter().map(|log| log.execution).collect::<Vec<_>>(), numbers);
}

#[tokio::test]
async fn a_read_past_its_deadline_is_broken_off_and_the_next_one_is_not() {
    let harness = Harness::new();
    let endless = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";
    let broken_off =
        harness.store.read(move |sql, _| Ok(sql.query_row(endless, [], |row| row.get::<_, i64>(0))?)).await;
    assert!(matches!(broken_off, Err(StoreError::ReadTooLong { ms_max: 1_000 })), "{broken_off:?}");
    for _ in 0..3 {
        assert!(harness.store.hosts().await.unwrap().is_empty());
    }
    assert!(harness.store.is_writable());
}

#[tokio::test]
async fn a_full_queue_to_the_writer_refuses_and_gives_outcomes_back() {
    let harness = Harness::new();
    harness.module("m", &["k"]).await;
    let kind = harness.kind("k");
    let (entered, writer_holds) = tokio::sync::oneshot::channel();
    let (release, released) = std::sync::mpsc::channel::<()>();
    let mut entered = Some(entered);
    let store = harness.store.clone();
    let holder = tokio::spawn(async move {
        let hold = move |_: &rusqlite::Connection, _: &mut Draft| {
            if let Some(entered) = entered.take() {
                entered.send(()).unwrap();
                released.recv().unwrap();
            }
            Ok(())
        };
        store.write(Durability::Relaxed, hold).await
    });
    writer_holds.await.unwrap();
    let waiting: Vec<_> = (0..WAITING_MAX).map(|_| harness.store.finish_all(Vec::new())).collect();
    let refused = harness.store.enqueue(TENANT, job(kind)).await;
    assert!(matches!(refused, Err(StoreError::Busy { waiting_max: WAITING_MAX })), "{refused:?}");
    let lease = Lease::granted(JobId::from_u128(1), HostId::from_u128(2), 1, 1);
    let ended = finish(lease, Next::Succeed(Bytes::new()), harness.clock.now());
    let given_back = harness.store.finish(ended).await;
    assert!(matches!(given_back, Err((_, StoreError::Busy { .. }))), "{given_back:?}");
    assert_eq!(harness.store.metrics().waiting, WAITING_MAX as u64);
    release.send(()).unwrap();
    holder.await.unwrap().unwrap();
    for answer in waiting {
        assert!(answer.await.unwrap().is_empty());
    }
    harness.enqueue(job(kind)).await;
}

#[tokio::test]
async fn during_a_long_read_the_log_grows_to_its_bound_and_then_writes_are_refused() {
    let mut harness = Harness::new();
    harness.module("m", &["k"]).await;
    let kind = harness.kind("k");
    harness.store.close().await.unwrap();
    let options = StoreOptions {
        data_dir: harness.directory.path().to_owned(),
        priority_aging: harness.aging,
        tenant_pace: crate::job::Pace::default(),
        quotas: crate::job::Quotas::default(),
        retention: Retention::HOST,
    };
    let bounds = WalBounds { checkpoint: 64 << 10, early: (64 << 10, Duration::ZERO), max: 256 << 10 };
    harness.store = Store::open_bounded(&options, Arc::clone(&harness.clock) as Arc<dyn Clock>, bounds).unwrap();
    let id = harness.enqueue(job(kind)).await;
    let reader = super::super::connection::open_reader(&harness.database()).unwrap();
    reader.execute_batch("BEGIN; SELECT count(*) FROM live_jobs").unwrap();
    let refused = loop {
        if let Err(error) = harness.store.enqueue(TENANT, job(kind)).await {
            break error;
        }
    };
    assert!(matches!(refused, StoreError::LogFull { bytes_max } if bytes_max == bounds.max), "{refused}");
    assert!(!harness.store.is_writable() && harness.row(id).await.id == id, "reads go on");
    assert!(harness.store.enqueue(TENANT, job(kind)).await.is_err());
    drop(reader);
    while harness.store.enqueue(TENANT, job(kind)).await.is_err() {}
    assert!(harness.store.is_writable());
    assert_counters_hold(&harness.database());
}

/// The commits kept in the event log.
async fn commits(store: &Store) -> Vec<i64> {
    let read = |sql: &rusqlite::Connection, _: &Catalog| {
        let mut statement = sql.prepare("SELECT commit_id FROM events ORDER BY 1")?;
        let commits = statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
        Ok(commits)
    };
    store.read(read).await.unwrap()
}

#[tokio::test]
async fn events_are_kept_for_a_time_and_up_to_a_size() {
    let harness = Harness::new();
    harness.module("m", &["k"]).await;
    let hour = Duration::from_hours(1);
    for number in 0..6 {
        harness.enqueue(job(harness.kind("k"))).await;
        harness.clock.advance(60_000);
        // What anybody sets the wall clock to makes nothing older or younger.
        harness.clock.jump(if number == 2 {
            864_000_000
        } else if number == 3 {
            -864_000_000
        } else {
            0
        });
    }
    assert!(!harness.store.prune_events(hour, u64::MAX).await.unwrap());
    assert_eq!(commits(&harness.store).await, [1, 2, 3, 4, 5, 6]);
    assert!(!harness.store.prune_events(Duration::from_secs(150), u64::MAX).await.unwrap());
    assert_eq!(commits(&harness.store).await, [5, 6], "those of the last two and a half minutes");
    harness.enqueue(job(harness.kind("k"))).await;
    let two = harness.store.read(|sql, _| {
        Ok(sql.query_row("SELECT sum(length(body)) FROM events WHERE commit_id > 5", [], |row| row.get::<_, i64>(0))?)
    });
    let two = two.await.unwrap().unsigned_abs();
    assert!(!harness.store.prune_events(hour, two).await.unwrap());
    assert_eq!(commits(&harness.store).await, [6, 7], "as many as fit");
    assert!(!harness.store.prune_events(Duration::ZERO, 0).await.unwrap());
    assert_eq!(commits(&harness.store).await, [7], "the last stays: numbering goes on from it");
}

#[tokio::test]
async fn garbage_behind_many_kept_versions_is_found() {
    let harness = Harness::new();
    let kept = move |sql: &rusqlite::Connection, draft: &mut Draft| {
        let digest = |number: u16| [number.to_be_bytes().as_slice(), &[0; 30]].concat();
        for number in 0..=1_500 {
            sql.execute("INSERT INTO module_chunks VALUES (?1, 0, ?2, x'00')", (digest(number), draft.clock.now_ms()))?;
            if number < 1_500 {
                sql.execute(
                    "INSERT INTO module_versions (tenant_id, module_id, digest, size_bytes, guest, imports, kinds, compile_ms, created_at)
                     VALUES (1, 1, ?1, 1, 'handler', '[]', '[]', 0, 0)",
                    [digest(number)],
                )?;
            }
        }
        Ok(())
    };
    harness.store.write(Durability::Synced, kept).await.unwrap();
    harness.clock.advance(3_601_000);
    for round in 0.. {
        assert!(round < 10, "it goes on for ever");
        if !harness.store.prune_module_chunks().await.unwrap() {
            break;
        }
    }
    let left = harness
        .store
        .read(|sql, _| Ok(sql.query_row("SELECT count(*) FROM module_chunks", [], |row| row.get::<_, i64>(0))?));
    assert_eq!(left.await.unwrap(), 1_500);
}

#[tokio::test]
async fn the_oldest_ready_job_is_found_wherever_it_stands_in_the_queue() {
    let harness = Harness::new();
    harness.module("m", &["k"]).await;
    let kind = harness.kind("k");
    let mut starving = job(kind);
    starving.spec.priority = 9;
    harness.enqueue(starving).await;
    let oldest = harness.store_now();
    harness.clock.advance(5_000);
    harness.store.enqueue_batch(TENANT, vec![job(kind); 300], true, None, Vec::new()).await.unwrap();
    assert_eq!(harness.store.queues(TENANT, None, 10).await.unwrap()[0].oldest_ready_at, Some(oldest));
    let waiting = harness.store.oldest_ready_jobs().await.unwrap();
    assert_eq!((waiting.len(), waiting[0].queue.as_str(), waiting[0].ready_at), (1, "default", oldest));
    let host = harness.store.register_host(1, "1").await.unwrap();
    assert_eq!(harness.claim(host, 301).await.len(), 301);
    assert!(harness.store.oldest_ready_jobs().await.unwrap().is_empty());
}
