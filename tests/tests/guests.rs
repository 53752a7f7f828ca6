//! One guest per behaviour: each ends for its own reason, and the next job on the same host runs normally.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use stoker_tests::{Guest, TestHost, job_id, reason_of, state_of, workspace_root};

/// Longest a 500 ms timeout may take to be noticed, on a slow machine.
const TIMEOUT_SLACK: Duration = Duration::from_secs(15);

/// Of a handler that does next to nothing, in the profile handlers are built with.
const HANDLER_BYTES_MAX: usize = 120_000;

/// Kind, operator settings, the reason it ends for.
fn fatal_cases() -> Vec<(&'static str, Value, &'static str)> {
    vec![
        ("busy-loop", json!({"fuel": 20_000_000}), "fuel_exhausted"),
        ("eat-memory", json!({"memory": 32 << 20}), "memory_exceeded"),
        ("recurse", json!({}), "stack_overflow"),
        ("trap", json!({}), "trap"),
        ("panic", json!({}), "trap"),
        ("exit", json!({}), "trap"),
        ("fail-fatal", json!({}), "handler_error"),
        ("fail-retry", json!({}), "handler_error"),
        ("fail-error", json!({}), "handler_error"),
        ("huge-output", json!({}), "output_too_large"),
        ("wrong-output", json!({}), "invalid_output"),
        ("host-calls", json!({}), "host_calls_exceeded"),
    ]
}

#[test]
fn each_failure_has_its_own_reason_and_harms_nobody() {
    let host = TestHost::start();
    host.upload(Guest::Hello);
    host.upload(Guest::Handlers);
    for (kind, settings, reason) in fatal_cases() {
        host.set_kind(kind, &settings);
        let job = host.run_failing(kind, &json!({}), reason);
        assert_eq!(job["attempt"], 1, "{job:#}");
        assert!(job["error"]["message"].as_str().is_some_and(|message| message.len() > 5), "{job:#}");
        assert!(job["output"].is_null(), "{job:#}");
        assert!(job["receipt"]["run_us"].as_u64().is_some(), "{job:#}");
        host.assert_still_runs();
    }
}

#[test]
fn whatever_a_guest_does_the_timeout_comes_in_time() {
    let host = TestHost::start();
    host.upload(Guest::Hello);
    host.upload(Guest::Handlers);
    for kind in ["busy-loop", "sleep", "memory-copy", "wait-for-cancel"] {
        let fuel = 1_000_000_000_000u64;
        host.set_kind(kind, &json!({"timeout": 500, "fuel": fuel, "memory": 256 << 20}));
        let begun = Instant::now();
        let job = host.run_failing(kind, &json!({}), "timeout");
        assert!(begun.elapsed() < TIMEOUT_SLACK, "{kind} took {:?}", begun.elapsed());
        let run_us = job["receipt"]["run_us"].as_u64().unwrap();
        assert!(run_us >= 490_000, "{kind} was ended early: {job:#}");
        host.assert_still_runs();
    }
}

#[test]
fn what_the_sdk_forbids_is_an_outcome_too() {
    let mut host = TestHost::start();
    host.upload(Guest::Hello);
    host.upload(Guest::Raw);
    for kind in ["not-json", "empty-output", "truncated-json"] {
        host.run_failing(kind, &json!(1), "invalid_output");
    }
    // A message is output too: past every bound it is refused before it is copied.
    let job = host.run_failing("long-message", &json!(1), "output_too_large");
    assert!(job["error"].to_string().len() < 64 << 10, "the message is kept whole");
    let id = host.enqueue_kind("endless-snooze", &json!(1));
    host.wait_until(&id, "put off or failed", |job| state_of(job) == "scheduled" || state_of(job) == "failed");
    host.leave_work_behind();
    host.assert_still_runs();
}

#[test]
fn a_small_handler_is_small() {
    let wasm = Guest::Hello.wasm();
    assert!(wasm.len() <= HANDLER_BYTES_MAX, "hello.wasm has {} bytes; what has it been made to carry?", wasm.len());
    let carries = |name: &[u8]| wasm.windows(name.len()).any(|window| window == name);
    assert!(!carries(b"wasi:http") && !carries(b"wasi:config"), "it carries what it does not use");
    // With the names of functions, for backtraces.
    assert!(wasm.windows(12).any(|window| window == b"5hello5hello"), "the names are gone");
}

