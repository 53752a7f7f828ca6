//! Waiting jobs are changed and run now; running ones are cancelled, many at a time; through the API and the command line.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use serde_json::{Value, json};
use stoker_tests::{Exited, Guest, TestHost, reason_of, run_stoker, state_of};

/// Guests cancelled at once.
const CANCELLED_AT_ONCE: usize = 50;

fn stoker(host: &TestHost, args: &[&str]) -> Exited {
    run_stoker(args, &[("STOKER_URL", host.url())], host.home(), b"")
}

trait Patch {
    fn patch(&self, id: &str, body: &Value) -> stoker_tests::Reply;
}

impl Patch for TestHost {
    fn patch(&self, id: &str, body: &Value) -> stoker_tests::Reply {
        let headers = [("content-type", "application/json")];
        self.request("PATCH", &format!("/v1/jobs/{id}"), &headers, Some(body.to_string().as_bytes()))
    }
}

#[test]
fn a_waiting_job_is_changed_and_stays_changed() {
    let mut host = TestHost::builder().workers(0).start();
    host.upload(Guest::Handlers);
    host.upload(Guest::Hello);
    let id = host.enqueue(&json!({"kind": "hello", "payload": {"name": "Ada"}, "tags": ["old"]}));
    let edit = json!({
        "payload": {"name": "Grace"}, "queue": "side", "priority": 1, "max_attempts": 2, "delay": "1h",
        "timeout": "5s", "tags": ["new"],
    });
    let job = host.patch(&id, &edit).expect(200);
    assert_eq!((state_of(&job), &job["queue"], &job["priority"]), ("scheduled", &json!("side"), &json!(1)), "{job:#}");
    host.patch(&id, &json!({"payload": {"nom": 1}})).expect_problem_saying(422, &["invalid_payload", "/payload"]);
    host.patch(&id, &json!({})).expect_problem_saying(422, &["at least one field"]);
    host.patch(&id, &json!({"state": "ready"})).expect_problem_saying(422, &["/state"]);
    host.patch(&id, &json!({"delay": 1, "run_at": "2030-01-01T00:00:00Z"})).expect_problem_saying(422, &["/delay"]);
    host.patch("job_01ARZ3NDEKTSV4RRFFQ69G5FAV", &json!({"priority": 1})).expect_problem(404);
    host.kill9();
    host.restart_with(|builder| builder.workers(2));
    let job = host.job(&id);
    assert_eq!(
        (&job["payload"], &job["tags"], &job["max_attempts"]),
        (&json!({"name": "Grace"}), &json!(["new"]), &json!(2))
    );
    assert_eq!(job["limits"]["timeout"]["value"], json!("5s"), "{job:#}");
    assert!(host.history_text(&id).contains("edited"));
    assert_eq!(state_of(&host.act(&format!("/v1/jobs/{id}/run")).expect(200)), "ready");
    let job = host.wait_for(&id, "succeeded");
    assert!(job["output"].to_string().contains("Grace"), "{job:#}");
    host.patch(&id, &json!({"priority": 1})).expect_problem_saying(409, &["job_not_waiting", "succeeded"]);
    host.act(&format!("/v1/jobs/{id}/run")).expect_problem_saying(409, &["job_not_waiting"]);
}

#[test]
fn a_running_job_is_left_alone_and_one_before_busy_slots_is_not() {
    let host = TestHost::builder().workers(1).start();
    host.upload(Guest::Handlers);
    host.upload(Guest::Hello);
    let running = host.enqueue(&json!({"kind": "sleep", "payload": {"ms": 60_000}, "timeout": "2m"}));
    host.wait_for(&running, "running");
    let problem = host.patch(&running, &json!({"priority": 1})).expect_problem_saying(409, &["job_not_waiting"]);
    assert_eq!(problem["state"], "running");
    // These may have been claimed ahead: whether they were or not, nobody has entered them.
    let waiting: Vec<String> =
        (0..20).map(|_| host.enqueue(&json!({"kind": "hello", "payload": {"name": "Ada"}}))).collect();
    for id in &waiting {
        host.patch(id, &json!({"payload": {"name": "Grace"}})).expect(200);
    }
    host.act(&format!("/v1/jobs/{running}/cancel"));
    for id in &waiting {
        let job = host.wait_for(id, "succeeded");
        assert!(job["output"].to_string().contains("Grace"), "{job:#}");
        assert_eq!(host.attempts(id).len(), 1, "it ran once");
    }
}

