//! Who may open a directory, and what is found in it.

use super::*;

#[tokio::test]
async fn a_second_process_is_refused_and_told_who_has_it() {
    let harness = Harness::new();
    let refused = open_at(harness.directory.path(), harness.aging, &harness.clock).err();
    let Some(OpenError::Locked { pid, .. }) = refused else { panic!("{refused:?}") };
    assert_eq!(pid, format!(" (pid {})", std::process::id()));
    harness.store.close().await.unwrap();
    let again = open_at(harness.directory.path(), harness.aging, &harness.clock).unwrap();
    again.close().await.unwrap();
    assert!(matches!(again.heartbeat(HostId::from_u128(1)).await, Err(StoreError::Closed)));
    assert!(again.hosts().await.is_err());
    again.close().await.unwrap();
}

#[tokio::test]
async fn a_newer_database_is_refused() {
    let harness = Harness::new();
    harness.store.close().await.unwrap();
    let sql = rusqlite::Connection::open(harness.database()).unwrap();
    sql.pragma_update(None, "user_version", 99).unwrap();
    drop(sql);
    let refused = open_at(harness.directory.path(), harness.aging, &harness.clock).err();
    let known_here = super::super::migrate::known_version();
    assert!(matches!(refused, Some(OpenError::Newer { found: 99, known, .. }) if known == known_here), "{refused:?}");
}

#[tokio::test]
async fn a_change_of_aging_reorders_what_waits() {
    let mut harness = Harness::with_aging(Duration::ZERO);
    harness.module("m", &["k"]).await;
    let kind = harness.kind("k");
    let mut low = job(kind);
    low.spec.priority = 6;
    let low = harness.enqueue(low).await;
    harness.clock.advance(120_000);
    let high = harness.enqueue(job(kind)).await;
    let host = harness.store.register_host(1, "1").await.unwrap();
    let strict = harness.claim(host, 2).await;
    assert_eq!([strict[0].lease.job(), strict[1].lease.job()], [high, low]);
    harness.aging = Duration::from_mins(1);
    harness.reopen().await;
    let host = harness.store.register_host(1, "1").await.unwrap();
    let aged = harness.claim(host, 2).await;
    assert_eq!([aged[0].lease.job(), aged[1].lease.job()], [low, high], "two minutes make up for one level");
}

#[tokio::test]
async fn a_backup_opens_and_holds_everything() {
    let harness = Harness::new();
    let digest = harness.module("m", &["k"]).await;
    let host = harness.store.register_host(1, "1").await.unwrap();
    let waiting = harness.enqueue(job(harness.kind("k"))).await;
    let done = harness.claim(host, 1).await.remove(0);
    let output = Next::Succeed(Bytes::from_static(b"[1]"));
    harness.store.finish(finish(done.lease, output, harness.clock.now())).await.unwrap();
    let second = harness.enqueue(job(harness.kind("k"))).await;
    let copy = tempfile::tempdir().unwrap();
    let destination = copy.path().join("stoker.db");
    harness.store.backup(destination.clone()).await.unwrap();
    assert!(harness.store.backup(destination).await.is_err(), "an existing file is never overwritten");

    let restored = open_at(copy.path(), harness.aging, &harness.clock).unwrap();
    let first = restored.job(TENANT, waiting).await.unwrap().unwrap();
    assert_eq!(first.output.as_deref(), Some(&b"[1]"[..]));
    assert!(restored.job(TENANT, second).await.unwrap().is_some());
    assert_eq!(restored.module_bytes(digest).await.unwrap().unwrap(), &b"m serving [\"k\"]"[..]);
    restored.close().await.unwrap();
}

