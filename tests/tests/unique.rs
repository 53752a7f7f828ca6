//! Jobs that are the only ones like them: refused, answered with, replaced, pushed out and throttled; in batches, through
//! restarts, and as the command line says it.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use serde_json::{Value, json};
use stoker_tests::{Exited, Guest, TestHost, job_id, run_stoker, state_of};

fn stoker(host: &TestHost, args: &[&str]) -> Exited {
    run_stoker(args, &[("STOKER_URL", host.url())], host.home(), b"")
}

/// Nothing runs: what waits goes on waiting.
fn idle_host() -> TestHost {
    let host = TestHost::builder().workers(0).leaves_work_behind().start();
    host.upload(Guest::Handlers);
    host
}

fn echo(payload: &Value, unique: &Value) -> Value {
    json!({"kind": "echo", "payload": payload, "unique": unique})
}

#[test]
fn a_second_one_is_refused_with_the_first_or_answered_with_it() {
    let mut host = idle_host();
    let first = host.enqueue(&echo(&json!({"a": 1, "b": 2}), &json!({"fields": ["/a"]})));
    for _ in 0..2 {
        let same = echo(&json!({"b": 3, "a": 1.0}), &json!({"fields": ["/a"]}));
        let problem = host.post("/v1/jobs", &same).expect_problem_saying(409, &["unique_conflict", "return_existing"]);
        assert_eq!((&problem["existing"]["id"], &problem["existing"]["state"]), (&json!(first), &json!("ready")));
        let same = echo(&json!({"a": 1}), &json!({"fields": ["/a"], "on_conflict": "return_existing"}));
        let reply = host.post("/v1/jobs", &same).expect_status(200);
        assert_eq!(reply.header("unique-conflict"), Some("existing"));
        assert_eq!(reply.header("idempotency-replayed"), None);
        let job = reply.json();
        assert_eq!((job_id(&job), &job["payload"]), (first.clone(), &json!({"a": 1, "b": 2})));
        host.kill9();
        host.restart();
    }
    // Another kind, another field, another key: other identities.
    host.enqueue(&echo(&json!({"a": 2}), &json!({"fields": ["/a"]})));
    host.enqueue(&echo(&json!({"a": 1}), &json!({})));
    host.enqueue(&echo(&json!({"a": 1}), &json!({"key": "mine"})));
    host.act(&format!("/v1/jobs/{first}/cancel")).expect(200);
    let second = host.enqueue(&echo(&json!({"a": 1}), &json!({"fields": ["/a"]})));
    let problem = host.act(&format!("/v1/jobs/{first}/retry")).expect_problem_saying(409, &["unique_conflict"]);
    assert_eq!(problem["existing"]["id"], json!(second));
}

#[test]
fn the_waiting_one_takes_what_came_last() {
    let host = idle_host();
    let unique = json!({"key": "k", "on_conflict": "replace"});
    let first = host.enqueue(&echo(&json!(1), &unique));
    let mut request = echo(&json!(2), &unique);
    request["delay"] = json!("1h");
    request["tags"] = json!(["later"]);
    let reply = host.post("/v1/jobs", &request).expect_status(200);
    assert_eq!(reply.header("unique-conflict"), Some("replaced"));
    let job = host.job(&first);
    assert_eq!((state_of(&job), &job["payload"], &job["tags"]), ("scheduled", &json!(2), &json!(["later"])));
    assert!(host.history_text(&first).contains("edited"));
    let unique = json!({"key": "d", "on_conflict": "debounce", "max_wait": "1m"});
    let call = |payload: u64| {
        let mut request = echo(&json!(payload), &unique);
        request["delay"] = json!("30s");
        request
    };
    let first = host.enqueue(&call(1));
    // Times are all written in one way, so that their order is that of their texts.
    let due = |job: &Value| job["run_at"].as_str().unwrap().to_owned();
    let before = due(&host.job(&first));
    let reply = host.post("/v1/jobs", &call(2)).expect_status(200);
    assert_eq!(reply.header("unique-conflict"), Some("debounced"));
    let job = host.job(&first);
    assert_eq!((due(&job) >= before, &job["payload"]), (true, &json!(2)));
    let unique = json!({"on_conflict": "throttle", "for": "1h"});
    let first = host.enqueue(&echo(&json!("t"), &unique));
    host.act(&format!("/v1/jobs/{first}/cancel")).expect(200);
    let reply = host.post("/v1/jobs", &echo(&json!("t"), &unique)).expect_status(200);
    assert_eq!((reply.header("unique-conflict"), job_id(&reply.json())), (Some("throttled"), first.clone()));
    host.delete(&format!("/v1/jobs/{first}")).expect_status(204);
    host.post("/v1/jobs", &echo(&json!("t"), &unique)).expect_problem_saying(409, &["unique_conflict", "deleted"]);
}

