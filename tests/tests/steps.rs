//! Steps: what is recorded is not done again, whatever ends the execution; sleeps and waits give the slot back and outlive the
//! host. Runs scripts of `guest-handlers`, which count what they do in a bucket.
//!
//! `STOKER_CRASH_ROUNDS` says how often the host is killed in each place.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeSet;

use serde_json::{Value, json};
use stoker_tests::{Guest, TestHost, crash_rounds, eventually, job_id, state_of};

/// Rounds in each place when nobody says otherwise.
const ROUNDS_DEFAULT: usize = 2;

fn host_with_scripts() -> TestHost {
    let host = TestHost::builder().workers(4).start();
    set_up(&host);
    host
}

fn set_up(host: &TestHost) {
    host.upload(Guest::Handlers);
    let grants = json!({"kv": ["counts"], "enqueue": ["script", "echo"], "events": ["*"]});
    host.set_kind("script", &json!({"grants": grants, "retry": {"strategy": "fixed", "delay": 20}, "timeout": "1m"}));
}

fn run(host: &TestHost, lines: &Value) -> String {
    host.enqueue_kind("script", &json!({ "lines": lines }))
}

/// How often something of a job was done.
fn counted(host: &TestHost, job: &str, key: &str) -> u64 {
    let reply = host.get(&format!("/v1/kv/counts/{job}%2F{key}"));
    if reply.status == 404 { 0 } else { reply.expect(200)["value"].as_str().unwrap().parse().unwrap() }
}

fn steps(job: &Value) -> Vec<(String, String)> {
    let steps = job["steps"].as_array().map(Vec::as_slice).unwrap_or_default();
    steps.iter().map(|step| (step["name"].as_str().unwrap().to_owned(), step["result"].to_string())).collect()
}

#[test]
fn a_recorded_step_is_not_run_again() {
    let host = host_with_scripts();
    let id = run(
        &host,
        &json!([
            {"do": "step", "name": "create", "count": "create", "result": {"id": 7}},
            {"do": "step", "name": "seed", "count": "seed"},
            {"do": "step", "name": "seed", "count": "seed again"},
            {"do": "count", "key": "beside"},
            {"do": "fail", "attempts": 2},
            {"do": "key"},
        ]),
    );
    let job = host.wait_for(&id, "succeeded");
    for (key, times) in [("create", 1), ("seed", 1), ("seed%20again", 1), ("beside", 3)] {
        assert_eq!(counted(&host, &id, key), times, "{key}");
    }
    assert_eq!(job["output"][0], json!({"id": 7}));
    assert_eq!(job["output"][5], json!(format!("{id}/key/0")));
    let names: Vec<String> = steps(&job).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["create", "seed", "seed", "key"]);
    let occurrences: Vec<u64> =
        job["steps"].as_array().unwrap().iter().map(|step| step["occurrence"].as_u64().unwrap()).collect();
    assert_eq!(occurrences, [0, 0, 1, 0]);
    let events: Vec<String> = history(&host, &id).into_iter().map(|(event, _)| event).collect();
    let recorded = events.iter().filter(|event| *event == "step_recorded").count();
    assert_eq!((recorded, events.iter().filter(|event| *event == "retrying").count()), (4, 2), "{events:?}");
    assert!(host.log_text(&id).contains("step `create` was recorded at"), "{}", host.log_text(&id));
    // What belongs to a job goes with it.
    host.delete(&format!("/v1/jobs/{id}")).expect_status(204);
    host.get(&format!("/v1/jobs/{id}")).expect_problem(404);
}

fn history(host: &TestHost, id: &str) -> Vec<(String, Option<String>)> {
    let entries = host.get(&format!("/v1/jobs/{id}/history")).expect(200);
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let entries = entries["items"].as_array().unwrap();
    entries.iter().map(|entry| (text(&entry["event"]).unwrap(), text(&entry["detail"]))).collect()
}

