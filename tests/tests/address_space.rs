//! Where the address space is limited, jobs of every type run all the same, under the same limits.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use serde_json::json;
use stoker_tests::{Guest, TestHost, job_id, state_of};

/// Less than a guest may name, and far less than a pool of instances reserves.
const ADDRESS_SPACE_BYTES: u64 = 3 << 30;

#[test]
fn jobs_run_without_the_address_space_for_a_pool() {
    let mut host = TestHost::builder().address_space(ADDRESS_SPACE_BYTES).start();
    assert!(host.log().contains("cannot reserve address space"), "{}", host.log());
    host.upload(Guest::Hello);
    host.upload(Guest::Handlers);
    host.upload(Guest::Cat);
    let hello = json!({"kind": "hello", "payload": {"name": "Ada"}});
    assert_eq!(state_of(&host.run(&hello)), "succeeded");
    assert_eq!(host.run(&json!({"kind": "cat", "payload": [1, 2]}))["output"], json!([1, 2]));
    // Several at once, and each bound by its own limit.
    let ids: Vec<String> = (0..8).map(|_| host.enqueue_kind("sleep", &json!({"ms": 50}))).collect();
    for id in &ids {
        host.wait_for(id, "succeeded");
    }
    // More than there is room for: those that don't fit wait for the others, and not for the module to be tried again.
    assert!(host.terminate().success());
    host.restart_with(|host| host.address_space(ADDRESS_SPACE_BYTES).workers(128));
    let lines = "{\"kind\":\"sleep\",\"payload\":{\"ms\":400}}\n".repeat(200);
    let ndjson = [("content-type", "application/x-ndjson")];
    let batch = host.request("POST", "/v1/jobs/batch", &ndjson, Some(lines.as_bytes())).expect(200);
    let ids: Vec<String> = batch["results"].as_array().unwrap().iter().map(job_id).collect();
    for id in &ids {
        let job = host.wait_for(id, "succeeded");
        assert_eq!(job["attempt"], 1, "{job:#}");
    }
    assert!(!host.log().contains("a module can't be run"), "{}", host.log());
    let eater = host.run(&json!({"kind": "eat-memory", "payload": {}, "max_attempts": 1}));
    assert_eq!(eater["error"]["reason"], "memory_exceeded", "{eater:#}");

    // What was compiled for little address space is not taken for what needs much, nor the other way round.
    assert!(host.terminate().success());
    let host = TestHost::builder().data_dir(host.data_dir()).start();
    assert!(!host.log().contains("cannot reserve address space"), "{}", host.log());
    assert_eq!(state_of(&host.run(&hello)), "succeeded");
}
