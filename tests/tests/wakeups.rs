//! Guarantee 6 through the whole host: with every wake-up dropped all of it still happens, only later.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::json;
use stoker_tests::{Guest, TestHost, state_of};

#[test]
fn with_every_wakeup_dropped_everything_still_happens() {
    let mut host = TestHost::builder().flag("--ignore-wakeups", true).start();
    assert!(host.log().contains("ignore_wakeups = true"), "{}", host.log());
    host.upload(Guest::Handlers);
    let soon = host.enqueue(&json!({"kind": "echo", "payload": {"n": 1}, "delay": "300ms"}));
    let retried = host.enqueue(&json!({
        "kind": "fail-retry", "payload": {"succeed_on_attempt": 3}, "retry": {"strategy": "fixed", "delay": 50},
    }));
    let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    let snoozed = host.enqueue_kind("snooze", &json!({"until_ms": u64::try_from(now_ms).unwrap() + 300}));
    let many = host.enqueue_lines((0..100).map(|n| json!({"kind": "echo", "payload": {"n": n}})));
    let cancelled = host.enqueue(&json!({"kind": "echo", "payload": {}, "delay": "10m"}));
    host.act(&format!("/v1/jobs/{cancelled}/cancel")).expect(200);
    for id in many.iter().chain([&soon, &retried, &snoozed]) {
        host.wait_for(id, "succeeded");
    }
    assert_eq!(state_of(&host.job(&cancelled)), "cancelled");
    // A killed host wakes nobody either.
    let sleeper = host.enqueue_kind("sleep", &json!({"ms": 200}));
    host.kill9();
    host.restart();
    host.wait_for(&sleeper, "succeeded");
    host.wait_idle(Duration::from_secs(30));
}
