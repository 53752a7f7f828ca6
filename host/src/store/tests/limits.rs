//! Limits, one at a time: what is held, what is let go, and that nothing leaks.

use super::*;
use crate::job::{JobState, KeyOrder, KindPace, Pace, Rate, WaitingReason};

pub(super) fn keyed(kind: KindId, key: &str) -> NewJob {
    let mut new = job(kind);
    new.spec.options.concurrency_key = Some(key.to_owned());
    new
}

pub(super) async fn set_pace(harness: &Harness, kind: &str, pace: KindPace) {
    let settings = KindSettings { pace, ..KindSettings::default() };
    assert!(harness.store.set_kind_settings(TENANT, kind.parse().unwrap(), settings).await.unwrap());
}

pub(super) async fn set_queue(harness: &Harness, queue: &str, pace: Pace) {
    let change = QueueChange { concurrency: Some(pace.concurrency), rate: Some(pace.rate), ..QueueChange::default() };
    harness.store.change_queue(TENANT, queue.parse().unwrap(), change, true).await.unwrap();
}

async fn host_of(harness: &Harness) -> HostId {
    harness.store.register_host(8, "1").await.unwrap()
}

fn ids(jobs: &[ClaimedJob]) -> Vec<JobId> {
    jobs.iter().map(|job| job.lease.job()).collect()
}

async fn succeed(harness: &Harness, job: ClaimedJob) {
    let done = Next::Succeed(Bytes::from_static(b"1"));
    let result = harness.store.finish(finish(job.lease, done, harness.clock.now())).await.unwrap();
    assert_eq!(result, FinishResult::Finished(JobState::Succeeded));
}

async fn hindrance_of(harness: &Harness, job: JobId) -> Option<Hindrance> {
    harness.store.job(TENANT, job).await.unwrap().unwrap().row.in_line.and_then(|found| found.hindrance)
}

async fn reason_of(harness: &Harness, job: JobId) -> Option<WaitingReason> {
    hindrance_of(harness, job).await.map(|found| found.reason)
}

const TWO: KindPace =
    KindPace { concurrency: Some(2), rate: None, key_concurrency: None, key_rate: None, key_order: None };
const ONE_OF_A_KEY: KindPace = KindPace { concurrency: None, key_concurrency: Some(1), ..TWO };
const FIFO: KindPace = KindPace { concurrency: None, key_order: Some(KeyOrder::Fifo), ..TWO };

#[tokio::test]
async fn a_full_kind_holds_its_jobs_and_nobody_elses() {
    let harness = Harness::new();
    harness.module("m", &["k", "other"]).await;
    set_pace(&harness, "k", TWO).await;
    let host = host_of(&harness).await;
    let (limited, other) = (harness.kind("k"), harness.kind("other"));
    let mut jobs = Vec::new();
    for _ in 0..5 {
        jobs.push(harness.enqueue(job(limited)).await);
    }
    let behind = harness.enqueue(job(other)).await;
    let mut claimed = harness.claim(host, 10).await;
    assert_eq!(ids(&claimed), [jobs[0], jobs[1], behind]);
    let found = hindrance_of(&harness, jobs[4]).await.unwrap();
    assert_eq!((found.reason, found.running, found.ahead), (WaitingReason::KindConcurrency, 2, Some(2)));
    assert_eq!(found.holders, jobs[..2]);
    // One that comes now is held from the start: no claim ever meets it.
    let late = harness.enqueue(job(limited)).await;
    assert_eq!(harness.row(late).await.parked, Some(WaitingReason::KindConcurrency));
    assert!(harness.claim(host, 10).await.is_empty());

    succeed(&harness, claimed.remove(0)).await;
    let next = harness.claim(host, 10).await;
    assert_eq!(ids(&next), [jobs[2]], "one for one, the first of those that wait");
    assert!(harness.claim(host, 10).await.is_empty());
    // Given back unused: it is the next again.
    harness.store.release(vec![claimed.remove(0).lease], None).await.unwrap();
    assert_eq!(ids(&harness.claim(host, 10).await), [jobs[1]]);
    assert_eq!(reason_of(&harness, late).await, Some(WaitingReason::KindConcurrency));
}