#[test]
fn what_was_recorded_is_never_taken_for_something_else() {
    let host = host_with_scripts();
    let fatal = |lines: Value, said: &str| {
        let id = run(&host, &lines);
        let job = host.wait_for(&id, "failed");
        let message = job["error"]["message"].as_str().unwrap();
        assert!(message.contains(said), "{said}: {message}");
    };
    fatal(
        json!([{"do": "step", "name": "a", "renamed": true}, {"do": "fail", "attempts": 1}]),
        "step `a-2` is asked for, but an earlier execution recorded `a-1`",
    );
    fatal(
        json!([{"do": "step", "name": "a", "retyped": true}, {"do": "fail", "attempts": 1}]),
        "`serde_json::value::Value`; it can't be `alloc::string::String` now",
    );
    fatal(json!([{"do": "nested"}]), "step `inner` is asked for inside of step `outer`");
    fatal(json!([{"do": "step", "name": "a\n"}]), "1 to 128 bytes of text without control characters");
    let most = 256 << 10;
    fatal(json!([{"do": "step", "name": "a", "bytes": most}]), "it may have at most 256KiB");
    let nearly = json!({"do": "step", "name": "a", "bytes": most - 2});
    fatal(json!([nearly, nearly, nearly, nearly, {"do": "step", "name": "b"}]), "at most 1MiB together");
    let many: Vec<Value> = (0..1_001).map(|_| json!({"do": "step", "name": "a"})).collect();
    fatal(json!(many), "at most 1000 steps");
    // A failed step is none: the next execution runs it in its place.
    let id = run(&host, &json!([{"do": "step", "name": "a", "count": "a", "fail_attempts": 2, "result": 5}]));
    assert_eq!(host.wait_for(&id, "succeeded")["output"], json!([5]));
    assert_eq!(counted(&host, &id, "a"), 3);
}

#[test]
fn a_job_stays_on_the_version_that_recorded_its_steps() {
    let host = host_with_scripts();
    let digest = |host: &TestHost| host.get("/v1/modules/handlers").expect(200)["digest"].as_str().unwrap().to_owned();
    let first = digest(&host);
    let id = run(
        &host,
        &json!([{"do": "step", "name": "a"}, {"do": "wait", "event": "go", "correlation": "1", "ms": 60_000}]),
    );
    let fresh = host.enqueue(&json!({"kind": "script", "payload": {"lines": []}, "delay": "1h"}));
    host.wait_until(&id, "blocked", |job| state_of(job) == "blocked");
    // Another version: the same code with a section more.
    let mut other = Guest::Handlers.wasm();
    other.extend_from_slice(&[0, 5, 4, b'n', b'o', b't', b'e']);
    host.upload_bytes("handlers", &other);
    let second = digest(&host);
    assert_ne!(first, second);
    let refused = host.delete(&format!("/v1/modules/handlers/versions/{first}")).expect_problem(409);
    assert_eq!(refused["code"], "version_has_steps", "{refused:#}");
    assert!(refused["detail"].as_str().unwrap().contains(&id), "{refused:#}");
    run(&host, &json!([{"do": "emit", "event": "go", "correlation": "1", "data": null}]));
    let job = host.wait_for(&id, "succeeded");
    assert_eq!(job["module"]["digest"], json!(first));
    host.post(&format!("/v1/jobs/{fresh}/run"), &json!({})).expect_status(200);
    assert_eq!(host.wait_for(&fresh, "succeeded")["module"]["digest"], json!(second));
    host.delete(&format!("/v1/modules/handlers/versions/{first}")).expect_status(204);
}

