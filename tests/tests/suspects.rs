//! Jobs that were running when a host died are suspects: one at a time, and after three more losses quarantined, while
//! their neighbours go on. No guest can kill a host, so a SIGKILL stands in for one that could.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use serde_json::json;
use stoker_tests::{Guest, TestHost, eventually, reason_of, state_of};

/// Losses as a suspect that quarantine a job.
const LOSSES_MAX: usize = 3;

#[test]
fn a_job_that_kills_hosts_is_quarantined_and_its_neighbours_are_not() {
    let mut host = TestHost::builder().workers(4).start();
    host.upload(Guest::Hello);
    host.upload(Guest::Handlers);
    host.set_kind("busy-loop", &json!({"timeout": "50m", "fuel": 1_000_000_000_000u64}));
    let culprit = host.enqueue_kind("busy-loop", &json!({}));
    let neighbours: Vec<_> = (0..2).map(|_| host.enqueue_kind("sleep", &json!({"ms": 1_000}))).collect();
    for id in neighbours.iter().chain([&culprit]) {
        host.wait_for(id, "running");
    }

    // The first loss makes suspects of all that ran; only losses as a suspect count.
    let mut kills = 0;
    loop {
        host.kill9();
        kills += 1;
        host.restart();
        let ended_or_running = eventually("the culprit runs again or has failed", || {
            let job = host.job(&culprit);
            matches!(state_of(&job), "running" | "failed").then_some(job)
        });
        if state_of(&ended_or_running) == "failed" {
            break;
        }
        assert!(kills <= LOSSES_MAX + 1, "killed {kills} hosts and still not quarantined: {ended_or_running:#}");
        // Others are not kept waiting by it. (The first time it is to be killed before its time in the lane is over.)
        if kills > 1 {
            host.assert_still_runs();
        }
    }
    let job = host.job(&culprit);
    assert_eq!((state_of(&job), reason_of(&job)), ("failed", "host_lost"), "{job:#}");
    assert_eq!(kills, LOSSES_MAX + 1, "the first loss does not count");
    let attempts = host.attempts(&culprit);
    let lost = attempts.iter().filter(|attempt| attempt["outcome"] == "lost").count();
    assert_eq!(lost, LOSSES_MAX + 1, "{attempts:#?}");

    for id in &neighbours {
        let job = host.wait_for(id, "succeeded");
        assert_eq!(job["attempt"], 1, "{job:#}");
    }
    host.assert_still_runs();
}

#[test]
fn long_jobs_run_beside_each_other_again_after_a_crash() {
    const JOBS: usize = 3;
    let mut host = TestHost::builder().workers(4).start();
    host.upload(Guest::Handlers);
    host.set_kind("sleep", &json!({"timeout": "50m"}));
    let ids: Vec<_> = (0..JOBS).map(|_| host.enqueue_kind("sleep", &json!({}))).collect();
    for id in &ids {
        host.wait_for(id, "running");
    }
    host.kill9();
    host.restart();
    // None of them ends: each starts because the one before it has run for some seconds and killed nobody.
    for id in &ids {
        host.wait_for(id, "running");
    }
    assert!(ids.iter().all(|id| state_of(&host.job(id)) == "running"), "beside each other");
    for id in &ids {
        host.act(&format!("/v1/jobs/{id}/cancel"));
        host.wait_for(id, "cancelled");
    }
}

#[test]
fn a_host_killed_soon_after_its_start_makes_nobody_look_guilty() {
    let mut host = TestHost::builder().workers(4).start();
    host.upload(Guest::Hello);
    host.upload(Guest::Handlers);
    let innocent = host.enqueue_kind("sleep", &json!({"ms": 1_000}));
    host.wait_for(&innocent, "running");
    for _ in 0..=LOSSES_MAX {
        host.kill9();
        host.restart();
        // The jobs beside it have their turn before the host dies again.
        host.assert_still_runs();
    }
    host.wait_for(&innocent, "succeeded");
}

#[test]
fn a_suspect_that_ends_normally_is_none_any_more() {
    let mut host = TestHost::start();
    host.upload(Guest::Handlers);
    let retry = json!({"strategy": "fixed", "delay": 10});
    let request = json!({"kind": "sleep", "payload": {"ms": 1_500}, "timeout": "30s", "retry": retry});
    let id = host.enqueue(&request);
    host.wait_for(&id, "running");
    host.kill9();
    host.restart_with(|builder| builder.workers(0));
    let job = host.job(&id);
    assert_eq!(state_of(&job), "ready", "{job:#}");
    host.restart_with(|builder| builder.workers(2));
    host.wait_for(&id, "succeeded");
    assert_eq!(host.attempts(&id).len(), 2);
}

#[test]
fn a_job_that_was_only_claimed_is_no_suspect() {
    let mut host = TestHost::builder().workers(1).start();
    host.upload(Guest::Handlers);
    let running = host.enqueue_kind("sleep", &json!({"ms": 1_000}));
    host.wait_for(&running, "running");
    let behind: Vec<_> = (0..20).map(|n| host.enqueue_kind("echo", &json!(n))).collect();
    host.kill9();
    host.restart();
    for id in &behind {
        host.wait_for(id, "succeeded");
        let attempts = host.attempts(id);
        assert_eq!(attempts.len(), 1, "a job whose guest was not entered lost something: {attempts:#?}");
    }
    host.wait_for(&running, "succeeded");
}
