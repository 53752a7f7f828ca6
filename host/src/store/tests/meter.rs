//! What tenants use is counted once, whatever becomes of the transaction; and what they may is kept to.

use super::batches::batch;
use super::tenants::{kind_of, make_with};
use super::*;
use crate::job::quota::DAY_MS;
use crate::job::{ByteSize, LogLevel, LogLine, Most, QuotaExceeded, QuotaName, Quotas, Span};

struct Metered {
    harness: Harness,
    tenant: TenantId,
    kind: KindId,
    host: HostId,
}

impl Metered {
    async fn new(quotas: Quotas) -> Self {
        let harness = Harness::new();
        let tenant = make_with(&harness.store, "acme", 10, quotas).await;
        let kind = kind_of(&harness.store, tenant, "k").await;
        let host = harness.store.register_host(4, "test").await.unwrap();
        Self { harness, tenant, kind, host }
    }

    async fn enqueue(&self) -> Result<JobId, QuotaExceeded> {
        match self.harness.store.enqueue(self.tenant, job(self.kind)).await.unwrap() {
            EnqueueResult::Created(row) => Ok(row.id),
            EnqueueResult::OverQuota(quota) => Err(quota),
            other => panic!("{other:?}"),
        }
    }

    async fn claim(&self) -> Vec<ClaimedJob> {
        self.harness.claim(self.host, 10).await
    }

    /// How an attempt ends that has cost so much.
    fn ended(&self, claimed: ClaimedJob, next: Next, fuel_used: u64, run_us: u64) -> Finish {
        let receipt = Receipt { fuel_used, run_us, output_bytes: 3, http_calls: 2, ..Receipt::default() };
        let line = LogLine { at: self.harness.store_now(), level: LogLevel::Info, message: "said".into() };
        Finish { receipt, log: vec![line], ..finish(claimed.lease, next, self.harness.store_now()) }
    }

    async fn usage(&self) -> Vec<UsageRow> {
        self.harness.store.usage(Some(self.tenant), UsageFilter::default(), None, 100).await.unwrap()
    }

    async fn used(&self, name: QuotaName) -> u64 {
        let row = self.harness.store.tenant(self.tenant).await.unwrap().unwrap();
        row.quota_uses.iter().find(|quota| quota.name == name).unwrap().used.unwrap()
    }

    /// What is kept, counted from the rows.
    fn stored(&self) -> u64 {
        let sql = rusqlite::Connection::open(self.harness.database()).unwrap();
        sql.query_row(
            "SELECT (SELECT coalesce(sum(length(body)), 0) FROM payloads)
                + (SELECT coalesce(sum(length(body)), 0) FROM outputs)
                + (SELECT coalesce(sum(length(lines)), 0) FROM attempt_logs)
                + (SELECT coalesce(sum(coalesce(octet_length(on_success), 0) + coalesce(octet_length(on_failure), 0)
                    + coalesce(octet_length(on_finish), 0)), 0) FROM batches)
                + (SELECT coalesce(sum(length(payload) + octet_length(definition)), 0) FROM schedules)
                + (SELECT coalesce(sum(octet_length(key) + length(request_hash) + length(jobs) + coalesce(length(answers), 0)), 0)
                    FROM idempotency_keys)",
            [],
            |row| row.get(0),
        )
        .unwrap()
    }
}