#[test]
fn a_sleep_gives_the_slot_back_and_uses_no_attempt() {
    let host = TestHost::builder().workers(1).start();
    set_up(&host);
    let lines = json!([
        {"do": "count", "key": "runs"},
        {"do": "sleep", "name": "cool-down", "ms": 3_600_000},
        {"do": "sleep", "name": "short", "ms": 50},
    ]);
    let id = run(&host, &lines);
    let job = host.wait_until(&id, "asleep", |job| job["waiting"]["reason"] == "sleeping");
    assert_eq!((state_of(&job), &job["attempt"]), ("scheduled", &json!(0)), "{job:#}");
    assert!(job["waiting"]["detail"].as_str().unwrap().contains("its handler sleeps until"), "{job:#}");
    // The only slot is free.
    let other = host.enqueue_kind("echo", &json!({"n": 1}));
    host.wait_for(&other, "succeeded");
    // Who does not want to wait ends the sleep.
    host.post(&format!("/v1/jobs/{id}/run"), &json!({})).expect_status(200);
    let job = host.wait_for(&id, "succeeded");
    assert_eq!(job["attempt"], 1, "{job:#}");
    assert_eq!(counted(&host, &id, "runs"), 3);
    let events: Vec<String> = history(&host, &id).into_iter().map(|(event, _)| event).collect();
    assert_eq!(events.iter().filter(|event| *event == "sleeping").count(), 2, "{events:?}");
    let outcomes: Vec<Value> = host.attempts(&id).iter().map(|attempt| attempt["outcome"].clone()).collect();
    assert_eq!(outcomes, [json!("suspended"), json!("suspended"), json!("succeeded")]);
}

#[test]
fn an_event_wakes_who_waits_for_it_and_is_not_missed_by_who_comes_late() {
    let host = host_with_scripts();
    let wait =
        |correlation: &str, ms: u64| json!({"do": "wait", "event": "paid", "correlation": correlation, "ms": ms});
    let waiting = run(&host, &json!([wait("7", 60_000), wait("7", 60_000)]));
    let job = host.wait_until(&waiting, "waiting", |job| job["waiting"]["reason"] == "event");
    assert_eq!(state_of(&job), "blocked");
    let detail = job["waiting"]["detail"].as_str().unwrap();
    assert!(detail.contains("waits for an event `paid` of `7`"), "{detail}");
    let emit = |correlation: &str, data: Value| {
        let id = run(&host, &json!([{"do": "emit", "event": "paid", "correlation": correlation, "data": data}]));
        host.wait_for(&id, "succeeded");
    };
    emit("8", json!("another's"));
    emit("7", json!(1));
    emit("7", json!({"cents": 2}));
    let job = host.wait_for(&waiting, "succeeded");
    assert_eq!(job["output"], json!([{"came": 1}, {"came": {"cents": 2}}]));
    assert_eq!(job["steps"][1]["correlation"], "7");
    // It came before the handler asked, and after the job was enqueued.
    let late = host.enqueue(&json!({"kind": "script", "payload": {"lines": [wait("9", 60_000)]}, "delay": "1h"}));
    emit("9", json!("early"));
    host.post(&format!("/v1/jobs/{late}/run"), &json!({})).expect_status(200);
    assert_eq!(host.wait_for(&late, "succeeded")["output"], json!([{"came": "early"}]));
    // What came before the job is not for it; and a wait is over in time.
    let vain = run(&host, &json!([wait("9", 100)]));
    assert_eq!(host.wait_for(&vain, "succeeded")["output"], json!(["in vain"]));
    // Who does not want to wait ends it.
    let by_hand = run(&host, &json!([wait("10", 3_600_000)]));
    host.wait_until(&by_hand, "waiting", |job| state_of(job) == "blocked");
    host.post(&format!("/v1/jobs/{by_hand}/run"), &json!({})).expect_status(200);
    assert_eq!(host.wait_for(&by_hand, "succeeded")["output"], json!(["in vain"]));
    let cancelled = run(&host, &json!([wait("11", 3_600_000)]));
    host.wait_until(&cancelled, "waiting", |job| state_of(job) == "blocked");
    host.post(&format!("/v1/jobs/{cancelled}/cancel"), &json!({})).expect_status(200);
    assert_eq!(state_of(&host.job(&cancelled)), "cancelled");
    emit("11", json!(null));
}

