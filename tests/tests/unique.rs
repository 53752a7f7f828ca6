//! Jobs that are the only ones like them: refused, answered with, replaced, pushed out and throttled; in batches, through
//! restarts, and as the command line says it.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use serde_json::{Value, json};
use stoker_tests::{Exited, Guest, TestHost, eventually, job_id, run_stoker, state_of};

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
    // Who deletes it lets the next one in.
    host.delete(&format!("/v1/jobs/{first}")).expect_status(204);
    let next = host.enqueue(&echo(&json!("t"), &unique));
    assert_ne!(next, first);
}

/// What ended keeps others away to the end of its period, though jobs of its kind are kept for a second.
#[test]
fn a_period_outlasts_retention() {
    let mut host = TestHost::builder().flag("--retention-succeeded", "1s").start();
    host.upload(Guest::Handlers);
    let done = json!({"key": "k", "for": "1h", "scope": ["scheduled", "ready", "running", "retrying", "succeeded"]});
    let throttled = json!({"on_conflict": "throttle", "for": "1h"});
    let brief = json!({"key": "b", "on_conflict": "throttle", "for": "1s"});
    let run = |unique: &Value| job_id(&host.run(&echo(&json!("same"), unique)));
    let (done_job, throttled_job, brief_job) = (run(&done), run(&throttled), run(&brief));
    let usual = job_id(&host.run(&json!({"kind": "echo", "payload": "usual"})));
    let is_gone = |host: &TestHost, id: &str| host.get(&format!("/v1/jobs/{id}")).status == 404;
    eventually("what nobody needs is gone", || (is_gone(&host, &usual) && is_gone(&host, &brief_job)).then_some(()));
    for _ in 0..2 {
        let problem = host.post("/v1/jobs", &echo(&json!(1), &done)).expect_problem_saying(409, &["succeeded"]);
        assert_eq!(problem["existing"]["id"], json!(done_job));
        let reply = host.post("/v1/jobs", &echo(&json!("same"), &throttled)).expect_status(200);
        assert_eq!(
            (reply.header("unique-conflict"), job_id(&reply.json())),
            (Some("throttled"), throttled_job.clone())
        );
        host.kill9();
        host.restart();
    }
    let kept_until = host.job(&done_job)["kept_until"].as_str().unwrap().to_owned();
    let hour: jiff::Timestamp = kept_until.parse().unwrap();
    let created: jiff::Timestamp = host.job(&done_job)["created_at"].as_str().unwrap().parse().unwrap();
    assert_eq!(hour.duration_since(created).as_secs(), 3_600, "it says until when");
    assert_eq!(host.post("/v1/jobs", &echo(&json!("same"), &brief)).status, 201, "its period is over");
    host.wait_idle(std::time::Duration::from_mins(1));
}

