//! A full disk and operations with bugs: callers get errors, the writer lives on, nothing half done remains.

use super::*;
use crate::job::JobState;

/// Bounds the size of the database as a full disk does.
pub(crate) async fn bound_pages(store: &Store, pages: Option<i64>) {
    let set = move |sql: &rusqlite::Connection, _: &mut _| {
        let now: i64 = sql.query_row("PRAGMA page_count", [], |row| row.get(0))?;
        let bound = pages.map_or(i64::from(i32::MAX), |more| now + more);
        sql.query_row(&format!("PRAGMA max_page_count = {bound}"), [], |_| Ok(()))?;
        Ok(())
    };
    store.write(Durability::Relaxed, set).await.unwrap();
}

#[tokio::test]
async fn a_full_disk_costs_errors_and_nothing_else() {
    let harness = Harness::new();
    harness.module("m", &["k"]).await;
    let host = harness.store.register_host(2, "1").await.unwrap();
    let held = harness.enqueue(job(harness.kind("k"))).await;
    let claimed = harness.claim(host, 1).await.remove(0);
    bound_pages(&harness.store, Some(0)).await;

    let mut big = job(harness.kind("k"));
    big.spec.payload = Bytes::from(vec![b' '; 1 << 20]);
    let refused = harness.store.enqueue(TENANT, big.clone()).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    assert!(!harness.store.is_writable());
    harness.store.claims_settled().await.unwrap();
    assert!(!harness.store.is_writable(), "a commit of nothing proves nothing");
    assert_eq!(harness.row(held).await.state, JobState::Ready, "reads go on");
    let output = Next::Succeed(Bytes::from(vec![b'1'; 1 << 20]));
    let ended = finish(claimed.lease, output, harness.clock.now());
    let Err((ended, StoreError::Unavailable(_))) = harness.store.finish(ended).await else {
        panic!("a finish that could not be written must come back");
    };
    // Little things still fit: the heartbeat is the probe.
    harness.store.heartbeat(host).await.unwrap();
    assert!(harness.store.is_writable());

    bound_pages(&harness.store, None).await;
    let result = harness.store.finish(ended).await.unwrap();
    assert_eq!(result, FinishResult::Finished(JobState::Succeeded));
    harness.enqueue(big).await;
    assert_eq!(harness.store.metrics().commit_failures, 2);
    assert_counters_hold(&harness.database());
}

#[tokio::test]
async fn a_panic_in_an_operation_is_an_error_of_that_operation() {
    let harness = Harness::new();
    harness.module("m", &["k"]).await;
    let kind = harness.kind("k");
    for _ in 0..5 {
        let panics = |sql: &rusqlite::Connection, _: &mut super::super::draft::Draft| -> Result<(), StoreError> {
            sql.execute("DELETE FROM live_jobs", [])?;
            panic!("a bug");
        };
        let (before, panicked, after) = tokio::join!(
            harness.store.enqueue(TENANT, job(kind)),
            harness.store.write(Durability::Synced, panics),
            harness.store.enqueue(TENANT, job(kind)),
        );
        assert!(matches!(panicked, Err(StoreError::Internal(_))), "{panicked:?}");
        assert!(before.is_ok() && after.is_ok());
    }
    assert_eq!(harness.store.counters().await.unwrap()[0].jobs, 10);
    assert_counters_hold(&harness.database());
}

#[tokio::test]
async fn a_finish_handed_to_a_closed_store_comes_back() {
    let harness = Harness::new();
    harness.store.close().await.unwrap();
    let lease = Lease::granted(JobId::from_u128(1), HostId::from_u128(2), 1, 1);
    let ended = finish(lease, Next::Succeed(Bytes::new()), harness.clock.now());
    assert!(matches!(harness.store.finish(ended).await, Err((_, StoreError::Closed))));
}
