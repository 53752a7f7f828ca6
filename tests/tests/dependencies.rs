//! Jobs that run after others, through the real binary: what frees them, what cancels them, what brings them back.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use serde_json::{Value, json};
use stoker_tests::{Exited, Guest, TestHost, run_stoker, state_of};

fn hello(extra: &Value) -> Value {
    let mut request = json!({"kind": "hello", "payload": {"name": "Ada"}});
    request.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    request
}

fn stoker(host: &TestHost, args: &[&str]) -> Exited {
    run_stoker(args, &[("STOKER_URL", host.url())], host.home(), b"")
}

/// A host on which jobs of queue `held` wait until it is resumed.
fn host() -> TestHost {
    let host = TestHost::start();
    host.upload(Guest::Hello);
    host.upload(Guest::Handlers);
    host.put("/v1/queues/held", &json!({})).expect(200);
    host.act("/v1/queues/held/pause").expect(200);
    host
}

#[test]
fn a_job_waits_for_others_and_says_for_which() {
    let mut host = host();
    let one = host.enqueue(&hello(&json!({"queue": "held"})));
    let other = host.enqueue(&hello(&json!({})));
    host.wait_for(&other, "succeeded");
    let child = host.enqueue(&hello(&json!({"after": [one, {"job": other, "on": "finished"}]})));
    let job = host.job(&child);
    assert_eq!((state_of(&job), &job["waiting"]["reason"]), ("blocked", &json!("after_jobs")), "{job}");
    let detail = job["waiting"]["detail"].as_str().unwrap();
    assert!(detail.contains("1 of the 2 jobs") && detail.contains(&one), "{detail}");
    assert_eq!(job["after"][1], json!({"job": other, "on": "finished", "state": "succeeded"}));
    let said = stoker(&host, &["job", &child]).expect_success();
    assert!(said.contains(&format!("after {one}: ready")) && said.contains("1 of the 2 jobs"), "{said}");
    host.delete(&format!("/v1/jobs/{other}")).expect_problem_saying(409, &["job_needed", &child]);

    host.restart();
    assert_eq!(state_of(&host.job(&child)), "blocked");
    host.act("/v1/queues/held/resume").expect(200);
    host.wait_for(&child, "succeeded");
    assert!(host.history_text(&child).contains("unblocked"));
    host.delete(&format!("/v1/jobs/{other}")).expect_status(204);
    assert_eq!(host.job(&child)["after"][1]["state"], Value::Null);
}

#[test]
fn a_failure_cancels_what_needs_success_and_runs_what_is_for_it() {
    let host = host();
    let failing = json!({"kind": "fail-fatal", "queue": "held", "payload": {}});
    let parent = host.enqueue(&failing);
    let child = host.enqueue(&hello(&json!({"after": [parent]})));
    let grandchild = host.enqueue(&hello(&json!({"after": [child]})));
    let rescue = host.enqueue(&hello(&json!({"after": [{"job": parent, "on": "failed"}]})));
    let tidy = stoker(
        &host,
        &["enqueue", "hello", "{\"name\":\"Ada\"}", "--quiet", "--after", &format!("{grandchild}:finished")],
    );
    let tidy = tidy.expect_success().trim().to_owned();
    host.act("/v1/queues/held/resume").expect(200);
    host.wait_for(&parent, "failed");
    let cancelled = host.wait_for(&grandchild, "cancelled");
    assert_eq!((&cancelled["error"]["reason"], &cancelled["error"]["detail"]), (&json!("cancelled"), &json!(child)));
    assert_eq!(host.job(&child)["error"]["detail"], json!(parent));
    host.wait_for(&rescue, "succeeded");
    host.wait_for(&tidy, "succeeded");
    let born = host.post("/v1/jobs", &hello(&json!({"after": [parent]}))).expect(201);
    assert_eq!(state_of(&born), "cancelled", "{born}");
    let said = stoker(&host, &["job", &child]).expect_success();
    assert!(said.contains("did not succeed") && said.contains("brings this one back"), "{said}");
}

#[test]
fn a_retry_brings_back_what_was_cancelled_because_of_it() {
    let mut host = host();
    let parent = host.enqueue(&hello(&json!({"queue": "held"})));
    let child = host.enqueue(&hello(&json!({"after": [parent]})));
    let grandchild = host.enqueue(&hello(&json!({"after": [child], "delay": "50ms"})));
    host.act(&format!("/v1/jobs/{parent}/cancel")).expect(200);
    for id in [&child, &grandchild] {
        assert_eq!(state_of(&host.job(id)), "cancelled");
    }
    host.kill9();
    host.restart();
    host.act(&format!("/v1/jobs/{parent}/retry")).expect(200);
    for id in [&child, &grandchild] {
        assert_eq!(state_of(&host.job(id)), "blocked", "{}", host.history_text(id));
    }
    host.act("/v1/queues/held/resume").expect(200);
    host.wait_for(&grandchild, "succeeded");
    let history = host.history_text(&grandchild);
    for word in ["dependency_broken", "blocked", "unblocked", "due", "succeeded"] {
        assert!(history.contains(word), "{word}: {history}");
    }
}

