//! Fairness as tenants see it: the order in which their jobs start in the one slot there is.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use serde_json::{Value, json};
use stoker_tests::{Api, Guest, TestHost};

/// One slot, taken until everything is enqueued; what a job of each tenant costs is known.
fn host_with(weights: &[(&str, u32)]) -> (TestHost, Vec<Api>, String) {
    let host = TestHost::builder().workers(1).start();
    host.upload(Guest::Handlers);
    let tenant = |(name, weight): &(&str, u32)| {
        host.post("/v1/tenants", &json!({"name": name, "weight": weight})).expect(201);
        let tenant = host.in_tenant(name);
        tenant.upload(Guest::Handlers);
        tenant.run_kind("sleep", &json!({"ms": 20}));
        tenant
    };
    let tenants = weights.iter().map(tenant).collect();
    let gate = host.shut_gate("default");
    (host, tenants, gate)
}

/// Whose jobs started, in order.
fn starts(tenants: &[Api], ids: &[Vec<String>]) -> Vec<usize> {
    let mut starts: Vec<(String, usize)> = Vec::new();
    for (index, ids) in ids.iter().enumerate() {
        for id in ids {
            let job = tenants[index].wait_for(id, "succeeded");
            starts.push((job["started_at"].as_str().unwrap().to_owned(), index));
        }
    }
    starts.sort();
    starts.into_iter().map(|(_, index)| index).collect()
}

fn sleeps(tenant: &Api, jobs: usize, priority: u8) -> Vec<String> {
    let job = |_| -> Value { json!({"kind": "sleep", "payload": {"ms": 20}, "priority": priority}) };
    tenant.enqueue_lines((0..jobs).map(job))
}

#[test]
fn jobs_start_by_the_weights_of_their_tenants_and_not_by_priority() {
    let (host, tenants, gate) = host_with(&[("three", 30), ("two", 20), ("one", 10)]);
    let ids: Vec<_> = tenants.iter().zip([9, 5, 0]).map(|(tenant, priority)| sleeps(tenant, 24, priority)).collect();
    host.open_gate(&gate);
    let order = starts(&tenants, &ids);
    let first = |index: usize| order[..24].iter().filter(|start| **start == index).count();
    for (index, due) in [(0, 12), (1, 8), (2, 4)] {
        assert!(first(index).abs_diff(due) <= 3, "{} of {due}: {order:?}", first(index));
    }
}

#[test]
fn who_enqueues_one_job_does_not_wait_for_a_flood() {
    let (host, tenants, gate) = host_with(&[("flood", 10), ("small", 10)]);
    let mut ids = vec![sleeps(&tenants[0], 100, 0), Vec::new()];
    host.open_gate(&gate);
    tenants[0].wait_for(&ids[0][10], "succeeded");
    ids[1] = sleeps(&tenants[1], 1, 9);
    let order = starts(&tenants, &ids);
    let at = order.iter().position(|start| *start == 1).unwrap();
    assert!(at < 40, "it was number {at} of 101");
}