#[tokio::test]
async fn usage_counts_every_attempt_once_whatever_it_ended_in() {
    let mut metered = Metered::new(Quotas::default()).await;
    for _ in 0..3 {
        metered.enqueue().await.unwrap();
    }
    let mut claimed = metered.claim().await.into_iter();
    let retry = Next::Retry(failure(), metered.harness.store_now());
    for next in [Next::Succeed(Bytes::from_static(b"123")), Next::Fail(failure()), retry] {
        let ended = metered.ended(claimed.next().unwrap(), next, 100, 2_000);
        metered.harness.store.finish(ended).await.unwrap();
    }
    // Somebody who lost its lease adds nothing.
    let row = |jobs, attempts| (jobs, attempts, 100 * attempts, 2_000 * attempts, 7 * jobs, 3 * attempts, 2 * attempts);
    let facts =
        |row: &UsageRow| (row.jobs, row.attempts, row.fuel, row.run_us, row.bytes_in, row.bytes_out, row.http_calls);
    let usage = metered.usage().await;
    assert_eq!(usage.iter().map(facts).collect::<Vec<_>>(), [row(3, 3)], "{usage:?}");
    assert_eq!(metered.used(QuotaName::StoredBytes).await, metered.stored());
    assert_eq!(usage[0].bytes_stored, metered.stored());
    // What is not committed is not counted, and the next commit does not bring it.
    metered.harness.store.fail_commits(true);
    assert!(metered.harness.store.enqueue(metered.tenant, job(metered.kind)).await.is_err());
    metered.harness.store.fail_commits(false);
    metered.enqueue().await.unwrap();
    assert_eq!(metered.usage().await.iter().map(facts).collect::<Vec<_>>(), [row(4, 3)]);
    metered.harness.reopen().await;
    metered.host = metered.harness.store.register_host(4, "test").await.unwrap();
    // The next day is another row.
    metered.harness.clock.advance(DAY_MS.unsigned_abs());
    metered.enqueue().await.unwrap();
    let usage = metered.usage().await;
    assert_eq!(usage.iter().map(facts).collect::<Vec<_>>(), [row(4, 3), row(1, 0)]);
    assert_eq!(usage[1].day, usage[0].day + 1);
    let filter = UsageFilter { since_day: Some(usage[1].day), ..UsageFilter::default() };
    let since = metered.harness.store.usage(None, filter, None, 100).await.unwrap();
    assert_eq!(since, usage[1..]);
    let rest = metered.harness.store.usage(None, UsageFilter::default(), Some(usage[0].place()), 100).await.unwrap();
    assert_eq!(rest, usage[1..], "a page goes on after the one before");
    assert_eq!(metered.used(QuotaName::StoredBytes).await, metered.stored());
}

#[tokio::test]
async fn what_goes_is_not_stored_any_more() {
    let metered = Metered::new(Quotas::default()).await;
    let id = metered.enqueue().await.unwrap();
    let claimed = metered.claim().await.remove(0);
    let ended = metered.ended(claimed, Next::Succeed(Bytes::from_static(b"123")), 1, 1);
    metered.harness.store.finish(ended).await.unwrap();
    let edited = metered.enqueue().await.unwrap();
    let edit = JobEdit { payload: Some((Bytes::from_static(b"{\"n\":1234567}"), None)), ..JobEdit::default() };
    assert!(matches!(metered.harness.store.edit(metered.tenant, edited, edit).await.unwrap(), EditResult::Edited(_)));
    assert_eq!(metered.used(QuotaName::StoredBytes).await, metered.stored());
    metered.harness.store.delete(metered.tenant, id).await.unwrap();
    assert_eq!((metered.used(QuotaName::StoredBytes).await, metered.stored()), (13, 13));
}

#[tokio::test]
async fn callbacks_count_until_they_are_jobs_or_their_batch_is_gone() {
    let metered = Metered::new(Quotas::default()).await;
    let (store, tenant) = (&metered.harness.store, metered.tenant);
    let new = batch(metered.kind, 0, Closing::OnRequest);
    let CreateBatchResult::Created(made) = store.create_batch(tenant, new).await.unwrap() else { panic!("refused") };
    let open = metered.used(QuotaName::StoredBytes).await;
    assert!(open > 3 * 7, "three callbacks: {open}");
    assert_eq!(open, metered.stored());
    store.close_batch(tenant, made.id).await.unwrap();
    assert_eq!(metered.used(QuotaName::StoredBytes).await, metered.stored());
    assert!(metered.stored() < open + 2 * 7, "the payloads of two are their jobs' now");
    metered.harness.clock.advance(25 * 3_600_000);
    while store.prune_batches().await.unwrap() {}
    assert_eq!((metered.used(QuotaName::StoredBytes).await, metered.stored()), (14, 14), "two jobs are left");
}