#[test]
fn what_can_not_be_waited_for_is_said_with_its_place() {
    let host = host();
    let unknown = "job_00000000000000000000000007";
    let refused = host.post("/v1/jobs", &hello(&json!({"after": [unknown]}))).expect_problem(422);
    assert_eq!(refused["errors"][0]["pointer"], "/after/0", "{refused}");
    let body = hello(&json!({"after": [{"job": unknown, "on": "done"}]}));
    host.post("/v1/jobs", &body).expect_problem_saying(422, &["/after/0", "`succeeded`, `failed`"]);
    host.post("/v1/jobs", &hello(&json!({"after": ["soon"]}))).expect_problem_saying(422, &["/after/0", "job_"]);
    let lines = json!([hello(&json!({})), hello(&json!({"after": [unknown]}))]);
    let reply = host.post("/v1/jobs/batch", &lines).expect(200);
    assert_eq!(reply["results"][1]["error"]["errors"][0]["pointer"], "/after/0", "{reply}");
    host.post("/v1/jobs/batch?atomic=true", &lines).expect_problem_saying(422, &["batch_rejected", "/1/after/0"]);
    let id = reply["results"][0]["id"].as_str().unwrap();
    host.wait_for(id, "succeeded");
}

#[test]
fn a_job_reads_what_those_before_it_returned() {
    let host = host();
    host.upload(Guest::EnvArgs);
    let body = json!({"jobs": {
        "greet": hello(&json!({})),
        "fail": {"kind": "fail-fatal", "payload": {}},
        "read": {
            "kind": "parents", "payload": {"parents": ["greet", "fail", "other"]},
            "after": ["greet", {"job": "fail", "on": "failed"}],
        },
        "command": {"kind": "env-args", "payload": {}, "after": ["greet", {"job": "fail", "on": "finished"}]},
    }});
    let made = host.post("/v1/workflows", &body).expect(201);
    let id = |name: &str| {
        let jobs = made["jobs"].as_array().unwrap();
        jobs.iter().find(|job| job["name"] == name).unwrap()["id"].as_str().unwrap().to_owned()
    };
    let read = host.wait_for(&id("read"), "succeeded");
    let greeting = json!({"greeting": "Hello, Ada!"});
    assert_eq!(read["output"], json!({"greet": greeting, "fail": null, "other": null}));
    assert!(read["receipt"]["host_calls"].as_u64().unwrap() >= 3);
    let environment = host.wait_for(&id("command"), "succeeded")["output"].to_string();
    assert!(environment.contains("STOKER_PARENT_OUTPUTS") && environment.contains("Hello, Ada!"), "{environment}");
    // By its id, from a job of its own; one that runs after nobody gets nothing.
    let greet = id("greet");
    let asked = json!({"kind": "parents", "payload": {"parents": [greet]}, "after": [greet]});
    assert_eq!(host.run(&asked)["output"][&greet], greeting);
    let asked = json!({"kind": "parents", "payload": {"parents": [greet]}});
    assert_eq!(host.run(&asked)["output"], json!({&greet: null}));
}

#[test]
fn what_a_removed_job_returned_is_an_error_and_no_silence() {
    let host = host();
    host.upload(Guest::EnvArgs);
    let parent = host.enqueue(&hello(&json!({})));
    host.wait_for(&parent, "succeeded");
    let asked = json!({"kind": "parents", "payload": {"parents": [parent]}, "after": [parent], "queue": "held"});
    let handler = host.enqueue(&asked);
    let command = host.enqueue(&json!({"kind": "env-args", "payload": {}, "after": [parent], "queue": "held"}));
    host.delete(&format!("/v1/jobs/{parent}")).expect_problem_saying(409, &["job_needed"]);
    for job in [&handler, &command] {
        host.act(&format!("/v1/jobs/{job}/cancel")).expect(200);
    }
    host.delete(&format!("/v1/jobs/{parent}")).expect_status(204);
    for job in [&handler, &command] {
        host.act(&format!("/v1/jobs/{job}/retry")).expect(200);
    }
    host.act("/v1/queues/held/resume").expect(200);
    for (job, reason) in [(&handler, "handler_error"), (&command, "invalid_payload")] {
        let failed = host.wait_for(job, "failed");
        assert_eq!(failed["error"]["reason"], reason, "{failed}");
        let message = failed["error"]["message"].as_str().unwrap();
        assert!(message.contains(&parent) && message.contains("was removed, by retention or by hand"), "{message}");
        assert_eq!(failed["attempt"], 1, "it is not tried again: {failed}");
    }
}

#[test]
fn a_retried_job_waits_again_for_those_that_have_not_ended() {
    let host = host();
    let parent = host.enqueue(&hello(&json!({"queue": "held"})));
    let child = host.enqueue(&hello(&json!({"after": [parent]})));
    host.act(&format!("/v1/jobs/{child}/cancel")).expect(200);
    let said = stoker(&host, &["retry", &child]).expect_success();
    assert!(said.contains("is blocked again"), "{said}");
    assert_eq!(host.job(&child)["waiting"]["reason"], "after_jobs");
    assert!(host.history_text(&child).contains("reopened"));
    host.act("/v1/queues/held/resume").expect(200);
    host.wait_for(&child, "succeeded");
}
