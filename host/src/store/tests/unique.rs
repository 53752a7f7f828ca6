//! One job of an identity at a time: single, in batches, under idempotency keys, through ends, deletes, retries and restarts;
//! and at random against a model.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::claimant::TestClaimant;
use super::*;
use crate::job::unique::{Identity, Scope};
use crate::job::{JobState, OnConflict, Unique};

pub(super) fn unique(identity: u8, on_conflict: OnConflict) -> Unique {
    let scope = match on_conflict {
        OnConflict::Throttle => Scope::ALWAYS,
        OnConflict::Debounce => Scope::waiting(),
        _ => Scope::unfinished(),
    };
    Unique {
        identity: Identity([identity; 32]),
        scope,
        period: None,
        on_conflict,
        delay: Duration::from_secs(10),
        max_wait: Duration::from_mins(1),
    }
}

fn only(kind: KindId, unique: Unique) -> NewJob {
    NewJob { unique: Some(Box::new(unique)), ..job(kind) }
}

fn with_payload(new: NewJob, payload: &'static str) -> NewJob {
    NewJob { spec: JobSpec { payload: Bytes::from_static(payload.as_bytes()), ..new.spec.clone() }, ..new }
}

async fn registered() -> (Harness, KindId) {
    let harness = Harness::new();
    harness.module("m", &["k"]).await;
    let kind = harness.kind("k");
    (harness, kind)
}

impl Harness {
    async fn refused(&self, new: NewJob) -> JobId {
        match self.store.enqueue(TENANT, new).await.unwrap() {
            EnqueueResult::UniqueConflict(row) => row.id,
            other => panic!("{other:?}"),
        }
    }

    async fn conflicted(&self, new: NewJob) -> (Conflict, JobRow) {
        match self.store.enqueue(TENANT, new).await.unwrap() {
            EnqueueResult::Existing(conflict, row) => (conflict, *row),
            other => panic!("{other:?}"),
        }
    }

    async fn payload(&self, job: JobId) -> Bytes {
        self.store.job(TENANT, job).await.unwrap().unwrap().payload
    }

    async fn succeed_all(&self, host: HostId) {
        for claimed in self.claim(host, 10).await {
            let ended = finish(claimed.lease, Next::Succeed(Bytes::from_static(b"1")), self.clock.now());
            self.store.finish(ended).await.unwrap();
        }
    }
}

#[tokio::test]
async fn there_is_one_until_it_has_ended() {
    let (mut harness, kind) = registered().await;
    let host = harness.store.register_host(2, "1").await.unwrap();
    let first = harness.enqueue(only(kind, unique(1, OnConflict::Reject))).await;
    assert_eq!(harness.refused(only(kind, unique(1, OnConflict::Reject))).await, first);
    let other = harness.enqueue(only(kind, unique(2, OnConflict::Reject))).await;
    harness.reopen().await;
    let (conflict, row) = harness.conflicted(only(kind, unique(1, OnConflict::ReturnExisting))).await;
    assert_eq!((conflict, row.id), (Conflict::Existing, first), "a restart forgets nothing");
    let host = if harness.store.heartbeat(host).await.unwrap().registered {
        host
    } else {
        harness.store.register_host(2, "1").await.unwrap()
    };
    harness.succeed_all(host).await;
    let second = harness.enqueue(only(kind, unique(1, OnConflict::Reject))).await;
    assert!(second > other);
    assert_eq!(harness.refused(only(kind, unique(1, OnConflict::Reject))).await, second);
    assert_counters_hold(&harness.database());
}

