//! Schedules whose jobs are to be the only ones like them: what becomes of a slot that meets another job.

use super::schedules::{MINUTE_MS, every, name, new_schedule, of};
use super::*;
use crate::job::schedule::{Misfire, Overlap, SlotFate};
use crate::job::{JobState, OnConflict, Unique};

fn unique_of(on_conflict: OnConflict) -> Unique {
    super::unique::unique(7, on_conflict)
}

impl Harness {
    async fn put_unique(&self, schedule: &str, unique: Unique) {
        let mut new = new_schedule(self, "k", of(Misfire::Once, Overlap::Allow));
        new.definition.unique = Some(Box::new(unique));
        self.store.put_schedule(TENANT, name(schedule), new).await.unwrap();
    }

    async fn latest_slot(&self, schedule: &str) -> SlotRow {
        self.store.schedule(TENANT, name(schedule)).await.unwrap().unwrap().slots.remove(0)
    }
}

/// Each slot says what became of it, and of whom.
#[tokio::test]
async fn a_slot_whose_job_is_not_the_only_one_like_it_says_what_became_of_it() {
    let hour = Some(Duration::from_hours(1));
    for (on_conflict, period, fate, words) in [
        (OnConflict::Reject, None, SlotFate::Rejected, "no job"),
        (OnConflict::ReturnExisting, None, SlotFate::Existing, "stands for this slot"),
        (OnConflict::Replace, None, SlotFate::Replaced, "would have had"),
        (OnConflict::Debounce, None, SlotFate::Debounced, "waits anew"),
        (OnConflict::Throttle, hour, SlotFate::Throttled, "period"),
    ] {
        let (mut harness, host) = Harness::scheduling().await;
        // Whoever else enqueues the same is met as well.
        let terms = Unique { period, ..unique_of(on_conflict) };
        let enqueued = NewJob { unique: Some(Box::new(terms.clone())), ..job(harness.kind("k")) };
        let mut enqueued = enqueued;
        enqueued.spec.run_at = Some(harness.store_now().plus(Duration::from_hours(3)));
        let first = harness.enqueue(enqueued).await;
        harness.put_unique("s", terms).await;
        harness.clock.advance(MINUTE_MS);
        harness.look().await;
        let slot = harness.latest_slot("s").await;
        assert_eq!((slot.fate, slot.job.unwrap().0), (fate, first), "{on_conflict:?}");
        let detail = slot.detail.unwrap();
        assert!(detail.contains(&first.to_string()) && detail.contains(words), "{detail}");
        assert_eq!(harness.all_jobs().await.len(), 1);
        let row = harness.row(first).await;
        assert_eq!(row.slot, None, "it is nobody's slot");
        let payload = harness.store.job(TENANT, first).await.unwrap().unwrap().payload;
        let is_changed = matches!(on_conflict, OnConflict::Replace | OnConflict::Debounce);
        assert_eq!(payload == "{\"n\":7}", is_changed, "{on_conflict:?}: {payload:?}");
        // The longest wait of a debounced one is over.
        assert_eq!(row.state == JobState::Ready, is_changed);
        // Out of turn it is the same, and the same again under a key.
        let key = || Some(IdempotencyKey { key: "a".to_owned(), request_hash: [1; 32] });
        for again in [false, true] {
            match harness.store.trigger_schedule(TENANT, name("s"), key()).await.unwrap() {
                TriggerResult::UniqueConflict { row, is_replayed } => {
                    assert_eq!((row.id, is_replayed, fate), (first, again, SlotFate::Rejected));
                }
                TriggerResult::Existing { row, is_replayed, conflict } => {
                    assert_eq!((row.id, is_replayed), (first, again), "{conflict:?}");
                    assert_ne!(fate, SlotFate::Rejected);
                }
                other => panic!("{on_conflict:?}: {other:?}"),
            }
        }
        // It goes on when there is nobody any more.
        harness.store.cancel(TENANT, first).await.unwrap();
        harness.store.delete(TENANT, first).await.unwrap();
        harness.store.heartbeat(host).await.unwrap();
        harness.reopen().await;
        harness.clock.advance(MINUTE_MS);
        harness.look().await;
        let slot = harness.latest_slot("s").await;
        assert_eq!(slot.fate, SlotFate::Enqueued, "{on_conflict:?}");
        let own = harness.row(slot.job.unwrap().0).await;
        assert_eq!(own.slot.unwrap().slot_at, slot.slot_at);
        let wait = own.run_at.since(harness.store_now());
        let debounced = on_conflict == OnConflict::Debounce;
        assert_eq!(wait, if debounced { Duration::from_secs(10) } else { Duration::ZERO }, "{on_conflict:?}");
        assert_counters_hold(&harness.database());
    }
}

/// One of its own that waits becomes that of the later slot.
#[tokio::test]
async fn a_replaced_run_is_that_of_the_later_slot() {
    let (harness, _) = Harness::scheduling().await;
    harness.put_unique("s", unique_of(OnConflict::Replace)).await;
    for _ in 0..2 {
        harness.clock.advance(MINUTE_MS);
        harness.look().await;
    }
    assert_eq!(harness.fates("s").await, [(1, SlotFate::Enqueued), (2, SlotFate::Replaced)]);
    let [run] = &harness.all_jobs().await[..] else { panic!("one job") };
    let slot_at = run.slot.as_ref().unwrap().slot_at;
    assert_eq!(slot_at, Timestamp(START).plus(Duration::from_mins(2)));
}

/// It failed without ever having been leased, and succeeded under its first lease.
#[tokio::test]
async fn a_job_that_failed_before_its_first_lease_leaves_no_link_behind() {
    let (harness, host) = Harness::scheduling().await;
    harness.module("other", &["gone"]).await;
    let mut new = new_schedule(&harness, "gone", every(MINUTE_MS));
    new.definition.job.options.on_failed =
        Some(crate::job::OnFailed { kind: "k".parse().unwrap(), queue: None, priority: None });
    harness.store.put_schedule(TENANT, name("s"), new).await.unwrap();
    harness.store.delete_module(TENANT, "other".parse().unwrap(), false).await.unwrap();
    harness.clock.advance(MINUTE_MS);
    harness.look().await;
    harness.store.pause_schedule(TENANT, name("s"), true).await.unwrap();
    let (id, state) = harness.latest_slot("s").await.job.unwrap();
    assert_eq!(state, Some(JobState::Failed));
    let links = || -> i64 {
        let sql = rusqlite::Connection::open(harness.database()).unwrap();
        sql.query_row("SELECT count(*) FROM caused_jobs", [], |row| row.get(0)).unwrap()
    };
    assert_eq!(links(), 1);
    harness.module("other", &["gone"]).await;
    harness.store.retry(TENANT, id).await.unwrap();
    for claimed in harness.claim(host, 9).await {
        let end = finish(claimed.lease, Next::Succeed(Bytes::from_static(b"1")), harness.store_now());
        harness.store.finish(end).await.unwrap();
    }
    assert_eq!(harness.row(id).await.state, JobState::Succeeded);
    assert_eq!(harness.store.delete(TENANT, id).await.unwrap(), DeleteResult::Deleted);
    assert_eq!(links(), 0);
}