#[tokio::test]
async fn what_keys_stand_for_counts_for_its_day() {
    let metered = Metered::new(Quotas::default()).await;
    let (store, tenant) = (&metered.harness.store, metered.tenant);
    let key = |key: &str, hash| Some(IdempotencyKey { key: key.to_owned(), request_hash: [hash; 32] });
    let lines = |hash| store.enqueue_batch(tenant, vec![job(metered.kind)], false, key("lines", hash), vec![0, 2, 3]);
    assert!(matches!(lines(1).await.unwrap(), BatchResult::Done(_)));
    let once = metered.used(QuotaName::StoredBytes).await;
    assert_eq!((once, metered.stored()), (7 + 5 + 32 + 4 * 16, once));
    assert!(matches!(lines(1).await.unwrap(), BatchResult::Replayed(_)));
    let mut keyed = job(metered.kind);
    keyed.idempotency = key("one", 1);
    assert!(matches!(store.enqueue(tenant, keyed).await.unwrap(), EnqueueResult::Created(_)));
    assert_eq!(metered.used(QuotaName::StoredBytes).await, metered.stored());
    // The same key again a day later: what it stood for is in nobody's way.
    metered.harness.clock.advance(25 * 3_600_000);
    assert!(matches!(lines(2).await.unwrap(), BatchResult::Done(_)));
    assert_eq!(metered.used(QuotaName::StoredBytes).await, metered.stored());
    metered.harness.clock.advance(25 * 3_600_000);
    while store.prune_idempotency_keys().await.unwrap() {}
    assert_eq!((metered.used(QuotaName::StoredBytes).await, metered.stored()), (21, 21), "three jobs are left");
}

#[tokio::test]
async fn what_a_tenant_that_goes_still_has_is_counted_to_its_end() {
    for at_once in [false, true] {
        let mut metered = Metered::new(Quotas::default()).await;
        let (store, tenant) = (&metered.harness.store, metered.tenant);
        let mut keyed = job(metered.kind);
        keyed.idempotency = Some(IdempotencyKey { key: "once".to_owned(), request_hash: [1; 32] });
        assert!(matches!(store.enqueue(tenant, keyed).await.unwrap(), EnqueueResult::Created(_)));
        let claimed = metered.claim().await.remove(0);
        let succeeded = Next::Succeed(Bytes::from_static(b"123"));
        store.finish(metered.ended(claimed, succeeded, 1, 1)).await.unwrap();
        metered.enqueue().await.unwrap();
        store.delete_tenant(tenant, true).await.unwrap();
        let before = metered.stored();
        if at_once {
            let much = move |sql: &rusqlite::Connection, draft: &mut Draft| {
                (0..50).try_for_each(|_| crate::store::tenants::remove_further(sql, draft, tenant).map(drop))
            };
            store.write(Durability::Synced, much).await.unwrap();
            while store.remove_tenant_further(tenant).await.unwrap().again_in.is_some() {}
        } else {
            let mut jobs_went = false;
            while store.remove_tenant_further(tenant).await.unwrap().again_in.is_some() {
                assert_eq!(metered.used(QuotaName::StoredBytes).await, metered.stored());
                jobs_went |= metered.stored() == 4 + 32 + 16;
            }
            assert!(before > 7 + 7 + 3 + 4 + 32 + 16 && jobs_went, "jobs, with output and log, go before the key");
        }
        let sql = rusqlite::Connection::open(metered.harness.database()).unwrap();
        let count = |query: &str| sql.query_row(query, [tenant.0], |row| row.get::<_, i64>(0)).unwrap();
        assert_eq!(count("SELECT count(*) FROM tenants WHERE id = ?1"), 0);
        assert_eq!(count("SELECT count(*) FROM stored_bytes WHERE tenant_id = ?1"), 0, "at once {at_once}");
        assert_eq!(count("SELECT count(*) FROM counters WHERE tenant_id = ?1"), 0, "at once {at_once}");
        let tallied = move |_: &rusqlite::Connection, draft: &mut Draft| Ok(draft.meter.tallied(tenant));
        assert_eq!(metered.harness.store.write(Durability::Relaxed, tallied).await.unwrap(), None);
        metered.harness.reopen().await;
        assert_eq!(
            metered.harness.store.write(Durability::Relaxed, tallied).await.unwrap(),
            None,
            "nor from its usage"
        );
    }
}

