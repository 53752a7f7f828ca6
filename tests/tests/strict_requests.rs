//! Requests that mean two things, or something else than they seem to: refused, and told why.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use serde_json::json;
use stoker_tests::{CommandModule, RawReply, TestHost, raw_request};

const JSON: (&str, &str) = ("content-type", "application/json");

fn ask(host: &TestHost, head: &[&str], body: &str) -> RawReply {
    raw_request(host.authority(), head, [body.as_bytes()])
}

#[test]
fn a_request_names_one_host_and_a_page_calls_its_own() {
    let host = TestHost::start();
    let authority = host.authority().to_owned();
    let own = format!("Host: {authority}");
    let target = |authority: &str| format!("GET http://{authority}/v1/queues HTTP/1.1");
    for (head, status, code) in [
        (vec!["GET /v1/queues HTTP/1.1", &own], 200, ""),
        (vec![&*target(&authority), &own], 200, ""),
        (vec!["GET /v1/queues HTTP/1.1", &own, &own], 400, "host_ambiguous"),
        (vec!["GET /v1/queues HTTP/1.1", &own, "Host: evil.example"], 400, "host_ambiguous"),
        (vec![&*target("evil.example"), &own], 400, "host_ambiguous"),
        (vec![&*target("evil.example"), "Host: evil.example"], 403, "foreign_host"),
        (vec!["GET /v1/queues HTTP/1.1", &own, &*format!("Origin: http://{authority}")], 200, ""),
        (vec!["GET /v1/queues HTTP/1.1", &own, "Origin: http://127.0.0.1:9"], 403, "foreign_origin"),
        (vec!["GET /v1/queues HTTP/1.1", &own, "Origin: http://localhost"], 403, "foreign_origin"),
    ] {
        let reply = ask(&host, &head, "");
        assert_eq!(reply.status, status, "{head:?}: {}", reply.text);
        assert!(reply.text.contains(code), "{head:?}: {}", reply.text);
    }
}

#[test]
fn bodies_are_plain_utf8() {
    let host = TestHost::start();
    host.upload_bytes("print", &CommandModule::printing("1").wasm());
    let body = json!({"kind": "print"}).to_string();
    for (headers, words) in [
        (&[JSON, ("content-encoding", "gzip")][..], "Content-Encoding"),
        (&[("content-type", "application/json; charset=latin-1")], "UTF-8"),
        (&[("content-type", "text/plain")], "application/json"),
    ] {
        for path in ["/v1/jobs", "/v1/jobs/batch"] {
            let reply = host.request("POST", path, headers, Some(body.as_bytes()));
            let problem = reply.expect_problem_saying(415, &[words]);
            assert_eq!(problem["code"], "unsupported_media_type", "{headers:?}");
        }
    }
    let module = CommandModule::printing("2").wasm();
    let packed = host.request("PUT", "/v1/modules/packed", &[("content-encoding", "gzip")], Some(&module));
    packed.expect_problem(415);
    let good = [("content-type", "application/json; charset=utf-8"), ("content-encoding", "identity")];
    host.wait_end(host.request("POST", "/v1/jobs", &good, Some(body.as_bytes())).expect(201)["id"].as_str().unwrap());
}

#[test]
fn one_key_and_a_long_wait() {
    let host = TestHost::start();
    host.upload_bytes("print", &CommandModule::printing("1").wasm());
    let keys = [("idempotency-key", "a"), ("idempotency-key", "b")];
    let request = json!({"kind": "print"});
    host.post_with("/v1/jobs", &keys, &request).expect_problem_saying(422, &["Idempotency-Key", "once"]);
    host.post_with("/v1/jobs/batch", &keys, &json!([request])).expect_problem_saying(422, &["Idempotency-Key"]);
    // Longer than any number: as long as may be.
    let waited = host.post_with("/v1/jobs", &[("prefer", "wait=99999999999999999999999")], &request);
    assert_eq!(waited.header("preference-applied"), Some("wait=60"));
    assert_eq!(waited.expect(200)["state"], "succeeded");
}

#[test]
fn a_query_that_is_no_text_is_refused() {
    let host = TestHost::start();
    host.get("/v1/jobs?tag=%ff").expect_problem_saying(422, &["UTF-8"]);
    host.get("/v1/jobs?tag=%C3%BC").expect(200);
}

#[test]
fn wrong_types_are_named_as_in_json() {
    let host = TestHost::start();
    for (body, words) in [
        (r#"{"kind": "any", "priority": "high"}"#, "expected a whole number, not the text"),
        (r#"{"kind": "any", "priority": 1.5}"#, "expected a whole number, not 1.5"),
        (r#"{"kind": "any", "fuel": -1}"#, "must not be negative"),
        (r#"{"kind": "any", "fuel": 99999999999999999999}"#, "too large"),
        (r#"{"kind": ["any"]}"#, "expected text, not an array"),
        (r#"{"kind": "any", "tags": "x"}"#, "expected an array, not the text"),
        (r#"{"kind": "any", "retry": "fast"}"#, "expected an object with a `strategy` (exponential, fixed or list)"),
        (r#"{"kind": "any", "retry": {"strategy": 5}}"#, "expected one of its names"),
    ] {
        host.post_text("/v1/jobs", &[], body).expect_problem_saying(422, &[words]);
    }
}

#[test]
fn payloads_no_handler_could_read_are_refused_one_by_one() {
    let host = TestHost::start();
    host.upload_bytes("print", &CommandModule::printing("1").wasm());
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    let bad = [r#""\ud800""#, "[1e999]", &deep];
    for payload in bad {
        let body = format!(r#"{{"kind": "print", "payload": {payload}}}"#);
        host.post_text("/v1/jobs", &[], &body).expect_problem_saying(422, &["/payload", "byte"]);
    }
    let lines: Vec<String> =
        bad.iter().chain(&["1"]).map(|payload| format!(r#"{{"kind":"print","payload":{payload}}}"#)).collect();
    for (content_type, body) in
        [("application/x-ndjson", lines.join("\n")), ("application/json", format!("[{}]", lines.join(",")))]
    {
        let reply = host.request("POST", "/v1/jobs/batch", &[("content-type", content_type)], Some(body.as_bytes()));
        let results = reply.expect(200)["results"].clone();
        for index in 0..bad.len() {
            assert_eq!(results[index]["error"]["code"], "invalid_payload", "{results:#}");
        }
        host.wait_end(results[bad.len()]["id"].as_str().unwrap());
    }
}