#[tokio::test]
async fn a_changed_limit_holds_for_the_next_entry() {
    let harness = Harness::new();
    harness.module("m", &["k"]).await;
    set_pace(&harness, "k", TWO).await;
    let host = host_of(&harness).await;
    let mut jobs = Vec::new();
    for _ in 0..9 {
        jobs.push(harness.enqueue(job(harness.kind("k"))).await);
    }
    let mut claimed = harness.claim(host, 10).await;
    assert_eq!(claimed.len(), 2);
    set_pace(&harness, "k", KindPace { concurrency: Some(4), ..TWO }).await;
    claimed.extend(harness.claim(host, 10).await);
    assert_eq!(ids(&claimed), jobs[..4]);
    // Lowered below what runs: nothing more until it has come down.
    set_pace(&harness, "k", KindPace { concurrency: Some(1), ..TWO }).await;
    for left in (1..=4).rev() {
        assert!(harness.claim(host, 10).await.is_empty(), "{left} run");
        succeed(&harness, claimed.remove(0)).await;
    }
    let one = harness.claim(host, 10).await;
    assert_eq!(ids(&one), [jobs[4]]);
    set_pace(&harness, "k", KindPace::default()).await;
    assert_eq!(ids(&harness.claim(host, 10).await), jobs[5..], "what is limited no more is let go of");
}

#[tokio::test]
async fn a_key_holds_its_own_jobs_only() {
    let mut harness = Harness::new();
    harness.module("m", &["k", "l"]).await;
    set_pace(&harness, "k", ONE_OF_A_KEY).await;
    set_pace(&harness, "l", ONE_OF_A_KEY).await;
    let host = host_of(&harness).await;
    let (k, l) = (harness.kind("k"), harness.kind("l"));
    let mut jobs = Vec::new();
    for (kind, key) in [(k, "a"), (k, "a"), (k, "b"), (l, "a"), (k, "b"), (k, "a")] {
        jobs.push(harness.enqueue(keyed(kind, key)).await);
    }
    jobs.push(harness.enqueue(job(k)).await);
    let mut claimed = harness.claim(host, 10).await;
    assert_eq!(ids(&claimed), [jobs[0], jobs[2], jobs[3], jobs[6]], "keys are their kind's own; without one, no limit");
    assert_eq!(reason_of(&harness, jobs[5]).await, Some(WaitingReason::KeyConcurrency));
    succeed(&harness, claimed.remove(1)).await;
    assert_eq!(ids(&harness.claim(host, 10).await), [jobs[4]]);

    // The process dies: what it ran is free again, and nothing more than that.
    harness.reopen().await;
    let host = host_of(&harness).await;
    assert_eq!(ids(&harness.claim(host, 10).await), [jobs[0], jobs[3], jobs[4], jobs[6]]);
    assert!(harness.claim(host, 10).await.is_empty());
}

#[tokio::test]
async fn a_rate_lets_begin_what_has_a_permit() {
    let harness = Harness::new();
    harness.module("m", &["k"]).await;
    let rate = Rate { limit: 10, per: Duration::from_secs(1), burst: 3 };
    set_pace(&harness, "k", KindPace { rate: Some(rate), ..KindPace::default() }).await;
    let host = host_of(&harness).await;
    let mut jobs = Vec::new();
    for _ in 0..8 {
        jobs.push(harness.enqueue(job(harness.kind("k"))).await);
    }
    assert_eq!(ids(&harness.claim(host, 10).await), jobs[..3]);
    assert_eq!(reason_of(&harness, jobs[7]).await, Some(WaitingReason::RateLimited));
    assert!(harness.claim(host, 10).await.is_empty());
    let due = harness.store.promote_due(10).await.unwrap().next_due.unwrap();
    let wait_ms = due.since(harness.clock.now()).as_millis();
    assert!((100..=101).contains(&wait_ms), "the next permit in {wait_ms} ms");
    harness.clock.advance(99);
    assert!(harness.claim(host, 10).await.is_empty());
    harness.clock.advance(2);
    let fourth = harness.claim(host, 10).await;
    assert_eq!(ids(&fourth), [jobs[3]]);
    // Given back before it was entered, the permit comes back.
    harness.store.release(fourth.into_iter().map(|job| job.lease).collect::<Vec<_>>(), None).await.unwrap();
    assert_eq!(ids(&harness.claim(host, 10).await), [jobs[3]]);
    harness.clock.advance(10_000);
    assert_eq!(ids(&harness.claim(host, 10).await), jobs[4..7], "no more than can be saved up");
}

/// What came until a rate was changed came under the one before, even if nothing is claimed before the host starts again.
#[tokio::test]
async fn a_changed_rate_is_reckoned_from_its_change_on() {
    let mut harness = Harness::new();
    harness.module("m", &["k"]).await;
    let rate = |per| Some(Rate { limit: 10, per, burst: 10 });
    set_pace(&harness, "k", KindPace { rate: rate(Duration::from_secs(1)), ..KindPace::default() }).await;
    let host = host_of(&harness).await;
    for _ in 0..21 {
        harness.enqueue(job(harness.kind("k"))).await;
    }
    assert_eq!(harness.claim(host, 30).await.len(), 10);
    harness.clock.advance(1_000);
    set_pace(&harness, "k", KindPace { rate: rate(Duration::from_hours(1)), ..KindPace::default() }).await;
    harness.reopen().await;
    assert_eq!(harness.claim(host, 30).await.len(), 10, "all that came in a second");
    harness.clock.advance(1_000);
    assert_eq!(harness.claim(host, 30).await.len(), 0, "it is slower now");
}

