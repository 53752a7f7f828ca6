//! The rules of identities as tables, and what holds whatever the states and moments.

#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;

const FIRST: Timestamp = Timestamp(1_000_000);

fn at(seconds: u64) -> Timestamp {
    FIRST.plus(Duration::from_secs(seconds))
}

fn unique(on_conflict: OnConflict) -> Unique {
    Unique {
        identity: Identity([7; 32]),
        scope: Scope::unfinished(),
        period: None,
        on_conflict,
        delay: Duration::from_secs(10),
        max_wait: Duration::from_mins(1),
    }
}

fn holder(state: Option<JobState>, scope: Scope, expires_after: Option<u64>) -> Holder {
    Holder { state, scope, first_at: FIRST, expires_at: expires_after.map(at) }
}

#[test]
fn what_becomes_of_the_next_one() {
    use Action::{Insert, Postpone, Refuse, Replace, Return};
    use JobState::{Cancelled, Failed, Ready, Retrying, Running, Scheduled, Succeeded};
    use OnConflict::{Debounce, Reject, ReturnExisting, Throttle};
    let (unfinished, waiting, always) = (Scope::unfinished(), Scope::waiting(), Scope::ALWAYS);
    let done = Scope::of([Ready, Succeeded]);
    for (on_conflict, state, scope, expires_after, seconds, expected) in [
        (Reject, Some(Ready), unfinished, None, 5, Refuse),
        (Reject, Some(Running), unfinished, None, 5, Refuse),
        (Reject, Some(Succeeded), unfinished, None, 5, Insert),
        (Reject, None, unfinished, None, 5, Insert),
        (Reject, Some(Succeeded), done, None, 5, Refuse),
        (Reject, Some(Failed), done, None, 5, Insert),
        (Reject, Some(Running), done, None, 5, Insert),
        (Reject, Some(Ready), unfinished, Some(5), 4, Refuse),
        (Reject, Some(Ready), unfinished, Some(5), 5, Insert),
        (ReturnExisting, Some(Running), unfinished, None, 5, Return),
        (ReturnExisting, Some(Cancelled), unfinished, None, 5, Insert),
        (OnConflict::Replace, Some(Scheduled), unfinished, None, 5, Replace),
        (OnConflict::Replace, Some(Retrying), unfinished, None, 5, Replace),
        (OnConflict::Replace, Some(Running), unfinished, None, 5, Refuse),
        (OnConflict::Replace, Some(Running), waiting, None, 5, Insert),
        (OnConflict::Replace, Some(Succeeded), done, None, 5, Refuse),
        (Debounce, Some(Scheduled), waiting, None, 5, Postpone(at(15))),
        (Debounce, Some(Scheduled), waiting, None, 55, Postpone(at(60))),
        (Debounce, Some(Ready), waiting, None, 70, Postpone(at(60))),
        (Debounce, Some(Running), waiting, None, 5, Insert),
        (Debounce, Some(Running), unfinished, None, 5, Refuse),
        (Throttle, Some(Succeeded), always, Some(60), 59, Return),
        // Somebody has deleted it.
        (Throttle, None, always, Some(60), 59, Insert),
        (Reject, None, always, Some(60), 59, Insert),
        (Throttle, Some(Running), always, Some(60), 60, Insert),
        // The terms are those of the first.
        (Reject, Some(Succeeded), always, Some(60), 59, Refuse),
        (Throttle, Some(Succeeded), unfinished, None, 5, Insert),
    ] {
        let found = decide(&holder(state, scope, expires_after), &unique(on_conflict), at(seconds));
        assert_eq!(found, expected, "{on_conflict:?} {state:?} {scope:?} {expires_after:?} after {seconds} s");
    }
}

