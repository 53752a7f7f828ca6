//! Batches through the real binary: progress, what follows once, adding while open, cancel, and a kill in the middle.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::time::Duration;

use serde_json::{Value, json};
use stoker_tests::{Exited, Guest, TestHost, eventually, run_stoker, state_of};

fn host() -> TestHost {
    let host = TestHost::builder().workers(4).start();
    host.upload(Guest::Hello);
    host.upload(Guest::Handlers);
    host
}

fn stoker(host: &TestHost, args: &[&str], stdin: &[u8]) -> Exited {
    run_stoker(args, &[("STOKER_URL", host.url())], host.home(), stdin)
}

fn hello(name: &str) -> Value {
    json!({"kind": "hello", "payload": {"name": name}})
}

fn finished(host: &TestHost, id: &str) -> Value {
    eventually(&format!("{id} is finished"), || {
        let batch = host.get(&format!("/v1/batches/{id}")).expect(200);
        (batch["finished_at"] != Value::Null).then_some(batch)
    })
}

#[test]
fn a_batch_counts_and_what_follows_follows_once() {
    let host = host();
    let made = host
        .post(
            "/v1/batches",
            &json!({
                "name": "import", "jobs": [hello("a"), hello("b"), {"kind": "fail-fatal", "payload": {}}],
                "on_success": hello("success"), "on_failure": hello("failure"), "on_finish": hello("finish"),
            }),
        )
        .expect(201);
    let id = made["id"].as_str().unwrap();
    let batch = finished(&host, id);
    assert_eq!(
        batch["counts"],
        json!({"total": 3, "unfinished": 0, "succeeded": 2, "failed": 1, "cancelled": 0, "skipped": 0})
    );
    assert_eq!((&batch["state"], &batch["on_success"]["job"]), (&json!("failed"), &Value::Null));
    for event in ["on_failure", "on_finish"] {
        let followed = batch[event]["job"].as_str().unwrap();
        assert_eq!(host.wait_for(followed, "succeeded")["tags"], json!([id]));
    }
    let jobs = host.get(&format!("/v1/batches/{id}/jobs?limit=2")).expect(200);
    assert_eq!(jobs["items"].as_array().unwrap().len(), 2);
    let cursor = jobs["next_cursor"].as_str().unwrap();
    let rest = host.get(&format!("/v1/batches/{id}/jobs?cursor={cursor}")).expect(200);
    assert_eq!((&rest["items"][0]["kind"], &rest["next_cursor"]), (&json!("fail-fatal"), &Value::Null));
    let job = rest["items"][0]["id"].as_str().unwrap();
    assert_eq!(host.job(job)["batch"], json!(id));
    let said = stoker(&host, &["batches", id], b"").expect_success();
    assert!(said.contains("2 of 3 succeeded, 1 failed") && said.contains("import"), "{said}");
    let listed = stoker(&host, &["batches", id, "--jobs"], b"").expect_success();
    assert!(listed.contains(job) && listed.lines().count() == 4, "a heading and three jobs: {listed}");
    assert!(stoker(&host, &["batches"], b"").expect_success().contains(id));
    assert_eq!(host.get("/v1/batches").expect(200)["items"][0]["id"], json!(id));
}

#[test]
fn jobs_are_added_while_a_batch_is_open() {
    let host = host();
    let made = stoker(&host, &["batches", "--submit", "-", "--json"], b"{\"name\": \"crawl\"}").expect_success();
    let made: Value = serde_json::from_str(&made).unwrap();
    let id = made["id"].as_str().unwrap();
    assert_eq!(made["state"], "open");
    let mut request = hello("one");
    request["batch"] = json!(id);
    host.run(&request);
    let payload = "{\"name\":\"two\"}";
    stoker(&host, &["enqueue", "hello", payload, "--batch", id, "--wait"], b"").expect_success();
    assert_eq!(host.get(&format!("/v1/batches/{id}")).expect(200)["finished_at"], Value::Null);
    let closed = stoker(&host, &["batches", id, "--close"], b"").expect_success();
    assert!(closed.contains("2 of 2 succeeded"), "{closed}");
    host.post("/v1/jobs", &request).expect_problem_saying(409, &["batch_closed", "on_request"]);
    request["batch"] = json!("batch_00000000000000000000000007");
    host.post("/v1/jobs", &request).expect_problem_saying(422, &["/batch", "no such batch"]);
    let refused =
        json!({"jobs": [hello("a"), {"kind": "helo"}], "on_finish": {"kind": "hello", "payload": {"name": 7}}});
    let refused = host.post("/v1/batches", &refused).expect_problem(422);
    let pointers: Vec<&str> =
        refused["errors"].as_array().unwrap().iter().map(|error| error["pointer"].as_str().unwrap()).collect();
    assert!(pointers[0].starts_with("/on_finish") && pointers.contains(&"/jobs/1"), "{refused}");
    host.get("/v1/batches/batch_00000000000000000000000007").expect_problem_saying(404, &["batch_not_found"]);
}