#[tokio::test]
async fn jobs_of_a_fifo_key_run_one_after_the_other() {
    let harness = Harness::new();
    harness.module("m", &["k"]).await;
    set_pace(&harness, "k", FIFO).await;
    let host = host_of(&harness).await;
    let kind = harness.kind("k");
    let mut jobs = Vec::new();
    for priority in [9, 5, 0] {
        let mut new = keyed(kind, "a");
        new.spec.priority = priority;
        jobs.push(harness.enqueue(new).await);
    }
    let mut delayed = keyed(kind, "a");
    delayed.spec.run_at = Some(harness.clock.now().plus(Duration::from_mins(1)));
    let delayed = harness.enqueue(delayed).await;
    let last = harness.enqueue(keyed(kind, "a")).await;
    assert_eq!(reason_of(&harness, last).await, Some(WaitingReason::FifoKey));

    let mut claimed = harness.claim(host, 10).await;
    assert_eq!(ids(&claimed), jobs[..1], "whatever the priorities say");
    // A retry keeps its place.
    let until = harness.clock.now().plus(Duration::from_secs(5));
    let again = Next::Retry(failure(), until);
    harness.store.finish(finish(claimed.remove(0).lease, again, harness.clock.now())).await.unwrap();
    assert!(harness.claim(host, 10).await.is_empty(), "the first has not ended for good");
    harness.clock.advance(5_000);
    harness.store.promote_due(10).await.unwrap();
    succeed(&harness, harness.claim(host, 10).await.remove(0)).await;
    // One that is cancelled in line makes way.
    harness.store.cancel(TENANT, jobs[1]).await.unwrap();
    let third = harness.claim(host, 10).await;
    assert_eq!(ids(&third), [jobs[2]]);
    for job in third {
        succeed(&harness, job).await;
    }
    // Not due: it holds nobody up.
    let fifth = harness.claim(host, 10).await;
    assert_eq!(ids(&fifth), [last]);
    harness.clock.advance(60_000);
    harness.store.promote_due(10).await.unwrap();
    assert!(harness.claim(host, 10).await.is_empty(), "due before the one that runs ends, it waits for it");
    for job in fifth {
        succeed(&harness, job).await;
    }
    assert_eq!(ids(&harness.claim(host, 10).await), [delayed]);
}

#[tokio::test]
async fn a_full_queue_waits_as_a_whole() {
    let harness = Harness::new();
    harness.module("m", &["k"]).await;
    set_queue(&harness, "narrow", Pace { concurrency: Some(1), rate: None }).await;
    let host = host_of(&harness).await;
    let mut jobs = Vec::new();
    for queue in ["narrow", "narrow", "default"] {
        let mut new = job(harness.kind("k"));
        new.spec.queue = queue.parse().unwrap();
        jobs.push(harness.enqueue(new).await);
    }
    let mut claimed = harness.claim(host, 10).await;
    assert_eq!(ids(&claimed), [jobs[0], jobs[2]]);
    assert_eq!(reason_of(&harness, jobs[1]).await, Some(WaitingReason::QueueConcurrency));
    assert_eq!(harness.row(jobs[1]).await.parked, None, "it keeps its place in its queue");
    succeed(&harness, claimed.remove(0)).await;
    assert_eq!(ids(&harness.claim(host, 10).await), [jobs[1]]);
}

#[tokio::test]
async fn what_is_held_in_a_paused_queue_holds_up_nobody() {
    let harness = Harness::new();
    harness.module("m", &["k"]).await;
    set_pace(&harness, "k", KindPace { concurrency: Some(1), ..KindPace::default() }).await;
    let host = host_of(&harness).await;
    let mut jobs = Vec::new();
    for queue in ["default", "stopped", "default"] {
        let mut new = job(harness.kind("k"));
        new.spec.queue = queue.parse().unwrap();
        jobs.push(harness.enqueue(new).await);
    }
    let mut claimed = harness.claim(host, 10).await;
    assert_eq!(ids(&claimed), [jobs[0]]);
    let pause = |is_paused| QueueChange { is_paused: Some(is_paused), ..QueueChange::default() };
    harness.store.change_queue(TENANT, "stopped".parse().unwrap(), pause(true), false).await.unwrap();
    succeed(&harness, claimed.remove(0)).await;
    let next = harness.claim(host, 10).await;
    assert_eq!(ids(&next), [jobs[2]]);
    harness.store.change_queue(TENANT, "stopped".parse().unwrap(), pause(false), false).await.unwrap();
    for job in next {
        succeed(&harness, job).await;
    }
    assert_eq!(ids(&harness.claim(host, 10).await), [jobs[1]]);
}