#[tokio::test]
async fn a_period_ends_and_a_throttled_one_counts_until_it_is_deleted() {
    let (harness, kind) = registered().await;
    let host = harness.store.register_host(2, "1").await.unwrap();
    let hour = Some(Duration::from_hours(1));
    let timed = || only(kind, Unique { period: hour, ..unique(1, OnConflict::Reject) });
    let throttled = || only(kind, Unique { period: hour, ..unique(2, OnConflict::Throttle) });
    let (one, two) = (harness.enqueue(timed()).await, harness.enqueue(throttled()).await);
    harness.clock.advance(3_599_999);
    assert_eq!(harness.refused(timed()).await, one);
    harness.succeed_all(host).await;
    let (conflict, row) = harness.conflicted(throttled()).await;
    assert_eq!((conflict, row.id, row.state), (Conflict::Throttled, two, JobState::Succeeded));
    harness.store.delete(TENANT, two).await.unwrap();
    let three = harness.enqueue(throttled()).await;
    assert_eq!(harness.conflicted(throttled()).await.1.id, three, "a period of its own");
    while harness.store.prune_unique_jobs().await.unwrap() {}
    harness.clock.advance(1);
    harness.enqueue(timed()).await;
    assert_eq!(harness.conflicted(throttled()).await.1.id, three);
    harness.clock.advance(3_599_999);
    assert_ne!(harness.enqueue(throttled()).await, three);
}

#[tokio::test]
async fn the_waiting_one_is_replaced_and_a_running_one_is_not() {
    let (harness, kind) = registered().await;
    let host = harness.store.register_host(2, "1").await.unwrap();
    let replace = |payload| with_payload(only(kind, unique(1, OnConflict::Replace)), payload);
    let first = harness.enqueue(replace("1")).await;
    let mut later = replace("2");
    later.spec.run_at = Some(harness.clock.now().plus(Duration::from_mins(1)));
    later.spec.priority = 2;
    later.spec.tags = vec!["late".to_owned()];
    let (conflict, row) = harness.conflicted(later).await;
    assert_eq!((conflict, row.id, row.state, row.priority), (Conflict::Replaced, first, JobState::Scheduled, 2));
    assert_eq!(harness.payload(first).await, "2");
    let tagged = JobFilter { tag: Some("late".to_owned()), ..JobFilter::default() };
    assert_eq!(harness.store.jobs(TENANT, tagged, 5, None).await.unwrap().items.len(), 1);
    assert!(harness.claim(host, 5).await.is_empty(), "it waits for its new time");
    let (_, row) = harness.conflicted(replace("3")).await;
    assert_eq!((row.state, row.run_at), (JobState::Ready, harness.clock.now()));
    let events = harness.store.history(TENANT, first).await.unwrap().unwrap();
    assert_eq!(events.iter().filter(|entry| entry.event_type == crate::job::EventType::Edited).count(), 2);
    let claimed = harness.claim(host, 5).await;
    assert_eq!(claimed[0].payload, "3");
    // Nobody in this process can say that it was not entered.
    assert_eq!(harness.refused(replace("4")).await, first);
    assert_eq!(harness.payload(first).await, "3");
    let waiting = Unique { scope: Scope::waiting(), ..unique(3, OnConflict::Replace) };
    let held = harness.enqueue(only(kind, waiting.clone())).await;
    harness.claim(host, 5).await;
    assert_ne!(harness.enqueue(only(kind, waiting)).await, held, "a scope without running: one is left, one is made");
    assert_counters_hold(&harness.database());
}

#[tokio::test]
async fn a_claimed_one_that_was_not_entered_is_taken_back() {
    let (harness, kind) = registered().await;
    let claimant = TestClaimant::attached(&harness, 10).await;
    claimant.want(1);
    let replace = |payload| with_payload(only(kind, unique(1, OnConflict::Replace)), payload);
    let first = harness.enqueue(replace("1")).await;
    let key = {
        let given = claimant.given.lock();
        (given[0].lease.job(), given[0].lease.number())
    };
    let (conflict, row) = harness.conflicted(replace("2")).await;
    assert_eq!((conflict, row.id, row.leased_by), (Conflict::Replaced, first, None));
    let stale = claimant.given.lock().remove(0).lease;
    assert_eq!((stale.job(), stale.number()), key);
    let ended = finish(stale, Next::GiveBack(failure()), harness.clock.now());
    assert_eq!(harness.store.finish(ended).await.unwrap(), FinishResult::StaleLease);
    claimant.want(1);
    harness.store.look_for_jobs();
    harness.store.claims_settled().await.unwrap();
    let given = claimant.given.lock().remove(0);
    assert_eq!((given.payload.clone(), given.lease.number()), (Bytes::from_static(b"2"), key.1 + 1));
    // Entered now: nobody changes it any more.
    claimant.entered.lock().push((first, given.lease.number()));
    claimant.given.lock().push(given);
    assert_eq!(harness.refused(replace("3")).await, first);
    assert_counters_hold(&harness.database());
}

