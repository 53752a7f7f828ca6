//! Real answers against `/openapi.json`: a tour through every operation, in which each status, content type and body
//! must be as described, and each body that was accepted as well.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::cell::RefCell;
use std::collections::BTreeSet;

use serde_json::{Value, json};
use stoker_tests::{CommandModule, Guest, HandlerModule, KindOf, Reply, TestHost, cookie_of, job_id};

const JSON: (&str, &str) = ("content-type", "application/json");

/// Answers the tour does not bring about: they take a failure of the machine, or a race.
const NOT_MET: &[&str] = &[
    "post /v1/jobs/{id}/cancel 202",
    "post /v1/jobs 202",
    "post /v1/batches/{id}/cancel 202",
    "post /v1/workflows/{id}/cancel 202",
    // Of a schedule that a module declares.
    "delete /v1/schedules/{schedule} 200",
    // Met by a client that speaks with the hub (`signalr.rs`).
    "get /hubs/notifications 200",
    "post /hubs/notifications 200",
];

/// A host whose answers are all compared with its document.
struct Tour {
    host: TestHost,
    document: Value,
    /// `method path` and `method path status` of what was answered.
    met: RefCell<BTreeSet<String>>,
}

impl Tour {
    fn begin(host: TestHost) -> Self {
        let document = host.get("/openapi.json").expect(200);
        Self { host, document, met: RefCell::default() }
    }

    /// The document as it is now: registered kinds are part of it.
    fn look_again(&mut self) {
        self.document = self.host.get("/openapi.json").expect(200);
    }

    /// Sends a request of the operation `method` of `template`, whose parameters stand in `path`.
    #[track_caller]
    fn ask(&self, method: &str, template: &str, path: &str, headers: &[(&str, &str)], body: Option<&[u8]>) -> Reply {
        let reply = self.host.request(&method.to_uppercase(), path, headers, body);
        let operation = &self.document["paths"][template][method];
        assert!(operation.is_object(), "{method} {template} is not described");
        let status = reply.status.to_string();
        let described = match &operation["responses"][&status] {
            Value::Null if reply.status >= 400 => &operation["responses"]["default"],
            described => described,
        };
        assert!(described.is_object(), "{method} {template} describes no {status}, but answers {reply}");
        self.check_body(&described["content"], &reply);
        if reply.status < 300
            && let Some(body) = body.filter(|body| !body.is_empty() && headers.contains(&JSON))
        {
            let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
            self.check(schema, &serde_json::from_slice(body).unwrap(), &format!("the body of {method} {path}"));
        }
        let mut met = self.met.borrow_mut();
        met.insert(format!("{method} {template}"));
        met.insert(format!("{method} {template} {status}"));
        drop(met);
        reply
    }

    #[track_caller]
    fn check_body(&self, content: &Value, reply: &Reply) {
        let Some(sent) = reply.header("content-type") else {
            assert!(reply.body.is_empty() && content.is_null(), "a body without a content type: {reply}");
            return;
        };
        let essence = sent.split(';').next().unwrap().trim();
        let schema = &content[essence]["schema"];
        assert!(schema.is_object() || schema.is_boolean(), "`{sent}` is not among {content:#}: {reply}");
        // Lines are no text of JSON.
        let is_json = essence.ends_with("json") && !essence.ends_with("ndjson");
        let body = if is_json { reply.json() } else { Value::String(reply.text()) };
        self.check(schema, &body, &reply.to_string());
    }

    #[track_caller]
    fn check(&self, schema: &Value, value: &Value, what: &str) {
        let wrong = self.wrong_in(schema, value);
        assert!(wrong.is_empty(), "{what} is not as described: {wrong:#?}\nby {schema:#}");
    }

    /// What of a value is not as a schema of the document says.
    fn wrong_in(&self, schema: &Value, value: &Value) -> Vec<String> {
        // References lead from the root of the document.
        let mut whole = json!({"components": self.document["components"]});
        whole["allOf"] = json!([schema]);
        let validator = jsonschema::draft202012::new(&whole).expect("a schema");
        validator.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect()
    }

    #[track_caller]
    fn get(&self, template: &str, path: &str) -> Reply {
        self.ask("get", template, path, &[], None)
    }

    #[track_caller]
    fn post(&self, template: &str, path: &str, body: &Value) -> Reply {
        self.ask("post", template, path, &[JSON], Some(body.to_string().as_bytes()))
    }

    #[track_caller]
    fn act(&self, template: &str, path: &str) -> Reply {
        self.ask("post", template, path, &[], Some(b""))
    }

    #[track_caller]
    fn delete(&self, template: &str, path: &str) -> Reply {
        self.ask("delete", template, path, &[], None)
    }

    #[track_caller]
    fn upload(&self, name: &str, wasm: &[u8]) -> Reply {
        let path = format!("/v1/modules/{name}");
        self.ask("put", "/v1/modules/{name}", &path, &[("content-type", "application/wasm")], Some(wasm))
    }

