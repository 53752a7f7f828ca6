//! Outcomes reach the store, whatever it takes, and are counted until they have.

use std::sync::Arc;

use bytes::Bytes;

use crate::dispatcher::active::Active;
use crate::dispatcher::feed::FeedItem;
use crate::dispatcher::outcomes::Outcomes;
use crate::dispatcher::tests::eventually;
use crate::job::{HostId, JobId, JobState, Lease};
use crate::store::tests::adversity::bound_pages;
use crate::store::tests::{Harness, finish, job};
use crate::store::{ClaimedJob, Next};

/// A store with so many claimed jobs, and outcomes that are written.
async fn with_claimed(jobs: usize) -> (Harness, Outcomes, Arc<Active>, Vec<ClaimedJob>) {
    let harness = Harness::new();
    harness.module("m", &["k"]).await;
    let host = harness.store.register_host(4, "1").await.unwrap();
    for _ in 0..jobs {
        harness.enqueue(job(harness.kind("k"))).await;
    }
    let claimed = harness.claim(host, jobs).await;
    let active = Arc::new(Active::default());
    let items: Vec<FeedItem> = claimed.into_iter().map(|job| FeedItem::new(job, 10)).collect();
    active.hold(&items);
    let claimed: Vec<ClaimedJob> = items.into_iter().map(|item| item.job).collect();
    for job in &claimed {
        active.entered((job.lease.job(), job.lease.number()), harness.store_now());
    }
    let (outcomes, writer) = Outcomes::new(harness.store.clone(), Arc::clone(&active));
    tokio::spawn(writer.run());
    (harness, outcomes, active, claimed)
}

#[tokio::test]
async fn many_at_once_are_all_written_and_forgotten() {
    let (harness, outcomes, active, claimed) = with_claimed(700).await;
    let ids: Vec<JobId> = claimed.iter().map(|job| job.lease.job()).collect();
    for job in claimed {
        outcomes.submit(finish(job.lease, Next::Succeed(Bytes::from_static(b"1")), harness.store_now()));
    }
    outcomes.drained().await;
    assert_eq!(outcomes.waiting(), 0);
    for id in ids {
        assert_eq!(harness.row(id).await.state, JobState::Succeeded);
        assert!(active.get(id).is_none(), "no longer held");
    }
}

#[tokio::test]
async fn a_stale_lease_is_dropped_and_its_neighbours_are_written() {
    let (harness, outcomes, _, mut claimed) = with_claimed(2).await;
    let (good, known) = (claimed.remove(0), claimed.remove(0));
    let stale = Lease::granted(known.lease.job(), HostId::from_u128(99), 1, 1);
    let good_id = good.lease.job();
    outcomes.submit(finish(stale, Next::Succeed(Bytes::from_static(b"2")), harness.store_now()));
    outcomes.submit(finish(good.lease, Next::Succeed(Bytes::from_static(b"1")), harness.store_now()));
    outcomes.drained().await;
    assert_eq!(harness.row(good_id).await.state, JobState::Succeeded);
    assert_eq!(harness.row(known.lease.job()).await.state, JobState::Ready, "claimed, and not ended by a stranger");
}

#[tokio::test]
async fn on_a_full_disk_they_wait_and_are_written_when_there_is_space() {
    let (harness, outcomes, active, mut claimed) = with_claimed(1).await;
    let job = claimed.remove(0);
    let (id, host) = (job.lease.job(), job.lease.host());
    bound_pages(&harness.store, Some(0)).await;
    let output = Bytes::from(vec![b'1'; 1 << 20]);
    outcomes.submit(finish(job.lease, Next::Succeed(output), harness.store_now()));
    let store = harness.store.clone();
    eventually("the store finds the disk full", || !store.is_writable()).await;
    assert_eq!(outcomes.waiting(), 1);
    assert!(active.get(id).is_some(), "still held: its lease must live on");
    bound_pages(&harness.store, None).await;
    // Finds out that there is space again, as it does in a host.
    harness.store.heartbeat(host).await.unwrap();
    outcomes.drained().await;
    assert_eq!(harness.row(id).await.state, JobState::Succeeded);
}
