//! Starting and stopping: the drain, what is given back, whom a host lets in, what it refuses to start with.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::json;
use stoker_tests::{Guest, TestHost, raw_request, run_stoker, state_of};

const KEY: &str = "a-key-of-more-than-sixteen-characters";

#[test]
fn sigterm_lets_running_jobs_finish_and_starts_no_others() {
    let mut host = TestHost::builder().workers(1).flag("--shutdown-grace", "40s").start();
    host.upload(Guest::Handlers);
    let running = host.enqueue_kind("sleep", &json!({"ms": 1_500}));
    host.wait_for(&running, "running");
    let waiting = host.enqueue_kind("sleep", &json!({"ms": 1_500}));
    let status = host.terminate();
    assert!(status.success(), "{status}: {}", host.log());
    host.restart_with(|builder| builder.workers(0));
    assert_eq!(state_of(&host.job(&running)), "succeeded");
    let job = host.job(&waiting);
    assert_eq!((state_of(&job), &job["attempt"]), ("ready", &json!(0)), "{job:#}");
    assert!(host.attempts(&waiting).is_empty());
    host.restart_with(|builder| builder.workers(1));
    host.wait_for(&waiting, "succeeded");
}

#[test]
fn what_does_not_finish_in_the_grace_is_given_back_at_no_cost() {
    let mut host = TestHost::builder().workers(2).flag("--shutdown-grace", "500ms").start();
    host.upload(Guest::Handlers);
    host.set_kind("busy-loop", &json!({"timeout": "10m", "fuel": 1_000_000_000_000u64}));
    host.set_kind("sleep", &json!({"timeout": "10m"}));
    let ids = [host.enqueue_kind("busy-loop", &json!({})), host.enqueue_kind("sleep", &json!({}))];
    for id in &ids {
        host.wait_for(id, "running");
    }
    let begun = Instant::now();
    let status = host.terminate();
    assert!(status.success(), "{status}: {}", host.log());
    assert!(begun.elapsed() < Duration::from_secs(20), "stopping took {:?}", begun.elapsed());
    host.restart_with(|builder| builder.workers(0).leaves_work_behind());
    for id in &ids {
        let job = host.job(id);
        assert_eq!((state_of(&job), &job["attempt"]), ("ready", &json!(0)), "{job:#}");
        let attempts = host.attempts(id);
        assert_eq!(attempts[0]["outcome"], "given_back", "{attempts:#?}");
        assert_ne!(job["waiting"]["reason"], "suspect", "a stop is no loss: {job:#}");
    }
}

#[test]
fn a_stop_in_full_flow_strands_no_job() {
    const JOBS: usize = 2_000;
    let mut host = TestHost::builder().workers(2).start();
    host.upload(Guest::Hello);
    let lines = "{\"kind\":\"hello\",\"payload\":{\"name\":\"Ada\"}}\n".repeat(JOBS);
    let ndjson = [("content-type", "application/x-ndjson")];
    // A claim is under way at most moments of a drain; the stop must not lose what it gives.
    for _ in 0..4 {
        host.request("POST", "/v1/jobs/batch", &ndjson, Some(lines.as_bytes())).expect_status(200);
        let status = host.terminate();
        assert!(status.success(), "{status}: {}", host.log());
        host.restart();
    }
    stoker_tests::eventually("every job has succeeded", || {
        let queues = host.get("/v1/queues").expect(200);
        (queues["items"][0]["counts"]["succeeded"] == 4 * JOBS).then_some(())
    });
}