    #[track_caller]
    fn set(&self, kind: &str, settings: &Value) -> Reply {
        let path = format!("/v1/kinds/{kind}/settings");
        self.ask("put", "/v1/kinds/{kind}/settings", &path, &[JSON], Some(settings.to_string().as_bytes()))
    }

    #[track_caller]
    fn patch(&self, kind: &str, settings: &Value) -> Reply {
        let path = format!("/v1/kinds/{kind}/settings");
        let merge_patch = ("content-type", "application/merge-patch+json");
        self.ask("patch", "/v1/kinds/{kind}/settings", &path, &[merge_patch], Some(settings.to_string().as_bytes()))
    }

    /// Everything that is described as a success has been seen.
    fn end(self) {
        let met = self.met.into_inner();
        let mut missed = Vec::new();
        for (path, item) in self.document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let statuses = operation["responses"].as_object().unwrap().keys();
                let successes = statuses.filter(|status| status.starts_with(['2', '3']));
                let wanted = successes.map(|status| format!("{method} {path} {status}"));
                missed.extend(wanted.filter(|wanted| !met.contains(wanted) && !NOT_MET.contains(&wanted.as_str())));
            }
        }
        assert!(missed.is_empty(), "described, but never asked for: {missed:#?}");
    }
}

#[test]
fn every_answer_is_as_described() {
    let mut tour = Tour::begin(
        TestHost::builder()
            .env("STOKER_SECRETS_KEY", "07".repeat(32))
            // Nobody listens there: mail waits.
            .env("STOKER_SMTP_URL", "smtp://127.0.0.1:9?tls=none")
            .start(),
    );
    let list = &tour.document["paths"]["/v1/jobs"]["get"]["responses"]["200"]["content"]["application/json"]["schema"];
    let page = |item: Value| json!({"items": [item], "next_cursor": null});
    for wrong in [json!([]), json!({"items": []}), page(json!({"id": "x"}))] {
        assert!(!tour.wrong_in(list, &wrong).is_empty(), "{wrong} passes for a page of jobs");
    }
    modules(&tour);
    tour.look_again();
    kinds_and_queues(&tour);
    jobs(&tour);
    dead_letters(&tour);
    changes(&tour);
    schedules(&tour);
    secrets(&tour);
    databases(&tour);
    kv(&tour);
    notifications(&tour);
    jobs_together(&tour);
    bulk(&tour);
    batches(&tour);
    mail(&tour);
    operations(&tour);
    tenants(&tour);
    identity(&tour);
    tour.end();
}

fn modules(tour: &Tour) {
    let handlers = std::fs::read(Guest::Handlers.path()).unwrap();
    tour.upload("handlers", &handlers).expect_status(201);
    tour.upload("handlers", &handlers).expect_status(200);
    let one = tour.upload("print", &CommandModule::printing("1").wasm()).expect(201);
    tour.upload("print", &CommandModule::printing("2").wasm()).expect_status(201);
    tour.upload("text", b"no module").expect_status(422);
    let form = [("content-type", "application/x-www-form-urlencoded")];
    tour.ask("put", "/v1/modules/{name}", "/v1/modules/form", &form, Some(b"a=b")).expect_problem(415);
    let taken = HandlerModule::serving([KindOf::any("print")]).answering("1").wasm();
    tour.upload("taken", &taken).expect_problem(409);

    tour.get("/v1/modules", "/v1/modules?limit=1").expect_status(200);
    tour.get("/v1/modules", "/v1/modules?limit=0").expect_problem(422);
    tour.get("/v1/modules/{name}", "/v1/modules/print").expect_status(200);
    tour.get("/v1/modules/{name}", "/v1/modules/none").expect_problem(404);
    let versions = "/v1/modules/{name}/versions";
    tour.get(versions, "/v1/modules/print/versions").expect_status(200);
    tour.get(versions, "/v1/modules/none/versions").expect_problem(404);

    let digest = one["digest"].as_str().unwrap();
    let wasm = format!("/v1/modules/print/versions/{digest}/wasm");
    let download = "/v1/modules/{name}/versions/{digest}/wasm";
    let reply = tour.get(download, &wasm).expect_status(200);
    let etag = [("if-none-match", reply.header("etag").unwrap())];
    tour.ask("get", download, &wasm, &etag, None).expect_status(304);
    let never = format!("/v1/modules/print/versions/sha256:{}/wasm", "0".repeat(64));
    tour.get(download, &never).expect_problem(404);
    let changes = "/v1/modules/{name}/versions/{digest}/changes";
    tour.get(changes, &wasm.replace("/wasm", "/changes")).expect_status(200);
    tour.get(changes, &never.replace("/wasm", "/changes")).expect_problem(404);

    let activate = "/v1/modules/{name}/activate";
    tour.post(activate, "/v1/modules/print/activate", &json!({"digest": digest})).expect_status(200);
    tour.post(activate, "/v1/modules/none/activate", &json!({"digest": digest})).expect_problem(404);
    tour.post(activate, "/v1/modules/print/activate", &json!({"digest": 1})).expect_problem(422);
    let version = "/v1/modules/{name}/versions/{digest}";
    let active = format!("/v1/modules/print/versions/{digest}");
    tour.delete(version, &active).expect_problem(409);
    let all = tour.get(versions, "/v1/modules/print/versions").expect(200);
    let other = all["items"].as_array().unwrap().iter().find(|item| item["active"] == false).unwrap();
    tour.delete(version, &format!("/v1/modules/print/versions/{}", other["digest"].as_str().unwrap()))
        .expect_status(204);
    tour.upload("gone", &CommandModule::printing("1").wasm()).expect_status(201);
    tour.delete("/v1/modules/{name}", "/v1/modules/gone").expect_status(204);
    tour.delete("/v1/modules/{name}", "/v1/modules/gone").expect_problem(404);
}