#[tokio::test]
async fn keys_without_jobs_are_forgotten() {
    let harness = Harness::new();
    harness.module("m", &["k"]).await;
    set_pace(&harness, "k", ONE_OF_A_KEY).await;
    let host = host_of(&harness).await;
    for key in 0..1_500 {
        harness.enqueue(keyed(harness.kind("k"), &key.to_string())).await;
    }
    let mut claimed = harness.claim(host, 1_500).await;
    let kept = claimed.pop().unwrap();
    for job in claimed {
        succeed(&harness, job).await;
    }
    while harness.store.prune_keys().await.unwrap() {}
    let sql = rusqlite::Connection::open(harness.database()).unwrap();
    let keys: Vec<String> = sql
        .prepare("SELECT key FROM concurrency_keys")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert_eq!(keys, ["1499"]);
    // A failed one that comes back has its key again.
    let fail = Next::Fail(failure());
    let id = kept.lease.job();
    harness.store.finish(finish(kept.lease, fail, harness.clock.now())).await.unwrap();
    while harness.store.prune_keys().await.unwrap() {}
    let other = harness.enqueue(keyed(harness.kind("k"), "1499")).await;
    harness.store.retry(TENANT, id).await.unwrap();
    let claimed = harness.claim(host, 10).await;
    assert_eq!(claimed.len(), 1, "{id} and {other} share a key: {claimed:?}");
}

/// Entered on a host that dies: a suspect from then on.
async fn suspect(harness: &mut Harness, new: NewJob) -> JobId {
    let host = host_of(harness).await;
    let id = harness.enqueue(new).await;
    let claimed = harness.claim(host, 1).await.remove(0);
    let key = (id, claimed.lease.number());
    harness.store.mark_running(vec![(key, harness.clock.now())]).await.unwrap();
    harness.reopen().await;
    id
}

#[tokio::test]
async fn a_suspect_of_a_full_kind_has_its_turn_when_there_is_room() {
    let mut harness = Harness::new();
    harness.module("m", &["k"]).await;
    set_pace(&harness, "k", KindPace { concurrency: Some(1), ..KindPace::default() }).await;
    let new = job(harness.kind("k"));
    let suspect = suspect(&mut harness, new).await;
    let host = host_of(&harness).await;
    let other = harness.enqueue(job(harness.kind("k"))).await;
    let mut first = harness.claim_as(ClaimRequest { suspect_allowed: false, ..request(host, 5) }).await.jobs;
    assert_eq!(ids(&first), [other]);
    assert!(harness.claim(host, 5).await.is_empty(), "there is no room");
    succeed(&harness, first.remove(0)).await;
    assert_eq!(ids(&harness.claim(host, 5).await), [suspect]);
}

#[tokio::test]
async fn a_suspect_of_a_paused_queue_waits_until_it_is_resumed() {
    let mut harness = Harness::new();
    harness.module("m", &["k"]).await;
    let new = job(harness.kind("k"));
    let suspect = suspect(&mut harness, new).await;
    let host = host_of(&harness).await;
    let pause = |is_paused| QueueChange { is_paused: Some(is_paused), ..QueueChange::default() };
    harness.store.change_queue(TENANT, "default".parse().unwrap(), pause(true), false).await.unwrap();
    assert!(harness.claim(host, 5).await.is_empty(), "it would only be given back");
    harness.store.change_queue(TENANT, "default".parse().unwrap(), pause(false), false).await.unwrap();
    assert_eq!(ids(&harness.claim(host, 5).await), [suspect]);
}

#[tokio::test]
async fn only_what_goes_to_relaxed_queues_alone_is_acknowledged_before_the_disk_has_it() {
    let harness = Harness::new();
    harness.module("m", &["k"]).await;
    let relaxed = QueueChange { is_relaxed: Some(true), ..QueueChange::default() };
    harness.store.change_queue(TENANT, "bulk".parse().unwrap(), relaxed, true).await.unwrap();
    let to = |queue: &str| {
        let mut new = job(harness.kind("k"));
        new.spec.queue = queue.parse().unwrap();
        new
    };
    for (queues, durability) in [
        (vec!["bulk"], Durability::Relaxed),
        (vec!["bulk", "bulk"], Durability::Relaxed),
        (vec!["default"], Durability::Synced),
        (vec!["bulk", "default"], Durability::Synced),
        (vec!["new"], Durability::Synced),
        (vec![], Durability::Synced),
    ] {
        let jobs: Vec<NewJob> = queues.iter().map(|queue| to(queue)).collect();
        assert_eq!(harness.store.durability_of(TENANT, &jobs), durability, "{queues:?}");
    }
}
