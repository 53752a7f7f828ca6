//! Cancelling: what waits ends at once, what runs is interrupted, what has ended stays as it is.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::time::{Duration, Instant};

use serde_json::json;
use stoker_tests::{Guest, TestHost, eventually, job_id, reason_of, state_of};

/// Longest a running guest may go on after its cancel, on a slow machine.
const INTERRUPT_MAX: Duration = Duration::from_secs(5);

#[test]
fn what_waits_is_cancelled_at_once() {
    let mut host = TestHost::builder().workers(0).start();
    host.upload(Guest::Handlers);
    let ready = host.enqueue_kind("echo", &json!(1));
    let scheduled = host.enqueue(&json!({"kind": "echo", "payload": 1, "delay": "1h"}));
    for id in [&ready, &scheduled] {
        let job = host.act(&format!("/v1/jobs/{id}/cancel")).expect(200);
        assert_eq!(state_of(&job), "cancelled", "{job:#}");
        // Twice is the same.
        assert_eq!(state_of(&host.act(&format!("/v1/jobs/{id}/cancel")).expect(200)), "cancelled");
    }
    host.restart_with(|builder| builder.workers(2));
    assert_eq!(host.run_kind("echo", &json!(2))["payload"], 2);
    for id in [&ready, &scheduled] {
        let job = host.job(id);
        assert_eq!((state_of(&job), &job["started_at"]), ("cancelled", &json!(null)), "{job:#}");
        assert!(host.attempts(id).is_empty());
        assert!(host.history_text(id).contains("cancelled"));
    }
    // Someone's wish can be taken back.
    host.act(&format!("/v1/jobs/{ready}/retry")).expect(200);
    host.wait_for(&ready, "succeeded");
}

#[test]
fn what_runs_is_interrupted_whatever_it_does() {
    let host = TestHost::start();
    host.upload(Guest::Hello);
    host.upload(Guest::Handlers);
    for kind in ["busy-loop", "sleep", "memory-copy"] {
        host.set_kind(kind, &json!({"timeout": "10m", "fuel": 1_000_000_000_000u64, "memory": 256 << 20}));
        let id = host.enqueue_kind(kind, &json!({}));
        host.wait_for(&id, "running");
        let begun = Instant::now();
        let reply = host.act(&format!("/v1/jobs/{id}/cancel"));
        assert!(matches!(reply.status, 200 | 202), "{reply}");
        let job = host.wait_for(&id, "cancelled");
        assert!(begun.elapsed() < INTERRUPT_MAX, "{kind} went on for {:?}", begun.elapsed());
        assert_eq!(reason_of(&job), "cancelled", "{job:#}");
        assert_eq!(host.attempts(&id).len(), 1);
        host.assert_still_runs();
    }
}

#[test]
fn what_has_ended_stays_as_it_is() {
    let host = TestHost::start();
    host.upload(Guest::Handlers);
    let done = job_id(&host.run(&json!({"kind": "echo", "payload": 1})));
    host.act(&format!("/v1/jobs/{done}/cancel")).expect_problem_saying(409, &["succeeded"]);
    assert_eq!(state_of(&host.job(&done)), "succeeded");
    host.act("/v1/jobs/job_01ARZ3NDEKTSV4RRFFQ69G5FAV/cancel").expect_problem(404);
}

#[test]
fn a_cancel_survives_the_death_of_the_host() {
    let mut host = TestHost::start();
    host.upload(Guest::Handlers);
    host.set_kind("busy-loop", &json!({"timeout": "10m", "fuel": 1_000_000_000_000u64}));
    let id = host.enqueue_kind("busy-loop", &json!({}));
    host.wait_for(&id, "running");
    host.act(&format!("/v1/jobs/{id}/cancel"));
    host.kill9();
    host.restart();
    host.wait_for(&id, "cancelled");
}

#[test]
fn cancels_and_ends_may_race() {
    let host = TestHost::start();
    host.upload(Guest::Handlers);
    let ids = host.enqueue_lines((0..200).map(|n| json!({"kind": "echo", "payload": n})));
    let api = host.api();
    let cancelled: Vec<bool> = ids
        .iter()
        .rev()
        .map(|id| {
            let reply = api.act(&format!("/v1/jobs/{id}/cancel"));
            assert!(matches!(reply.status, 200 | 202 | 409), "{reply}");
            reply.status == 200
        })
        .collect();
    for (id, at_once) in ids.iter().rev().zip(cancelled) {
        let job = eventually("the job ends", || {
            let job = host.job(id);
            stoker_tests::is_terminal(state_of(&job)).then_some(job)
        });
        assert!(!at_once || state_of(&job) == "cancelled", "said cancelled, is {job:#}");
        assert!(matches!(state_of(&job), "succeeded" | "cancelled"), "{job:#}");
    }
}
