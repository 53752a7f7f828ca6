//! Queues: paused and resumed, set, deleted and made anew; through restarts, and as the command line shows them.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use serde_json::json;
use stoker_tests::{Exited, Guest, TestHost, run_stoker};

fn stoker(host: &TestHost, args: &[&str]) -> Exited {
    run_stoker(args, &[("STOKER_URL", host.url())], host.home(), b"")
}

#[track_caller]
fn say(said: &str, words: &[&str]) {
    for word in words {
        assert!(said.contains(word), "it does not say `{word}`:\n{said}");
    }
}

#[test]
fn a_paused_queue_enters_nothing_and_says_so() {
    let mut host = TestHost::start();
    host.upload(Guest::Hello);
    let hello = |queue: &str| json!({"kind": "hello", "payload": {"name": "Ada"}, "queue": queue});
    // Made by being set; paused before it has seen a job.
    host.put("/v1/queues/mail", &json!({"priority": 3})).expect(200);
    let paused = host.act("/v1/queues/mail/pause").expect(200);
    assert_eq!((&paused["paused"], &paused["priority"]), (&json!(true), &json!(3)), "{paused}");

    let waiting = host.enqueue(&hello("mail"));
    host.run(&hello("other"));
    let job = host.job(&waiting);
    assert_eq!((&job["state"], &job["waiting"]["reason"]), (&json!("ready"), &json!("queue_paused")), "{job}");
    say(
        &stoker(&host, &["job", &waiting]).expect_success(),
        &["queue `mail` is paused", "stoker queues mail --resume"],
    );
    say(&stoker(&host, &["queues"]).expect_success(), &["mail", "paused", "other"]);

    host.restart();
    assert_eq!(host.get("/v1/queues/mail").expect(200)["depth"], 1);
    host.run(&hello("other"));
    assert_eq!(host.job(&waiting)["state"], "ready", "a restart resumes nothing");
    // Setting it anew does not resume it.
    assert_eq!(host.put("/v1/queues/mail", &json!({})).expect(200)["paused"], true);
    say(&stoker(&host, &["queues", "mail", "--resume"]).expect_success(), &["mail"]);
    host.wait_for(&waiting, "succeeded");
}

#[test]
fn what_runs_goes_on_when_its_queue_is_paused() {
    let host = TestHost::builder().workers(1).start();
    host.upload(Guest::Handlers);
    let first = host.enqueue_kind("sleep", &json!({"ms": 3_000}));
    host.wait_for(&first, "running");
    let second = host.enqueue_kind("sleep", &json!({"ms": 1}));
    host.act("/v1/queues/default/pause").expect(200);
    host.wait_for(&first, "succeeded");
    assert_eq!(host.attempts(&first).len(), 1);
    let job = host.job(&second);
    assert_eq!((&job["state"], &job["waiting"]["reason"]), (&json!("ready"), &json!("queue_paused")), "{job}");
    assert_eq!(host.attempts(&second), Vec::<serde_json::Value>::new(), "it was never entered");
    host.act("/v1/queues/default/resume").expect(200);
    host.wait_for(&second, "succeeded");
}

#[test]
fn a_new_priority_counts_for_what_waits_already() {
    let host = TestHost::builder().workers(1).flag("--priority-aging", "0s").start();
    host.upload(Guest::Handlers);
    for queue in ["one", "other", "gate"] {
        host.put(&format!("/v1/queues/{queue}"), &json!({})).expect(200);
    }
    // The only slot is taken, so that all wait; the first few are claimed for it already.
    let gate = host.shut_gate("gate");
    let sleep = |queue: &str| host.enqueue(&json!({"kind": "sleep", "payload": {"ms": 1}, "queue": queue}));
    let before: Vec<String> = (0..30).map(|_| sleep("one")).collect();
    let other = sleep("other");
    say(&stoker(&host, &["queues", "other", "--priority", "0"]).expect_success(), &["other"]);
    host.open_gate(&gate);
    let started = |id: &str| host.wait_for(id, "succeeded")["started_at"].as_str().unwrap().to_owned();
    let other = started(&other);
    let passed = before.iter().filter(|id| started(id) < other).count();
    assert!(passed <= 6, "{passed} of lower priority came first");
}

#[test]
fn a_queue_is_deleted_once_nothing_of_it_waits() {
    let host = TestHost::start();
    host.upload(Guest::Hello);
    let hello = json!({"kind": "hello", "payload": {"name": "Ada"}, "queue": "old"});
    host.put("/v1/queues/old", &json!({"priority": 1})).expect(200);
    host.act("/v1/queues/old/pause").expect(200);
    let id = host.enqueue(&hello);
    host.delete("/v1/queues/old").expect_problem_saying(409, &["queue_in_use", "1 job of it has not ended"]);
    stoker(&host, &["queues", "old", "--delete"]).expect_failure(&["1 job of it has not ended"]);
    host.act("/v1/queues/old/resume").expect(200);
    host.wait_for(&id, "succeeded");
    host.delete("/v1/queues/old").expect_status(204);
    host.get("/v1/queues/old").expect_problem_saying(404, &["queue_not_found"]);
    assert_eq!(host.get("/v1/queues").expect(200)["items"], json!([]));
    // History keeps the name; the next job makes the queue anew, with nothing set on it.
    assert_eq!(host.job(&id)["queue"], "old");
    host.run(&hello);
    assert_eq!(host.get("/v1/queues/old").expect(200)["priority"], 5);
}

#[test]
fn what_can_not_be_set_is_said() {
    let host = TestHost::start();
    host.put("/v1/queues/mail", &json!({"priority": 10})).expect_problem_saying(422, &["/priority", "0 to 9"]);
    host.put("/v1/queues/mail", &json!({"prio": 1})).expect_problem_saying(422, &["unknown field"]);
    host.put("/v1/queues/no%20spaces", &json!({})).expect_problem_saying(422, &["invalid_id"]);
    host.put("/v1/queues/mail", &json!({})).expect(200);
    host.act("/v1/queues/mial/pause").expect_problem_saying(404, &["queue_not_found", "did you mean `mail`?"]);
    host.delete("/v1/queues/mial").expect_problem(404);
    stoker(&host, &["queues", "mial", "--pause"]).expect_failure(&["did you mean `mail`?"]);
}