#[test]
fn the_same_request_makes_one_batch() {
    let host = host();
    let body = json!({"jobs": [hello("a")]});
    let first = host.post_with("/v1/batches", &[("idempotency-key", "k")], &body).expect(201);
    let again = host.post_with("/v1/batches", &[("idempotency-key", "k")], &body);
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(again.expect(200)["id"], first["id"]);
    let other = json!({"jobs": [hello("b")]});
    let refused = host.post_with("/v1/batches", &[("idempotency-key", "k")], &other);
    refused.expect_problem_saying(409, &["idempotency_conflict"]);
    finished(&host, first["id"].as_str().unwrap());
}

#[test]
fn a_batch_is_cancelled_whole_though_the_host_is_killed() {
    let mut host = host();
    let jobs: Vec<Value> = (0..1_300).map(|_| json!({"kind": "sleep", "payload": {"ms": 20_000}})).collect();
    let made = host.post("/v1/batches", &json!({"jobs": jobs, "on_finish": hello("done")})).expect(201);
    let id = made["id"].as_str().unwrap().to_owned();
    eventually("some run", || (!host.list("state=running").is_empty()).then_some(()));
    host.act(&format!("/v1/batches/{id}/cancel")).expect(202);
    host.kill9();
    host.restart();
    let batch = finished(&host, &id);
    assert_eq!((&batch["counts"]["cancelled"], &batch["state"]), (&json!(1_300), &json!("cancelled")), "{batch}");
    let followed = batch["on_finish"]["job"].as_str().unwrap();
    assert_eq!(state_of(&host.wait_end(followed)), "succeeded");
    host.wait_idle(Duration::from_secs(30));
}

/// What moves a cursor is refused; what only looks like something else is shown as what it is.
#[test]
fn names_show_what_they_are() {
    let host = host();
    for (body, words) in [
        (json!({"name": "a\u{1b}[2Jb"}), ["/name", "in place 2 is U+001B"]),
        (json!({"jobs": [{"kind": "echo", "payload": 1, "tags": ["ok", "x\u{7f}"]}]}), ["/jobs/0/tags/1", "U+007F"]),
        (json!({"jobs": [{"kind": "echo", "payload": 1, "concurrency_key": "\n"}]}), ["/concurrency_key", "U+000A"]),
        (json!({"jobs": [{"kind": "echo", "payload": 1, "unique": {"key": "k\u{9b}"}}]}), ["/unique/key", "U+009B"]),
    ] {
        host.post("/v1/batches", &body).expect_problem_saying(422, &words);
    }
    let name = "one\u{2028}two\u{200b}\u{202e}eno";
    let made = host.post("/v1/batches", &json!({"name": name})).expect(201);
    assert_eq!(made["name"], name);
    let id = made["id"].as_str().unwrap();
    for args in [&["batches"][..], &["batches", id]] {
        let said = stoker(&host, args, b"").expect_success();
        assert!(said.contains("one\\u{2028}two\\u{200b}\\u{202e}eno"), "{said}");
        assert!(!said.contains(['\u{2028}', '\u{200b}', '\u{202e}']), "{said}");
    }
    let json: Value = serde_json::from_str(&stoker(&host, &["batches", id, "--json"], b"").expect_success()).unwrap();
    assert_eq!(json["name"], name, "programs read what was written");
}
