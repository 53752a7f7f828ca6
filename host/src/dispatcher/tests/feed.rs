//! Order, hunger, and what goes back.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::dispatcher::feed::{Feed, FeedItem};
use crate::dispatcher::tests::{eventually, item};
use crate::store::KindId;

/// A feed and how often it called for more.
fn feed() -> (Arc<Feed>, Arc<AtomicUsize>) {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let hungry = move || {
        counted.fetch_add(1, Ordering::SeqCst);
    };
    (Arc::new(Feed::new(Box::new(hungry))), calls)
}

fn ids(items: &[FeedItem]) -> Vec<u128> {
    items.iter().map(|item| item.job.lease.job().as_u128()).collect()
}

async fn next(feed: &Feed) -> u128 {
    let (item, ()) = feed.next(|| ()).await.unwrap();
    item.job.lease.job().as_u128()
}

#[tokio::test]
async fn a_job_of_higher_priority_passes_those_claimed_before_it() {
    let (feed, _) = feed();
    feed.push(vec![item(1, 1, 50, 10), item(2, 1, 50, 10), item(3, 1, 60, 10)]);
    feed.push(vec![item(4, 1, 40, 10), item(5, 1, 55, 10), item(6, 1, 60, 10)]);
    let mut order = Vec::new();
    for _ in 0..6 {
        order.push(next(&feed).await);
    }
    assert_eq!(order, [4, 1, 2, 5, 3, 6]);
}

#[tokio::test]
async fn it_calls_for_more_when_half_is_gone_and_when_a_slot_is_idle() {
    let (feed, calls) = feed();
    feed.push((1..=8).map(|job| item(job, 1, 1, 10)).collect());
    for _ in 0..3 {
        next(&feed).await;
    }
    assert_eq!(calls.load(Ordering::SeqCst), 0);
    next(&feed).await;
    assert_eq!(calls.load(Ordering::SeqCst), 1, "half is gone");
    for _ in 0..4 {
        next(&feed).await;
    }
    let waiting = tokio::spawn({
        let feed = Arc::clone(&feed);
        async move { next(&feed).await }
    });
    eventually("the slot is idle", || feed.level().idle_slots == 1).await;
    eventually("it called", || calls.load(Ordering::SeqCst) > 1).await;
    feed.push(vec![item(9, 1, 1, 10)]);
    assert_eq!(waiting.await.unwrap(), 9);
    let level = feed.level();
    assert_eq!((level.idle_slots, level.queued, level.queued_us), (0, 0, 0));
}

#[tokio::test]
async fn as_many_slots_wake_as_jobs_come() {
    let (feed, _) = feed();
    let slots: Vec<_> = (0..4)
        .map(|_| {
            let feed = Arc::clone(&feed);
            tokio::spawn(async move { next(&feed).await })
        })
        .collect();
    eventually("all slots are idle", || feed.level().idle_slots == 4).await;
    feed.push((1..=4).map(|job| item(job, 1, 1, 10)).collect());
    let mut done = Vec::new();
    for slot in slots {
        done.push(slot.await.unwrap());
    }
    done.sort_unstable();
    assert_eq!(done, [1, 2, 3, 4]);
}

#[tokio::test]
async fn what_takes_too_long_by_todays_estimates_goes_back_from_the_end() {
    let (feed, _) = feed();
    // Claimed as short ones; kind 2 has become slow since.
    feed.push(vec![item(1, 1, 1, 10), item(2, 2, 2, 10), item(3, 1, 3, 10), item(4, 2, 4, 10), item(5, 1, 5, 10)]);
    let today = |kind| if kind == KindId(2) { 1_000 } else { 10 };
    assert_eq!(ids(&feed.take_excess(1_500, today)), [5, 4]);
    assert_eq!(feed.level().queued_us, 1_020);
    assert_eq!(next(&feed).await, 1);
}

#[tokio::test]
async fn what_waited_at_the_last_look_goes_back_whatever_was_expected() {
    let (feed, _) = feed();
    feed.push(vec![item(1, 1, 20, 10), item(2, 1, 30, 10)]);
    assert!(feed.take_excess(1_000, |_| 10).is_empty());
    // One that came since stays, wherever it stands.
    feed.push(vec![item(3, 1, 25, 10)]);
    assert_eq!(feed.level().payload_bytes, 6);
    assert_eq!(ids(&feed.take_excess(1_000, |_| 10)), [1, 2]);
    let level = feed.level();
    assert_eq!((level.queued, level.queued_us, level.payload_bytes), (1, 10, 2));
    assert_eq!(next(&feed).await, 3);
    assert_eq!(feed.level().payload_bytes, 0);
}

#[tokio::test]
async fn what_went_back_is_not_asked_for_again_until_slots_take_jobs() {
    let (feed, _) = feed();
    let ahead = || feed.level().ahead_jobs_max;
    feed.push(vec![item(1, 1, 1, 10), item(2, 1, 2, 10)]);
    assert!(feed.take_excess(1_000, |_| 10).is_empty());
    assert_eq!(ahead(), None);
    assert_eq!(feed.take_excess(1_000, |_| 10).len(), 2);
    assert_eq!(ahead(), Some(0));
    assert!(feed.take_excess(1_000, |_| 10).is_empty());
    assert_eq!(ahead(), Some(0), "no slot has come since");
    // The more slots take, the more is worth claiming ahead.
    feed.push((1..=20).map(|job| item(job, 1, 1, 10)).collect());
    next(&feed).await;
    assert_eq!(ahead(), Some(1));
    next(&feed).await;
    assert_eq!(ahead(), Some(3));
    for _ in 0..8 {
        next(&feed).await;
    }
    assert_eq!(ahead(), None);
    feed.take_excess(1_000, |_| 10);
    assert_eq!(feed.take_excess(1_000, |_| 10).len(), 10);
    assert_eq!(ahead(), Some(0));
}

#[tokio::test]
async fn closing_sends_slots_home_and_gives_back_what_was_not_started() {
    let (feed, _) = feed();
    let idle = tokio::spawn({
        let feed = Arc::clone(&feed);
        async move { feed.next(|| ()).await.is_none() }
    });
    eventually("the slot is idle", || feed.level().idle_slots == 1).await;
    assert!(feed.close().is_empty());
    assert!(idle.await.unwrap(), "nothing comes any more");

    let (busy, _) = self::feed();
    busy.push(vec![item(1, 1, 1, 10), item(2, 1, 2, 10)]);
    assert_eq!(ids(&busy.close()), [1, 2]);
    assert!(busy.next(|| ()).await.is_none());
}