#[tokio::test]
async fn so_many_batches_stay_open() {
    let metered = Metered::new(Quotas::default()).await;
    let (store, tenant) = (&metered.harness.store, metered.tenant);
    let create = |closing| store.create_batch(tenant, batch(metered.kind, 0, closing));
    let CreateBatchResult::Created(made) = create(Closing::OnRequest).await.unwrap() else { panic!("refused") };
    let others = "WITH RECURSIVE others (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM others WHERE n < ?2)
        INSERT INTO batches (id, tenant_id, is_workflow, created_at, closing)
        SELECT randomblob(16), ?1, 0, 0, 1 FROM others";
    let open = move |sql: &rusqlite::Connection, _: &mut Draft| {
        Ok(sql.execute(others, rusqlite::params![tenant.0, OPEN_BATCHES_MAX - 1])?)
    };
    assert_eq!(store.write(Durability::Relaxed, open).await.unwrap(), OPEN_BATCHES_MAX - 1);
    assert!(matches!(create(Closing::OnRequest).await.unwrap(), CreateBatchResult::TooManyOpen));
    assert!(matches!(create(Closing::Closed).await.unwrap(), CreateBatchResult::Created(_)), "it ends by itself");
    store.close_batch(tenant, made.id).await.unwrap();
    assert!(matches!(create(Closing::OnRequest).await.unwrap(), CreateBatchResult::Created(_)));
}

#[tokio::test]
async fn what_was_kept_before_it_was_counted_is_added_up_once() {
    let mut metered = Metered::new(Quotas::default()).await;
    let others = kind_of(&metered.harness.store, TENANT, "k").await;
    let mut old = Vec::new();
    for _ in 0..3 {
        old.push(metered.harness.enqueue(job(others)).await);
    }
    metered.harness.store.close().await.unwrap();
    let sql = rusqlite::Connection::open(metered.harness.database()).unwrap();
    sql.execute_batch(
        "DELETE FROM stored_bytes; INSERT INTO stored_bytes_scan SELECT 1, x'', max(job_id) FROM payloads",
    )
    .unwrap();
    drop(sql);
    metered.harness.reopen().await;
    let store = metered.harness.store.clone();
    // New ones are counted at once, old ones that go before they were are not.
    metered.harness.enqueue(job(others)).await;
    store.cancel(TENANT, old[0]).await.unwrap();
    store.delete(TENANT, old[0]).await.unwrap();
    while store.scan_stored_bytes().await.unwrap() {}
    assert!(!store.scan_stored_bytes().await.unwrap(), "once");
    store.cancel(TENANT, old[1]).await.unwrap();
    store.delete(TENANT, old[1]).await.unwrap();
    metered.tenant = TENANT;
    assert_eq!(metered.used(QuotaName::StoredBytes).await, metered.stored());
}