#[test]
fn edits_and_ends_may_race() {
    let host = TestHost::start();
    host.upload(Guest::Handlers);
    let ids = host.enqueue_lines((0..300).map(|n| json!({"kind": "echo", "payload": {"old": n}})));
    let edited: Vec<bool> = ids
        .iter()
        .rev()
        .map(|id| {
            let reply = host.patch(id, &json!({"payload": {"new": 1}}));
            assert!(matches!(reply.status, 200 | 409), "{reply}");
            reply.status == 200
        })
        .collect();
    for (id, edited) in ids.iter().rev().zip(edited) {
        let job = host.wait_for(id, "succeeded");
        assert_eq!(job["output"]["payload"].get("new").is_some(), edited, "what was run is not what was said: {job:#}");
    }
}

#[test]
fn the_command_line_changes_and_hurries() {
    let host = TestHost::builder().workers(0).leaves_work_behind().start();
    host.upload(Guest::Handlers);
    let id = host.enqueue(&json!({"kind": "echo", "payload": 1, "delay": "1h"}));
    let said = stoker(&host, &["edit", &id, "--priority", "0", "--payload", "[2]", "--delay", "2h"]).expect_success();
    assert!(said.contains("scheduled"), "{said}");
    assert_eq!((&host.job(&id)["payload"], &host.job(&id)["priority"]), (&json!([2]), &json!(0)));
    assert!(stoker(&host, &["run-now", &id]).expect_success().contains("ready"));
    stoker(&host, &["edit", &id, "--expires-in", "1h"]).expect_success();
    assert!(host.job(&id)["expires_at"].is_string());
    stoker(&host, &["edit", &id, "--expires-at", "never"]).expect_success();
    assert!(host.job(&id).get("expires_at").is_none_or(Value::is_null));
    stoker(&host, &["edit", &id, "--expires-at", "2999-01-01T00:00:00Z"]).expect_success();
    assert_eq!(host.job(&id)["expires_at"], "2999-01-01T00:00:00.000Z");
    let other =
        stoker(&host, &["enqueue", "echo", "1", "--expires-at", "2999-01-01T00:00:00Z", "--quiet"]).expect_success();
    assert_eq!(host.job(other.trim())["expires_at"], "2999-01-01T00:00:00.000Z");
    host.act(&format!("/v1/jobs/{id}/cancel")).expect(200);
    stoker(&host, &["edit", &id, "--priority", "1"]).expect_failure(&["job_not_waiting"]);
    stoker(&host, &["run-now", &id]).expect_failure(&["job_not_waiting"]);
}

#[test]
fn fifty_running_guests_are_cancelled() {
    let host = TestHost::builder().workers(u32::try_from(CANCELLED_AT_ONCE).unwrap()).start();
    host.upload(Guest::Hello);
    host.upload(Guest::Handlers);
    for kind in ["busy-loop", "sleep", "memory-copy"] {
        host.set_kind(kind, &json!({"timeout": "10m", "fuel": 1_000_000_000_000u64, "memory": 128 << 20}));
    }
    let kinds =
        ["busy-loop", "sleep", "memory-copy", "sleep", "sleep", "busy-loop", "sleep", "sleep", "sleep", "sleep"];
    let lines = (0..CANCELLED_AT_ONCE).map(|n| json!({"kind": kinds[n % kinds.len()], "payload": {"ms": 600_000}}));
    let ids = host.enqueue_lines(lines);
    for id in &ids {
        host.wait_for(id, "running");
    }
    // Not by their state: one that was just entered may still be written as ready.
    let said = stoker(&host, &["cancel", "--unfinished"]).expect_success();
    assert!(said.contains(&format!("{CANCELLED_AT_ONCE} changed")), "{said}");
    for id in &ids {
        assert_eq!(reason_of(&host.wait_for(id, "cancelled")), "cancelled");
    }
    host.assert_still_runs();
}

