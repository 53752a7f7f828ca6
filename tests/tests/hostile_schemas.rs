//! Schemas made to hang or kill the host: refused at upload, or given up when a value is checked against them, each
//! with what to do about it; and the host goes on.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};
use stoker_tests::{Guest, HandlerModule, KindOf, Reply, TestHost, reason_of, state_of};

/// Longest `/health/live` may take while schemas are compiled and values checked, on a machine that does other work,
/// too. Where the API's threads did that work it took three to ten seconds.
const LIVE_MAX: Duration = Duration::from_secs(2);

/// Sends all of these at once, and asks all the while whether the host lives.
fn post_all(host: &TestHost, requests: &[Value]) -> Vec<Reply> {
    std::thread::scope(|scope| {
        let posts: Vec<_> = requests
            .iter()
            .map(|request| {
                let api = host.api();
                scope.spawn(move || api.post("/v1/jobs", request))
            })
            .collect();
        while !posts.iter().all(std::thread::ScopedJoinHandle::is_finished) {
            assert_lives(host);
        }
        posts.into_iter().map(|post| post.join().expect("no panic")).collect()
    })
}

fn assert_lives(host: &TestHost) {
    let asked = Instant::now();
    host.get("/health/live").expect(200);
    assert!(asked.elapsed() < LIVE_MAX, "/health/live took {:?}", asked.elapsed());
}

/// A text in which every byte leads to states of `[ab]*a[ab]{2000}c` no byte led to before.
fn unforeseen(bytes: u64) -> String {
    let mut state = 88_172_645_463_325_252_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        if state & 1 == 0 { 'a' } else { 'b' }
    };
    (0..bytes).map(|_| next()).collect()
}

const SLOW_PATTERN: &str = r#"{"pattern": "[ab]*a[ab]{2000}c"}"#;

/// Links of a chain of definitions, each of which refers to the next one.
fn chain(links: usize, link: impl Fn(Value) -> Value, last: &Value) -> String {
    let mut defs: Map<String, Value> =
        (0..links).map(|n| (n.to_string(), link(json!({"$ref": format!("#/$defs/{}", n + 1)})))).collect();
    defs.insert(links.to_string(), last.clone());
    json!({"$ref": "#/$defs/0", "$defs": defs}).to_string()
}

/// At each level of a value three ways lead down.
fn endless() -> String {
    let link =
        |next: Value| json!({"anyOf": [{"items": next, "minItems": 1}, {"contains": next}, {"prefixItems": [next]}]});
    chain(60, link, &json!(false))
}

fn deep_value() -> Value {
    (0..60).fold(json!([1]), |value, _| json!([value]))
}

/// So many patterns, each another one.
fn patterns(count: usize, pattern: &str) -> Vec<Value> {
    (0..count).map(|n| json!({"pattern": format!("{pattern}{n}")})).collect()
}

#[test]
fn what_no_check_could_survive_is_refused_at_upload() {
    let host = TestHost::start();
    host.upload(Guest::Hello);
    let string = json!({"type": "string"});
    for (schema, said) in [
        (chain(2_000, |next| json!({"$ref": next["$ref"], "unevaluatedProperties": false}), &string), "#/$defs/"),
        (chain(2_000, |next| json!({ "anyOf": [next] }), &string), "64 schemas"),
        (chain(20, |next| json!({ "anyOf": [next, next] }), &string), "as often"),
        (r##"{"$ref": "#"}"##.to_owned(), "without end"),
        (json!({"prefixItems": patterns(128, r"\pL{11}")}).to_string(), "is one too many"),
        (r#"{"pattern": "^(?:(?![ab]*a[ab]{400}c)[ab])*$"}"#.to_owned(), "one pass"),
    ] {
        for kind in [KindOf::any("hostile").input(&schema), KindOf::any("hostile").output(&schema)] {
            let problem = host.put_module("hostile", &HandlerModule::serving([kind]).wasm());
            let problem = problem.expect_problem_saying(422, &["schema of kind `hostile` is refused", said]);
            assert_eq!(problem["code"], "describe_failed", "{problem:#}");
        }
    }
    host.assert_still_runs();
}

#[test]
fn what_takes_too_long_to_check_is_given_up() {
    let host = TestHost::start();
    host.upload(Guest::Hello);
    let input = KindOf::any("endless").input(&endless());
    let module = HandlerModule::serving([input, KindOf::any("endless-output").output(&endless())]);
    host.upload_bytes("endless", &module.answering(&deep_value().to_string()).wasm());

    let request = json!({"kind": "endless", "payload": deep_value()});
    let problem = host.post("/v1/jobs", &request).expect_problem_saying(422, &["too long to check"]);
    assert_eq!((&problem["code"], &problem["errors"][0]["pointer"]), (&json!("invalid_payload"), &json!("/payload")));
    // What can be told at once still is, also beside it.
    let results = host.post("/v1/jobs/batch", &json!([request, {"kind": "endless", "payload": []}])).expect(200);
    assert_eq!(results["results"][0]["error"]["code"], "invalid_payload", "{results:#}");
    host.wait_for(results["results"][1]["id"].as_str().unwrap(), "succeeded");

    let job = host.run_failing("endless-output", &json!(null), "invalid_output");
    assert!(job["error"]["message"].as_str().unwrap().contains("too long to check"), "{job:#}");
    host.assert_still_runs();
}

#[test]
fn a_branching_schema_without_malice_takes_what_is_valid() {
    let host = TestHost::start();
    let tree = r##"{"$ref": "#/$defs/n", "$defs": {"n": {"anyOf": [{"type": "integer"},
        {"type": "object", "properties": {"child": {"$ref": "#/$defs/n"}}, "required": ["child"]},
        {"type": "object", "properties": {"child": {"$ref": "#/$defs/n"}, "note": {"type": "string"}}, "required": ["child"]}
    ]}}}"##;
    host.upload_bytes("tree", &HandlerModule::serving([KindOf::any("tree").input(tree)]).wasm());
    let nested = |innermost: Value| (0..20).fold(innermost, |value, _| json!({ "child": value }));
    host.run_kind("tree", &nested(json!(1)));
    let problem = host.post("/v1/jobs", &json!({"kind": "tree", "payload": nested(json!("x"))})).expect_problem(422);
    assert_eq!(problem["code"], "invalid_payload", "{problem:#}");
}