#[test]
fn a_trap_shows_the_functions_it_happened_in() {
    let host = TestHost::start();
    host.upload(Guest::Handlers);
    let job = host.run_failing("trap", &json!({}), "trap");
    let detail = job["error"]["detail"].as_str().unwrap_or_default();
    assert!(detail.contains("fall_into_the_trap"), "{job:#}");
    let job = host.run_failing("panic", &json!({}), "trap");
    let message = job["error"]["message"].as_str().unwrap();
    assert!(message.starts_with("panicked at ") && message.contains("panic.rs:"), "{message}");
    assert!(message.ends_with(": the guest panics on purpose"), "{message}");
    assert!(host.log_text(&job_id(&job)).contains("the guest panics on purpose"));
    let job = host.run_failing("fail-error", &json!({}), "handler_error");
    let message = job["error"]["message"].as_str().unwrap();
    assert!(message.contains("cannot count") && message.contains("digit"), "{message}");
}

#[test]
fn floods_are_cut_and_counted_and_do_no_harm() {
    let host = TestHost::start();
    host.upload(Guest::Hello);
    host.upload(Guest::Handlers);
    for kind in ["flood-logs", "flood-stdout"] {
        let id = host.enqueue_kind(kind, &json!({}));
        host.wait_for(&id, "succeeded");
        let logs = host.get(&format!("/v1/jobs/{id}/logs")).expect_status(200);
        assert!(logs.body.len() < 2 << 20, "{kind}: {} bytes of log", logs.body.len());
        assert!(logs.json()["next_cursor"].is_null(), "{kind}: all of it is in one answer");
        let none_before = host.get(&format!("/v1/jobs/{id}/logs?cursor=1")).expect_status(200).json();
        assert_eq!(none_before["items"], json!([]));
        let refused = host.get(&format!("/v1/jobs/{id}/logs?cursor=x")).expect_problem(422);
        assert_eq!(refused["code"], "invalid_query");
        let dropped = logs.json()["items"][0]["dropped"].as_u64().unwrap_or_else(|| panic!("{logs}"));
        assert!(dropped > 100, "{kind}: {dropped} lines dropped");
        host.assert_still_runs();
    }
}

#[test]
fn logs_keep_their_levels_and_their_order() {
    let host = TestHost::start();
    host.upload(Guest::Handlers);
    let id = host.enqueue_kind("log-lines", &json!({}));
    host.wait_for(&id, "succeeded");
    let logs = host.get(&format!("/v1/jobs/{id}/logs")).expect(200);
    let lines = logs["items"][0]["lines"].as_array().unwrap_or_else(|| panic!("{logs:#}"));
    let lines: Vec<_> =
        lines.iter().map(|line| (line["level"].as_str().unwrap(), line["message"].as_str().unwrap())).collect();
    let expected = [
        ("trace", "a trace line"),
        ("debug", "a debug line"),
        ("info", "an info line"),
        ("warn", "a warn line"),
        ("error", "an error line"),
        ("stdout", "a stdout line"),
        ("stderr", "a stderr line"),
    ];
    assert_eq!(lines, expected);
}

#[test]
fn a_handler_is_told_about_its_attempt() {
    let host = TestHost::start();
    host.upload(Guest::Handlers);
    let payload = json!({"text": "zażółć \u{1F600} \u{0}", "number": -0.5, "nested": [[], {}], "none": null});
    let id = host.enqueue(&json!({"kind": "echo", "payload": payload, "queue": "side", "max_attempts": 4}));
    let job = host.wait_for(&id, "succeeded");
    let told = &job["output"];
    assert_eq!(told["payload"], payload);
    let facts = ["job_id", "tenant", "kind", "queue", "attempt", "max_attempts"].map(|field| told[field].clone());
    let expected = [json!(id), json!("default"), json!("echo"), json!("side"), json!(1), json!(4)];
    assert_eq!(facts, expected);
    let ms = |field: &str| told[field].as_u64().unwrap();
    assert!(ms("created_at_ms") <= ms("run_at_ms") && ms("run_at_ms") < ms("deadline_ms"), "{told:#}");

    host.set_kind("limits", &json!({"timeout": "20s", "fuel": 500_000_000}));
    let limits = host.run_kind("limits", &json!({}));
    let remaining_ms = limits["remaining_time_ms"].as_u64().unwrap();
    assert!((10_000..=20_000).contains(&remaining_ms), "{limits}");
    let fuel = limits["remaining_fuel"].as_u64().unwrap();
    assert!((1..500_000_000).contains(&fuel), "{limits}");
    assert_eq!(limits["is_cancelled"], false);
    assert!(host.run_kind("entered-at", &json!({}))["entered_at_us"].as_u64().unwrap() > 1_700_000_000_000_000);
}

