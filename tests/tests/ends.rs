//! How jobs end: the reasons a job is tried again for, jobs that come too late, what follows a failure, dead letters and how
//! long finished jobs are kept; through kills and the command line.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use stoker_tests::{Exited, Guest, TestHost, eventually, job_id, reason_of, run_stoker, state_of};

fn stoker(host: &TestHost, args: &[&str]) -> Exited {
    run_stoker(args, &[("STOKER_URL", host.url())], host.home(), b"")
}

#[track_caller]
fn say(said: &str, words: &[&str]) {
    for word in words {
        assert!(said.contains(word), "it does not say `{word}`:\n{said}");
    }
}

fn with_handlers() -> TestHost {
    let host = TestHost::start();
    host.upload(Guest::Handlers);
    host
}

fn strings(value: &Value) -> Vec<String> {
    value.as_array().map_or_else(Vec::new, |items| items.iter().map(|item| item.as_str().unwrap().to_owned()).collect())
}

#[test]
fn a_job_says_itself_what_it_is_tried_again_for() {
    let host = with_handlers();
    let request = |kind: &str, reasons: &[&str]| {
        json!({"kind": kind, "payload": {}, "max_attempts": 3, "retry": {"strategy": "fixed", "delay": 1},
            "retry_on": reasons})
    };
    let job = host.run(&request("trap", &["timeout"]));
    assert_eq!((state_of(&job), &job["attempt"]), ("failed", &json!(1)), "{job:#}");
    let job = host.run(&request("recurse", &["stack_overflow"]));
    assert_eq!((reason_of(&job), &job["attempt"]), ("stack_overflow", &json!(3)), "{job:#}");
    // The job has the last word over its kind.
    host.set_kind("trap", &json!({"retry_on": ["timeout"]}));
    assert_eq!(host.run(&request("trap", &["trap"]))["attempt"], 3);
    host.post("/v1/jobs", &request("trap", &["host_lost"])).expect_problem_saying(422, &["/retry_on", "host_lost"]);
    let said = stoker(&host, &["enqueue", "trap", "{}", "--max-attempts", "2", "--retry-on", "timeout", "--wait"]);
    assert_eq!(said.status.code(), Some(1), "{}", said.stderr);
    assert_eq!(host.list("kind=trap")[0]["attempt"], 1);
}

#[test]
fn what_did_not_begin_in_time_is_cancelled_and_says_so() {
    let mut host = with_handlers();
    host.put("/v1/queues/mail", &json!({})).expect(200);
    host.act("/v1/queues/mail/pause").expect(200);
    let echo = |more: Value| {
        let mut request = json!({"kind": "echo", "payload": 1, "queue": "mail"});
        request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        request
    };
    let lasting = host.enqueue(&echo(json!({"expires_in": "1h"})));
    say(
        &stoker(&host, &["job", &lasting]).expect_success(),
        &["queue `mail` is paused", "it is cancelled if it has not begun by"],
    );
    let said = stoker(&host, &["enqueue", "echo", "1", "--queue", "mail", "--expires-in", "300ms", "--quiet"]);
    let late = said.expect_success().trim().to_owned();
    // Its time passes while nobody is there.
    host.kill9();
    host.restart();
    let job = host.wait_for(&late, "cancelled");
    assert_eq!((reason_of(&job), &job["attempt"]), ("deadline_expired", &json!(0)), "{job:#}");
    assert!(job["expires_at"].is_string() && job["finished_at"].is_string(), "{job:#}");
    assert!(host.history_text(&late).contains("expired"));
    say(&stoker(&host, &["job", &late]).expect_success(), &["it had not begun in time", "`expires_at`"]);
    // Who brings it back wants it to run.
    host.act("/v1/queues/mail/resume").expect(200);
    host.act(&format!("/v1/jobs/{late}/retry")).expect(200);
    host.wait_for(&late, "succeeded");
    host.wait_for(&lasting, "succeeded");
    for wrong in [
        json!({"expires_at": "2020-01-01T00:00:00Z"}),
        json!({"expires_in": 0}),
        json!({"expires_in": "1m", "delay": "2m"}),
        json!({"expires_in": "1m", "expires_at": "2090-01-01T00:00:00Z"}),
    ] {
        host.post("/v1/jobs", &echo(wrong)).expect_problem_saying(422, &["/expires_"]);
    }
}

