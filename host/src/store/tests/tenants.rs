//! Tenants: they share nothing, wait when suspended, and go without a trace.

use super::*;
use crate::job::{Quotas, TenantSettings, TenantState};

pub(crate) async fn make(store: &Store, name: &str) -> TenantId {
    make_with(store, name, 10, Quotas::default()).await
}

pub(crate) async fn make_with(store: &Store, name: &str, weight: u32, quotas: Quotas) -> TenantId {
    let new = NewTenant { name: name.parse().unwrap(), weight, quotas, settings: TenantSettings::default() };
    match store.create_tenant(new).await.unwrap() {
        CreateTenantResult::Created(row) => row.entry.id,
        other => panic!("{other:?}"),
    }
}

/// A kind of the tenant, served by a module of the same name.
pub(crate) async fn kind_of(store: &Store, tenant: TenantId, name: &str) -> KindId {
    let version = NewVersion { tenant, ..new_version(store, name, &[name]).await };
    store.activate_new(version, false).await.unwrap();
    store.catalog().kind(tenant, &name.parse().unwrap()).unwrap().id
}

async fn set_state(store: &Store, tenant: TenantId, state: TenantState) {
    let change = TenantChange { state: Some(state), ..TenantChange::default() };
    assert!(matches!(store.change_tenant(tenant, change).await.unwrap(), ChangeTenantResult::Changed(_)));
}