#[test]
fn the_same_request_under_a_key_has_the_same_answer() {
    let mut host = idle_host();
    let first = host.enqueue(&echo(&json!(1), &json!({"key": "k"})));
    let keyed = |host: &TestHost, key: &str, on_conflict: &str| {
        let mut request = echo(&json!(2), &json!({"key": "k", "on_conflict": on_conflict}));
        match on_conflict {
            "debounce" => request["delay"] = json!("1m"),
            "throttle" => request["unique"]["for"] = json!("1h"),
            _ => {}
        }
        host.post_with("/v1/jobs", &[("idempotency-key", key)], &request)
    };
    let cases = [
        ("return_existing", "existing"),
        ("replace", "replaced"),
        ("debounce", "debounced"),
        ("throttle", "throttled"),
    ];
    for (on_conflict, word) in cases {
        let reply = keyed(&host, on_conflict, on_conflict).expect_status(200);
        assert_eq!((reply.header("unique-conflict"), reply.header("idempotency-replayed")), (Some(word), None));
    }
    let refused = keyed(&host, "reject", "reject").expect_status(409);
    assert_eq!(refused.header("idempotency-replayed"), None);
    let in_batch = |on_conflict: &str, key: Option<&str>| {
        let mut job = echo(&json!(3), &json!({"key": "k", "on_conflict": on_conflict}));
        if let Some(key) = key {
            job["idempotency_key"] = json!(key);
        }
        job
    };
    let jobs =
        json!([in_batch("return_existing", None), in_batch("reject", None), in_batch("return_existing", Some("own"))]);
    let batch = |host: &TestHost, path: &str, key: &str| host.post_with(path, &[("idempotency-key", key)], &jobs);
    let before = batch(&host, "/v1/jobs/batch", "batch").expect(200);
    assert_eq!(before["results"][1]["error"]["code"], "unique_conflict");
    batch(&host, "/v1/jobs/batch?atomic=true", "atomic").expect_problem_saying(422, &["batch_rejected"]);
    // Nobody has the identity any more, and the host has died.
    host.act(&format!("/v1/jobs/{first}/cancel")).expect(200);
    host.kill9();
    host.restart();
    for (on_conflict, word) in cases {
        let reply = keyed(&host, on_conflict, on_conflict).expect_status(200);
        assert_eq!(
            (reply.header("unique-conflict"), reply.header("idempotency-replayed")),
            (Some(word), Some("true")),
            "{on_conflict}"
        );
        assert_eq!(job_id(&reply.json()), first);
    }
    let again = keyed(&host, "reject", "reject").expect_status(409);
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(again.expect_problem(409)["existing"]["id"], json!(first));
    let reply = batch(&host, "/v1/jobs/batch", "batch").expect_status(200);
    assert_eq!(reply.header("idempotency-replayed"), Some("true"));
    let after = reply.json();
    assert_eq!(after["results"][0], before["results"][0]);
    assert_eq!(after["results"][1]["error"]["code"], "unique_conflict", "{after:#}");
    assert_eq!(after["results"][1]["error"]["existing"]["id"], json!(first));
    let own = host.post("/v1/jobs/batch", &json!([in_batch("return_existing", Some("own"))])).expect(200);
    let expected = json!({"id": first, "replayed": true, "conflict": "existing"});
    assert_eq!(own["results"][0], expected, "a key of its own is known as well");
    let refused = batch(&host, "/v1/jobs/batch?atomic=true", "atomic").expect_status(422);
    assert_eq!(refused.header("idempotency-replayed"), Some("true"));
    let problem = refused.expect_problem_saying(422, &["batch_rejected", &first]);
    assert_eq!((&problem["index"], &problem["cause"]), (&json!(1), &json!("unique_conflict")));
    assert_eq!(host.list("kind=echo").len(), 1, "nothing was made by any of them");
    // Another request is another request.
    assert_eq!(keyed(&host, "new", "reject").status, 201);
}

#[test]
fn one_of_a_batch_or_workflow_that_is_not_the_only_one_refuses_all() {
    let host = idle_host();
    let first = host.enqueue(&echo(&json!(1), &json!({"key": "k"})));
    let member = |unique: Value| echo(&json!(1), &unique);
    let free = || echo(&json!(0), &json!({"key": "free"}));
    for (path, jobs, pointer) in [
        ("/v1/batches", json!([free(), member(json!({"key": "k"}))]), "/jobs/1/unique"),
        ("/v1/workflows", json!({"a": free(), "b/c": member(json!({"key": "k"}))}), "/jobs/b~1c/unique"),
    ] {
        let key = [("idempotency-key", path)];
        for replayed in [None, Some("true")] {
            let refused = host.post_with(path, &key, &json!({"jobs": jobs})).expect_status(409);
            assert_eq!(refused.header("idempotency-replayed"), replayed, "{path}");
            let problem = refused.expect_problem_saying(409, &["unique_conflict", "nothing was enqueued"]);
            assert_eq!(
                (&problem["errors"][0]["pointer"], &problem["existing"]["id"]),
                (&json!(pointer), &json!(first))
            );
        }
        // What has no meaning there says why.
        for on_conflict in ["return_existing", "replace", "throttle"] {
            let unique = json!({"key": "x", "on_conflict": on_conflict, "for": "1h"});
            let jobs = if path == "/v1/batches" { json!([member(unique)]) } else { json!({"b": member(unique)}) };
            let problem = host.post(path, &json!({"jobs": jobs})).expect_problem_saying(422, &["is not of it"]);
            assert!(problem["errors"][0]["pointer"].as_str().unwrap().ends_with("/unique/on_conflict"), "{problem:#}");
        }
    }
    let twice = json!({"jobs": [free(), free()]});
    host.post("/v1/batches", &twice).expect_problem_saying(409, &["/jobs/1", "another job of this request"]);
    let callback = json!({"jobs": [free()], "on_finish": free()});
    host.post("/v1/batches", &callback).expect_problem_saying(422, &["/on_finish/unique"]);
    assert_eq!(host.list("kind=echo").len(), 1);
    let made = host.post("/v1/batches", &json!({"jobs": [free()], "close": "on_request"})).expect(201);
    host.post("/v1/jobs", &free()).expect_problem_saying(409, &["unique_conflict"]);
    // Into a batch there is, it is the same.
    let mut later = member(json!({"key": "k", "on_conflict": "return_existing"}));
    later["batch"] = made["id"].clone();
    host.post("/v1/jobs", &later).expect_problem_saying(422, &["/unique/on_conflict", "is not of it"]);
}

