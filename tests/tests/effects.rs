//! Effects on success: what a handler asks for is there with its success, once, and nothing of it with a failure.
//!
//! `STOKER_CRASH_ROUNDS` says how often the host is killed in each place.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use serde_json::{Value, json};
use stoker_tests::{Guest, TestHost, crash_rounds, job_id, state_of};

/// Rounds in each place when nobody says otherwise.
const ROUNDS_DEFAULT: usize = 2;

fn set_up(host: &TestHost) {
    host.upload(Guest::Handlers);
    host.upload(Guest::Hello);
    let grants = json!({"kv": ["counts"], "enqueue": ["hello", "ec*", "gone"], "events": ["order.*"], "notify": true});
    let retry = json!({"strategy": "fixed", "delay": 20});
    host.set_kind("script", &json!({"grants": grants, "retry": retry, "max_attempts": 3, "timeout": "1m"}));
}

fn start() -> TestHost {
    let host = TestHost::builder().workers(4).start();
    set_up(&host);
    host
}

fn run(host: &TestHost, lines: &Value) -> String {
    host.enqueue_kind("script", &json!({ "lines": lines }))
}

fn enqueue(kind: &str, payload: &Value) -> Value {
    json!({"do": "enqueue", "kind": kind, "payload": payload})
}

/// The jobs that this one asked for.
fn made_by(host: &TestHost, id: &str) -> Vec<Value> {
    let jobs = host.list("since=2000-01-01T00:00:00Z");
    jobs.into_iter().filter(|job| job["enqueued_by"] == *id).collect()
}

#[test]
fn what_is_asked_for_comes_with_success_and_never_with_a_failure() {
    let host = start();
    let hello = enqueue("hello", &json!({"name": "Ada"}));
    let id = run(&host, &json!([hello, {"do": "fail", "attempts": 2}, enqueue("echo", &json!([1]))]));
    assert_eq!(host.wait_for(&id, "succeeded")["attempt"], 3);
    host.wait_idle(stoker_tests::DEADLINE);
    let mut made: Vec<String> =
        made_by(&host, &id).iter().map(|job| job["kind"].as_str().unwrap().to_owned()).collect();
    made.sort();
    assert_eq!(made, ["echo", "hello"]);
    // Of a trap, a fatal end and a suspension nothing is left.
    for lines in [json!([hello, {"do": "trap"}]), json!([hello, {"do": "fail", "attempts": 9}])] {
        let id = run(&host, &lines);
        host.wait_for(&id, "failed");
        assert_eq!(made_by(&host, &id), Vec::<Value>::new());
    }
    let id = run(&host, &json!([hello, {"do": "sleep", "name": "s", "ms": 300_000}]));
    host.wait_until(&id, "asleep", |job| job["waiting"]["reason"] == "sleeping");
    assert_eq!(made_by(&host, &id), Vec::<Value>::new());
    host.post(&format!("/v1/jobs/{id}/run"), &json!({})).expect_status(200);
    host.wait_for(&id, "succeeded");
    assert_eq!(made_by(&host, &id).len(), 1);
}