#[test]
fn a_retry_or_a_snooze_that_would_come_too_late_ends_the_job_at_once() {
    let host = with_handlers();
    let retry = json!({"strategy": "fixed", "delay": "1h"});
    let id = host.enqueue(&json!({"kind": "fail-retry", "payload": {}, "retry": retry, "expires_in": "1m"}));
    let job = host.wait_for(&id, "cancelled");
    assert_eq!((reason_of(&job), &job["attempt"]), ("deadline_expired", &json!(1)), "{job:#}");
    say(job["error"]["message"].as_str().unwrap(), &["attempt 1 ended with handler_error"]);
    let attempts = host.attempts(&id);
    assert_eq!((attempts.len(), &attempts[0]["error"]["reason"]), (1, &json!("handler_error")), "{attempts:#?}");
    assert!(host.history_text(&id).contains("expired"));
    // A snooze until the year 2100.
    let request = json!({"kind": "snooze", "payload": {"until_ms": 4_102_444_800_000_u64}, "expires_in": "1m"});
    let job = host.run(&request);
    assert_eq!((state_of(&job), reason_of(&job), &job["attempt"]), ("cancelled", "deadline_expired", &json!(0)));
}

#[test]
fn a_claimed_job_is_not_entered_after_its_time() {
    let host = TestHost::builder().workers(1).start();
    host.upload(Guest::Handlers);
    let gate = host.enqueue(&json!({"kind": "sleep", "payload": {"ms": 1_500}}));
    host.wait_for(&gate, "running");
    // Claimed ahead of the slot: it is the next.
    let late = host.enqueue(&json!({"kind": "echo", "payload": 1, "expires_in": "200ms"}));
    let job = host.wait_for(&late, "cancelled");
    assert_eq!(reason_of(&job), "deadline_expired", "{job:#}");
    assert_eq!(host.attempts(&late), Vec::<Value>::new(), "no guest was entered");
    host.wait_for(&gate, "succeeded");
}