#[test]
fn progress_is_seen_while_the_job_runs() {
    let host = TestHost::start();
    host.upload(Guest::Handlers);
    let id = host.enqueue_kind("progress", &json!({"steps": 3, "hold_ms": 1_500}));
    let job = host.wait_until(&id, "at step 3", |job| job["progress"]["done"] == 3);
    assert_eq!(state_of(&job), "running", "{job:#}");
    assert_eq!(job["progress"], json!({"done": 3, "total": 3, "message": "step 3"}));
    let job = host.wait_for(&id, "succeeded");
    assert_eq!(job["progress"]["done"], 3, "{job:#}");
}

#[test]
fn nothing_survives_from_one_job_to_the_next() {
    let host = TestHost::start();
    host.upload(Guest::Handlers);
    // Each attempt of the memory eater begins with the same memory: the second gets as far as the first.
    host.set_kind("eat-memory", &json!({"memory": 32 << 20}));
    let peaks: Vec<u64> = (0..3)
        .map(|_| {
            let job = host.run_failing("eat-memory", &json!({}), "memory_exceeded");
            job["receipt"]["memory_peak_bytes"].as_u64().unwrap()
        })
        .collect();
    assert!(peaks.iter().all(|peak| *peak == peaks[0] && *peak > 20 << 20 && *peak <= 32 << 20), "{peaks:?}");
}

#[test]
fn a_receipt_is_plausible() {
    let host = TestHost::start();
    host.upload(Guest::Hello);
    let job = host.run(&json!({"kind": "hello", "payload": {"name": "Ada"}}));
    let receipt = &job["receipt"];
    let number = |field: &str| receipt[field].as_u64().unwrap_or_else(|| panic!("no {field}: {receipt:#}"));
    assert!(number("fuel_used") > 100 && number("fuel_used") < 100_000_000, "{receipt:#}");
    assert!(number("memory_peak_bytes") >= 64 << 10, "{receipt:#}");
    assert_eq!(number("output_bytes"), job["output"].to_string().len() as u64, "{job:#}");
    assert!(number("instantiate_us") < 10_000_000 && number("run_us") < 10_000_000, "{receipt:#}");
    assert_eq!(number("http_calls"), 0);
    assert!(["hit", "disk", "miss"].contains(&receipt["compiled"].as_str().unwrap()), "{receipt:#}");
    assert_eq!(reason_of(&job), "");
}

/// Every guest in `tests/guests` is named, in quotes or as a `Guest`, by a test: a new one without a test fails here.
#[test]
fn every_guest_has_a_test() {
    let root = workspace_root().join("tests");
    let mut tests = String::new();
    let files = std::fs::read_dir(root.join("tests")).unwrap().flatten();
    for entry in files.filter(|entry| entry.path().is_file()) {
        tests.push_str(&std::fs::read_to_string(entry.path()).unwrap());
    }
    let mut guests = Vec::new();
    for folder in ["handlers/src", "commands/src/bin", "liar/examples"] {
        for entry in std::fs::read_dir(root.join("guests").join(folder)).unwrap().flatten() {
            let name = entry.path().file_stem().unwrap().to_string_lossy().replace('_', "-");
            guests.push((folder, name));
        }
    }
    assert!(guests.len() > 20, "tests/guests has moved: {guests:?}");
    let camel = |name: &str| -> String { name.split('-').map(|word| word[..1].to_uppercase() + &word[1..]).collect() };
    let untested: Vec<_> = guests
        .iter()
        .filter(|(folder, name)| {
            let as_guest = *folder == "commands/src/bin" && tests.contains(&format!("Guest::{}", camel(name)));
            name != "lib" && !as_guest && !tests.contains(&format!("\"{name}\""))
        })
        .collect();
    assert!(untested.is_empty(), "guests without a test: {untested:?}");
}
