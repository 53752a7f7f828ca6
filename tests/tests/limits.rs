//! Limits through the real binary: set by HTTP and command line, told in sentences, through restarts and deaths of the host.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use serde_json::{Value, json};
use stoker_tests::{Exited, Guest, TestHost, eventually, run_stoker};

fn stoker(host: &TestHost, args: &[&str]) -> Exited {
    run_stoker(args, &[("STOKER_URL", host.url())], host.home(), b"")
}

#[track_caller]
fn say(said: &str, words: &[&str]) {
    for word in words {
        assert!(said.contains(word), "it does not say `{word}`:\n{said}");
    }
}

fn sleep(ms: u64) -> Value {
    json!({"kind": "sleep", "payload": {"ms": ms}})
}

fn keyed(mut job: Value, key: &str) -> Value {
    job["concurrency_key"] = json!(key);
    job
}

fn running(host: &TestHost) -> usize {
    let page = host.get("/v1/jobs?state=running&limit=500").expect(200);
    page["items"].as_array().unwrap().len()
}

#[test]
fn a_kind_runs_no_more_than_it_may_and_says_so() {
    let host = TestHost::builder().workers(4).start();
    host.upload(Guest::Handlers);
    say(&stoker(&host, &["kinds", "sleep", "--set", "concurrency=1"]).expect_success(), &["concurrency", "1"]);
    // The first one runs for as long as it takes to look at the others.
    let jobs: Vec<String> = [3_000, 300, 300, 300].into_iter().map(|ms| host.enqueue(&sleep(ms))).collect();
    let other = host.run(&json!({"kind": "echo", "payload": {}}));
    assert_eq!(other["state"], "succeeded", "another kind goes past");
    host.wait_for(&jobs[0], "running");
    let last = host.job(&jobs[3]);
    assert_eq!(last["waiting"]["reason"], "kind_concurrency", "{last}");
    assert_eq!(last["waiting"]["jobs"], json!([jobs[0]]), "{last}");
    say(
        &stoker(&host, &["job", &jobs[3]]).expect_success(),
        &["1 of 1 job of kind `sleep` run", &jobs[0], "2 jobs come first", "stoker kinds sleep --set concurrency=N"],
    );
    let mut at_once = 0;
    while host.job(&jobs[3])["state"] != "succeeded" {
        at_once = at_once.max(running(&host));
    }
    assert_eq!(at_once, 1);
    for job in &jobs[..3] {
        assert_eq!(host.job(job)["state"], "succeeded", "in their order");
    }
}