#[test]
fn a_payload_that_takes_too_long_under_a_new_version_ends_its_job_alone() {
    let mut host = TestHost::builder().workers(0).start();
    host.upload(Guest::Hello);
    host.upload_bytes("later", &HandlerModule::serving([KindOf::any("later")]).wasm());
    let id = host.enqueue_kind("later", &deep_value());
    host.upload_bytes("later", &HandlerModule::serving([KindOf::any("later").input(&endless())]).wasm());
    host.restart_with(|builder| builder.workers(2));
    let job = host.wait_end(&id);
    assert_eq!((state_of(&job), reason_of(&job)), ("failed", "invalid_payload"), "{job:#}");
    assert!(job["error"]["detail"].as_str().unwrap().contains("too long to check"), "{job:#}");
    host.assert_still_runs();
}

#[test]
fn a_pattern_that_takes_long_keeps_nobody_else_waiting() {
    let host = TestHost::start();
    host.upload(Guest::Hello);
    let kinds = [KindOf::any("slow").input(SLOW_PATTERN), KindOf::any("slow-output").output(SLOW_PATTERN)];
    let text = json!(unforeseen(400_000));
    host.upload_bytes("slow", &HandlerModule::serving(kinds).answering(&text.to_string()).wasm());
    let request = json!({"kind": "slow", "payload": text});
    for reply in post_all(&host, &vec![request; 4]) {
        let problem = reply.expect_problem_saying(422, &["too long to check"]);
        assert_eq!(problem["code"], "invalid_payload", "{problem:#}");
    }
    let id = host.enqueue(&json!({"kind": "slow-output", "timeout": "30s", "max_attempts": 1}));
    host.assert_still_runs();
    let job = host.wait_end(&id);
    assert_eq!(reason_of(&job), "invalid_output", "{job:#}");
    let id = host.enqueue(&json!({"kind": "slow-output", "timeout": "200ms", "max_attempts": 1}));
    assert_eq!(reason_of(&host.wait_end(&id)), "timeout");
}

#[test]
fn schemas_are_compiled_beside_everything_else() {
    let mut host = TestHost::builder().workers(0).leaves_work_behind().start();
    let kinds: Vec<String> = (0..4).map(|n| format!("large-{n}")).collect();
    for kind in &kinds {
        let schema = json!({"type": "array", "prefixItems": patterns(8, r"\pL{11}")}).to_string();
        let module = HandlerModule::serving([KindOf::any(kind).input(&schema).output(&schema)]);
        host.upload_bytes(kind, &module.wasm());
    }
    // Nothing is in memory now; every kind is asked for twice at once.
    host.restart();
    let requests: Vec<Value> =
        kinds.iter().chain(&kinds).map(|kind| json!({"kind": kind, "payload": ["abcdefghijkl0"]})).collect();
    for reply in post_all(&host, &requests) {
        reply.expect(201);
    }
}

#[test]
fn a_batch_of_large_payloads_is_taken_as_each_of_them_is() {
    let host = TestHost::builder().workers(0).leaves_work_behind().start();
    let line = json!({
        "type": "object", "required": ["sku", "count", "due"], "additionalProperties": false,
        "properties": {
            "sku": {"type": "string", "minLength": 1, "maxLength": 40},
            "count": {"type": "integer", "minimum": 1},
            "due": {"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}$"},
        },
    });
    let schema = json!({"properties": {"lines": {"type": "array", "items": line}}}).to_string();
    host.upload_bytes("order", &HandlerModule::serving([KindOf::any("order").input(&schema)]).wasm());
    let lines: Vec<Value> =
        (0..5_000).map(|n| json!({"sku": format!("sku-{n}"), "count": n + 1, "due": "2026-11-21"})).collect();
    let jobs = vec![json!({"kind": "order", "payload": {"lines": lines}}); 8];
    let ids = host.enqueue_lines(jobs.clone());
    assert_eq!(ids.len(), 8);
    let results = host.post("/v1/jobs/batch?atomic=true", &json!(jobs)).expect(200);
    assert!(results["results"].as_array().unwrap().iter().all(|result| result["id"].is_string()), "{results:#}");
}

/// Nothing about them is hostile: there is much to read.
#[test]
fn large_payloads_are_read_beside_everything_else() {
    let host = TestHost::builder().workers(0).leaves_work_behind().start();
    let rows = HandlerModule::serving([KindOf::any("rows").input(r#"{"type": "array"}"#)]);
    host.upload_bytes("rows", &rows.wasm());
    let request = json!({"kind": "rows", "payload": vec![json!({"a": 0}); 100_000]});
    for reply in post_all(&host, &vec![request; 48]) {
        reply.expect_status(201);
    }
}
