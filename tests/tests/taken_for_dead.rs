//! A host that another took for dead ends, and says why: nothing it holds is its own any more.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use serde_json::json;
use stoker_tests::{DEADLINE, Guest, TestHost, state_of};

#[test]
fn a_host_that_was_taken_for_dead_stops_with_an_error() {
    let builder = || TestHost::builder().flag("--lease-ttl", "3s").leaves_work_behind();
    let mut frozen = builder().start();
    frozen.upload(Guest::Handlers);
    let id = frozen.enqueue_kind("sleep", &json!({"ms": 4_000}));
    frozen.wait_for(&id, "running");
    frozen.freeze();
    // Who deletes the lock has two hosts.
    std::fs::remove_file(frozen.data_dir().join("stoker.lock")).unwrap();
    let other = builder().data_dir(frozen.data_dir()).start();
    frozen.thaw();

    let status = frozen.wait_exit(DEADLINE);
    assert!(status.code().is_some_and(|code| code != 0), "{status}");
    assert!(frozen.log().contains("took this one for dead"), "{}", frozen.log());
    // The other one runs the job, and what came of the first run changed nothing.
    let job = other.wait_for(&id, "succeeded");
    assert_eq!(job["attempt"], 1, "{job:#}");
    let attempts = other.attempts(&id);
    assert_eq!(attempts.len(), 2, "{attempts:?}");
    assert_eq!(state_of(&other.job(&id)), "succeeded");
    let again = other.enqueue_kind("sleep", &json!({"ms": 1}));
    other.wait_for(&again, "succeeded");
}