#[tokio::test]
async fn no_more_is_taken_than_a_tenant_may_have_and_room_is_made_by_what_goes() {
    let quotas = Quotas { waiting_jobs: Some(Most::Of(2)), ..Quotas::default() };
    let metered = Metered::new(quotas).await;
    metered.enqueue().await.unwrap();
    metered.enqueue().await.unwrap();
    let refused = metered.enqueue().await.unwrap_err();
    assert_eq!((refused.name, refused.most, refused.used), (QuotaName::WaitingJobs, 2, 2));
    let claimed = metered.claim().await.remove(0);
    metered.harness.store.finish(metered.ended(claimed, Next::Fail(failure()), 1, 1)).await.unwrap();
    metered.enqueue().await.unwrap();
    // Each of a batch for itself, an atomic one as a whole.
    let batch =
        |jobs| metered.harness.store.enqueue_batch(metered.tenant, vec![job(metered.kind); 3], jobs, None, vec![]);
    let BatchResult::Rejected { index: 0, result: BatchItem::OverQuota(_) } = batch(true).await.unwrap() else {
        panic!("it was taken")
    };
    let quotas = Quotas { waiting_jobs: Some(Most::Of(4)), ..Quotas::default() };
    let change = TenantChange { quotas: Some(quotas), ..TenantChange::default() };
    metered.harness.store.change_tenant(metered.tenant, change).await.unwrap();
    let BatchResult::Done(items) = batch(false).await.unwrap() else { panic!("it was refused") };
    assert!(matches!(items[..], [BatchItem::Created(_), BatchItem::Created(_), BatchItem::OverQuota(_)]), "{items:?}");
}

#[tokio::test]
async fn who_may_enqueue_none_a_second_enqueues_none() {
    let metered = Metered::new(Quotas { enqueues_per_second: Some(Most::Of(0)), ..Quotas::default() }).await;
    for _ in 0..3 {
        let refused = metered.enqueue().await.unwrap_err();
        assert_eq!((refused.name, refused.most), (QuotaName::EnqueuesPerSecond, 0));
        metered.harness.clock.advance(2_000);
    }
}

#[tokio::test]
async fn so_many_are_taken_in_a_second_and_bytes_are_bounded() {
    let quotas = Quotas { enqueues_per_second: Some(Most::Of(2)), ..Quotas::default() };
    let metered = Metered::new(quotas).await;
    for _ in 0..4 {
        metered.enqueue().await.unwrap();
    }
    let refused = metered.enqueue().await.unwrap_err();
    assert_eq!((refused.name, refused.retry_after), (QuotaName::EnqueuesPerSecond, Duration::from_secs(1)));
    metered.harness.clock.advance(500);
    metered.enqueue().await.unwrap();
    metered.enqueue().await.unwrap_err();
    let metered = Metered::new(Quotas { stored_bytes: Some(Most::Of(ByteSize(20))), ..Quotas::default() }).await;
    metered.enqueue().await.unwrap();
    metered.enqueue().await.unwrap();
    assert_eq!(metered.enqueue().await.unwrap_err().name, QuotaName::StoredBytes);
}

#[tokio::test]
async fn who_has_used_up_the_day_begins_again_at_midnight() {
    for quotas in [
        Quotas { fuel_per_day: Some(Most::Of(100)), ..Quotas::default() },
        Quotas { run_time_per_day: Some(Most::Of(Span(Duration::from_millis(2)))), ..Quotas::default() },
    ] {
        let mut metered = Metered::new(quotas).await;
        metered.enqueue().await.unwrap();
        let claimed = metered.claim().await.remove(0);
        metered.enqueue().await.unwrap();
        metered.harness.store.finish(metered.ended(claimed, Next::Fail(failure()), 100, 2_000)).await.unwrap();
        assert!(metered.claim().await.is_empty());
        assert!(metered.harness.store.quota_spent(metered.tenant).is_some());
        metered.harness.reopen().await;
        metered.host = metered.harness.store.register_host(4, "test").await.unwrap();
        assert!(metered.claim().await.is_empty(), "a restart forgets nothing");
        let left_ms = DAY_MS - metered.harness.store_now().as_ms() % DAY_MS;
        metered.harness.clock.advance(left_ms.unsigned_abs() - 1);
        assert!(metered.claim().await.is_empty());
        metered.harness.clock.advance(2);
        assert_eq!(metered.claim().await.len(), 1);
        assert!(metered.harness.store.quota_spent(metered.tenant).is_none());
    }
}