#[test]
fn a_second_signal_skips_the_drain() {
    let mut host = TestHost::builder().workers(1).flag("--shutdown-grace", "10m").leaves_work_behind().start();
    host.upload(Guest::Handlers);
    host.set_kind("sleep", &json!({"timeout": "10m"}));
    let id = host.enqueue_kind("sleep", &json!({}));
    host.wait_for(&id, "running");
    // A request that never comes to its end is skipped as well.
    let mut half = TcpStream::connect(host.authority()).unwrap();
    half.write_all(
        b"POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{",
    )
    .unwrap();
    host.signal_terminate();
    // It has heard the first one once it takes no more work.
    stoker_tests::eventually("the host begins to stop", || {
        let ready = host.try_request("GET", "/health/ready", &[], None);
        ready.map_or(true, |reply| reply.status != 200).then_some(())
    });
    assert!(host.is_running(), "the drain was not waited for: {}", host.log());
    let begun = Instant::now();
    host.signal_terminate();
    host.wait_exit(Duration::from_secs(30));
    assert!(begun.elapsed() < Duration::from_secs(8), "hurrying took {:?}", begun.elapsed());
    drop(half);
    host.restart_with(|builder| builder.workers(0));
    assert_eq!(state_of(&host.job(&id)), "ready");
}

#[test]
fn everything_is_there_after_a_restart() {
    let mut host = TestHost::start();
    host.upload(Guest::Hello);
    host.set_kind("hello", &json!({"queue": "greetings"}));
    let done = host.run(&json!({"kind": "hello", "payload": {"name": "Ada"}}));
    let later = host.enqueue(&json!({"kind": "hello", "payload": {"name": "Bob"}, "delay": "2s"}));
    assert!(host.terminate().success());
    host.restart();
    let id = done["id"].as_str().unwrap();
    let again = host.job(id);
    for field in ["output", "payload", "receipt", "finished_at", "module", "queue"] {
        assert_eq!(again[field], done[field], "{field}");
    }
    let job = host.wait_for(&later, "succeeded");
    assert_eq!(job["queue"], "greetings");
    // The artifact on disk was trusted: nothing was compiled again.
    assert_ne!(job["receipt"]["compiled"], "miss", "{job:#}");
}

#[test]
fn a_data_directory_has_one_host() {
    let host = TestHost::start();
    let second = TestHost::builder().data_dir(host.data_dir()).try_start();
    let (status, log) = second.expect_err("a second host started on the same data directory");
    assert!(!status.success());
    assert!(log.contains("in use") && log.contains(&host.pid().to_string()), "{log}");
    assert!(!log.contains("panicked"), "{log}");
    assert_eq!(host.get("/health/live").status, 200);
}

#[test]
fn addresses_others_can_reach_need_a_key() {
    let home = tempfile_dir();
    let data = home.path().join("data").display().to_string();
    let args = ["serve", "--listen", "0.0.0.0:0", "--data-dir", &data];
    let exited = run_stoker(&args, &[], home.path(), b"");
    exited.expect_failure(&["STOKER_ADMIN_KEY"]);
    let exited = run_stoker(&args, &[("STOKER_ADMIN_KEY", "short")], home.path(), b"");
    let said = exited.expect_failure(&["admin_key", "16"]);
    assert!(!said.contains("\"short\"") && !said.contains("=short"), "the key is shown: {said}");
}

fn tempfile_dir() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

#[test]
fn a_key_is_demanded_once_there_is_one() {
    let host = TestHost::builder().admin_key(KEY).start();
    let stranger = host.with_key(None);
    for path in ["/v1/jobs", "/v1/modules", "/v1/kinds", "/v1/queues", "/metrics", "/openapi.json"] {
        let reply = stranger.get(path).expect_status(401);
        assert!(reply.header("www-authenticate").is_some_and(|value| value.starts_with("Bearer")), "{reply}");
        reply.expect_problem(401);
        host.get(path).expect_status(200);
    }
    for key in ["", "wrong", &KEY[1..], &format!("{KEY}x")] {
        host.with_key(Some(key)).get("/v1/jobs").expect_problem(401);
    }
    stranger.request("PUT", "/v1/modules/a", &[], Some(b"x")).expect_problem(401);
    stranger.request("POST", "/v1/backup", &[], Some(b"")).expect_problem(401);
    stranger.get("/health/live").expect_status(200);
    stranger.get("/health/ready").expect_status(200);
    assert!(!host.log().contains(KEY), "the key is in the log");
}

