//! `stoker replay`: a job's own module, payload and recorded steps, run on another machine; its effects shown and not done, its
//! secrets not in the bundle.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use serde_json::{Value, json};
use stoker_tests::{Guest, TestHost, cache_dir, run_stoker, state_of};

fn replayed(host: &TestHost, id: &str, more: &[&str]) -> (i32, Value, String) {
    let arguments = [&["replay", id, "--json"][..], more].concat();
    let cache = cache_dir();
    let variables = [("XDG_CACHE_HOME", cache.to_str().unwrap()), ("STOKER_URL", host.url())];
    let ended = run_stoker(&arguments, &variables, host.home(), b"");
    let report = serde_json::from_str(&ended.stdout).unwrap_or(Value::Null);
    (ended.status.code().unwrap(), report, ended.stderr)
}

#[test]
fn a_failed_job_is_run_again_here_with_what_it_recorded() {
    let host = TestHost::builder().workers(2).start();
    host.upload(Guest::Handlers);
    let grants = json!({"kv": ["counts"], "enqueue": ["echo"], "secrets": ["api-token"]});
    host.put("/v1/secrets/api-token", &json!({"value": "a very secret token"})).expect_problem(409);
    host.set_kind("script", &json!({"grants": grants, "max_attempts": 1, "timeout": "20s"}));
    let id = host.enqueue(&json!({
        "kind": "script",
        "queue": "reports",
        "payload": {"lines": [
            {"do": "step", "name": "create", "count": "create", "result": {"id": 7}},
            {"do": "wait", "event": "paid", "correlation": "7", "ms": 50},
            {"do": "enqueue", "kind": "echo", "payload": [1]},
            {"do": "key"},
            {"do": "fail", "attempts": 1},
        ]},
    }));
    host.wait_for(&id, "failed");
    let bundle = host.get(&format!("/v1/jobs/{id}/replay")).expect(200);
    assert_eq!(bundle["job"]["queue"], "reports");
    let names: Vec<&str> =
        bundle["steps"].as_array().unwrap().iter().map(|step| step["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["create", "paid", "key"]);
    // The bucket is closed here: the step would fail if it were run.
    let (code, report, said) = replayed(&host, &id, &["--grant", "enqueue=echo"]);
    assert_eq!((code, &report["state"]), (1, &json!("failed")), "{said} {report:#}");
    assert_eq!(report["error"]["message"], "as it was told");
    let (_, report, _) = replayed(&host, &id, &["--without-steps"]);
    assert!(report["error"]["message"].as_str().unwrap().contains("not granted the bucket"), "{report:#}");
    // One that succeeded shows its effects, under its own key.
    let good = host
        .enqueue_kind("script", &json!({"lines": [{"do": "key"}, {"do": "enqueue", "kind": "echo", "payload": [1]}]}));
    host.wait_for(&good, "succeeded");
    host.wait_idle(stoker_tests::DEADLINE);
    let before = host.list("kind=echo").len();
    for more in [&["--grant", "enqueue=echo"][..], &["--grant", "enqueue=echo", "--without-steps"]] {
        let (code, report, said) = replayed(&host, &good, more);
        assert_eq!((code, &report["output"][0]), (0, &json!(format!("{good}/key/0"))), "{said} {report:#}");
        assert_eq!(report["effects"], json!([{"type": "enqueue", "request": {"kind": "echo", "payload": [1]}}]));
    }
    assert_eq!(host.list("kind=echo").len(), before, "nothing is done");
    assert_eq!(state_of(&host.job(&id)), "failed");
    let unknown = "job_01ARZ3NDEKTSV4RRFFQ69G5FAV";
    let (code, _, said) = replayed(&host, unknown, &[]);
    assert!(code == 1 && said.contains("job_not_found"), "{said}");
}