#[test]
fn one_event_wakes_very_many() {
    const WAITING: usize = 1_200;
    let host = host_with_scripts();
    let lines = json!([{"do": "wait", "event": "open", "correlation": "door", "ms": 600_000}]);
    let request = json!({"kind": "script", "payload": {"lines": lines}});
    let ids: BTreeSet<String> = host.enqueue_lines((0..WAITING).map(|_| request.clone())).into_iter().collect();
    eventually("all of them wait", || {
        let queue = host.get("/v1/queues/default").expect(200);
        (queue["counts"]["blocked"] == WAITING).then_some(())
    });
    run(&host, &json!([{"do": "emit", "event": "open", "correlation": "door", "data": true}]));
    host.wait_idle(stoker_tests::DEADLINE);
    let woken: BTreeSet<String> = host.list("state=succeeded&kind=script").iter().map(job_id).collect();
    assert!(ids.is_subset(&woken), "{} of {WAITING} were woken", woken.intersection(&ids).count());
}

#[test]
fn sleeps_and_waits_outlive_the_host() {
    let mut host = host_with_scripts();
    let sleeping = run(
        &host,
        &json!([{"do": "step", "name": "a", "count": "a"}, {"do": "sleep", "name": "s", "ms": 1_500}, {"do": "step", "name": "b", "count": "b"}]),
    );
    let waiting = run(&host, &json!([{"do": "wait", "event": "go", "correlation": "", "ms": 60_000}]));
    let brief = run(&host, &json!([{"do": "wait", "event": "never", "correlation": "", "ms": 1_500}]));
    for (id, state) in [(&sleeping, "scheduled"), (&waiting, "blocked"), (&brief, "blocked")] {
        host.wait_until(id, state, |job| state_of(job) == state);
    }
    host.kill9();
    host.restart();
    run(&host, &json!([{"do": "emit", "event": "go", "correlation": "", "data": [1]}]));
    host.wait_for(&sleeping, "succeeded");
    assert_eq!((counted(&host, &sleeping, "a"), counted(&host, &sleeping, "b")), (1, 1));
    assert_eq!(host.wait_for(&waiting, "succeeded")["output"], json!([{"came": [1]}]));
    assert_eq!(host.wait_for(&brief, "succeeded")["output"], json!(["in vain"]));
}

/// Kills the host where a line holds on: before a step, in it, and after it. A recorded step is never run again; the one in
/// which the host died is, once for each time.
#[test]
fn killed_before_in_and_after_a_step() {
    let mut host = TestHost::builder().workers(2).leaves_work_behind().start();
    set_up(&host);
    let hold = json!({"do": "hold", "ms": 400});
    let step = |name: &str, hold_ms: u64| json!({"do": "step", "name": name, "count": name, "hold_ms": hold_ms, "result": name});
    let emit = json!({"do": "emit", "event": "done", "correlation": "x", "data": 1});
    for (place, lines, at, in_b) in [
        ("before", json!([step("a", 0), hold, step("b", 0), emit]), 1, 1),
        ("in", json!([step("a", 0), step("b", 400), step("c", 0), emit]), 1, 2),
        ("after", json!([step("a", 0), step("b", 0), hold, emit]), 2, 1),
    ] {
        for round in 0..crash_rounds(ROUNDS_DEFAULT) {
            let id = run(&host, &lines);
            host.wait_until(&id, place, |job| job["progress"]["done"] == at);
            if place == "in" {
                eventually("it is in the step", || (counted(&host, &id, "b") == 1).then_some(()));
            }
            host.kill9();
            host.restart();
            let job = host.wait_for(&id, "succeeded");
            let counts = (counted(&host, &id, "a"), counted(&host, &id, "b"));
            assert_eq!(counts, (1, in_b), "{place}, round {round}: {job:#}");
            let attempts = host.attempts(&id);
            let ends = attempts.iter().filter(|attempt| attempt["outcome"] == "succeeded").count();
            assert_eq!(ends, 1, "{attempts:#?}");
        }
    }
}
