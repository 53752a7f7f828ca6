//! Requests with an idempotency key, repeated after the kind has changed or gone: what was accepted stays accepted.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use serde_json::{Value, json};
use stoker_tests::{HandlerModule, KindOf, Reply, TestHost, job_id};

const STRICT: &str = r#"{"type": "object", "required": ["to"]}"#;

#[track_caller]
fn assert_replays(reply: Reply, job: &str) {
    assert_eq!(reply.header("idempotency-replayed"), Some("true"), "{reply}");
    let found = reply.expect(200);
    assert_eq!(job_id(&found), job);
    assert_eq!((&found["payload"], &found["state"]), (&json!("old"), &json!("succeeded")));
}

/// The ids and codes of a batch's answer.
fn results(reply: Reply) -> Vec<String> {
    let reply = reply.expect(200);
    let word = |result: &Value| result["id"].as_str().or(result["error"]["code"].as_str()).unwrap().to_owned();
    reply["results"].as_array().unwrap().iter().map(word).collect()
}

#[test]
fn a_repeated_request_is_recognised_whatever_its_kind_takes_now() {
    let host = TestHost::start();
    host.upload_bytes("mail", &HandlerModule::serving([KindOf::any("send")]).wasm());
    let request = json!({"kind": "send", "payload": "old"});
    let by_field = |key: &str| json!({"kind": "send", "payload": "old", "idempotency_key": key});
    let one = job_id(&host.post_with("/v1/jobs", &[("idempotency-key", "one")], &request).expect(201));
    let two = job_id(&host.post("/v1/jobs", &by_field("two")).expect(201));
    let atomic = json!([request, by_field("three")]);
    let post_atomic = || host.post_with("/v1/jobs/batch?atomic=true", &[("idempotency-key", "all")], &atomic);
    let post_loose = || host.post_with("/v1/jobs/batch", &[("idempotency-key", "some")], &json!([request]));
    let (in_atomic, in_loose) = (results(post_atomic()), results(post_loose()));
    for job in [&one, &two].into_iter().chain(&in_atomic).chain(&in_loose) {
        host.wait_for(job, "succeeded");
    }

    for (change, refusal) in [("a stricter schema", 422), ("no kind", 404)] {
        if refusal == 422 {
            host.upload_bytes("mail", &HandlerModule::serving([KindOf::any("send").input(STRICT)]).wasm());
        } else {
            host.delete("/v1/modules/mail").expect_status(204);
        }
        assert_replays(host.post_with("/v1/jobs", &[("idempotency-key", "one")], &request), &one);
        assert_replays(host.post("/v1/jobs", &by_field("two")), &two);
        let waited = [("idempotency-key", "one"), ("prefer", "wait=10")];
        assert_replays(host.post_with("/v1/jobs", &waited, &request), &one);

        // What was not accepted before is judged by what holds now.
        host.post_with("/v1/jobs", &[("idempotency-key", "new")], &request).expect_problem(refusal);
        let other = json!({"kind": "send", "payload": "other"});
        host.post_with("/v1/jobs", &[("idempotency-key", "one")], &other).expect_problem(refusal);

        for (reply, jobs) in [(post_atomic(), &in_atomic), (post_loose(), &in_loose)] {
            assert_eq!(reply.header("idempotency-replayed"), Some("true"), "{change}: {reply}");
            assert_eq!(&results(reply), jobs, "{change}");
        }
        let lines = json!([by_field("new"), by_field("two"), request, by_field("three")]);
        let words = results(host.post("/v1/jobs/batch", &lines));
        assert_eq!((&words[1], &words[3]), (&two, &in_atomic[1]), "{change}");
        for refused in [0, 2] {
            assert!(!words[refused].starts_with("job_"), "{change}: {words:?}");
        }
        let known = json!([by_field("three"), by_field("two")]);
        let words = results(host.post("/v1/jobs/batch?atomic=true", &known));
        assert_eq!(words, [in_atomic[1].clone(), two.clone()], "{change}");
        host.post("/v1/jobs/batch?atomic=true", &lines).expect_problem_saying(422, &["batch_rejected", "/0"]);
    }
    assert_eq!(host.list("").len(), 2 + in_atomic.len() + in_loose.len());
}