#[test]
fn two_of_one_batch_meet() {
    let host = idle_host();
    let reject = || echo(&json!(1), &json!({}));
    let existing = || echo(&json!(1), &json!({"on_conflict": "return_existing"}));
    let reply = host.post("/v1/jobs/batch", &json!([reject(), reject(), existing()])).expect(200);
    let results = reply["results"].as_array().unwrap();
    let first = job_id(&results[0]);
    assert_eq!(results[1]["error"]["code"], "unique_conflict");
    assert_eq!(results[1]["error"]["existing"]["id"], json!(first));
    assert_eq!((&results[2]["id"], &results[2]["conflict"]), (&json!(first), &json!("existing")));
    let problem = host
        .post("/v1/jobs/batch?atomic=true", &json!([echo(&json!(2), &json!({})), reject()]))
        .expect_problem_saying(422, &["batch_rejected", &first]);
    assert_eq!((&problem["index"], &problem["cause"]), (&json!(1), &json!("unique_conflict")));
    host.enqueue(&echo(&json!(2), &json!({})));
    assert_eq!(host.list("kind=echo").len(), 2, "nothing of the refused batch was written");
}

#[test]
fn what_a_running_job_leaves_to_the_next_one() {
    let host = TestHost::start();
    host.upload(Guest::Handlers);
    let sleep = |unique: Value| json!({"kind": "sleep", "payload": {"ms": 60_000}, "timeout": "2m", "unique": unique});
    let first = host.enqueue(&sleep(json!({"key": "k"})));
    host.wait_for(&first, "running");
    host.post("/v1/jobs", &sleep(json!({"key": "k"}))).expect_problem_saying(409, &["running"]);
    host.post("/v1/jobs", &sleep(json!({"key": "k", "on_conflict": "replace"})))
        .expect_problem_saying(409, &["running"]);
    host.act(&format!("/v1/jobs/{first}/cancel"));
    host.wait_for(&first, "cancelled");
    let waiting = json!({"key": "w", "on_conflict": "replace", "scope": ["scheduled", "ready", "retrying"]});
    let running = host.enqueue(&sleep(waiting.clone()));
    host.wait_for(&running, "running");
    let next = job_id(&host.post("/v1/jobs", &sleep(waiting)).expect(201));
    assert_ne!(next, running, "its scope does not count what runs");
    for id in [running, next] {
        host.act(&format!("/v1/jobs/{id}/cancel"));
        host.wait_for(&id, "cancelled");
    }
}

#[test]
fn what_makes_no_sense_is_refused() {
    let host = idle_host();
    for (unique, pointer) in [
        (json!({"fields": ["customer"]}), "/unique/fields/0"),
        (json!({"scope": []}), "/unique/scope"),
        (json!({"scope": ["finished"]}), "/unique/scope/0"),
        (json!({"on_conflict": "throttle"}), "/unique/for"),
        (json!({"on_conflict": "debounce"}), "/unique/on_conflict"),
        (json!({"on_conflict": "replace", "scope": ["running"]}), "/unique/scope"),
        (json!({"uniq": 1}), "/unique/uniq"),
        (json!(["k"]), "/unique"),
    ] {
        let problem = host.post("/v1/jobs", &echo(&json!(1), &unique)).expect_problem(422);
        assert_eq!(problem["errors"][0]["pointer"], json!(pointer), "{problem:#}");
    }
    assert_eq!(host.list("kind=echo").len(), 0);
}

#[test]
fn the_command_line_says_so() {
    let host = idle_host();
    let enqueue = ["enqueue", "echo", "{\"page\":7}", "--unique=return-existing", "--unique-field", "/page"];
    let first = stoker(&host, &enqueue).expect_success();
    let id = first.split_whitespace().find(|word| word.starts_with("job_")).unwrap().to_owned();
    assert!(stoker(&host, &enqueue).expect_success().contains(&id));
    stoker(&host, &["enqueue", "echo", "{\"page\":7}", "--unique", "--unique-field", "/page"])
        .expect_failure(&["unique_conflict", &id]);
    let help = stoker(&host, &["enqueue", "--help"]).expect_success();
    assert!(help.contains("--unique-for") && help.contains("debounce"), "{help}");
}