fn kinds_and_queues(tour: &Tour) {
    tour.get("/v1/kinds", "/v1/kinds").expect_status(200);
    tour.get("/v1/kinds", "/v1/kinds?cursor=a%20b").expect_problem(422);
    tour.get("/v1/kinds/{kind}", "/v1/kinds/echo").expect_status(200);
    tour.get("/v1/kinds/{kind}", "/v1/kinds/print").expect_status(200);
    tour.get("/v1/kinds/{kind}", "/v1/kinds/ekko").expect_problem(404);
    // Lengths of time and sizes, in both of their forms.
    for settings in [
        json!({"timeout": "10s", "memory": "64MiB", "output": "1MiB", "logs": "64KiB", "fuel": 1_000_000_000, "queue": "side",
            "retry": {"strategy": "exponential", "base": "1s", "cap": "1h30m", "jitter": 0.5}, "retry_on": ["trap"]}),
        json!({"timeout": 10_000, "memory": 64 << 20, "output": 1 << 20, "logs": 65_536, "priority": 3, "max_attempts": 2,
            "retry": {"strategy": "fixed", "delay": 1_000}}),
        json!({"retry": {"strategy": "list", "delays": ["1s", 2_000]}, "host_calls": null}),
        json!({}),
    ] {
        tour.set("echo", &settings).expect_status(200);
    }
    let command =
        json!({"stdin": "text", "stdout": "text", "args": ["-x"], "env": {"A": "b"}, "exit_failure": "fatal"});
    tour.set("print", &command).expect_status(200);
    tour.set("print", &json!({})).expect_status(200);
    tour.set("echo", &command).expect_problem(422);
    tour.set("ekko", &json!({})).expect_problem(404);
    tour.set("echo", &json!({"timeout": "2h"})).expect_problem(422);
    tour.patch("print", &json!({"timeout": "5s"})).expect_status(200);
    tour.patch("print", &json!({"timeout": null})).expect_status(200);
    tour.patch("echo", &json!({"timeout": "2h"})).expect_problem(422);
    tour.patch("ekko", &json!({})).expect_problem(404);
}