#[test]
fn a_slot_that_meets_another_job_says_what_became_of_it() {
    let host = idle_host();
    let tick = |unique: Value| json!({"kind": "echo", "payload": {"tick": 1}, "every": "1s", "overlap": "allow", "unique": unique});
    for (on_conflict, fate, status) in [
        ("reject", "rejected", 409),
        ("return_existing", "existing", 200),
        ("replace", "replaced", 200),
        ("debounce", "debounced", 200),
        ("throttle", "throttled", 200),
    ] {
        let mut unique = json!({"key": on_conflict, "on_conflict": on_conflict});
        if on_conflict == "throttle" {
            unique["for"] = json!("1h");
        }
        let mut schedule = tick(unique.clone());
        let mut request = json!({"kind": "echo", "payload": {"mine": 1}, "delay": "1h", "unique": unique});
        if on_conflict == "debounce" {
            schedule["delay"] = json!("2h");
            request["unique"]["max_wait"] = json!("9h");
            schedule["unique"]["max_wait"] = json!("9h");
        }
        let first = host.enqueue(&request);
        let path = format!("/v1/schedules/{on_conflict}");
        let put = host.put(&path, &schedule).expect(201);
        assert_eq!(put["definition"]["unique"], schedule["unique"], "{put:#}");
        let slot = eventually("a slot has come", || host.get(&path).expect(200)["slots"].get(0).cloned());
        assert_eq!((&slot["fate"], &slot["job"]["id"]), (&json!(fate), &json!(first)), "{slot:#}");
        assert!(slot["detail"].as_str().unwrap().contains(&first), "{slot:#}");
        host.act(&format!("{path}/pause")).expect(200);
        let triggered = host.act(&format!("{path}/trigger")).expect_status(status);
        let word = (status == 200).then_some(fate);
        assert_eq!(triggered.header("unique-conflict"), word, "{triggered}");
        let shown = stoker(&host, &["schedules", on_conflict]).expect_success();
        assert!(shown.contains(fate) && shown.contains("only one like it"), "{shown}");
        let payload = host.job(&first)["payload"].clone();
        let is_changed = matches!(on_conflict, "replace" | "debounce");
        assert_eq!(payload, if is_changed { json!({"tick": 1}) } else { json!({"mine": 1}) }, "{on_conflict}");
        host.delete(&path).expect_status(204);
    }
    let mut delayed = tick(json!({"key": "x"}));
    delayed["delay"] = json!("1s");
    host.put("/v1/schedules/x", &delayed).expect_problem_saying(422, &["/delay", "debounce"]);
    host.put("/v1/schedules/x", &tick(json!({"key": "x", "on_conflict": "debounce"})))
        .expect_problem_saying(422, &["/unique/on_conflict", "needs a `delay`"]);
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
        (json!({"key": "a\u{1b}[2J"}), "/unique/key"),
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