#[test]
fn what_can_not_be_is_refused_with_its_place() {
    let host = start();
    let good = enqueue("hello", &json!({"name": "Ada"}));
    for (wrong, pointer, said) in [
        (enqueue("gone", &json!(null)), "/effects/1", "there is no kind `gone`"),
        (enqueue("hello", &json!({"nam": "x"})), "/effects/1/payload", "name"),
        (
            json!({"do": "enqueue", "kind": "echo", "payload": 1, "idempotency_key": "same"}),
            "/effects/1/idempotency_key",
            "came with another request before",
        ),
    ] {
        host.request(
            "POST",
            "/v1/jobs",
            &[("content-type", "application/json"), ("idempotency-key", "same")],
            Some(br#"{"kind":"echo","payload":2}"#),
        );
        let id = run(&host, &json!([good, wrong]));
        let job = host.wait_for(&id, "failed");
        let error = &job["error"];
        assert_eq!((&error["reason"], &job["attempt"]), (&json!("effect_rejected"), &json!(1)), "{job:#}");
        let detail = error["detail"].as_str().unwrap();
        assert!(detail.contains(pointer) && detail.contains(said), "{pointer} {said}: {error:#}");
        assert_eq!(made_by(&host, &id), Vec::<Value>::new(), "all of it or nothing");
    }
    // It is settable to be tried again.
    let settings = json!({"grants": {"enqueue": ["gone"]}, "retry_on": ["effect_rejected"], "retry": {"strategy": "fixed", "delay": 20}, "max_attempts": 2});
    host.set_kind("script", &settings);
    let id = run(&host, &json!([enqueue("gone", &json!(null))]));
    assert_eq!(host.wait_for(&id, "failed")["attempt"], 2);
}

#[test]
fn it_is_closed_until_it_is_granted() {
    let host = start();
    let refused = "the kind is not granted what it asks for on success";
    let id = run(
        &host,
        &json!([enqueue("sleep", &json!({})), {"do": "emit", "event": "invoice.paid", "correlation": "", "data": 1}, enqueue("echo", &json!(1))]),
    );
    let job = host.wait_for(&id, "succeeded");
    assert_eq!(job["output"], json!([{"refused": refused}, {"refused": refused}, null]));
    let attempts = host.attempts(&id);
    assert_eq!(attempts[0]["denied"], json!(["enqueue sleep", "event invoice.paid"]));
    let id = run(&host, &json!([enqueue("sleep", &json!({})), {"do": "trap"}]));
    let job = host.wait_for(&id, "failed");
    assert_eq!(job["error"]["reason"], "capability_denied", "{job:#}");
    // A bound on how many.
    let many: Vec<Value> = (0..1_001).map(|_| enqueue("echo", &json!(1))).collect();
    let id = run(&host, &json!(many));
    let job = host.wait_for(&id, "succeeded");
    let last = job["output"].as_array().unwrap().last().unwrap().clone();
    assert!(last["refused"].as_str().unwrap().contains("at most 1000 jobs"), "{last}");
    host.wait_idle(stoker_tests::DEADLINE);
}

/// Killed before, in and after what it asks for: the effects are there exactly with the success.
#[test]
fn killed_around_effects_they_come_once() {
    let mut host = TestHost::builder().workers(2).leaves_work_behind().start();
    set_up(&host);
    let hold = json!({"do": "hold", "ms": 300});
    let (one, two) = (enqueue("echo", &json!({"n": 1})), enqueue("echo", &json!({"n": 2})));
    for at in 0..3 {
        for round in 0..crash_rounds(ROUNDS_DEFAULT) {
            let user = format!("{at}-{round}");
            let tell = json!({"do": "notify", "user": user, "level": "info", "message": "Done"});
            let emit = json!({"do": "emit", "event": "order.done", "correlation": user, "data": round});
            let mut lines = vec![one.clone(), tell, two.clone(), emit];
            lines.insert(at, hold.clone());
            let wait = json!({"do": "wait", "event": "order.done", "correlation": user, "ms": 60_000});
            let waits = run(&host, &json!([wait]));
            let id = run(&host, &json!(lines));
            let told = |host: &TestHost| {
                let page = host.get(&format!("/v1/notifications?user={user}")).expect(200);
                page["items"].as_array().unwrap().len()
            };
            host.wait_until(&id, "holding on", |job| job["progress"]["done"] == at);
            assert_eq!((made_by(&host, &id).len(), told(&host)), (0, 0), "before it has succeeded");
            host.wait_until(&waits, "waiting", |job| state_of(job) == "blocked");
            host.kill9();
            host.restart();
            host.wait_for(&id, "succeeded");
            let made = made_by(&host, &id);
            assert_eq!((made.len(), told(&host)), (2, 1), "{at}, round {round}: {made:#?}");
            assert_eq!(host.wait_for(&waits, "succeeded")["output"], json!([{"came": round}]));
            for job in &made {
                host.wait_for(&job_id(job), "succeeded");
            }
        }
    }
}

/// Killed at random while many jobs end: each that succeeded has its one follower, none has two.
#[test]
fn killed_while_many_succeed_each_has_one_follower() {
    const JOBS: usize = 60;
    let mut host = TestHost::builder().workers(4).leaves_work_behind().start();
    set_up(&host);
    for round in 0..crash_rounds(ROUNDS_DEFAULT) {
        let line = enqueue("echo", &json!({"round": round}));
        let request = json!({"kind": "script", "payload": {"lines": [line]}, "tags": [format!("round {round}")]});
        let ids = host.enqueue_lines((0..JOBS).map(|_| request.clone()));
        host.wait_until(&ids[JOBS / 2 + round % 7], "succeeded", |job| state_of(job) == "succeeded");
        host.kill9();
        host.restart();
        host.wait_idle(stoker_tests::DEADLINE);
        let followers: Vec<String> = host
            .list("kind=echo&state=succeeded")
            .iter()
            .filter_map(|job| job["enqueued_by"].as_str().map(str::to_owned))
            .filter(|by| ids.contains(by))
            .collect();
        let distinct: std::collections::BTreeSet<&String> = followers.iter().collect();
        assert_eq!((followers.len(), distinct.len()), (JOBS, JOBS), "round {round}");
    }
}