#[test]
fn times_that_belong_together_stay_together() {
    let host = TestHost::builder().workers(2).leaves_work_behind().start();
    host.upload(Guest::Handlers);
    let echo = |more: Value| {
        let mut job = json!({"kind": "echo", "payload": {}});
        job.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        job
    };
    let patch = |id: &str, change: &Value| {
        let body = change.to_string();
        host.request("PATCH", &format!("/v1/jobs/{id}"), &[("content-type", "application/json")], Some(body.as_bytes()))
    };
    // Not past the time by which it is to have begun.
    let expiring = host.enqueue(&echo(json!({"delay": "10m", "expires_in": "20m"})));
    let problem = patch(&expiring, &json!({"delay": "1h"})).expect_problem(422);
    assert_eq!(problem["errors"][0]["pointer"], "/run_at", "{problem}");
    patch(&expiring, &json!({"delay": "15m"})).expect(200);
    let problem = patch(&expiring, &json!({"expires_in": "5m"})).expect_problem_saying(422, &["before the job is due"]);
    assert_eq!(problem["errors"][0]["pointer"], "/expires_in", "{problem}");
    let moved = patch(&expiring, &json!({"delay": "1h", "expires_at": "2999-01-01T00:00:00Z"})).expect(200);
    assert_eq!(moved["expires_at"], "2999-01-01T00:00:00.000Z");
    for (body, pointer) in [
        (json!({"expires_at": "2999-01-01T00:00:00Z", "expires_in": "1h"}), "/expires_in"),
        (json!({"expires_at": null, "expires_in": null}), "/expires_in"),
        (json!({"expires_at": "2020-01-01T00:00:00Z"}), "/expires_at"),
        (json!({"expires_in": 0}), "/expires_in"),
        (json!({"expires_at": "soon"}), "/expires_at"),
    ] {
        let problem = patch(&expiring, &body).expect_problem(422);
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem}");
    }
    let free = patch(&expiring, &json!({"expires_at": null})).expect(200);
    assert!(free.get("expires_at").is_none_or(Value::is_null), "{free}");
    // One that had no such time can be given one, and ends by it.
    host.put("/v1/queues/held", &json!({})).expect(200);
    host.act("/v1/queues/held/pause").expect(200);
    let late = host.enqueue(&echo(json!({"queue": "held"})));
    patch(&late, &json!({"expires_in": "100ms"})).expect(200);
    assert_eq!(host.wait_for(&late, "cancelled")["error"]["reason"], "deadline_expired");
    // The one that takes its place brings its own.
    let unique = json!({"key": "R", "on_conflict": "replace"});
    let first = host.enqueue(&echo(json!({"delay": "1h", "expires_in": "2h", "unique": unique})));
    let replaced = host.post("/v1/jobs", &echo(json!({"delay": "3h", "unique": unique}))).expect(200);
    assert_eq!(replaced["id"], *first);
    assert!(replaced.get("expires_at").is_none_or(Value::is_null), "{replaced}");
    // A delay counts from when the others have ended, also one that is changed.
    let parent = host.enqueue(&echo(json!({"delay": "1h"})));
    let child = host.enqueue(&echo(json!({"after": [parent], "delay": "1h"})));
    patch(&child, &json!({"delay": 0})).expect(200);
    host.act(&format!("/v1/jobs/{parent}/run")).expect(200);
    host.wait_for(&child, "succeeded");
}

#[test]
fn what_is_made_again_and_again_counts_its_time_anew() {
    let host = TestHost::builder().workers(2).start();
    host.upload(Guest::Handlers);
    let schedule = json!({"kind": "echo", "payload": {}, "every": "1s", "expires_in": "1s"});
    host.put("/v1/schedules/often", &schedule).expect(201);
    let succeeded = || host.list("kind=echo&state=succeeded").len() >= 3;
    stoker_tests::eventually("three slots have succeeded", || succeeded().then_some(()));
    host.delete("/v1/schedules/often").expect_status(204);

    let batch = json!({"jobs": [{"kind": "sleep", "payload": {"ms": 1_500}}],
        "on_finish": {"kind": "echo", "payload": {"follows": true}, "expires_in": "1s"}});
    let made = host.post("/v1/batches", &batch).expect(201);
    let tag = made["id"].as_str().unwrap();
    let follower = stoker_tests::eventually("the callback", || host.list(&format!("tag={tag}")).into_iter().next());
    host.wait_for(follower["id"].as_str().unwrap(), "succeeded");
}