#[tokio::test]
async fn a_debounced_one_is_pushed_out_until_its_longest_wait() {
    let (harness, kind) = registered().await;
    let host = harness.store.register_host(2, "1").await.unwrap();
    let call = |harness: &Harness, payload| {
        let mut new = with_payload(only(kind, unique(1, OnConflict::Debounce)), payload);
        new.spec.run_at = Some(harness.clock.now().plus(Duration::from_secs(10)));
        new
    };
    let first = harness.enqueue(call(&harness, "0")).await;
    let begun = harness.clock.now();
    for _ in 0..9 {
        harness.clock.advance(8_000);
        harness.store.promote_due(100).await.unwrap();
        let (conflict, row) = harness.conflicted(call(&harness, "1")).await;
        assert_eq!((conflict, row.id), (Conflict::Debounced, first));
        let wait = row.run_at.since(begun);
        assert!(wait <= Duration::from_mins(1), "{wait:?}");
        assert!(wait == Duration::from_mins(1) || row.run_at.since(harness.clock.now()).as_secs() == 10);
    }
    assert_eq!(harness.row(first).await.state, JobState::Ready, "the longest wait is over");
    assert_eq!(harness.payload(first).await, "1");
    harness.claim(host, 1).await;
    let next = harness.enqueue(call(&harness, "2")).await;
    assert_ne!(next, first, "what runs is left alone, and what came meanwhile is not lost");
    assert_counters_hold(&harness.database());
}