#[test]
fn an_identity_is_of_what_was_meant_and_not_of_how_it_was_written() {
    let id = |selector: &Selector, kind: &str, payload: &str| selector.identity(kind, payload.as_bytes()).unwrap();
    let fields = |pointers: &[&str]| Selector::Fields(pointers.iter().map(|&pointer| pointer.to_owned()).collect());
    let whole = Selector::Payload;
    for (selector, one, other) in [
        (
            &whole,
            r#"{"a":1,"b":[2,{"c":null,"d":"x"}]}"#,
            "{ \"b\": [2.0, {\"d\":\"\\u0078\", \"c\":null}], \"a\": 1e0 }",
        ),
        (&whole, "0", "-0.0"),
        (&whole, "100000000000000000000", "1e20"),
        (&fields(&["/a"]), r#"{"a":1,"b":2}"#, r#"{"b":3,"a":1.0}"#),
        (&fields(&["/a/0/b~1c"]), r#"{"a":[{"b/c":true}]}"#, r#"{"a":[{"b/c":true,"x":1}],"y":2}"#),
        (&fields(&["/a"]), "{}", r#"{"b":1}"#),
        (&Selector::Key("k".into()), "1", "2"),
    ] {
        assert_eq!(id(selector, "k", one), id(selector, "k", other), "{selector:?} {one} {other}");
        assert_ne!(id(selector, "k", one), id(selector, "other", one), "{selector:?} {one}");
    }
    for (selector, one, other) in [
        (&whole, "1", "2"),
        (&whole, "1", "\"1\""),
        (&whole, "null", "{}"),
        (&whole, "9007199254740993", "9007199254740992"),
        (&whole, "[[1],2]", "[[1,2]]"),
        (&whole, r#"{"a":"b","c":"d"}"#, r#"{"a":"bc","":"d"}"#),
        (&whole, "true", "false"),
        (&fields(&["/a"]), r#"{"a":null}"#, "{}"),
        (&fields(&["/a", "/b"]), r#"{"a":1}"#, r#"{"b":1}"#),
    ] {
        assert_ne!(id(selector, "k", one), id(selector, "k", other), "{selector:?} {one} {other}");
    }
    assert_ne!(id(&Selector::Key("x".into()), "k", "\"x\""), id(&whole, "k", "\"x\""));
    assert!(whole.identity("k", b"{").is_err());
}

#[test]
fn what_a_job_keeps_of_it_reads_back() {
    let terms = Unique { period: Some(Duration::from_secs(9)), ..unique(OnConflict::Reject) };
    let held = terms.held(FIRST);
    let text = serde_json::to_string(&held).unwrap();
    assert_eq!(serde_json::from_str::<Held>(&text).unwrap(), held);
    assert!(serde_json::from_str::<Held>(&text.replace("07", "zz")).is_err());
    assert_eq!(Scope::from_bits(Scope::ALWAYS.bits()), Scope::ALWAYS);
    assert_eq!(Scope::ALWAYS, Scope::of(JobState::ALL));
    // It stays only where its end is in its scope.
    assert_eq!(held.kept_until(JobState::Succeeded), None);
    let done = Unique { scope: Scope::of([JobState::Ready, JobState::Succeeded]), ..terms.clone() }.held(FIRST);
    assert_eq!((done.kept_until(JobState::Succeeded), done.kept_until(JobState::Failed)), (Some(at(9)), None));
    assert_eq!(Unique { period: None, ..terms }.held(FIRST).kept_until(JobState::Succeeded), None);
    assert!(Scope::unfinished().has_waiting() && !Scope::of([JobState::Running, JobState::Failed]).has_waiting());
}

fn any_state() -> impl Strategy<Value = Option<JobState>> {
    prop::option::of(prop::sample::select(&JobState::ALL[..]))
}

fn any_conflict() -> impl Strategy<Value = OnConflict> {
    use OnConflict::{Debounce, Reject, Replace, ReturnExisting, Throttle};
    prop::sample::select(vec![Reject, ReturnExisting, Replace, Debounce, Throttle])
}

proptest! {
    /// Whoever does not hold an identity stands in nobody's way, and whoever does lets nothing be made beside it.
    #[test]
    fn a_job_is_made_exactly_when_nobody_has_its_identity(
        state in any_state(), bits in 0u16..512, expires in prop::option::of(0u64..100), now in 0u64..100,
        on_conflict in any_conflict(),
    ) {
        let holder = holder(state, Scope::from_bits(bits), expires);
        let action = decide(&holder, &unique(on_conflict), at(now));
        prop_assert_eq!(action == Action::Insert, !holder.holds(at(now)));
        // What no longer waits is never changed.
        if matches!(action, Action::Replace | Action::Postpone(_)) {
            prop_assert!(state.is_some_and(JobState::is_waiting));
        }
    }

    /// However often it is asked for, a debounced job comes after its delay or at the end of its longest wait.
    #[test]
    fn a_debounced_job_waits_no_longer_than_it_may(mut moments in prop::collection::vec(0u64..200, 1..20)) {
        moments.sort_unstable();
        let terms = unique(OnConflict::Debounce);
        for moment in moments {
            let action = decide(&holder(Some(JobState::Scheduled), Scope::waiting(), None), &terms, at(moment));
            let Action::Postpone(run_at) = action else { panic!("{action:?}") };
            prop_assert!(run_at <= FIRST.plus(terms.max_wait));
            prop_assert!(run_at == at(moment).plus(terms.delay) || run_at == FIRST.plus(terms.max_wait));
        }
    }
}