#[test]
fn lists_and_replies_give_the_reason_that_the_job_itself_gives() {
    let host = TestHost::builder().workers(4).start();
    host.upload(Guest::Handlers);
    host.put("/v1/queues/narrow", &json!({"concurrency": 1})).expect(200);
    let in_queue = |ms: u64| json!({"kind": "sleep", "payload": {"ms": ms}, "queue": "narrow"});
    let running = host.enqueue(&in_queue(20_000));
    host.wait_for(&running, "running");
    let made = host.post("/v1/jobs", &in_queue(10)).expect(201);
    let id = made["id"].as_str().unwrap().to_owned();
    let headers = [("content-type", "application/json")];
    let edited = host.request("PATCH", &format!("/v1/jobs/{id}"), &headers, Some(br#"{"priority": 2}"#)).expect(200);
    let listed = host.get("/v1/jobs?queue=narrow&state=ready").expect(200)["items"][0].clone();
    for told in [made, edited, listed, host.job(&id)] {
        assert_eq!(told["id"], json!(id));
        assert_eq!(told["waiting"]["reason"], "queue_concurrency", "{told}");
        assert_eq!(told["waiting"]["jobs"], json!([running]), "{told}");
    }
    // Without the limit it is no reason any more.
    host.put("/v1/queues/narrow", &json!({})).expect(200);
    host.wait_for(&id, "succeeded");
    host.request("POST", &format!("/v1/jobs/{running}/cancel"), &[], None);
    host.wait_for(&running, "cancelled");
}

#[test]
fn jobs_of_a_fifo_key_end_in_the_order_they_came() {
    let mut host = TestHost::builder().workers(4).start();
    host.upload(Guest::Handlers);
    host.put("/v1/kinds/sleep/settings", &json!({"key_order": "fifo"})).expect(200);
    let mut jobs = Vec::new();
    for index in 0..12 {
        let mut job = keyed(sleep(20), "acme");
        job["priority"] = json!(9 - index % 10);
        jobs.push(host.enqueue(&job));
    }
    host.wait_for(&jobs[3], "succeeded");
    host.kill9();
    host.restart();
    host.wait_for(&jobs[11], "succeeded");
    let ended: Vec<String> = jobs.iter().map(|job| host.job(job)["finished_at"].as_str().unwrap().to_owned()).collect();
    assert!(ended.is_sorted(), "{ended:#?}");
}

#[test]
fn a_killed_host_leaves_every_limit_as_free_as_it_should_be() {
    let mut host = TestHost::builder().workers(4).start();
    host.upload(Guest::Handlers);
    host.put("/v1/kinds/sleep/settings", &json!({"concurrency": 3, "key_concurrency": 1})).expect(200);
    host.put("/v1/queues/narrow", &json!({"concurrency": 2})).expect(200);
    let mut jobs = Vec::new();
    for index in 0..60 {
        let mut job = keyed(sleep(5), &format!("key {}", index % 7));
        if index % 3 == 0 {
            job["queue"] = json!("narrow");
        }
        jobs.push(host.enqueue(&job));
    }
    for at in [5, 15, 25] {
        host.wait_for(&jobs[at], "succeeded");
        host.kill9();
        host.restart();
    }
    for job in &jobs {
        host.wait_for(job, "succeeded");
    }
    // Were a single lease left counted, the second of a pair would wait for ever.
    for index in 0..7 {
        host.run(&keyed(sleep(1), &format!("key {index}")));
    }
}

#[test]
fn a_rate_is_kept_to() {
    let host = TestHost::builder().workers(2).start();
    host.upload(Guest::Handlers);
    let rate = json!({"limit": 1, "per": "1h", "burst": 2});
    host.put("/v1/kinds/echo/settings", &json!({ "rate": rate })).expect(200);
    let echo = json!({"kind": "echo", "payload": {}});
    host.run(&echo);
    host.run(&echo);
    let third = host.enqueue(&echo);
    let job = host.job(&third);
    assert_eq!((&job["state"], &job["waiting"]["reason"]), (&json!("ready"), &json!("rate_limited")), "{job}");
    say(
        job["waiting"]["detail"].as_str().unwrap(),
        &["1 job in 1h of kind `echo` may begin", "the next one in 5", "it is the next one"],
    );
    // As soon as the rate allows it, without anybody asking.
    host.put("/v1/kinds/echo/settings", &json!({"rate": {"limit": 20, "per": "1s", "burst": 1}})).expect(200);
    host.wait_for(&third, "succeeded");
    let jobs: Vec<String> = (0..10).map(|_| host.enqueue(&echo)).collect();
    for job in &jobs {
        host.wait_for(job, "succeeded");
    }
    let at = |job: &String| -> jiff::Timestamp { host.job(job)["started_at"].as_str().unwrap().parse().unwrap() };
    let took_ms = at(&jobs[9]).as_millisecond() - at(&jobs[0]).as_millisecond();
    assert!(took_ms >= 8 * 50, "ten at 20 a second in {took_ms} ms");
}

/// So many jobs of a tenant run at once, and no more, whatever kept them apart otherwise.
fn runs_at_once(host: &TestHost, most: usize) {
    say(&host.log(), &[&format!("quota_running_jobs = {most}")]);
    let jobs: Vec<String> = (0..most + 2)
        .map(|index| {
            let mut job = keyed(sleep(25_000), &format!("key {index}"));
            job["queue"] = json!(format!("queue-{}", index % 3));
            host.enqueue(&job)
        })
        .collect();
    for first in 0..2 {
        for job in &jobs[first..first + most] {
            host.wait_for(job, "running");
        }
        let next = host.job(&jobs[first + most]);
        assert_eq!(next["waiting"]["reason"], "tenant_concurrency", "{next}");
        assert_eq!(next["waiting"]["jobs"], json!(jobs[first..first + most]), "{next}");
        say(
            &stoker(host, &["job", &jobs[first + most]]).expect_success(),
            &[&format!("{most} of {most} job"), "of tenant `default` run", "the quota `running_jobs`"],
        );
        // A list shows what the rows say, which come a moment after.
        eventually("the list says so", || (running(host) == most).then_some(()));
        // One that ends makes room for one.
        cancel(host, &jobs[first]);
    }
    // The last first: none is begun meanwhile.
    for job in jobs[2..].iter().rev() {
        cancel(host, job);
    }
}

fn cancel(host: &TestHost, job: &str) {
    let _told = host.act(&format!("/v1/jobs/{job}/cancel"));
    host.wait_for(job, "cancelled");
}

#[test]
fn a_tenant_runs_no_more_than_the_host_allows_wherever_that_is_said() {
    let mut host = TestHost::builder().workers(6).start();
    host.upload(Guest::Handlers);
    say(&host.log(), &["quota_running_jobs = any"]);
    std::fs::write(host.home().join("stoker.toml"), "quota_running_jobs = 1\n").unwrap();
    host.restart();
    runs_at_once(&host, 1);
    host.restart_with(|builder| builder.env("STOKER_QUOTA_RUNNING_JOBS", "2"));
    runs_at_once(&host, 2);
    host.restart_with(|builder| builder.flag("--quota-running-jobs", 1));
    runs_at_once(&host, 1);
    // What a dead host had begun is counted no more.
    let jobs: Vec<String> = [25_000, 1, 1].map(|ms| host.enqueue(&sleep(ms))).to_vec();
    host.wait_for(&jobs[0], "running");
    host.kill9();
    host.restart();
    host.wait_for(&jobs[0], "running");
    cancel(&host, &jobs[0]);
    for job in &jobs[1..] {
        host.wait_for(job, "succeeded");
    }
}

#[test]
fn what_can_not_be_a_limit_of_tenants_is_said_at_the_start() {
    for (asked, said) in [("0", "workers = 0"), ("1000001", "1000000"), ("many", "--quota-running-jobs")] {
        let (status, log) = TestHost::builder().flag("--quota-running-jobs", asked).try_start().unwrap_err();
        assert!(!status.success());
        say(&log, &[said]);
    }
}

#[test]
fn what_can_not_be_a_limit_is_said() {
    let host = TestHost::start();
    host.upload(Guest::Handlers);
    for (settings, pointer, said) in [
        (json!({"concurrency": 0}), "/concurrency", "1"),
        (json!({"rate": "0/s"}), "/rate", "pause the queue"),
        (json!({"rate": {"limit": 1, "per": "2d"}}), "/rate", "1d"),
        (json!({"key_concurrency": 1_000_001}), "/key_concurrency", "1000000"),
    ] {
        let problem = host.put("/v1/kinds/echo/settings", &settings).expect_problem(422);
        assert_eq!(problem["errors"][0]["pointer"], *pointer, "{problem}");
        say(problem["errors"][0]["message"].as_str().unwrap(), &[said]);
    }
    for settings in [json!({"rate": "fast"}), json!({"key_order": "lifo"}), json!({"durability": "none"})] {
        host.put("/v1/kinds/echo/settings", &settings).expect_problem(422);
        host.put("/v1/queues/q", &settings).expect_problem(422);
    }
    let long = "k".repeat(129);
    for key in ["", "a\nb", long.as_str()] {
        let job = keyed(json!({"kind": "echo", "payload": {}}), key);
        let problem = host.post("/v1/jobs", &job).expect_problem(422);
        assert_eq!(problem["errors"][0]["pointer"], "/concurrency_key", "{problem}");
    }
}

#[test]
fn a_relaxed_queue_loses_nothing_to_a_killed_process() {
    let mut host = TestHost::builder().workers(0).leaves_work_behind().start();
    host.upload(Guest::Hello);
    let shown = stoker(&host, &["queues", "bulk", "--durability", "relaxed", "--concurrency", "2"]).expect_success();
    say(&shown, &["2 at once, relaxed"]);
    // What is not named stays.
    say(&stoker(&host, &["queues", "bulk", "--concurrency", "none"]).expect_success(), &["relaxed"]);
    let job = json!({"kind": "hello", "payload": {"name": "Ada"}, "queue": "bulk"});
    let jobs: Vec<String> = (0..50).map(|_| host.enqueue(&job)).collect();
    host.kill9();
    host.restart();
    for job in &jobs {
        assert_eq!(host.job(job)["state"], "ready");
    }
}

#[test]
fn a_limit_that_is_widened_lets_go_without_anybody_asking() {
    let host = TestHost::builder().workers(2).start();
    host.upload(Guest::Handlers);
    let echo = json!({"kind": "echo", "payload": {}});
    host.put("/v1/kinds/echo/settings", &json!({"rate": {"limit": 1, "per": "24h"}})).expect(200);
    host.run(&echo);
    for wide in [json!({"rate": "100/s"}), json!({})] {
        let held: Vec<String> = (0..3).map(|_| host.enqueue(&echo)).collect();
        assert_eq!(host.job(&held[2])["waiting"]["reason"], "rate_limited");
        host.put("/v1/kinds/echo/settings", &wide).expect(200);
        for job in &held {
            host.wait_for(job, "succeeded");
        }
        // Nothing is left of today's again.
        host.put("/v1/kinds/echo/settings", &json!({"rate": {"limit": 1, "per": "24h"}})).expect(200);
    }
}
