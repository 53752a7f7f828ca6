//! Schemas made to hang or kill the host: refused at upload, or given up when a value is checked against them, each
//! with what to do about it; and the host goes on.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use serde_json::{Map, Value, json};
use stoker_tests::{Guest, HandlerModule, KindOf, TestHost, reason_of, state_of};

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