#[tokio::test]
async fn a_batch_may_hold_the_same_twice() {
    let (harness, kind) = registered().await;
    let new = |identity, on_conflict| only(kind, unique(identity, on_conflict));
    let batch = |jobs: Vec<NewJob>, atomic| harness.store.enqueue_batch(TENANT, jobs, atomic, None, Vec::new());
    let jobs = vec![
        new(1, OnConflict::Reject),
        new(1, OnConflict::Reject),
        new(1, OnConflict::ReturnExisting),
        with_payload(new(1, OnConflict::Replace), "9"),
        new(2, OnConflict::Reject),
    ];
    let BatchResult::Done(items) = batch(jobs, false).await.unwrap() else { panic!("not written") };
    let BatchItem::Created(first) = items[0] else { panic!("{items:?}") };
    let BatchItem::Created(second) = items[4] else { panic!("{items:?}") };
    assert_eq!(
        items[1..4],
        [
            BatchItem::UniqueConflict(Some(first)),
            BatchItem::Existing(Conflict::Existing, first),
            BatchItem::Existing(Conflict::Replaced, first)
        ]
    );
    assert_eq!(harness.payload(first).await, "9");
    // All or none: what came before the refused one is taken back, and so is what it did to others.
    for (jobs, index, known) in [
        (vec![new(3, OnConflict::Reject), new(2, OnConflict::Reject)], 1, Some(second)),
        (vec![new(3, OnConflict::Reject), job(kind), new(3, OnConflict::Reject)], 2, None),
        (vec![with_payload(new(1, OnConflict::Replace), "10"), new(2, OnConflict::Reject)], 1, Some(second)),
    ] {
        match batch(jobs, true).await.unwrap() {
            BatchResult::Rejected { index: at, result } => {
                assert_eq!((at, result), (index, BatchItem::UniqueConflict(known)));
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(harness.store.jobs(TENANT, JobFilter::default(), 9, None).await.unwrap().items.len(), 2);
        assert_eq!(harness.payload(first).await, "9");
        assert_counters_hold(&harness.database());
    }
    let all = vec![new(3, OnConflict::Reject), new(3, OnConflict::ReturnExisting)];
    assert!(matches!(batch(all, true).await.unwrap(), BatchResult::Done(_)));
}

#[tokio::test]
async fn a_key_comes_before_an_identity() {
    let (harness, kind) = registered().await;
    let keyed = |key: &str, on_conflict| NewJob {
        idempotency: Some(IdempotencyKey { key: key.to_owned(), request_hash: [1; 32] }),
        ..only(kind, unique(1, on_conflict))
    };
    let first = harness.enqueue(keyed("a", OnConflict::Reject)).await;
    let replayed = harness.store.enqueue(TENANT, keyed("a", OnConflict::Reject)).await.unwrap();
    assert!(matches!(replayed, EnqueueResult::Replayed(row) if row.id == first));
    assert_eq!(harness.refused(keyed("b", OnConflict::Reject)).await, first);
    harness.conflicted(keyed("c", OnConflict::ReturnExisting)).await;
    harness.store.cancel(TENANT, first).await.unwrap();
    // What was answered is answered again, a refusal, too.
    let replayed = harness.store.enqueue(TENANT, keyed("b", OnConflict::Reject)).await.unwrap();
    assert!(matches!(replayed, EnqueueResult::ReplayedConflict(row) if row.id == first));
    let replayed = harness.store.enqueue(TENANT, keyed("c", OnConflict::ReturnExisting)).await.unwrap();
    assert!(matches!(replayed, EnqueueResult::ReplayedExisting(Conflict::Existing, row) if row.id == first));
    // Deleted, there is nothing to answer with: the keys are free.
    harness.store.delete(TENANT, first).await.unwrap();
    let second = harness.enqueue(keyed("b", OnConflict::Reject)).await;
    let replayed = harness.store.enqueue(TENANT, keyed("b", OnConflict::Reject)).await.unwrap();
    assert!(matches!(replayed, EnqueueResult::Replayed(row) if row.id == second));
    assert!(harness.conflicted(keyed("c", OnConflict::ReturnExisting)).await.1.id == second);
}

/// What was there before is kept for as long as the key that was answered with it.
#[tokio::test]
async fn every_answer_under_a_key_is_kept_as_long_as_the_key() {
    let (mut harness, kind) = registered().await;
    let host = harness.store.register_host(9, "1").await.unwrap();
    let brief = crate::job::Keep::For(Duration::from_mins(1));
    let settings = KindSettings {
        retention: Some(Retention { succeeded: Some(brief), failed: Some(brief), cancelled: Some(brief) }),
        ..KindSettings::default()
    };
    assert!(harness.store.set_kind_settings(TENANT, "k".parse().unwrap(), settings).await.unwrap());
    let keyed = |identity: u8, on_conflict| {
        let period = (on_conflict == OnConflict::Throttle).then(|| Duration::from_hours(2));
        let key = IdempotencyKey { key: format!("{identity}"), request_hash: [identity; 32] };
        NewJob { idempotency: Some(key), ..only(kind, Unique { period, ..unique(identity, on_conflict) }) }
    };
    let cases = [
        (1, OnConflict::Reject, None),
        (2, OnConflict::ReturnExisting, Some(Conflict::Existing)),
        (3, OnConflict::Replace, Some(Conflict::Replaced)),
        (4, OnConflict::Debounce, Some(Conflict::Debounced)),
        (5, OnConflict::Throttle, Some(Conflict::Throttled)),
    ];
    let mut first = Vec::new();
    for (identity, on_conflict, _) in cases {
        first.push(
            harness.enqueue(only(kind, keyed(identity, on_conflict).unique.map(|unique| *unique).unwrap())).await,
        );
    }
    // Young enough for no key, had one named it at its birth.
    harness.clock.advance(3_600_000);
    for ((identity, on_conflict, expected), first) in cases.into_iter().zip(&first) {
        match harness.store.enqueue(TENANT, keyed(identity, on_conflict)).await.unwrap() {
            EnqueueResult::UniqueConflict(row) => assert_eq!((row.id, expected), (*first, None)),
            EnqueueResult::Existing(conflict, row) => assert_eq!((row.id, expected), (*first, Some(conflict))),
            other => panic!("{on_conflict:?}: {other:?}"),
        }
    }
    harness.clock.advance(60_000);
    harness.store.promote_due(99).await.unwrap();
    harness.succeed_all(host).await;
    harness.store.heartbeat(host).await.unwrap();
    harness.reopen().await;
    harness.clock.advance(23 * 3_600_000);
    while harness.store.prune_jobs().await.unwrap().more {}
    let answers = |identity, on_conflict| harness.store.enqueue(TENANT, keyed(identity, on_conflict));
    for ((identity, on_conflict, expected), first) in cases.into_iter().zip(&first) {
        match answers(identity, on_conflict).await.unwrap() {
            EnqueueResult::ReplayedConflict(row) => assert_eq!((row.id, expected), (*first, None)),
            EnqueueResult::ReplayedExisting(conflict, row) => assert_eq!((row.id, expected), (*first, Some(conflict))),
            other => panic!("{on_conflict:?}: {other:?}"),
        }
    }
    harness.clock.advance(3_600_000);
    while harness.store.prune_jobs().await.unwrap().more {}
    assert!(
        harness.store.jobs(TENANT, JobFilter::default(), 9, None).await.unwrap().items.is_empty(),
        "all keys are over"
    );
}

#[tokio::test]
async fn a_batch_under_a_key_is_answered_the_same() {
    let (harness, kind) = registered().await;
    let key = |key: &str| Some(IdempotencyKey { key: key.to_owned(), request_hash: [1; 32] });
    let new = |identity, on_conflict| only(kind, unique(identity, on_conflict));
    let own = |own: &str, identity, on_conflict| NewJob { idempotency: key(own), ..new(identity, on_conflict) };
    let first = harness.enqueue(new(1, OnConflict::Reject)).await;
    let jobs = || vec![new(1, OnConflict::ReturnExisting), new(1, OnConflict::Reject), new(2, OnConflict::Reject)];
    let batch = |jobs: Vec<NewJob>, atomic, key| harness.store.enqueue_batch(TENANT, jobs, atomic, key, vec![1]);
    let BatchResult::Done(items) = batch(jobs(), false, key("a")).await.unwrap() else { panic!("not written") };
    let BatchItem::Created(second) = items[2] else { panic!("{items:?}") };
    let refused = batch(jobs(), true, key("b")).await.unwrap();
    assert!(matches!(refused, BatchResult::Rejected { index: 1, .. }), "{refused:?}");
    let owned = || vec![own("x", 1, OnConflict::ReturnExisting), own("y", 1, OnConflict::Reject)];
    let BatchResult::Done(items) = batch(owned(), false, None).await.unwrap() else { panic!("not written") };
    assert_eq!(items, [BatchItem::Existing(Conflict::Existing, first), BatchItem::UniqueConflict(Some(first))]);
    // Now all of it would go.
    harness.store.cancel(TENANT, first).await.unwrap();
    harness.store.cancel(TENANT, second).await.unwrap();
    let BatchResult::Replayed(answers) = batch(jobs(), false, key("a")).await.unwrap() else { panic!("not replayed") };
    let existing = Answer::Existing(Conflict::Existing, first);
    let conflict = Answer::UniqueConflict(Some(first));
    assert_eq!(
        answers,
        [existing, Answer::Refused, conflict, Answer::Made(second)],
        "by line, one of which was refused"
    );
    let BatchResult::Replayed(answers) = batch(jobs(), true, key("b")).await.unwrap() else { panic!("not replayed") };
    assert_eq!(answers, [Answer::Refused, Answer::Refused, conflict, Answer::Refused]);
    let BatchResult::Done(items) = batch(owned(), false, None).await.unwrap() else { panic!("not written") };
    assert_eq!(items, [BatchItem::ReplayedExisting(Conflict::Existing, first), BatchItem::UniqueConflict(Some(first))]);
    let keys = vec![key("x").unwrap(), key("y").unwrap(), key("z").unwrap()];
    let known = harness.store.replayed_jobs(TENANT, keys).await.unwrap();
    assert_eq!(known, [Some(existing), Some(conflict), None]);
}

#[tokio::test]
async fn one_that_comes_back_has_its_identity_again_or_does_not_come_back() {
    let (harness, kind) = registered().await;
    let new = || only(kind, unique(1, OnConflict::Reject));
    let first = harness.enqueue(new()).await;
    harness.store.cancel(TENANT, first).await.unwrap();
    let second = harness.enqueue(new()).await;
    assert!(matches!(
        harness.store.retry(TENANT, first).await.unwrap(),
        RetryResult::UniqueConflict(id) if id == second
    ));
    assert_eq!(harness.row(first).await.state, JobState::Cancelled);
    harness.store.cancel(TENANT, second).await.unwrap();
    harness.clock.advance(120_000);
    while harness.store.prune_unique_jobs().await.unwrap() {}
    assert_eq!(identities(&harness), 0, "nobody has it");
    assert!(matches!(harness.store.retry(TENANT, first).await.unwrap(), RetryResult::Retried(_)));
    assert_eq!(harness.refused(new()).await, first);
    assert!(matches!(harness.store.retry(TENANT, second).await.unwrap(), RetryResult::UniqueConflict(_)));
}

fn identities(harness: &Harness) -> i64 {
    let sql = rusqlite::Connection::open(harness.database()).unwrap();
    sql.query_row("SELECT count(*) FROM unique_jobs", [], |row| row.get(0)).unwrap()
}

#[tokio::test]
async fn only_what_nobody_has_is_forgotten() {
    let (harness, kind) = registered().await;
    for identity in 0..5 {
        harness.enqueue(only(kind, unique(identity, OnConflict::Reject))).await;
    }
    let host = harness.store.register_host(2, "1").await.unwrap();
    for claimed in harness.claim(host, 3).await {
        let ended = finish(claimed.lease, Next::Succeed(Bytes::from_static(b"1")), harness.clock.now());
        harness.store.finish(ended).await.unwrap();
    }
    harness.store.prune_unique_jobs().await.unwrap();
    assert_eq!(identities(&harness), 5, "they are not looked at yet");
    harness.clock.advance(60_000);
    harness.store.prune_unique_jobs().await.unwrap();
    assert_eq!(identities(&harness), 2);
    harness.clock.advance(60_000);
    harness.store.prune_unique_jobs().await.unwrap();
    assert_eq!(identities(&harness), 2, "those wait");
}

#[tokio::test]
async fn an_operation_that_is_done_again_beside_one_that_fails_makes_one_job() {
    let (harness, kind) = registered().await;
    let broken = harness.store.write(Durability::Synced, |sql: &rusqlite::Connection, _: &mut Draft| {
        sql.execute("INSERT INTO unique_jobs DEFAULT VALUES", [])?;
        Ok(())
    });
    let one = harness.store.enqueue(TENANT, only(kind, unique(1, OnConflict::Reject)));
    let other = harness.store.enqueue(TENANT, only(kind, unique(1, OnConflict::Reject)));
    let (one, broken, other) = tokio::join!(one, broken, other);
    assert!(broken.is_err());
    let made = [one.unwrap(), other.unwrap()].iter().filter(|it| matches!(it, EnqueueResult::Created(_))).count();
    assert_eq!((made, identities(&harness)), (1, 1));
    assert_counters_hold(&harness.database());
}

#[derive(Clone, Debug)]
enum Step {
    Enqueue(u8, OnConflict, Option<u64>),
    End(usize),
    Delete(usize),
    Retry(usize),
    Prune,
    Wait(u64),
}

fn any_step() -> impl Strategy<Value = Step> {
    use OnConflict::{Reject, Replace, ReturnExisting, Throttle};
    let conflicts = prop::sample::select(vec![Reject, ReturnExisting, Replace, Throttle]);
    prop_oneof![
        6 => (0u8..3, conflicts, prop::option::of(1u64..200)).prop_map(|(id, conflict, period)| {
            // A throttle has a period, always.
            let period = if conflict == Throttle { Some(period.unwrap_or(50)) } else { period };
            Step::Enqueue(id, conflict, period)
        }),
        3 => (0usize..8).prop_map(Step::End),
        1 => (0usize..8).prop_map(Step::Delete),
        2 => (0usize..8).prop_map(Step::Retry),
        1 => Just(Step::Prune),
        2 => (1u64..90).prop_map(Step::Wait),
    ]
}

/// What the model knows of a job: which identity it has, until when, while it is there, and has not ended or is throttled.
#[derive(Clone, Debug)]
struct Known {
    identity: u8,
    always: bool,
    until_s: Option<u64>,
    ended: bool,
    gone: bool,
}

impl Known {
    fn holds(&self, now_s: u64) -> bool {
        self.until_s.is_none_or(|until| now_s < until) && !self.gone && (self.always || !self.ended)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// At no moment do two jobs have one identity, and whoever has it is who the next one meets.
    #[test]
    fn the_store_agrees_with_the_model(steps in prop::collection::vec(any_step(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (harness, kind) = registered().await;
            let mut jobs: BTreeMap<JobId, Known> = BTreeMap::new();
            let mut latest: BTreeMap<u8, JobId> = BTreeMap::new();
            let mut now_s = 0;
            let pick = |jobs: &BTreeMap<JobId, Known>, index: usize| jobs.keys().nth(index).copied();
            for step in steps {
                match step {
                    Step::Enqueue(identity, on_conflict, period_s) => {
                        let period = period_s.map(Duration::from_secs);
                        let new = only(kind, Unique { period, ..unique(identity, on_conflict) });
                        let holder = latest.get(&identity).copied().filter(|id| jobs[id].holds(now_s));
                        let result = harness.store.enqueue(TENANT, new).await.unwrap();
                        match (result, holder) {
                            (EnqueueResult::Created(row), None) => {
                                latest.insert(identity, row.id);
                                let always = on_conflict == OnConflict::Throttle;
                                let until_s = period_s.map(|period| now_s + period);
                                jobs.insert(row.id, Known { identity, always, until_s, ended: false, gone: false });
                            }
                            (EnqueueResult::Existing(conflict, row), Some(holder)) => {
                                assert_eq!(row.id, holder);
                                assert_ne!(on_conflict, OnConflict::Reject);
                                assert_eq!(conflict == Conflict::Replaced, on_conflict == OnConflict::Replace);
                            }
                            (EnqueueResult::UniqueConflict(row), Some(holder)) => {
                                assert_eq!(row.id, holder);
                                let changes = on_conflict == OnConflict::Replace && jobs[&holder].ended;
                                assert!(on_conflict == OnConflict::Reject || changes);
                            }
                            other => panic!("{identity} {on_conflict:?}: {other:?} of {jobs:?}"),
                        }
                    }
                    Step::End(index) => {
                        let Some(id) = pick(&jobs, index) else { continue };
                        harness.store.cancel(TENANT, id).await.unwrap();
                        jobs.get_mut(&id).unwrap().ended = true;
                    }
                    Step::Delete(index) => {
                        let Some(id) = pick(&jobs, index) else { continue };
                        if harness.store.delete(TENANT, id).await.unwrap() == DeleteResult::Deleted {
                            jobs.get_mut(&id).unwrap().gone = true;
                        }
                    }
                    Step::Retry(index) => {
                        let Some(id) = pick(&jobs, index).filter(|id| jobs[id].ended && !jobs[id].gone) else { continue };
                        let known = jobs[&id].clone();
                        let holder = latest[&known.identity];
                        let may_have_it = known.until_s.is_none_or(|until| now_s < until);
                        let is_kept_away = may_have_it && holder != id && jobs[&holder].holds(now_s);
                        match harness.store.retry(TENANT, id).await.unwrap() {
                            RetryResult::Retried(_) => {
                                assert!(!is_kept_away, "{id} of {jobs:?}");
                                jobs.get_mut(&id).unwrap().ended = false;
                                if may_have_it {
                                    latest.insert(known.identity, id);
                                }
                            }
                            RetryResult::UniqueConflict(other) => assert_eq!((other, is_kept_away), (holder, true)),
                            other => panic!("{other:?}"),
                        }
                    }
                    Step::Prune => while harness.store.prune_unique_jobs().await.unwrap() {},
                    Step::Wait(seconds) => {
                        now_s += seconds;
                        harness.clock.advance(seconds * 1_000);
                    }
                }
            }
            assert_counters_hold(&harness.database());
        });
    }
}
