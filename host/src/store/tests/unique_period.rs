//! Who has an identity, over every way in which a job can be where the next one comes: state, scope, period, what is to become of
//! the next one; deleted by hand, and past the time for which it would be kept.

use super::unique::unique;
use super::*;
use crate::job::unique::{Identity, Scope};
use crate::job::{JobState, Keep, OnConflict, Unique};

/// Where the job that came first is when the next one comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    In(JobState),
    /// Ended, and by now its kind's retention is over.
    Outlived(JobState),
    /// Ended, and somebody has removed it.
    Deleted,
}

const PLACES: [Place; 11] = [
    Place::In(JobState::Scheduled),
    Place::In(JobState::Running),
    Place::In(JobState::Retrying),
    Place::In(JobState::Succeeded),
    Place::In(JobState::Failed),
    Place::In(JobState::Cancelled),
    Place::Outlived(JobState::Succeeded),
    Place::Outlived(JobState::Failed),
    Place::Outlived(JobState::Cancelled),
    Place::Deleted,
    // The last: what is ready would be claimed for those that are to run.
    Place::In(JobState::Ready),
];

/// Passed between the first job and the next one.
const ELAPSED: Duration = Duration::from_mins(30);
/// For so long the kind `short` keeps what has ended.
const KEPT: Duration = Duration::from_mins(5);
const PERIODS: [Option<Duration>; 3] = [None, Some(Duration::from_hours(1)), Some(Duration::from_mins(10))];

fn scopes() -> [Scope; 4] {
    [Scope::unfinished(), Scope::waiting(), Scope::ALWAYS, Scope::of([JobState::Ready, JobState::Succeeded])]
}

fn numbered(number: usize) -> Identity {
    let mut identity = [0; 32];
    identity[..8].copy_from_slice(&(number as u64).to_le_bytes());
    Identity(identity)
}

/// Brings a new job to its place.
async fn put(harness: &Harness, host: HostId, new: NewJob, place: Place) -> JobId {
    let (Place::In(state) | Place::Outlived(state)) = place else {
        let id = Box::pin(put(harness, host, new, Place::In(JobState::Succeeded))).await;
        assert_eq!(harness.store.delete(TENANT, id).await.unwrap(), DeleteResult::Deleted);
        return id;
    };
    let later = harness.clock.now().plus(Duration::from_hours(2));
    let mut new = new;
    new.spec.run_at = (state == JobState::Scheduled).then_some(later);
    let id = harness.enqueue(new).await;
    let next = match state {
        JobState::Scheduled | JobState::Ready | JobState::Blocked => return id,
        JobState::Cancelled => {
            harness.store.cancel(TENANT, id).await.unwrap();
            return id;
        }
        JobState::Running => None,
        JobState::Retrying => Some(Next::Retry(failure(), later)),
        JobState::Succeeded => Some(Next::Succeed(Bytes::from_static(b"1"))),
        JobState::Failed => Some(Next::Fail(failure())),
    };
    let claimed = harness.claim(host, 1).await.remove(0);
    assert_eq!(claimed.lease.job(), id);
    match next {
        None => {
            let key = (id, claimed.lease.number());
            assert_eq!(harness.store.mark_running(vec![(key, harness.clock.now())]).await.unwrap(), []);
        }
        Some(next) => {
            harness.store.finish(finish(claimed.lease, next, harness.clock.now())).await.unwrap();
        }
    }
    id
}

/// Whether the first job has its identity when the next one comes.
fn holds(place: Place, scope: Scope, period: Option<Duration>) -> bool {
    let in_time = period.is_none_or(|period| ELAPSED < period);
    match place {
        Place::Deleted => false,
        Place::In(state) => in_time && scope.contains(state),
        // Without a period for as long as it is kept; with one it is kept for as long.
        Place::Outlived(state) => in_time && period.is_some() && scope.contains(state),
    }
}