fn jobs(tour: &Tour) {
    let enqueue = |headers: &[(&str, &str)], body: &Value| {
        let headers = [&[JSON], headers].concat();
        tour.ask("post", "/v1/jobs", "/v1/jobs", &headers, Some(body.to_string().as_bytes()))
    };
    let wait = [("prefer", "wait=50")];
    let echo = json!({"kind": "echo", "payload": {"a": [1, null]}});
    let id = job_id(&enqueue(&[("idempotency-key", "a")], &echo).expect(201));
    enqueue(&[("idempotency-key", "a")], &echo).expect_status(200);
    enqueue(&[("idempotency-key", "a")], &json!({"kind": "echo"})).expect_problem(409);
    tour.host.wait_for(&id, "succeeded");
    let lines = job_id(&enqueue(&wait, &json!({"kind": "log-lines", "payload": {}, "memory": "64MiB"})).expect(200));
    let failed = job_id(&enqueue(&wait, &json!({"kind": "fail-fatal", "payload": {}, "timeout": 9_000})).expect(200));
    let later = json!({"kind": "echo", "delay": "1h", "priority": 9, "tags": ["t"], "retry": {"strategy": "fixed", "delay": "5s"}});
    let later = job_id(&enqueue(&[], &later).expect(201));
    let at = json!({"kind": "echo", "run_at": "2200-01-01T00:00:00Z", "memory": 67_108_864, "fuel": 1_000_000_000});
    let at = job_id(&enqueue(&[], &at).expect(201));
    let in_ms = job_id(&enqueue(&[], &json!({"kind": "echo", "delay": 3_600_000})).expect(201));
    enqueue(&[], &json!({"kind": "ekko"})).expect_problem(404);
    enqueue(&[], &json!({"kind": "echo", "delay": -1, "prio": 3})).expect_problem(422);
    enqueue(&[], &json!({"kind": "fail-retry", "payload": 5})).expect_problem(422);
    tour.ask("post", "/v1/jobs", "/v1/jobs", &[JSON], Some(b"{")).expect_problem(400);
    tour.ask("post", "/v1/jobs", "/v1/jobs", &[("content-type", "text/plain")], Some(b"{}")).expect_problem(415);
    let large = format!(r#"{{"kind": "echo", "payload": "{}"}}"#, "x".repeat(2 << 20));
    tour.ask("post", "/v1/jobs", "/v1/jobs", &[JSON], Some(large.as_bytes())).expect_problem(413);

    tour.get("/v1/jobs", "/v1/jobs?limit=2").expect_status(200);
    tour.get("/v1/jobs", "/v1/jobs?state=failed&kind=fail-fatal").expect_status(200);
    tour.get("/v1/jobs", "/v1/jobs?state=done").expect_problem(422);
    for id in [&id, &lines, &failed, &later, &at] {
        tour.get("/v1/jobs/{id}", &format!("/v1/jobs/{id}")).expect_status(200);
        for part in ["attempts", "logs", "history", "replay"] {
            let template = format!("/v1/jobs/{{id}}/{part}");
            tour.get(&template, &format!("/v1/jobs/{id}/{part}")).expect_status(200);
        }
    }
    for part in ["", "/attempts", "/logs", "/history", "/replay"] {
        let template = format!("/v1/jobs/{{id}}{part}");
        tour.get(&template, &format!("/v1/jobs/job_01ARZ3NDEKTSV4RRFFQ69G5FAV{part}")).expect_problem(404);
        tour.get(&template, &format!("/v1/jobs/17{part}")).expect_problem(422);
    }
    let (cancel, retry) = ("/v1/jobs/{id}/cancel", "/v1/jobs/{id}/retry");
    tour.act(cancel, &format!("/v1/jobs/{later}/cancel")).expect_status(200);
    tour.act(cancel, &format!("/v1/jobs/{id}/cancel")).expect_problem(409);
    tour.act(retry, &format!("/v1/jobs/{failed}/retry")).expect_status(200);
    tour.act(retry, &format!("/v1/jobs/{id}/retry")).expect_problem(409);
    tour.delete("/v1/jobs/{id}", &format!("/v1/jobs/{at}")).expect_problem(409);
    tour.delete("/v1/jobs/{id}", &format!("/v1/jobs/{id}")).expect_status(204);
    for waiting in [&at, &in_ms] {
        tour.act(cancel, &format!("/v1/jobs/{waiting}/cancel")).expect_status(200);
    }
    tour.host.wait_end(&failed);
}

fn dead_letters(tour: &Tour) {
    let body = json!({"kind": "fail-fatal", "payload": {}, "expires_in": "1h", "retry_on": ["trap"],
        "on_failed": {"kind": "echo", "queue": "alerts", "priority": 1}});
    let failed = tour.post("/v1/jobs", "/v1/jobs", &body).expect(201);
    let failed = tour.host.wait_for(&job_id(&failed), "failed");
    tour.get("/v1/jobs/{id}", &format!("/v1/jobs/{}", job_id(&failed))).expect_status(200);
    let follower = failed["on_failed_jobs"][0].as_str().unwrap();
    tour.host.wait_end(follower);
    tour.get("/v1/jobs/{id}", &format!("/v1/jobs/{follower}")).expect_status(200);
    let listed = tour.get("/v1/dead-letters", "/v1/dead-letters?kind=fail-fatal&limit=1").expect(200);
    let group = listed["items"][0]["group"].as_str().unwrap();
    tour.get("/v1/dead-letters/{group}", &format!("/v1/dead-letters/{group}")).expect_status(200);
    tour.get("/v1/jobs", &format!("/v1/jobs?group={group}")).expect_status(200);
    tour.get("/v1/dead-letters", "/v1/dead-letters?cursor=x").expect_problem(422);
    tour.get("/v1/dead-letters/{group}", "/v1/dead-letters/x").expect_problem(422);
    let never = "/v1/dead-letters/group_00000000000000000000000000000000";
    tour.get("/v1/dead-letters/{group}", never).expect_problem(404);
}

fn changes(tour: &Tour) {
    let later = || {
        job_id(&tour.post("/v1/jobs", "/v1/jobs", &json!({"kind": "echo", "payload": {}, "delay": "1h"})).expect(201))
    };
    let id = later();
    let path = format!("/v1/jobs/{id}");
    let change = br#"{"priority": 2, "tags": ["a"], "delay": "2h"}"#;
    tour.ask("patch", "/v1/jobs/{id}", &path, &[JSON], Some(change)).expect_status(200);
    tour.ask("patch", "/v1/jobs/{id}", &path, &[JSON], Some(br#"{"priority": 10}"#)).expect_problem(422);
    tour.act("/v1/jobs/{id}/run", &format!("{path}/run")).expect_status(200);
    tour.host.wait_for(&id, "succeeded");
    tour.ask("patch", "/v1/jobs/{id}", &path, &[JSON], Some(b"{}")).expect_problem(422);
    tour.ask("patch", "/v1/jobs/{id}", &path, &[JSON], Some(change)).expect_problem(409);
    tour.act("/v1/jobs/{id}/run", &format!("{path}/run")).expect_problem(409);
}

fn schedules(tour: &Tour) {
    let (template, path) = ("/v1/schedules/{schedule}", "/v1/schedules/tour");
    let schedule = json!({"cron": "0 3 * * *", "timezone": "Europe/Berlin", "kind": "echo", "payload": {}}).to_string();
    tour.ask("put", template, path, &[JSON], Some(schedule.as_bytes())).expect_status(201);
    tour.ask("put", template, path, &[JSON], Some(schedule.as_bytes())).expect_status(200);
    let never = json!({"cron": "0 0 30 2 *", "kind": "echo", "payload": {}}).to_string();
    tour.ask("put", template, "/v1/schedules/never", &[JSON], Some(never.as_bytes())).expect_problem(422);
    tour.get("/v1/schedules", "/v1/schedules").expect_status(200);
    tour.get("/v1/schedules", "/v1/schedules?limit=0").expect_problem(422);
    tour.post("/v1/schedules/preview", "/v1/schedules/preview", &json!({"cron": "@daily"})).expect_status(200);
    for action in ["pause", "resume"] {
        tour.act(&format!("{template}/{action}"), &format!("{path}/{action}")).expect_status(200);
    }
    let key = [("Idempotency-Key", "tour")];
    let (trigger, to_trigger) = (format!("{template}/trigger"), format!("{path}/trigger"));
    tour.ask("post", &trigger, &to_trigger, &key, Some(b"")).expect_status(201);
    tour.ask("post", &trigger, &to_trigger, &key, Some(b"")).expect_status(200);
    tour.get(template, path).expect_status(200);
    tour.delete(template, path).expect_status(204);
    tour.get(template, path).expect_problem(404);
}

fn secrets(tour: &Tour) {
    let (template, path) = ("/v1/secrets/{secret}", "/v1/secrets/tour");
    let value = json!({"value": "a value for the tour"}).to_string();
    tour.ask("put", template, path, &[JSON], Some(value.as_bytes())).expect_status(201);
    let bytes = json!({"value_base64": "//////////////8="}).to_string();
    tour.ask("put", template, path, &[JSON], Some(bytes.as_bytes())).expect_status(200);
    tour.ask("put", template, path, &[JSON], Some(b"{\"value\": \"short\"}")).expect_problem(422);
    tour.ask("put", template, path, &[], Some(value.as_bytes())).expect_problem(415);
    tour.get("/v1/secrets", "/v1/secrets?limit=1").expect_status(200);
    tour.get("/v1/secrets", "/v1/secrets?limit=0").expect_problem(422);
    tour.delete(template, path).expect_status(200);
    tour.delete(template, path).expect_problem(404);
}

fn databases(tour: &Tour) {
    let (template, path) = ("/v1/databases/{database}", "/v1/databases/tour");
    tour.ask("put", template, path, &[JSON], Some(b"{\"engine\": \"sqlite\"}")).expect_status(201);
    tour.ask("put", template, path, &[JSON], Some(b"{\"engine\": \"sqlite\"}")).expect_status(200);
    tour.ask("put", template, path, &[JSON], Some(b"{\"engine\": \"postgres\"}")).expect_problem(422);
    let other = json!({"engine": "postgres", "url_secret": "tour"}).to_string();
    tour.ask("put", template, path, &[JSON], Some(other.as_bytes())).expect_problem(409);
    tour.ask("put", template, path, &[], Some(b"{}")).expect_problem(415);
    tour.get("/v1/databases", "/v1/databases?limit=1").expect_status(200);
    tour.get("/v1/databases", "/v1/databases?limit=0").expect_problem(422);
    tour.get(template, path).expect_status(200);
    tour.delete(template, path).expect_status(204);
    tour.delete(template, path).expect_problem(404);
}

fn kv(tour: &Tour) {
    let (template, path) = ("/v1/kv/{bucket}/{key}", "/v1/kv/tour/a%2Fkey");
    let value = json!({"value": "text"}).to_string();
    tour.ask("put", template, path, &[JSON], Some(value.as_bytes())).expect_status(201);
    let bytes = json!({"value_base64": "/w=="}).to_string();
    tour.get(template, path).expect_status(200);
    tour.ask("put", template, path, &[JSON], Some(bytes.as_bytes())).expect_status(204);
    tour.ask("put", template, path, &[JSON], Some(b"{}")).expect_problem(422);
    tour.get(template, path).expect_status(200);
    tour.get("/v1/kv", "/v1/kv").expect_status(200);
    tour.get("/v1/kv", "/v1/kv?cursor=%20").expect_problem(422);
    tour.get("/v1/kv/{bucket}", "/v1/kv/tour?prefix=a").expect_status(200);
    tour.get("/v1/kv/{bucket}", "/v1/kv/tour?limit=501").expect_problem(422);
    tour.delete(template, path).expect_status(204);
    tour.delete(template, path).expect_problem(404);
}

fn notifications(tour: &Tour) {
    tour.set("script", &json!({"grants": {"notify": true}})).expect_status(200);
    let line = json!({"do": "notify", "user": "ann", "level": "success", "message": "m", "data": {"a": 1}});
    tour.host.wait_for(&tour.host.enqueue_kind("script", &json!({"lines": [line]})), "succeeded");
    let all = "/v1/notifications";
    let listed = tour.get(all, "/v1/notifications?user=ann").expect(200);
    tour.get(all, all).expect_status(200);
    tour.get(all, "/v1/notifications?cursor=x").expect_problem(422);
    let path = format!("{all}/{}", listed["items"][0]["id"].as_str().unwrap());
    for action in ["read", "unread"] {
        tour.act(&format!("{all}/{{id}}/{action}"), &format!("{path}/{action}")).expect_status(200);
    }
    tour.act("/v1/notifications/read-all", "/v1/notifications/read-all?user=ann").expect_status(200);
    tour.act("/v1/notifications/read-all", "/v1/notifications/read-all").expect_problem(422);
    tour.delete("/v1/notifications/{id}", &path).expect_status(204);
    tour.delete("/v1/notifications/{id}", &path).expect_problem(404);
    let tokens = "/v1/notifications/tokens";
    tour.post(tokens, tokens, &json!({"user": ""})).expect_problem(422);
    // Its stream is over when it is.
    let token = tour.post(tokens, tokens, &json!({"user": "ann", "expires_in": "1s"})).expect(201);
    let stream = "/v1/notifications/stream";
    let with_token = format!("{stream}?access_token={}", token["token"].as_str().unwrap());
    tour.get(stream, &with_token).expect_status(200);
    tour.get(stream, stream).expect_problem(422);
    let (hub, negotiate) = ("/hubs/notifications", "/hubs/notifications/negotiate");
    tour.act(negotiate, "/hubs/notifications/negotiate?negotiateVersion=1&user=ann").expect_status(200);
    tour.get(hub, "/hubs/notifications?user=ann").expect_problem(422);
    tour.act(hub, "/hubs/notifications?user=ann&id=x").expect_problem(404);
}

fn jobs_together(tour: &Tour) {
    let job = json!({"kind": "echo", "payload": {}, "delay": "1h"});
    let batch = json!({"name": "tour", "jobs": [job, job], "close": "on_request", "on_finish": {"kind": "echo", "payload": {}}});
    let key = [JSON, ("Idempotency-Key", "tour of batches")];
    let made = tour.ask("post", "/v1/batches", "/v1/batches", &key, Some(batch.to_string().as_bytes())).expect(201);
    tour.ask("post", "/v1/batches", "/v1/batches", &key, Some(batch.to_string().as_bytes())).expect_status(200);
    let path = format!("/v1/batches/{}", made["id"].as_str().unwrap());
    tour.get("/v1/batches", "/v1/batches").expect_status(200);
    tour.get("/v1/batches/{id}", &path).expect_status(200);
    tour.get("/v1/batches/{id}/jobs", &format!("{path}/jobs")).expect_status(200);
    tour.act("/v1/batches/{id}/close", &format!("{path}/close")).expect_status(200);
    tour.act("/v1/batches/{id}/cancel", &format!("{path}/cancel")).expect_status(200);
    let unique = json!({"jobs": [{"kind": "echo", "payload": {}, "unique": {"on_conflict": "return_existing"}}]});
    let problem = tour.post("/v1/batches", "/v1/batches", &unique).expect_problem(422);
    assert_eq!(problem["errors"][0]["pointer"], "/jobs/0/unique/on_conflict", "{problem}");

    let workflow = json!({"jobs": {"a": job, "b": {"kind": "echo", "payload": {}, "after": ["a"]}}});
    let key = [JSON, ("Idempotency-Key", "tour of workflows")];
    let body = workflow.to_string();
    let made = tour.ask("post", "/v1/workflows", "/v1/workflows", &key, Some(body.as_bytes())).expect(201);
    tour.ask("post", "/v1/workflows", "/v1/workflows", &key, Some(body.as_bytes())).expect_status(200);
    let path = format!("/v1/workflows/{}", made["id"].as_str().unwrap());
    tour.get("/v1/workflows", "/v1/workflows").expect_status(200);
    tour.get("/v1/workflows/{id}", &path).expect_status(200);
    tour.act("/v1/workflows/{id}/cancel", &format!("{path}/cancel")).expect_status(200);
    let circle = json!({"jobs": {"a": {"kind": "echo", "payload": {}, "after": ["b"]},
        "b": {"kind": "echo", "payload": {}, "after": ["a"]}}});
    tour.post("/v1/workflows", "/v1/workflows", &circle).expect_problem(422);
}

fn bulk(tour: &Tour) {
    let key = [JSON, ("Idempotency-Key", "tour of operations")];
    let request =
        json!({"action": "delete", "filter": {"kind": "echo", "state": "cancelled"}, "rate": "1/h"}).to_string();
    let made = tour.ask("post", "/v1/jobs/bulk", "/v1/jobs/bulk", &key, Some(request.as_bytes())).expect(202);
    tour.ask("post", "/v1/jobs/bulk", "/v1/jobs/bulk", &key, Some(request.as_bytes())).expect_status(200);
    let path = format!("/v1/operations/{}", made["id"].as_str().unwrap());
    tour.get("/v1/operations", "/v1/operations").expect_status(200);
    tour.get("/v1/operations/{id}", &path).expect_status(200);
    tour.act("/v1/operations/{id}/cancel", &format!("{path}/cancel")).expect_status(200);
    let unknown = json!({"action": "retry", "filter": {"colour": "red"}});
    tour.post("/v1/jobs/bulk", "/v1/jobs/bulk", &unknown).expect_problem(422);
}

fn batches(tour: &Tour) {
    let template = "/v1/jobs/batch";
    let good = json!({"kind": "echo", "payload": 1, "tags": ["batch"]});
    tour.post(template, template, &json!([good, good])).expect_status(200);
    let body = format!("{good}\n{{\n\n{}\n{good}", json!({"kind": "echo", "priority": 10}));
    let lines = [("content-type", "application/x-ndjson")];
    tour.ask("post", template, template, &lines, Some(body.as_bytes())).expect_status(200);
    let atomic = "/v1/jobs/batch?atomic=true";
    tour.ask("post", template, atomic, &lines, Some(body.as_bytes())).expect_problem(422);
    tour.post(template, atomic, &json!([good, {"kind": "ekko"}])).expect_problem(422);
    tour.ask("post", template, template, &[JSON], Some(b"[")).expect_problem(400);
    for job in tour.host.list("tag=batch") {
        tour.host.wait_end(&job_id(&job));
    }
}

fn mail(tour: &Tour) {
    let grants = json!({"grants": {"mail": ["noreply@shop.example"]}});
    tour.host.set_kind("script", &grants);
    let mail = json!({"do": "mail", "from": "Shop <noreply@shop.example>", "to": ["Ada <ada@example.com>"], "text": "Hello",
        "attachment": "attached", "headers": [["X-A", "b"]]});
    let job = tour.host.run(&json!({"kind": "script", "payload": {"lines": [mail]}}));
    tour.get("/v1/jobs/{id}", &format!("/v1/jobs/{}", job["id"].as_str().unwrap())).expect_status(200);
    let page = tour.get("/v1/mail", "/v1/mail?limit=1").expect(200);
    tour.get("/v1/mail", "/v1/mail?state=gone").expect_problem(422);
    let path = format!("/v1/mail/{}", page["items"][0]["id"].as_str().unwrap());
    let none = "/v1/mail/mail_01ARZ3NDEKTSV4RRFFQ69G5FAV";
    tour.get("/v1/mail/{id}", &path).expect_status(200);
    tour.get("/v1/mail/{id}", none).expect_problem(404);
    // It may be tried right now.
    let done = |reply: Reply, status: u16| (reply.status == status).then_some(());
    stoker_tests::eventually("it can be sent", || done(tour.act("/v1/mail/{id}/send", &format!("{path}/send")), 200));
    tour.act("/v1/mail/{id}/send", &format!("{none}/send")).expect_problem(404);
    tour.post("/v1/mail/send", "/v1/mail/send", &json!({"state": "kept"})).expect_status(200);
    tour.post("/v1/mail/send", "/v1/mail/send", &json!({"state": "sent"})).expect_problem(422);
    stoker_tests::eventually("it can be deleted", || done(tour.delete("/v1/mail/{id}", &path), 204));
    tour.delete("/v1/mail/{id}", &path).expect_problem(404);
}

fn operations(tour: &Tour) {
    tour.get("/v1/queues", "/v1/queues").expect_status(200);
    tour.ask("put", "/v1/queues/{queue}", "/v1/queues/tour", &[JSON], Some(br#"{"priority": 3}"#)).expect_status(200);
    let merge_patch = ("content-type", "application/merge-patch+json");
    for body in [br#"{"concurrency": 2, "rate": "10/s", "durability": "relaxed"}"#.as_slice(), br#"{"rate": null}"#] {
        tour.ask("patch", "/v1/queues/{queue}", "/v1/queues/tour", &[merge_patch], Some(body)).expect_status(200);
    }
    tour.get("/v1/queues/{queue}", "/v1/queues/tour").expect_status(200);
    tour.get("/v1/queues/{queue}", "/v1/queues/gone").expect_problem(404);
    for action in ["pause", "resume"] {
        tour.act(&format!("/v1/queues/{{queue}}/{action}"), &format!("/v1/queues/tour/{action}")).expect_status(200);
    }
    tour.delete("/v1/queues/{queue}", "/v1/queues/tour").expect_status(204);
    tour.delete("/v1/queues/{queue}", "/v1/queues/tour").expect_problem(404);
    tour.get("/v1/queues", "/v1/queues?limit=501").expect_problem(422);
    for path in ["/health/live", "/health/ready", "/metrics", "/openapi.json", "/docs", "/"] {
        tour.get(path, path).expect_status(200);
    }
    tour.get("/metrics", "/metrics?x=1").expect_problem(422);
    tour.act("/v1/backup", "/v1/backup").expect_status(200);
    tour.act("/v1/backup", "/v1/backup?x=1").expect_problem(422);
}

fn tenants(tour: &Tour) {
    let all = "/v1/tenants";
    tour.post(all, all, &json!({"name": "acme", "weight": 3, "quotas": {"waiting_jobs": 10}})).expect_status(201);
    tour.post(all, all, &json!({"name": "acme"})).expect_problem(409);
    tour.post(all, all, &json!({"name": "Acme Inc."})).expect_problem(422);
    tour.get(all, all).expect_status(200);
    let (one, path) = ("/v1/tenants/{tenant}", "/v1/tenants/acme");
    tour.get(one, path).expect_status(200);
    tour.get(one, "/v1/tenants/nobody").expect_problem(404);
    let merge_patch = [("content-type", "application/merge-patch+json")];
    tour.ask("patch", one, path, &merge_patch, Some(br#"{"weight": 5}"#)).expect_status(200);
    for action in ["suspend", "resume"] {
        tour.act(&format!("{one}/{action}"), &format!("{path}/{action}")).expect_status(200);
    }
    tour.delete(one, path).expect_problem(409);
    tour.get("/v1/tenants/{tenant}/export", "/v1/tenants/acme/export").expect_status(200);
    tour.delete(one, path).expect_status(202);
    tour.get("/v1/usage", "/v1/usage").expect_status(200);
    tour.get("/v1/usage", "/v1/usage?since=yesterday").expect_problem(422);
}

/// The last one: from the first key on, everybody is asked for one.
fn identity(tour: &Tour) {
    let keys = "/v1/keys";
    tour.post(keys, keys, &json!({"name": "ci", "role": "producer"})).expect_problem(409);
    let admin = tour.post(keys, keys, &json!({"name": "ann", "role": "admin"})).expect_status(201).json();
    let key = admin["key"].as_str().unwrap();
    let bearer = format!("Bearer {key}");
    let auth = ("authorization", bearer.as_str());
    tour.get(keys, keys).expect_problem(401);
    let body = br#"{"name": "ci", "role": "producer", "expires_in": "90d"}"#;
    let made = tour.ask("post", keys, keys, &[JSON, auth], Some(body)).expect_status(201).json();
    let path = format!("{keys}/{}", made["id"].as_str().unwrap());
    tour.ask("get", keys, keys, &[auth], None).expect_status(200);
    tour.ask("get", "/v1/keys/{id}", &path, &[auth], None).expect_status(200);
    tour.ask("delete", "/v1/keys/{id}", &path, &[auth], None).expect_status(204);
    tour.ask("delete", "/v1/keys/{id}", &path, &[auth], None).expect_problem(404);
    tour.ask("get", "/v1/audit", "/v1/audit", &[auth], None).expect_status(200);

    let (home, login, logout) = ("/dashboard", "/dashboard/login", "/dashboard/logout");
    let form = ("content-type", "application/x-www-form-urlencoded");
    tour.get(home, home).expect_status(303);
    tour.get(login, login).expect_status(200);
    tour.ask("post", login, login, &[form], Some(b"key=wrong")).expect_status(401);
    let reply = tour.ask("post", login, login, &[form], Some(format!("key={key}").as_bytes())).expect_status(303);
    let cookie = cookie_of(&reply);
    let cookie = ("cookie", cookie.as_str());
    let page = tour.ask("get", home, home, &[cookie], None).expect_status(200).text();
    let (_, token) = page.split_once(r#"name=csrf_token value=""#).expect("a token");
    let (token, _) = token.split_once('"').unwrap();
    let body = format!("csrf_token={token}");
    tour.ask("post", logout, logout, &[form, cookie], Some(body.as_bytes())).expect_status(303);
}
