//! Usage: a bill could be written from it, also after the host was killed.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use serde_json::{Value, json};
use stoker_tests::{Guest, TestHost, run_stoker};

fn sum(usage: &Value, kind: &str, field: &str) -> u64 {
    let rows = usage["items"].as_array().unwrap().iter().filter(|row| row["kind"] == kind);
    rows.map(|row| row[field].as_u64().unwrap()).sum()
}

#[test]
fn what_was_used_is_counted_once_for_whoever_used_it() {
    let mut host = TestHost::start();
    host.upload(Guest::Handlers);
    host.post("/v1/tenants", &json!({"name": "acme"})).expect(201);
    host.in_tenant("acme").upload(Guest::Handlers);
    let payload = json!({"said": "hello"});
    let done: Vec<Value> = (0..5).map(|_| host.run(&json!({"kind": "echo", "payload": payload}))).collect();
    let failed = host.enqueue(&json!({"kind": "trap", "payload": {}, "max_attempts": 1}));
    host.wait_for(&failed, "failed");
    host.in_tenant("acme").run(&json!({"kind": "echo", "payload": payload}));
    let receipts = |field: &str| done.iter().map(|job| job["receipt"][field].as_u64().unwrap()).sum::<u64>();
    let check = |usage: &Value| {
        assert_eq!((sum(usage, "echo", "jobs"), sum(usage, "echo", "attempts")), (5, 5), "{usage}");
        assert_eq!(sum(usage, "echo", "fuel"), receipts("fuel_used"));
        assert_eq!(sum(usage, "echo", "run_us"), receipts("run_us"));
        assert_eq!(sum(usage, "echo", "bytes_in"), 5 * payload.to_string().len() as u64);
        assert_eq!(sum(usage, "echo", "bytes_out"), receipts("output_bytes"));
        assert_eq!((sum(usage, "trap", "jobs"), sum(usage, "trap", "attempts")), (1, 1));
    };
    check(&host.get("/v1/usage").expect(200));
    host.kill9();
    host.restart();
    check(&host.get("/v1/usage").expect(200));
    let of_acme = host.in_tenant("acme").get("/v1/usage").expect(200);
    assert_eq!((sum(&of_acme, "echo", "jobs"), sum(&of_acme, "trap", "jobs")), (1, 0));
    let all = host.get("/v1/usage?all_tenants=true&kind=echo").expect(200);
    assert_eq!((sum(&all, "echo", "jobs"), sum(&all, "trap", "jobs")), (6, 0));
    let page = host.get("/v1/usage?limit=1").expect(200);
    let cursor = page["next_cursor"].as_str().unwrap();
    let rest = host.get(&format!("/v1/usage?cursor={cursor}")).expect(200);
    assert_eq!(rest["items"].as_array().unwrap().len(), 1, "{rest}");
    assert_eq!(host.get("/v1/usage?until=2000-01-01").expect(200)["items"], json!([]));
    for wrong in ["since=yesterday", "limit=0", "cursor=x", "kind=a%20b", "colour=red"] {
        host.get(&format!("/v1/usage?{wrong}")).expect_problem_saying(422, &["invalid_query"]);
    }
    let said =
        run_stoker(&["usage", "--kind", "echo"], &[("STOKER_URL", host.url())], host.home(), b"").expect_success();
    assert!(said.contains("RUN TIME") && said.contains("echo"), "{said}");
}