#[tokio::test]
async fn an_identity_is_held_for_its_period_whatever_becomes_of_the_job() {
    let harness = Harness::new();
    harness.module("m", &["long", "short"]).await;
    let keep = Keep::For(KEPT);
    let retention = Retention { succeeded: Some(keep), failed: Some(keep), cancelled: Some(keep) };
    let settings = KindSettings { retention: Some(retention), ..KindSettings::default() };
    assert!(harness.store.set_kind_settings(TENANT, "short".parse().unwrap(), settings).await.unwrap());
    let host = harness.store.register_host(1_000, "1").await.unwrap();
    let conflicts = [
        OnConflict::Reject,
        OnConflict::ReturnExisting,
        OnConflict::Replace,
        OnConflict::Debounce,
        OnConflict::Throttle,
    ];
    let mut cases = Vec::new();
    for place in PLACES {
        for scope in scopes() {
            for period in PERIODS {
                for on_conflict in conflicts {
                    let terms =
                        Unique { identity: numbered(cases.len()), scope, period, ..unique(0, OnConflict::Reject) };
                    let kind = harness.kind(if matches!(place, Place::Outlived(_)) { "short" } else { "long" });
                    let new = NewJob { unique: Some(Box::new(terms)), ..job(kind) };
                    cases.push((put(&harness, host, new, place).await, kind, place, scope, period, on_conflict));
                }
            }
        }
    }
    harness.clock.advance(u64::try_from(ELAPSED.as_millis()).unwrap());
    while harness.store.prune_jobs().await.unwrap().more {}
    while harness.store.prune_unique_jobs().await.unwrap() {}
    for (number, (first, kind, place, scope, period, on_conflict)) in cases.into_iter().enumerate() {
        let case = format!("{place:?}, {scope:?}, for {period:?}, then {on_conflict:?}");
        let is_outlived = matches!(place, Place::Outlived(_));
        if is_outlived {
            let is_kept = harness.store.job(TENANT, first).await.unwrap().is_some();
            assert_eq!(is_kept, holds(place, scope, period), "{case}");
        }
        let terms = Unique { identity: numbered(number), ..unique(0, on_conflict) };
        let new = NewJob { unique: Some(Box::new(terms)), ..job(kind) };
        let waits = matches!(place, Place::In(state) if state.is_waiting());
        let expected = match on_conflict {
            _ if !holds(place, scope, period) => None,
            OnConflict::Reject => Some(None),
            OnConflict::ReturnExisting => Some(Some(Conflict::Existing)),
            OnConflict::Throttle => Some(Some(Conflict::Throttled)),
            OnConflict::Replace => Some(waits.then_some(Conflict::Replaced)),
            OnConflict::Debounce => Some(waits.then_some(Conflict::Debounced)),
        };
        match (harness.store.enqueue(TENANT, new).await.unwrap(), expected) {
            (EnqueueResult::Created(row), None) => assert_ne!(row.id, first, "{case}"),
            (EnqueueResult::Existing(conflict, row), Some(Some(wanted))) => {
                assert_eq!((conflict, row.id), (wanted, first), "{case}");
            }
            (EnqueueResult::UniqueConflict(row), Some(None)) => assert_eq!(row.id, first, "{case}"),
            (found, expected) => panic!("{case}: {found:?} instead of {expected:?}"),
        }
    }
    assert_counters_hold(&harness.database());
}

#[tokio::test]
async fn a_job_goes_when_its_period_is_over() {
    let mut harness = Harness::new();
    harness.module("m", &["k"]).await;
    let keep = Keep::For(KEPT);
    let settings = KindSettings {
        retention: Some(Retention { succeeded: Some(keep), ..Retention::default() }),
        ..KindSettings::default()
    };
    assert!(harness.store.set_kind_settings(TENANT, "k".parse().unwrap(), settings).await.unwrap());
    let host = harness.store.register_host(2, "1").await.unwrap();
    let kind = harness.kind("k");
    let hour = Some(Duration::from_hours(1));
    let throttled =
        || NewJob { unique: Some(Box::new(Unique { period: hour, ..unique(1, OnConflict::Throttle) })), ..job(kind) };
    let begun = harness.clock.now();
    let first = put(&harness, host, throttled(), Place::In(JobState::Succeeded)).await;
    let catalog = harness.store.catalog();
    let until = harness.row(first).await.kept_until(&catalog, TENANT, Retention::HOST);
    assert_eq!(until, Some(begun.plus(Duration::from_hours(1))), "as it is shown");
    for minutes in [6, 50] {
        harness.clock.advance(minutes * 60_000);
        harness.store.heartbeat(host).await.unwrap();
        harness.reopen().await;
        while harness.store.prune_jobs().await.unwrap().more {}
        match harness.store.enqueue(TENANT, throttled()).await.unwrap() {
            EnqueueResult::Existing(Conflict::Throttled, row) => assert_eq!(row.id, first),
            other => panic!("{other:?}"),
        }
    }
    harness.clock.advance(5 * 60_000);
    while harness.store.prune_jobs().await.unwrap().more {}
    assert!(harness.store.job(TENANT, first).await.unwrap().is_none(), "nothing needs it any more");
    harness.enqueue(throttled()).await;
}