#[tokio::test]
async fn no_id_is_given_twice_across_starts_while_the_clock_is_behind() {
    let mut harness = Harness::new();
    harness.module("m", &["k"]).await;
    let kind = harness.kind("k");
    let mut ids = vec![harness.enqueue(job(kind)).await.as_u128()];
    harness.clock.jump(-10_000);
    for start in 0..3 {
        let key = NewKey {
            tenant: None,
            role: crate::job::Role::Admin,
            name: "one".parse().unwrap(),
            prefix: "stk_x".to_owned(),
            hash: [start; 32],
            expires_at: None,
            has_root: true,
        };
        let CreateKeyResult::Created(key) = harness.store.create_key(key).await.unwrap() else { panic!("refused") };
        let open = super::batches::batch(kind, 0, Closing::OnRequest);
        let CreateBatchResult::Created(batch) = harness.store.create_batch(TENANT, open).await.unwrap() else {
            panic!("refused")
        };
        ids.extend([key.id.as_u128(), batch.id.as_u128()]);
        harness.reopen().await;
    }
    assert!(ids.is_sorted_by(|one, next| one < next), "{ids:x?}");
}

#[tokio::test]
async fn a_failing_operation_leaves_its_neighbours_committed() {
    let harness = Harness::new();
    harness.module("m", &["k"]).await;
    let kind = harness.kind("k");
    // Ask for all three before the writer can answer: some or all share a transaction.
    for _ in 0..20 {
        let mut bad = new_version(&harness.store, "bad", &["other"]).await;
        bad.size_bytes += 1;
        let (before, refused, after) = tokio::join!(
            harness.store.enqueue(TENANT, job(kind)),
            harness.store.activate_new(bad, false),
            harness.store.enqueue(TENANT, job(kind)),
        );
        assert!(matches!(refused, Err(StoreError::Internal(_))), "{refused:?}");
        for result in [before, after] {
            let Ok(EnqueueResult::Created(row)) = result else { panic!("{result:?}") };
            assert!(harness.store.job(TENANT, row.id).await.unwrap().is_some());
        }
    }
    assert_eq!(harness.store.counters().await.unwrap().iter().map(|counter| counter.jobs).sum::<u64>(), 40);
    assert_counters_hold(&harness.database());
}

#[tokio::test]
async fn what_is_opened_as_it_is_is_neither_made_nor_migrated_nor_reordered() {
    let harness = Harness::with_aging(Duration::from_mins(1));
    let options = |directory: &Path| StoreOptions {
        data_dir: directory.to_owned(),
        priority_aging: Duration::from_hours(1),
        tenant_pace: crate::job::Pace::default(),
        quotas: crate::job::Quotas::default(),
        retention: crate::job::Retention::HOST,
    };
    let open = |directory: &Path| Store::open_as_it_is(&options(directory), harness.clock.clone());
    let empty = tempfile::tempdir().unwrap();
    assert!(matches!(open(empty.path()).err(), Some(OpenError::Nothing { .. })));
    assert!(matches!(open(&empty.path().join("none")).err(), Some(OpenError::Nothing { .. })));
    assert_eq!(std::fs::read_dir(empty.path()).unwrap().count(), 0, "nothing was made");

    harness.store.close().await.unwrap();
    let aging = || -> i64 {
        let sql = rusqlite::Connection::open(harness.database()).unwrap();
        sql.query_row("SELECT value FROM meta WHERE name = 'aging_ms'", [], |row| row.get(0)).unwrap()
    };
    let store = open(harness.directory.path()).unwrap();
    assert_eq!(store.reset_keys().await.unwrap(), None, "it asks for none");
    store.note_keyed().await.unwrap();
    store.close().await.unwrap();
    let store = open(harness.directory.path()).unwrap();
    assert!(store.catalog().credentials.is_keyed);
    assert_eq!(store.reset_keys().await.unwrap(), Some(0));
    store.close().await.unwrap();
    assert_eq!(aging(), 60_000);

    let sql = rusqlite::Connection::open(harness.database()).unwrap();
    sql.pragma_update(None, "user_version", 5).unwrap();
    drop(sql);
    assert!(matches!(open(harness.directory.path()).err(), Some(OpenError::Older { found: 5, .. })));
}