#[test]
fn a_failure_is_followed_by_a_job_that_knows_of_it() {
    let host = with_handlers();
    host.set_kind("fail-fatal", &json!({"on_failed": {"kind": "echo", "queue": "alerts", "priority": 1}}));
    let id = host.enqueue_kind("fail-fatal", &json!({"n": 7}));
    let job = host.wait_for(&id, "failed");
    let [follower] = &strings(&job["on_failed_jobs"])[..] else { panic!("{job:#}") };
    let told = host.wait_for(follower, "succeeded");
    let shown = (&told["kind"], &told["queue"], &told["priority"], &told["caused_by"]);
    assert_eq!(shown, (&json!("echo"), &json!("alerts"), &json!(1), &json!(id)), "{told:#}");
    let output = &told["output"]["payload"];
    assert_eq!(
        (&output["job_id"], &output["kind"], &output["payload"]),
        (&json!(id), &json!("fail-fatal"), &json!({"n": 7}))
    );
    assert_eq!(output["error"]["message"], job["error"]["message"]);
    assert_eq!((&output["attempt"], &output["failed_at"]), (&json!(1), &job["finished_at"]));
    say(&stoker(&host, &["job", &id]).expect_success(), &["its failure was followed by", follower]);
    say(&stoker(&host, &["job", follower]).expect_success(), &["made because", &id]);
    // Brought back, it fails and is followed again.
    host.act(&format!("/v1/jobs/{id}/retry")).expect(200);
    host.wait_until(&id, "failed again", |job| strings(&job["on_failed_jobs"]).len() == 2);
    // The job's own word; a success is followed by nothing.
    let said = stoker(&host, &["enqueue", "fail-fatal", "{}", "--on-failed", "echo", "--wait", "--json"]);
    let own: Value = serde_json::from_str(&said.stdout).unwrap();
    let followers = strings(&host.wait_for(&job_id(&own), "failed")["on_failed_jobs"]);
    assert_eq!(host.wait_for(&followers[0], "succeeded")["queue"], "default", "that of the kind is not asked");
    let before = host.list("kind=echo").len();
    host.run(&json!({"kind": "echo", "payload": 1, "on_failed": {"kind": "echo"}}));
    assert_eq!(host.list("kind=echo").len(), before + 1);

    let wrong = json!({"kind": "echo", "payload": 1, "on_failed": {"kind": "ecko"}});
    host.post("/v1/jobs", &wrong).expect_problem_saying(422, &["/on_failed/kind", "did you mean `echo`?"]);
    host.put("/v1/kinds/echo/settings", &json!({"on_failed": {"kind": "ecko"}}))
        .expect_problem_saying(422, &["/on_failed/kind"]);
    stoker(&host, &["kinds", "echo", "--set", r#"on_failed={"kind":"ecko"}"#]).expect_failure(&["/on_failed/kind"]);
}

#[test]
fn a_handler_says_what_follows_its_failure_and_how_long_it_is_kept() {
    let host = with_handlers();
    let kind = host.get("/v1/kinds/fail-followed").expect(200);
    for (name, expected) in [
        ("on_failed", json!({"kind": "echo", "queue": "alerts", "priority": 1})),
        ("retention", json!({"cancelled": "0s", "failed": "1h"})),
    ] {
        assert_eq!((&kind["settings"][name], &kind["settings_from"][name]), (&expected, &json!("module")), "{kind:#}");
    }
    let id = host.enqueue_kind("fail-followed", &json!({}));
    let job = host.wait_for(&id, "failed");
    let [follower] = &strings(&job["on_failed_jobs"])[..] else { panic!("{job:#}") };
    let told = host.wait_for(follower, "succeeded");
    assert_eq!((&told["queue"], &told["priority"]), (&json!("alerts"), &json!(1)), "{told:#}");
    assert_eq!(told["output"]["payload"]["job_id"], json!(id));
    let at = |field: &str| job[field].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    assert_eq!(at("kept_until").duration_since(at("finished_at")), jiff::SignedDuration::from_hours(1));
    let cancelled = host.enqueue(&json!({"kind": "fail-followed", "payload": {}, "delay": "1h"}));
    host.act(&format!("/v1/jobs/{cancelled}/cancel")).expect(200);
    eventually("it is kept no longer", || (host.get(&format!("/v1/jobs/{cancelled}")).status == 404).then_some(()));
    // The operator has the last word.
    host.set_kind("fail-followed", &json!({"on_failed": {"kind": "sleep"}}));
    assert_eq!(host.get("/v1/kinds/fail-followed").expect(200)["settings"]["on_failed"], json!({"kind": "sleep"}));
}

#[test]
fn each_failure_is_followed_once_however_often_the_host_is_killed() {
    let mut host = TestHost::builder().workers(4).start();
    host.upload(Guest::Handlers);
    host.set_kind("fail-fatal", &json!({"on_failed": {"kind": "echo"}}));
    let ids = host.enqueue_lines((0..600).map(|n| json!({"kind": "fail-fatal", "payload": {"n": n}})));
    for round in 1..=2 {
        eventually("some have failed", || (host.list("state=failed").len() >= round * 60).then_some(()));
        host.kill9();
        host.restart();
    }
    let mut followers = BTreeSet::new();
    for id in &ids {
        let job = host.wait_for(id, "failed");
        let of_this = strings(&job["on_failed_jobs"]);
        assert_eq!(of_this.len(), 1, "{job:#}");
        followers.extend(of_this);
    }
    assert_eq!(followers.len(), ids.len());
    for follower in &followers {
        host.wait_for(follower, "succeeded");
    }
}

#[test]
fn dead_letters_are_grouped_by_what_they_have_in_common() {
    let mut host = with_handlers();
    let failing = (0..5).map(|n| json!({"kind": "fail-fatal", "payload": {"n": n}}));
    let ids = host.enqueue_lines(failing);
    let trap = host.enqueue(&json!({"kind": "trap", "payload": {}, "max_attempts": 1}));
    for id in ids.iter().chain([&trap]) {
        host.wait_for(id, "failed");
    }
    host.kill9();
    host.restart();
    let listed = host.get("/v1/dead-letters").expect(200);
    let groups = listed["items"].as_array().unwrap();
    assert_eq!(groups.len(), 2, "{listed:#}");
    let group = groups.iter().find(|group| group["kind"] == "fail-fatal").unwrap();
    assert_eq!((&group["reason"], &group["jobs"]), (&json!("handler_error"), &json!(5)), "{group:#}");
    assert_eq!((&group["oldest_job"], &group["newest_job"]), (&json!(ids[0]), &json!(ids[4])));
    let name = group["group"].as_str().unwrap();
    assert_eq!(host.list(&format!("group={name}")).len(), 5);
    assert_eq!(host.get("/v1/dead-letters?reason=trap").expect(200)["items"][0]["kind"], "trap");
    say(
        &stoker(&host, &["dead-letters"]).expect_success(),
        &["fail-fatal", "handler_error", "pointless on purpose", name],
    );
    say(&stoker(&host, &["dead-letters", name]).expect_success(), &[&ids[0]]);
    let quiet = stoker(&host, &["dead-letters", name, "--quiet"]).expect_success();
    assert_eq!(quiet.lines().count(), 5);
    // A page at a time.
    let first = host.get("/v1/dead-letters?limit=1").expect(200);
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = host.get(&format!("/v1/dead-letters?limit=1&cursor={cursor}")).expect(200);
    assert_ne!(first["items"][0]["group"], second["items"][0]["group"]);
    assert_eq!(second["next_cursor"], Value::Null);

    // What is deleted or retried is no dead letter any more; what fails again is one again.
    host.delete(&format!("/v1/jobs/{}", ids[0])).expect_status(204);
    assert_eq!(host.get(&format!("/v1/dead-letters/{name}")).expect(200)["jobs"], 4);
    host.delete(&format!("/v1/jobs/{trap}")).expect_status(204);
    assert_eq!(host.get("/v1/dead-letters").expect(200)["items"].as_array().unwrap().len(), 1);
    host.act(&format!("/v1/jobs/{}/retry", ids[1])).expect(200);
    host.wait_until(&ids[1], "failed again", |job| state_of(job) == "failed" && host.attempts(&ids[1]).len() == 2);
    assert_eq!(host.get(&format!("/v1/dead-letters/{name}")).expect(200)["jobs"], 4);
    host.get("/v1/dead-letters/group_1").expect_problem_saying(422, &["invalid_id"]);
    host.get("/v1/dead-letters?reason=luck").expect_problem_saying(422, &["invalid_query", "timeout"]);
    let unknown = "group_00000000000000000000000000000000";
    host.get(&format!("/v1/dead-letters/{unknown}")).expect_problem_saying(404, &["group_not_found"]);
    stoker(&host, &["dead-letters", unknown]).expect_failure(&["no failed job"]);
}

#[test]
fn finished_jobs_are_kept_as_long_as_their_kind_queue_and_host_say() {
    let mut host = TestHost::builder().flag("--retention-cancelled", "1s").start();
    host.upload(Guest::Handlers);
    say(
        &stoker(&host, &["queues", "short", "--retention", "succeeded=1s", "--retention", "failed=forever"])
            .expect_success(),
        &["short"],
    );
    say(&stoker(&host, &["queues", "short", "--priority", "2"]).expect_success(), &["short"]);
    let queue = host.get("/v1/queues/short").expect(200);
    assert_eq!(
        (&queue["retention"], &queue["priority"]),
        (&json!({"succeeded": "1s", "failed": "forever"}), &json!(2))
    );
    host.set_kind("echo", &json!({"retention": {"succeeded": "1h"}}));
    let in_short = |kind: &str| job_id(&host.run(&json!({"kind": kind, "payload": {"ms": 1}, "queue": "short"})));
    let (short, kind, failed) = (in_short("sleep"), in_short("echo"), in_short("fail-fatal"));
    let usual = job_id(&host.run(&json!({"kind": "sleep", "payload": {"ms": 1}})));
    let cancelled = host.enqueue(&json!({"kind": "echo", "payload": 1, "delay": "1h"}));
    host.act(&format!("/v1/jobs/{cancelled}/cancel")).expect(200);
    let is_gone = |host: &TestHost, id: &str| host.get(&format!("/v1/jobs/{id}")).status == 404;
    eventually("two are gone", || (is_gone(&host, &short) && is_gone(&host, &cancelled)).then_some(()));
    for id in [&kind, &failed, &usual] {
        assert!(!is_gone(&host, id), "{id}");
    }
    assert_eq!(host.get("/v1/queues/short").expect(200)["counts"]["succeeded"], 1);
    assert!(host.job(&usual)["kept_until"].is_string() && host.job(&failed)["kept_until"].is_null());
    // What is set anew reaches what ended before, through a kill.
    host.set_kind("echo", &json!({"retention": {"succeeded": 1}}));
    host.kill9();
    host.restart();
    eventually("what was kept for an hour is gone", || is_gone(&host, &kind).then_some(()));
    assert!(!is_gone(&host, &failed) && !is_gone(&host, &usual));
    host.put("/v1/queues/short", &json!({"retention": {"failed": "never"}}))
        .expect_problem_saying(422, &["/retention/failed", "forever"]);
    host.put("/v1/kinds/echo/settings", &json!({"retention": {"ready": "1h"}})).expect_problem(422);
    let refused = TestHost::builder().flag("--retention-failed", "never").try_start();
    assert!(refused.is_err_and(|(_, log)| log.contains("forever") || log.contains("duration")));
}

#[test]
fn pruning_a_great_many_keeps_nobody_waiting_and_survives_a_kill() {
    let mut host = TestHost::builder().workers(2).flag("--retention-succeeded", "1h").start();
    host.upload(Guest::Handlers);
    let lines = |jobs: usize| (0..jobs).map(|n| json!({"kind": "echo", "payload": {"n": n, "text": "x".repeat(400)}}));
    host.enqueue_lines(lines(6_000));
    host.wait_idle(Duration::from_mins(2));
    host.set_kind("echo", &json!({"retention": {"succeeded": 1}}));
    let left = |host: &TestHost| {
        let queue = host.get("/v1/queues/default").expect(200);
        queue["counts"]["succeeded"].as_u64().unwrap()
    };
    // Somebody enqueues all the time.
    let (api, stop) = (host.api(), Arc::new(AtomicBool::new(false)));
    let stopped = Arc::clone(&stop);
    let caller = std::thread::spawn(move || {
        let (mut slowest, mut calls) = (Duration::ZERO, 0);
        let body = json!({"kind": "sleep", "payload": {"ms": 1}, "delay": "1h"}).to_string();
        while !stopped.load(Ordering::Relaxed) {
            let began = Instant::now();
            let headers = [("content-type", "application/json")];
            let Ok(reply) = api.try_request("POST", "/v1/jobs", &headers, Some(body.as_bytes())) else { break };
            assert_eq!(reply.status, 201, "{reply}");
            slowest = slowest.max(began.elapsed());
            calls += 1;
        }
        (slowest, calls)
    });
    eventually("some are gone", || (left(&host) < 5_000).then_some(()));
    let before_kill = left(&host);
    stop.store(true, Ordering::Relaxed);
    let (slowest, calls) = caller.join().unwrap();
    assert!(calls > 0 && slowest < Duration::from_secs(3), "{calls} calls, the slowest took {slowest:?}");
    host.kill9();
    host.restart();
    assert!(left(&host) <= before_kill);
    eventually("all are gone", || (left(&host) == 0).then_some(()));
    assert!(host.list("kind=echo").is_empty());
    host.leave_work_behind();
}