#[tokio::test]
async fn modules_and_their_bytes_are_bounded() {
    let metered = Metered::new(Quotas { modules: Some(Most::Of(1)), ..Quotas::default() }).await;
    let store = &metered.harness.store;
    let of = async |module: &str| NewVersion { tenant: metered.tenant, ..new_version(store, module, &[module]).await };
    let ActivateResult::OverQuota(quota) = store.activate_new(of("other").await, false).await.unwrap() else {
        panic!("it was taken")
    };
    assert_eq!((quota.name, quota.used), (QuotaName::Modules, 1));
    // What is there already may come again.
    assert!(matches!(store.activate_new(of("k").await, false).await.unwrap(), ActivateResult::Activated { .. }));
    assert_eq!(metered.used(QuotaName::Modules).await, 1);
}

#[tokio::test]
async fn what_was_kept_before_it_was_counted_is_counted_once() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("stoker.db");
    let mut sql = rusqlite::Connection::open(&path).unwrap();
    super::super::migrate::migrate_to(&mut sql, &path, &super::super::migrate::SCRIPTS[..18]).unwrap();
    // 5 + 7 bytes of one schedule and 3 + 2 + 4 of another; 9 of changes; a batch with a callback, and a key that has expired.
    sql.execute_batch(
        "INSERT INTO schedules (tenant_id, name, kind_id, definition, payload, anchor_at, decided_until, declared, revision,
                created_at, updated_at)
            VALUES (1, 'a', 1, '12345', x'00000000000000', 0, 0, NULL, 1, 0, 0), (1, 'b', 1, '123', x'0000', 0, 0, '1234', 1, 0, 0);
        INSERT INTO stored_bytes (tenant_id, bytes) VALUES (1, 1000);
        INSERT INTO audit (at, tenant_id, who, via, action, object, before, after)
            VALUES (0, 1, 'me', 0, 'do', 'it', NULL, '123');
        INSERT INTO audit_rows (tenant_id, rows) VALUES (1, 1);
        INSERT INTO batches (id, tenant_id, is_workflow, created_at, finished_at, closing, on_finish) VALUES (zeroblob(16), 1, 0, 0, 0, 0, '{}');
        INSERT INTO idempotency_keys (tenant_id, key, request_hash, jobs, expires_at) VALUES (1, 'k', x'00', zeroblob(16), 1)",
    )
    .unwrap();
    drop(sql);
    let clock = Harness::new().clock;
    let store = open_at(directory.path(), Duration::from_mins(1), &clock).unwrap();
    let counted = || {
        let sql = rusqlite::Connection::open(&path).unwrap();
        let one = |query: &str| sql.query_row(query, [], |row| row.get::<_, i64>(0)).unwrap();
        let stored = one("SELECT bytes FROM stored_bytes WHERE tenant_id = 1");
        (stored, one("SELECT bytes FROM audit_rows WHERE tenant_id = 1"))
    };
    assert_eq!(counted(), (1_000 + 12 + 9, 9));
    assert!(!store.prune_idempotency_keys().await.unwrap());
    clock.wall_ms.fetch_add(400 * 86_400_000, Ordering::Relaxed);
    while store.prune_batches().await.unwrap() {}
    let sql = rusqlite::Connection::open(&path).unwrap();
    let left =
        |table: &str| sql.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!((left("idempotency_keys"), left("batches")), (0, 0));
    assert_eq!(counted(), (1_021, 9), "of those nothing was counted");
}
