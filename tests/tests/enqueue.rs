//! Enqueueing: every bad input and what it gets, idempotency, batches, waiting, delays, priorities, lists.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use stoker_tests::{Guest, HandlerModule, KindOf, TestHost, job_id, raw_request, state_of};

/// A kind that wants `{"to": string, "count"?: integer ≥ 1}`.
const MAIL_SCHEMA: &str = r#"{
    "type": "object", "required": ["to"], "additionalProperties": false,
    "properties": {"to": {"type": "string"}, "count": {"type": "integer", "minimum": 1}}
}"#;
/// How late a timer may fire on a slow machine.
const LATE_MAX: Duration = Duration::from_secs(3);

fn mail_module() -> Vec<u8> {
    HandlerModule::serving([KindOf::any("email.send").input(MAIL_SCHEMA), KindOf::any("any")]).wasm()
}

fn with_mail() -> TestHost {
    let host = TestHost::start();
    host.upload_bytes("mail", &mail_module());
    host
}

#[test]
fn malformed_requests_are_told_what_is_wrong() {
    let host = with_mail();
    for (body, status, words) in [
        ("{\"kind\": ", 400, &["line"][..]),
        ("", 400, &[]),
        ("{\"kind\":\"any\"} x", 400, &[]),
        ("[]", 422, &[]),
        ("null", 422, &[]),
        ("{}", 422, &["kind"]),
        (r#"{"kind":"any","colour":"red"}"#, 422, &["colour"]),
        (r#"{"kind":"any","kind":"any"}"#, 422, &["kind"]),
        (r#"{"kind":7}"#, 422, &["/kind"]),
        (r#"{"kind":"no spaces"}"#, 422, &["kind"]),
        (r#"{"kind":"any","delay":"-5s"}"#, 422, &["negative"]),
        (r#"{"kind":"any","delay":-5}"#, 422, &["negative"]),
        (r#"{"kind":"any","delay":"soon"}"#, 422, &["delay"]),
        (r#"{"kind":"any","delay":99999999999999999}"#, 422, &["delay"]),
        (r#"{"kind":"any","run_at":"yesterday"}"#, 422, &["run_at"]),
        (r#"{"kind":"any","run_at":"12026-01-01T00:00:00Z"}"#, 422, &["run_at"]),
        (r#"{"kind":"any","delay":"1s","run_at":"2030-01-01T00:00:00Z"}"#, 422, &["delay", "run_at"]),
        (r#"{"kind":"any","priority":10}"#, 422, &["/priority", "9"]),
        (r#"{"kind":"any","priority":-1}"#, 422, &["/priority"]),
        (r#"{"kind":"any","max_attempts":0}"#, 422, &["/max_attempts"]),
        (r#"{"kind":"any","max_attempts":1001}"#, 422, &["/max_attempts"]),
        (r#"{"kind":"any","timeout":0}"#, 422, &["/timeout"]),
        (r#"{"kind":"any","timeout":"2h"}"#, 422, &["/timeout", "ceiling"]),
        (r#"{"kind":"any","queue":""}"#, 422, &["queue"]),
        (r#"{"kind":"any","tags":[""]}"#, 422, &["/tags/0"]),
        (
            r#"{"kind":"any","tags":["1","2","3","4","5","6","7","8","9","a","b","c","d","e","f","g","h"]}"#,
            422,
            &["tags"],
        ),
        (r#"{"kind":"any","retry":{"strategy":"exponential","jitter":2}}"#, 422, &["jitter"]),
        (r#"{"kind":"any","retry":{"strategy":"fixed"}}"#, 422, &["delay"]),
        (r#"{"kind":"any","idempotency_key":""}"#, 422, &["idempotency_key"]),
    ] {
        host.post_text("/v1/jobs", &[], body).expect_problem_saying(status, words);
    }
    assert!(host.list("").is_empty(), "a refused request left a job");
}

#[test]
fn other_refusals_have_their_status() {
    let host = with_mail();
    let problem = host.post("/v1/jobs", &json!({"kind": "email.sned"})).expect_problem_saying(404, &["email.send"]);
    assert_eq!(problem["code"], "kind_not_found");
    host.request("POST", "/v1/jobs", &[("content-type", "text/plain")], Some(b"{\"kind\":\"any\"}"))
        .expect_problem(415);
    host.request("POST", "/v1/jobs", &[], Some(b"{\"kind\":\"any\"}")).expect_problem(415);
    host.get("/v1/nothing").expect_problem(404);
    host.request("PUT", "/v1/jobs", &[], Some(b"")).expect_problem(405);
    host.get("/v1/jobs/job_01ARZ3NDEKTSV4RRFFQ69G5FAV").expect_problem(404);
    host.get("/v1/jobs/17").expect_problem(422);
    host.get("/v1/jobs?colour=red").expect_problem_saying(422, &["colour"]);
    host.get("/v1/jobs?limit=501").expect_problem_saying(422, &["limit"]);
    host.get("/v1/jobs?limit=0").expect_problem(422);
    host.get("/v1/jobs?state=asleep").expect_problem_saying(422, &["state"]);
    host.get("/v1/jobs?cursor=nonsense").expect_problem(422);
    let headers = [("idempotency-key", "one")];
    let body = json!({"kind": "any", "idempotency_key": "two"});
    host.post_with("/v1/jobs", &headers, &body).expect_problem(422);
}

#[test]
fn payloads_are_checked_against_the_schema_with_pointers() {
    let host = with_mail();
    let wrong = json!({"kind": "email.send", "payload": {"to": 7, "count": 0, "extra": true}});
    let problem = host.post("/v1/jobs", &wrong).expect_problem(422);
    assert_eq!(problem["code"], "invalid_payload");
    let errors = problem["errors"].as_array().unwrap_or_else(|| panic!("no errors: {problem:#}"));
    let pointers: Vec<_> = errors.iter().map(|error| error["pointer"].as_str().unwrap()).collect();
    for pointer in ["/to", "/count"] {
        assert!(pointers.iter().any(|found| found.ends_with(pointer)), "no error at {pointer}: {problem:#}");
    }
    assert!(problem.to_string().contains("extra"), "{problem:#}");
    host.post("/v1/jobs", &json!({"kind": "email.send"})).expect_problem_saying(422, &[]);
    assert_eq!(host.run_kind("email.send", &json!({"to": "ada@example.com", "count": 2})), Value::Null);
}

#[test]
fn bodies_over_the_cap_are_refused() {
    let host = with_mail();
    let payload = "x".repeat((1 << 20) + 1);
    host.post("/v1/jobs", &json!({"kind": "any", "payload": payload})).expect_problem(413);
    let largest = "x".repeat((1 << 20) - 2);
    assert_eq!(host.run_kind("any", &json!(largest)), Value::Null);
    let authority = host.authority().to_owned();
    let host_line = format!("host: {authority}");
    let head = ["POST /v1/jobs HTTP/1.1", &host_line, "content-type: application/json", "content-length: 999999999999"];
    let reply = raw_request(&authority, &head, []);
    assert_eq!(reply.status, 413, "{}", reply.text);
}

#[test]
fn a_job_is_answered_with_everything_known_of_it() {
    let mut host = TestHost::builder().workers(0).leaves_work_behind().start();
    host.upload_bytes("mail", &mail_module());
    let request = json!({
        "kind": "email.send", "payload": {"to": "a"}, "queue": "mails", "priority": 2, "max_attempts": 3,
        "tags": ["customer:7", "b"], "retry": {"strategy": "list", "delays": ["1s", 2000]}, "timeout": "10s",
    });
    let reply = host.post("/v1/jobs", &request).expect_status(201);
    let job = reply.json();
    assert_eq!(reply.header("location"), Some(format!("/v1/jobs/{}", job_id(&job)).as_str()));
    assert!(job_id(&job).starts_with("job_01"), "{job:#}");
    for (field, expected) in [
        ("tenant", json!("default")),
        ("kind", json!("email.send")),
        ("queue", json!("mails")),
        ("state", json!("ready")),
        ("priority", json!(2)),
        ("payload", json!({"to": "a"})),
        ("attempt", json!(0)),
        ("max_attempts", json!(3)),
        ("tags", json!(["customer:7", "b"])),
    ] {
        assert_eq!(job[field], expected, "{field} of {job:#}");
    }
    for field in ["created_at", "run_at"] {
        let time = job[field].as_str().unwrap();
        assert!(time.len() == 24 && time.ends_with('Z') && time.as_bytes()[19] == b'.', "{field}: {time}");
    }
    let seen = host.job(&job_id(&job));
    assert_eq!(seen["waiting"]["reason"], "no_workers", "{seen:#}");
    host.leave_work_behind();
}

#[test]
fn prefer_wait_gives_the_finished_job_or_says_not_yet() {
    let host = TestHost::start();
    host.upload(Guest::Handlers);
    let reply = host.post_with("/v1/jobs", &[("prefer", "wait=50")], &json!({"kind": "echo", "payload": {"a": 1}}));
    assert_eq!(reply.status, 200, "{reply}");
    assert_eq!(reply.header("preference-applied"), Some("wait=50"));
    let job = reply.json();
    assert_eq!((state_of(&job), &job["output"]["payload"]), ("succeeded", &json!({"a": 1})), "{job:#}");

    let begun = Instant::now();
    let reply = host.post_with("/v1/jobs", &[("prefer", "wait=1")], &json!({"kind": "sleep", "payload": {"ms": 4000}}));
    assert_eq!(reply.status, 202, "{reply}");
    assert!(begun.elapsed() >= Duration::from_millis(900) && begun.elapsed() < Duration::from_millis(3_900));
    host.wait_for(&job_id(&reply.json()), "succeeded");
    // A failure is an answer too.
    let reply = host.post_with("/v1/jobs", &[("prefer", "wait=50")], &json!({"kind": "fail-fatal", "payload": {}}));
    assert_eq!((reply.status, state_of(&reply.json())), (200, "failed"));
}

#[test]
fn idempotency_keys_make_a_request_repeatable() {
    let mut host = with_mail();
    let headers = [("idempotency-key", "order-7")];
    let request = json!({"kind": "any", "payload": {"n": 1}});
    let first = host.post_with("/v1/jobs", &headers, &request).expect_status(201);
    let id = job_id(&first.json());
    let again = host.post_with("/v1/jobs", &headers, &request).expect_status(200);
    assert_eq!((job_id(&again.json()), again.header("idempotency-replayed")), (id.clone(), Some("true")));
    let other = json!({"kind": "any", "payload": {"n": 2}});
    let problem = host.post_with("/v1/jobs", &headers, &other).expect_problem(409);
    assert_eq!(problem["code"], "idempotency_conflict");
    // The field is the same key.
    let field = json!({"kind": "any", "payload": {"n": 1}, "idempotency_key": "order-7"});
    assert_eq!(job_id(&host.post("/v1/jobs", &field).expect(200)), id);
    // It outlives the process and the job's end.
    host.wait_for(&id, "succeeded");
    host.kill9();
    host.restart();
    let again = host.post_with("/v1/jobs", &headers, &request).expect_status(200).json();
    assert_eq!((job_id(&again), state_of(&again)), (id, "succeeded"));
    assert_eq!(host.list("").len(), 1);
}

#[test]
fn many_callers_with_one_key_make_one_job() {
    let host = with_mail();
    let callers: Vec<_> = (0..8)
        .map(|_| {
            let api = host.api();
            std::thread::spawn(move || {
                let request = json!({"kind": "any", "payload": 1, "idempotency_key": "the one"});
                job_id(&api.post("/v1/jobs", &request).json())
            })
        })
        .collect();
    let mut ids: Vec<_> = callers.into_iter().map(|caller| caller.join().unwrap()).collect();
    ids.dedup();
    assert_eq!(ids.len(), 1, "{ids:?}");
    host.wait_for(&ids[0], "succeeded");
}

#[test]
fn batches_keep_their_order_and_a_bad_line_spoils_itself_only() {
    let host = with_mail();
    let array = json!([{"kind": "any", "payload": 1}, {"kind": "nobody"}, {"kind": "any", "priority": 99}]);
    let reply = host.post("/v1/jobs/batch", &array).expect(200);
    let results = reply["results"].as_array().unwrap();
    assert!(results[0]["id"].is_string() && results[1]["id"].is_null(), "{reply:#}");
    assert_eq!((&results[1]["error"]["index"], &results[1]["error"]["code"]), (&json!(1), &json!("kind_not_found")));
    assert_eq!(results[2]["error"]["errors"][0]["pointer"], "/priority", "{reply:#}");

    let lines = "{\"kind\":\"any\",\"payload\":\"one\"}\n\n{broken\r\n{\"kind\":\"any\",\"payload\":\"two\"}";
    let ndjson = [("content-type", "application/x-ndjson")];
    let reply = host.request("POST", "/v1/jobs/batch", &ndjson, Some(lines.as_bytes())).expect(200);
    let results = reply["results"].as_array().unwrap();
    assert_eq!(results.len(), 3, "{reply:#}");
    assert_eq!(results[1]["error"]["line"], 3, "{reply:#}");
    assert_eq!(host.job(&job_id(&results[2]))["payload"], "two");
    assert!(job_id(&results[0]) < job_id(&results[2]), "ids keep the order");
    for result in [&results[0], &results[2]] {
        host.wait_for(&job_id(result), "succeeded");
    }
}

#[test]
fn an_atomic_batch_is_all_or_nothing_and_a_key_covers_it() {
    let host = with_mail();
    let bad = json!([{"kind": "any", "payload": 1}, {"kind": "nobody"}]);
    host.post("/v1/jobs/batch?atomic=true", &bad).expect_problem_saying(422, &["nobody"]);
    assert!(host.list("").is_empty(), "a part of a refused batch was written");

    let good = json!([{"kind": "any", "payload": 1}, {"kind": "any", "payload": 2}]);
    let headers = [("idempotency-key", "batch-1")];
    let ids = |reply: &Value| -> Vec<String> { reply["results"].as_array().unwrap().iter().map(job_id).collect() };
    let first = ids(&host.post_with("/v1/jobs/batch?atomic=true", &headers, &good).expect(200));
    let again = host.post_with("/v1/jobs/batch?atomic=true", &headers, &good).expect_status(200);
    assert_eq!((ids(&again.json()), again.header("idempotency-replayed")), (first, Some("true")));
    host.post_with("/v1/jobs/batch?atomic=true", &headers, &json!([{"kind": "any"}])).expect_problem(409);
    assert_eq!(host.list("").len(), 2);
    host.wait_idle(stoker_tests::DEADLINE);
}

#[test]
fn a_batch_has_bounds() {
    let host = TestHost::builder().workers(2).flag("--batch-jobs-max", 100).start();
    host.upload_bytes("mail", &mail_module());
    let jobs = |count: usize| json!(vec![json!({"kind": "any"}); count]);
    host.post("/v1/jobs/batch", &jobs(101)).expect_problem_saying(413, &["100"]);
    host.post("/v1/jobs/batch", &jobs(100)).expect(200);
    host.post("/v1/jobs/batch", &json!([])).expect(200);
    host.post_text("/v1/jobs/batch", &[], "[{\"kind\":").expect_problem(400);
    host.post("/v1/jobs/batch", &json!({"kind": "any"})).expect_problem(422);
    host.request("POST", "/v1/jobs/batch", &[("content-type", "text/csv")], Some(b"a,b")).expect_problem(415);
    host.wait_idle(stoker_tests::DEADLINE);
}

#[test]
fn a_delay_is_kept_exactly() {
    let host = TestHost::start();
    host.upload(Guest::Handlers);
    // Compiled and loaded before the clock matters.
    host.run_kind("entered-at", &json!({}));
    for delay in [json!("1s200ms"), json!(400)] {
        let job = host.post("/v1/jobs", &json!({"kind": "entered-at", "payload": {}, "delay": delay})).expect(201);
        assert_eq!((state_of(&job), &job["waiting"]["reason"]), ("scheduled", &json!("scheduled")), "{job:#}");
        let done = host.wait_for(&job_id(&job), "succeeded");
        let wait_us = done["receipt"]["queue_wait_us"].as_u64().unwrap();
        assert!(Duration::from_micros(wait_us) < LATE_MAX, "entered {wait_us} µs after it was due");
        assert!(done["started_at"].as_str() >= done["run_at"].as_str(), "entered before it was due: {done:#}");
    }
    let past = json!({"kind": "entered-at", "payload": {}, "run_at": "2001-01-01T00:00:00Z"});
    host.wait_for(&host.enqueue(&past), "succeeded");
}

#[test]
fn urgent_jobs_come_first_and_equals_in_order() {
    let mut host = TestHost::builder().workers(0).start();
    host.upload(Guest::Handlers);
    let mut expected = Vec::new();
    let mut ids = Vec::new();
    for (index, priority) in [5, 9, 0, 5, 1, 9, 0].into_iter().enumerate() {
        let id = host.enqueue(&json!({"kind": "entered-at", "payload": {}, "priority": priority}));
        expected.push((priority, index));
        ids.push(id);
    }
    expected.sort_unstable();
    host.restart_with(|builder| builder.workers(1));
    let mut entered: Vec<_> = ids
        .iter()
        .enumerate()
        .map(|(index, id)| (host.wait_for(id, "succeeded")["output"]["entered_at_us"].as_u64().unwrap(), index))
        .collect();
    entered.sort_unstable();
    let order: Vec<_> = entered.into_iter().map(|(_, index)| index).collect();
    assert_eq!(order, expected.into_iter().map(|(_, index)| index).collect::<Vec<_>>());
}

#[test]
fn lists_filter_and_page() {
    let host = with_mail();
    let mut ids: Vec<String> = host.enqueue_lines((0..25).map(|n| {
        let tag = if n % 2 == 0 { "even" } else { "odd" };
        json!({"kind": "any", "payload": n, "queue": if n < 5 { "first" } else { "rest" }, "tags": [tag]})
    }));
    let mail = host.enqueue_kind("email.send", &json!({"to": "a"}));
    host.wait_idle(stoker_tests::DEADLINE);
    let of = |query: &str| -> Vec<String> { host.list(query).iter().map(job_id).collect() };
    ids.reverse();
    assert_eq!(of("kind=any"), ids, "newest first");
    assert_eq!(of("kind=email.send"), std::slice::from_ref(&mail));
    assert_eq!(of("queue=first").len(), 5);
    assert_eq!((of("tag=even").len(), of("tag=odd").len(), of("tag=none").len()), (13, 12, 0));
    assert_eq!((of("state=succeeded").len(), of("state=failed").len()), (26, 0));
    assert_eq!(of("module=mail").len(), 26);
    assert_eq!(of("queue=first&tag=even").len(), 3);
    let page = host.get("/v1/jobs?limit=10").expect(200);
    assert_eq!(page["items"].as_array().unwrap().len(), 10);
    let mut seen = Vec::new();
    let mut path = "/v1/jobs?limit=7".to_owned();
    loop {
        let page = host.get(&path).expect(200);
        seen.extend(page["items"].as_array().unwrap().iter().map(job_id));
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("/v1/jobs?limit=7&cursor={cursor}");
    }
    ids.insert(0, mail);
    assert_eq!(seen, ids, "pages leave nothing out and repeat nothing");
    host.delete(&format!("/v1/jobs/{}", ids[0])).expect_status(204);
    host.get(&format!("/v1/jobs/{}", ids[0])).expect_problem(404);
}

#[test]
fn lines_of_a_batch_are_named_as_in_its_body() {
    let host = with_mail();
    let ndjson = [("content-type", "application/x-ndjson")];
    let good = r#"{"kind": "any"}"#;
    let body = format!("{good}\n\n  {{\n{good}\n{{\"kind\": \"any\", \"priority\": 10}}");
    let reply = host.request("POST", "/v1/jobs/batch", &ndjson, Some(body.as_bytes())).expect(200);
    let error = &reply["results"][1]["error"];
    assert_eq!((&error["line"], &error["code"]), (&json!(3), &json!("malformed_json")), "{reply:#}");
    assert!(error["detail"].as_str().unwrap().ends_with("at line 3 column 3"), "{reply:#}");
    for accepted in [0, 2] {
        host.wait_end(&job_id(&reply["results"][accepted]));
    }
    let error = &reply["results"][3]["error"];
    assert_eq!((&error["line"], &error["errors"][0]["pointer"]), (&json!(5), &json!("/priority")), "{reply:#}");

    let atomic = "/v1/jobs/batch?atomic=true";
    let body = format!("{good}\n\n{{\"kind\": \"any\", \"priority\": 10}}");
    let lines = host.request("POST", atomic, &ndjson, Some(body.as_bytes())).expect_problem_saying(422, &["line 3"]);
    assert_eq!((&lines["line"], &lines["cause"]), (&json!(3), &json!("invalid_request")), "{lines:#}");
    assert_eq!(lines["errors"][0]["pointer"], "/priority", "{lines:#}");
    assert!(lines["errors"][0]["message"].as_str().unwrap().starts_with("line 3: "), "{lines:#}");
    let array = host.post(atomic, &json!([{"kind": "any"}, {"kind": "any", "priority": 10}]));
    let array = array.expect_problem_saying(422, &["index 1"]);
    assert_eq!((&array["index"], &array["errors"][0]["pointer"]), (&json!(1), &json!("/1/priority")), "{array:#}");
}