async fn enqueue(store: &Store, tenant: TenantId, job: NewJob) -> JobId {
    match store.enqueue(tenant, job).await.unwrap() {
        EnqueueResult::Created(row) => row.id,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn nothing_of_a_suspended_tenant_begins_and_nothing_is_lost() {
    let mut harness = Harness::new();
    let acme = make(&harness.store, "acme").await;
    let (own, others) = (kind_of(&harness.store, acme, "k").await, kind_of(&harness.store, TENANT, "k").await);
    assert_ne!(own, others, "a kind is one tenant's");
    let host = harness.store.register_host(4, "test").await.unwrap();
    let before = enqueue(&harness.store, acme, job(own)).await;
    set_state(&harness.store, acme, TenantState::Suspended).await;
    let meanwhile = enqueue(&harness.store, acme, job(own)).await;
    let other = enqueue(&harness.store, TENANT, job(others)).await;
    let claimed = harness.claim(host, 10).await;
    assert_eq!(claimed.iter().map(|job| job.lease.job()).collect::<Vec<_>>(), [other]);
    harness.reopen().await;
    let host = harness.store.register_host(4, "test").await.unwrap();
    let claimed = harness.claim(host, 10).await;
    assert_eq!(claimed.iter().map(|job| job.lease.job()).collect::<Vec<_>>(), [other], "it is remembered");
    set_state(&harness.store, acme, TenantState::Active).await;
    let claimed = harness.claim(host, 10).await;
    assert_eq!(claimed.iter().map(|job| job.lease.job()).collect::<Vec<_>>(), [before, meanwhile]);
}

#[tokio::test]
async fn a_tenants_things_are_nothing_to_another() {
    let harness = Harness::new();
    let acme = make(&harness.store, "acme").await;
    let own = kind_of(&harness.store, acme, "k").await;
    let id = enqueue(&harness.store, acme, job(own)).await;
    assert!(harness.store.job(TENANT, id).await.unwrap().is_none());
    assert!(matches!(harness.store.cancel(TENANT, id).await.unwrap(), CancelResult::NotFound));
    assert!(matches!(harness.store.enqueue(TENANT, job(own)).await.unwrap(), EnqueueResult::KindGone));
    assert!(harness.store.queues(TENANT, None, 10).await.unwrap().is_empty());
    let digest = harness.store.catalog().kinds[&own].version.as_ref().unwrap().digest;
    assert!(harness.store.module_chunk(acme, digest, 0).await.unwrap().is_some());
    assert!(harness.store.module_chunk(TENANT, digest, 0).await.unwrap().is_none());
}

#[tokio::test]
async fn a_tenant_is_deleted_only_once_it_was_exported_and_default_never() {
    let harness = Harness::new();
    let acme = make(&harness.store, "acme").await;
    let delete = async |tenant, without| harness.store.delete_tenant(tenant, without).await.unwrap();
    assert!(matches!(delete(TENANT, true).await, DeleteTenantResult::IsDefault));
    assert!(matches!(delete(acme, false).await, DeleteTenantResult::NotExported));
    harness.store.note_export(acme).await.unwrap();
    harness.clock.advance(25 * 3_600 * 1_000);
    assert!(matches!(delete(acme, false).await, DeleteTenantResult::NotExported), "that was long ago");
    harness.store.note_export(acme).await.unwrap();
    assert!(matches!(delete(acme, false).await, DeleteTenantResult::Deleting(_)));
    let change = TenantChange { weight: Some(3), ..TenantChange::default() };
    assert!(matches!(harness.store.change_tenant(acme, change).await.unwrap(), ChangeTenantResult::Deleting));
}

/// Removes all of it, across a restart; gives the pieces it took.
async fn remove(harness: &mut Harness, tenant: TenantId) -> usize {
    for pieces in 1..1_000 {
        if harness.store.remove_tenant_further(tenant).await.unwrap().again_in.is_none() {
            return pieces;
        }
        if pieces == 3 {
            harness.reopen().await;
        }
    }
    panic!("it never ends");
}

#[tokio::test]
async fn a_deleted_tenant_leaves_no_trace_and_its_name_is_free() {
    let mut harness = Harness::new();
    let acme = make(&harness.store, "acme").await;
    let own = kind_of(&harness.store, acme, "k").await;
    let others = kind_of(&harness.store, TENANT, "k").await;
    let host = harness.store.register_host(4, "test").await.unwrap();
    let kept = enqueue(&harness.store, TENANT, job(others)).await;
    let mut first = job(own);
    first.spec.tags = vec!["a".to_owned()];
    first.idempotency = Some(IdempotencyKey { key: "once".into(), request_hash: [1; 32] });
    enqueue(&harness.store, acme, first).await;
    for _ in 0..300 {
        enqueue(&harness.store, acme, job(own)).await;
    }
    super::mail::commit(&harness.store, acme, 7, None).await;
    let claimed = harness.claim(host, 40).await;
    let now = harness.store_now();
    let mut running = Vec::new();
    for (index, claimed) in claimed.into_iter().enumerate() {
        if claimed.kind.tenant != acme {
            continue;
        }
        let lease = (claimed.lease.job(), claimed.lease.number());
        match index % 3 {
            0 => running.push((claimed.lease, lease)),
            1 => drop(harness.store.finish(finish(claimed.lease, Next::Fail(failure()), now)).await.unwrap()),
            _ => {
                let next = Next::Succeed(Bytes::from_static(b"1"));
                harness.store.finish(finish(claimed.lease, next, now)).await.unwrap();
            }
        }
    }
    assert!(!running.is_empty());
    harness.store.delete_tenant(acme, true).await.unwrap();
    assert!(matches!(harness.store.enqueue(acme, job(own)).await.unwrap(), EnqueueResult::KindGone));
    assert!(harness.claim(host, 10).await.iter().all(|job| job.kind.tenant != acme));
    let mut interrupted = Vec::new();
    for _ in 0..10 {
        interrupted.extend(harness.store.remove_tenant_further(acme).await.unwrap().interrupts);
    }
    assert!(running.iter().all(|(_, key)| interrupted.contains(key)), "what runs is asked to end");
    let row = harness.store.tenant(acme).await.unwrap().unwrap();
    assert!(row.removed_jobs > 200 && row.entry.state == TenantState::Deleting, "{row:?}");
    for (lease, _) in running {
        harness.store.finish(finish(lease, Next::Cancel(failure()), now)).await.unwrap();
    }
    assert!(remove(&mut harness, acme).await > 5, "it comes in pieces");
    assert!(harness.store.tenant(acme).await.unwrap().is_none());
    assert_eq!(harness.row(kept).await.id, kept);
    assert_counters_hold(&harness.database());
    let sql = rusqlite::Connection::open(harness.database()).unwrap();
    let tables: Vec<String> = sql
        .prepare(
            "SELECT DISTINCT m.name FROM sqlite_master AS m, pragma_table_info(m.name) AS c
            WHERE m.type = 'table' AND c.name = 'tenant_id'",
        )
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    assert!(tables.len() > 10, "{tables:?}");
    for table in tables.iter().filter(|table| !["usage", "audit"].contains(&table.as_str())) {
        let left: i64 = sql
            .query_row(&format!("SELECT count(*) FROM {table} WHERE tenant_id = ?1"), [acme.0], |row| row.get(0))
            .unwrap();
        assert_eq!(left, 0, "{table}");
    }
    for table in ["mail_recipients", "mail_contents"] {
        let left: i64 = sql.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap();
        assert_eq!(left, 0, "{table}");
    }
    for (table, job) in [
        ("payloads", "job_id"),
        ("outputs", "job_id"),
        ("attempts", "job_id"),
        ("attempt_logs", "job_id"),
        ("dead_letters", "job_id"),
        ("batch_jobs", "job_id"),
        ("caused_jobs", "cause"),
        ("dependencies", "child_id"),
        ("dependencies", "parent_id"),
    ] {
        let orphans: i64 = sql
            .query_row(
                &format!(
                    "SELECT count(*) FROM {table} WHERE {job} NOT IN
                    (SELECT id FROM live_jobs UNION ALL SELECT id FROM finished_jobs)"
                ),
                [],
                |row| row.get(0),
            )
            .unwrap();
        assert_eq!(orphans, 0, "{table}");
    }
    let again = make(&harness.store, "acme").await;
    assert_ne!(again, acme, "a number is never used again");
    assert_ne!(kind_of(&harness.store, again, "k").await, own);
}

#[tokio::test]
async fn what_comes_when_its_tenant_goes_or_is_gone_is_not_written() {
    let mut harness = Harness::new();
    let acme = make(&harness.store, "acme").await;
    let own = kind_of(&harness.store, acme, "k").await;
    let version = NewVersion { tenant: acme, ..new_version(&harness.store, "late", &["late"]).await };
    harness.store.delete_tenant(acme, true).await.unwrap();
    for is_gone in [false, true] {
        if is_gone {
            remove(&mut harness, acme).await;
        }
        let store = &harness.store;
        let set = crate::job::KvChange::Set(vec![("x".parse().unwrap(), Bytes::from_static(b"1"))]);
        let sealed = Arc::new(Sealed { key: SecretsKeyId([1; 8]), bytes: vec![1] });
        let key = NewKey {
            tenant: Some(acme),
            role: crate::job::Role::Operator,
            name: "late".parse().unwrap(),
            prefix: "stk_x".to_owned(),
            hash: [1; 32],
            expires_at: None,
            has_root: true,
        };
        let (closing, callbacks) = (Closing::OnRequest, Callbacks::default());
        let batch = NewBatch { is_workflow: false, name: None, closing, callbacks, jobs: Vec::new(), key: None };
        let filter = crate::job::BulkFilter::default();
        let all = BulkRequest { action: crate::job::BulkAction::Cancel, filter, priority: None, rate: None };
        let once = IdempotencyKey { key: "late".to_owned(), request_hash: [1; 32] };
        let refused = [
            store.change_kv(acme, KvWriter::Operator, "b".parse().unwrap(), set).await.map(drop),
            store.set_secret(acme, "late".parse().unwrap(), sealed).await.map(drop),
            store.create_key(key).await.map(drop),
            store.open_session(Some(acme), [2; 32], [1; 32], harness.store_now()).await,
            store.change_queue(acme, "late".parse().unwrap(), QueueChange::default(), true).await.map(drop),
            store.activate_new(version.clone(), false).await.map(drop),
            store.store_new(version.clone()).await.map(drop),
            store.create_batch(acme, batch).await.map(drop),
            store.create_operation(acme, all, None).await.map(drop),
            store.enqueue_batch(acme, vec![job(own)], false, Some(once), Vec::new()).await.map(drop),
        ];
        for (index, refused) in refused.iter().enumerate() {
            assert!(matches!(refused, Err(StoreError::TenantClosed)), "{index}, gone {is_gone}: {refused:?}");
        }
    }
}