#[test]
fn foreign_names_and_pages_are_refused() {
    let host = TestHost::builder().flag("--allowed-hosts", "jobs.example.com").start();
    let authority = host.authority().to_owned();
    let port = authority.rsplit(':').next().unwrap();
    let get = |headers: &[&str]| {
        let mut head = vec!["GET /v1/jobs HTTP/1.1"];
        head.extend_from_slice(headers);
        raw_request(&authority, &head, []).status
    };
    for name in [&authority, &format!("localhost:{port}"), &format!("[::1]:{port}"), "jobs.example.com"] {
        assert_eq!(get(&[&format!("host: {name}")]), 200, "{name}");
    }
    for name in ["evil.example.com", &format!("evil.example.com:{port}"), "127.0.0.1.nip.io", "jobs.example.com.evil"] {
        assert_eq!(get(&[&format!("host: {name}")]), 403, "{name}");
    }
    assert_eq!(get(&[]), 400, "no host at all");
    let host_line = format!("host: {authority}");
    assert_eq!(get(&[&host_line, &format!("origin: http://{authority}")]), 200);
    for origin in ["https://evil.example.com", "null", "http://evil.example.com:80"] {
        assert_eq!(get(&[&host_line, &format!("origin: {origin}")]), 403, "{origin}");
    }
}

#[test]
fn health_says_what_is_and_metrics_count() {
    let host = TestHost::start();
    host.upload(Guest::Hello);
    host.get("/health/live").expect_status(200);
    host.get("/health/ready").expect_status(200);
    host.assert_still_runs();
    let metrics = host.get("/metrics").expect_status(200);
    assert!(metrics.header("content-type").is_some_and(|kind| kind.contains("text")), "{metrics}");
    let text = metrics.text();
    let line = text.lines().find(|line| {
        line.contains("kind=\"hello\"") && line.contains("state=\"succeeded\"") && line.trim_end().ends_with(" 1")
    });
    assert!(line.is_some(), "no count of the job: {text}");
    for word in ["stoker_", "slots", "commit", "wal"] {
        assert!(text.contains(word), "no `{word}` in {text}");
    }
    let queues = host.get("/v1/queues").expect(200);
    assert!(queues.to_string().contains("default"), "{queues:#}");
}

#[test]
fn a_wrong_configuration_is_told_before_anything_starts() {
    let home = tempfile_dir();
    for (args, words) in [
        (&["serve", "--workers", "257"][..], &["workers", "256"][..]),
        (&["serve", "--workers", "many"], &["many"]),
        (&["serve", "--listen", "nowhere"], &["nowhere"]),
        (&["serve", "--colour", "red"], &["colour"]),
        (&["serve", "--timeout", "2h"], &["timeout"]),
    ] {
        run_stoker(args, &[], home.path(), b"").expect_failure(words);
    }
    std::fs::write(home.path().join("stoker.toml"), "workers = 2\nwokers = 3\n").unwrap();
    run_stoker(&["serve"], &[], home.path(), b"").expect_failure(&["wokers", "2"]);
    assert!(!home.path().join("stoker-data").exists(), "it started before it checked");
}

#[test]
fn a_job_of_higher_priority_waits_for_no_more_than_what_runs() {
    const SLOW_MS: u64 = 1_000;
    /// Two rounds of both slots, and one that was being taken up.
    const PASSED_MAX: usize = 6;
    let mut host = TestHost::builder().workers(2).flag("--priority-aging", "0").start();
    host.upload(Guest::Handlers);
    // Short ones first: the host expects more of the kind and claims far ahead.
    let short = (0..500).map(|_| json!({"kind": "sleep", "payload": {"ms": 0}}));
    host.enqueue_lines(short);
    host.wait_idle(Duration::from_mins(1));
    let slow = (0..60).map(|_| json!({"kind": "sleep", "payload": {"ms": SLOW_MS}, "priority": 9}));
    let slow = host.enqueue_lines(slow);
    host.wait_for(&slow[0], "running");
    let urgent = host.enqueue(&json!({"kind": "sleep", "payload": {"ms": 0}, "priority": 0}));
    host.wait_for(&urgent, "succeeded");
    let passed = slow.iter().filter(|id| state_of(&host.job(id)) == "succeeded").count();
    assert!(passed <= PASSED_MAX, "{passed} of lower priority came first");
    host.leave_work_behind();
}
