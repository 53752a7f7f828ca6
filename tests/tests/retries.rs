//! What follows a failure: back-off, the last attempt, fatal, snooze, `retry_on`, the dead-letter list.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use stoker_tests::{Guest, TestHost, job_id, reason_of, state_of};

fn with_handlers() -> TestHost {
    let host = TestHost::start();
    host.upload(Guest::Handlers);
    host
}

/// An RFC 3339 time of the API as milliseconds of its day: enough to compare times of one test.
fn ms_of_day(value: &Value) -> i64 {
    let text = value.as_str().unwrap_or_else(|| panic!("no time: {value}"));
    let number = |range: std::ops::Range<usize>| text[range].parse::<i64>().unwrap();
    ((number(11..13) * 60 + number(14..16)) * 60 + number(17..19)) * 1_000 + number(20..23)
}

/// From one time to a later one, over midnight if need be.
fn ms_between(earlier: &Value, later: &Value) -> i64 {
    (ms_of_day(later) - ms_of_day(earlier)).rem_euclid(86_400_000)
}

#[test]
fn a_failed_attempt_is_tried_again_after_its_delay() {
    let host = with_handlers();
    let retry = json!({"strategy": "list", "delays": [300, "600ms"]});
    let id = host.enqueue(&json!({"kind": "fail-retry", "payload": {"succeed_on_attempt": 3}, "retry": retry}));
    let job = host.wait_for(&id, "succeeded");
    assert_eq!((&job["attempt"], &job["output"]), (&json!(3), &json!(3)), "{job:#}");
    let attempts = host.attempts(&id);
    let numbers: Vec<_> = attempts.iter().map(|attempt| attempt["attempt"].as_i64().unwrap()).collect();
    assert_eq!(numbers, [1, 2, 3], "{attempts:#?}");
    let outcomes: Vec<_> = attempts.iter().map(|attempt| attempt["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["failed", "failed", "succeeded"]);
    for (index, delay_ms) in [(0, 300), (1, 600)] {
        let waited = ms_between(&attempts[index]["finished_at"], &attempts[index + 1]["started_at"]);
        // Times are shown in whole milliseconds.
        assert!((delay_ms - 2..delay_ms + 3_000).contains(&waited), "waited {waited} ms of {delay_ms}");
    }
    assert!(attempts[0]["error"]["message"].as_str().unwrap().contains("attempt 1 fails on purpose"));
    assert!(host.history_text(&id).contains("retrying"));
}

#[test]
fn a_waiting_retry_says_so_and_can_be_cut_short() {
    let host = with_handlers();
    let retry = json!({"strategy": "fixed", "delay": "10m"});
    let id = host.enqueue(&json!({"kind": "fail-retry", "payload": {"succeed_on_attempt": 1000}, "retry": retry}));
    let job = host.wait_for(&id, "retrying");
    assert_eq!(job["waiting"]["reason"], "retry_backoff", "{job:#}");
    assert_eq!(reason_of(&job), "handler_error", "{job:#}");
    host.act(&format!("/v1/jobs/{id}/retry")).expect(200);
    host.wait_until(&id, "retrying again", |job| state_of(job) == "retrying" && host.attempts(&id).len() == 2);
    host.act(&format!("/v1/jobs/{id}/cancel")).expect(200);
    host.wait_for(&id, "cancelled");
}

#[test]
fn the_default_policy_doubles_from_five_seconds_with_jitter() {
    let host = with_handlers();
    let id = host.enqueue_kind("fail-retry", &json!({}));
    let job = host.wait_for(&id, "retrying");
    assert_eq!((&job["attempt"], &job["max_attempts"]), (&json!(1), &json!(10)), "{job:#}");
    let attempts = host.attempts(&id);
    let delay = ms_between(&attempts[0]["finished_at"], &job["run_at"]);
    assert!((3_900..=5_100).contains(&delay), "{delay} ms");
    host.act(&format!("/v1/jobs/{id}/cancel")).expect(200);
}

#[test]
fn the_last_attempt_is_the_last_and_retry_brings_the_job_back() {
    let host = with_handlers();
    let request = json!({
        "kind": "fail-retry", "payload": {}, "max_attempts": 3, "retry": {"strategy": "fixed", "delay": 1},
    });
    let job = host.run(&request);
    let id = job_id(&job);
    assert_eq!((state_of(&job), &job["attempt"]), ("failed", &json!(3)), "{job:#}");
    assert_eq!(host.attempts(&id).len(), 3);
    let dead: Vec<_> = host.list("state=failed").iter().map(job_id).collect();
    assert_eq!(dead, std::slice::from_ref(&id), "the dead-letter list");

    let reopened = host.act(&format!("/v1/jobs/{id}/retry")).expect(200);
    assert!(!reopened["finished_at"].is_string() || state_of(&reopened) != "failed", "{reopened:#}");
    let job = host.wait_until(&id, "failed again", |job| state_of(job) == "failed" && host.attempts(&id).len() == 6);
    assert_eq!(job["attempt"], 3, "attempts count anew: {job:#}");
    assert!(host.history_text(&id).contains("reopened"));
    let executions: Vec<_> = host.attempts(&id).iter().map(|attempt| attempt["execution"].as_i64().unwrap()).collect();
    assert!(executions.is_sorted_by(|a, b| a < b), "executions are told apart: {executions:?}");
}

#[test]
fn only_what_failed_can_be_retried() {
    let host = with_handlers();
    let job = host.run(&json!({"kind": "echo", "payload": 1}));
    let path = format!("/v1/jobs/{}/retry", job_id(&job));
    host.act(&path).expect_problem_saying(409, &["succeeded"]);
    host.act("/v1/jobs/job_01ARZ3NDEKTSV4RRFFQ69G5FAV/retry").expect_problem(404);
    let id = host.enqueue(&json!({"kind": "echo", "payload": 1, "delay": "1h"}));
    host.act(&format!("/v1/jobs/{id}/retry")).expect_problem(409);
    host.delete(&format!("/v1/jobs/{id}")).expect_problem_saying(409, &["scheduled"]);
    host.act(&format!("/v1/jobs/{id}/cancel")).expect(200);
}

#[test]
fn fatal_means_fatal() {
    let host = with_handlers();
    let job = host.run(&json!({"kind": "fail-fatal", "payload": {}, "max_attempts": 5}));
    assert_eq!((state_of(&job), &job["attempt"]), ("failed", &json!(1)), "{job:#}");
    assert_eq!(job["error"]["message"], "pointless on purpose");
    // Reasons that are fatal unless the kind says otherwise.
    host.set_kind("recurse", &json!({"retry": {"strategy": "fixed", "delay": 1}}));
    let job = host.run(&json!({"kind": "recurse", "payload": {}, "max_attempts": 3}));
    assert_eq!((reason_of(&job), &job["attempt"]), ("stack_overflow", &json!(1)), "{job:#}");
    let settings = json!({"retry": {"strategy": "fixed", "delay": 1}, "retry_on": ["stack_overflow"]});
    host.set_kind("recurse", &settings);
    let job = host.run(&json!({"kind": "recurse", "payload": {}, "max_attempts": 3}));
    assert_eq!((reason_of(&job), &job["attempt"]), ("stack_overflow", &json!(3)), "{job:#}");
    // And the other way round: a trap is tried again unless the kind names only others.
    host.set_kind("trap", &settings);
    assert_eq!(host.run(&json!({"kind": "trap", "payload": {}, "max_attempts": 3}))["attempt"], 1);
}

#[test]
fn a_handler_says_when_to_come_back() {
    let host = with_handlers();
    host.set_kind("fail-retry-after", &json!({"retry": {"strategy": "fixed", "delay": "1h"}}));
    let id = host.enqueue_kind("fail-retry-after", &json!({"after_ms": 400}));
    host.wait_for(&id, "succeeded");
    let attempts = host.attempts(&id);
    let waited = ms_between(&attempts[0]["finished_at"], &attempts[1]["started_at"]);
    assert!((398..3_500).contains(&waited), "waited {waited} ms of 400");
}

#[test]
fn a_snooze_uses_no_attempt() {
    let host = with_handlers();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let until = now + Duration::from_millis(1_500);
    let payload = json!({"until_ms": u64::try_from(until.as_millis()).unwrap()});
    let id = host.enqueue(&json!({"kind": "snooze", "payload": payload, "max_attempts": 1}));
    let job = host.wait_until(&id, "snoozed", |job| job["waiting"]["reason"] == "snoozed");
    assert_eq!(state_of(&job), "scheduled", "{job:#}");
    let job = host.wait_for(&id, "succeeded");
    assert_eq!((&job["output"]["attempt"], &job["attempt"]), (&json!(1), &json!(1)), "{job:#}");
    let attempts = host.attempts(&id);
    assert!(attempts.len() >= 2, "each execution has a receipt of its own: {attempts:#?}");
    assert_eq!(attempts[0]["outcome"], "suspended", "{attempts:#?}");
    assert!(host.history_text(&id).contains("snoozed"));
}

#[test]
fn a_module_this_host_cannot_compile_costs_its_jobs_nothing() {
    let mut host = with_handlers();
    // A host's reason is not for `retry_on` to name, nor is the last attempt used up by it.
    host.set_kind("echo", &json!({"retry_on": ["trap", "timeout"]}));
    host.terminate();
    std::fs::remove_dir_all(host.data_dir().join("artifacts")).unwrap();
    host.restart_with(|builder| builder.env("STOKER_COMPILE_MEMORY", "64MiB"));
    let ids = host.enqueue_lines((0..100).map(|n| json!({"kind": "echo", "payload": n, "max_attempts": 1})));
    for id in [&ids[0], &ids[99]] {
        let job = host.wait_until(id, "waiting for its module", |job| {
            job["waiting"]["detail"].as_str().is_some_and(|detail| detail.contains("`compile_memory`"))
        });
        assert_eq!((state_of(&job), &job["waiting"]["reason"]), ("ready", &json!("compiling")), "{job:#}");
        assert_eq!((&job["attempt"], &job["error"]), (&json!(0), &Value::Null), "{job:#}");
    }
    let said = host.log().matches("a module can't be run").count();
    assert!((1..10).contains(&said), "told {said} times:\n{}", host.log());
    host.restart_with(|builder| builder.env("STOKER_COMPILE_MEMORY", "1GiB"));
    for id in ids {
        assert_eq!(host.wait_for(&id, "succeeded")["attempt"], 1);
        assert_eq!(host.attempts(&id).len(), 1);
    }
}
