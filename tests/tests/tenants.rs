//! Tenants through the real binary: they share nothing but the host, wait when suspended, and go with everything they have.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use serde_json::{Value, json};
use stoker_tests::{Api, Exited, Guest, TestHost, eventually, make_tenant, run_stoker};

fn stoker(host: &TestHost, args: &[&str]) -> Exited {
    run_stoker(args, &[("STOKER_URL", host.url())], host.home(), b"")
}

fn make(host: &TestHost, name: &str) -> Api {
    host.post("/v1/tenants", &json!({"name": name})).expect(201);
    let tenant = host.in_tenant(name);
    tenant.upload(Guest::Handlers);
    tenant
}

fn echo(tag: &str) -> Value {
    json!({"kind": "echo", "payload": {"said": tag}, "tags": [tag]})
}

#[test]
fn tenants_share_nothing_but_the_host() {
    let host = TestHost::start();
    host.upload(Guest::Handlers);
    let acme = make(&host, "acme");
    let own = acme.enqueue(&json!({"kind": "echo", "payload": {}, "queue": "mail", "tags": ["secret-tag"]}));
    assert_eq!(acme.wait_for(&own, "succeeded")["tenant"], "acme");
    let (batch, workflow) = (
        acme.post("/v1/batches", &json!({"jobs": [{"kind": "echo", "payload": {}}]})).expect(201),
        acme.post("/v1/workflows", &json!({"jobs": {"one": {"kind": "echo", "payload": {}}}})).expect(201),
    );
    let id = |thing: &Value| thing["id"].as_str().unwrap().to_owned();
    for path in [
        format!("/v1/jobs/{own}"),
        format!("/v1/jobs/{own}/attempts"),
        format!("/v1/jobs/{own}/logs"),
        format!("/v1/jobs/{own}/history"),
        format!("/v1/batches/{}", id(&batch)),
        format!("/v1/batches/{}/jobs", id(&batch)),
        format!("/v1/workflows/{}", id(&workflow)),
        "/v1/queues/mail".to_owned(),
    ] {
        acme.get(&path).expect_status(200);
        host.get(&path).expect_problem(404);
    }
    for path in ["/v1/jobs", "/v1/jobs?tag=secret-tag", "/v1/queues", "/v1/batches", "/v1/workflows"] {
        let (seen, there) = (host.get(path).expect(200), acme.get(path).expect(200));
        assert_eq!(seen["items"], json!([]), "{path}");
        assert_ne!(there["items"], json!([]), "{path}");
    }
    host.act(&format!("/v1/jobs/{own}/cancel")).expect_problem(404);
    host.delete(&format!("/v1/jobs/{own}")).expect_problem(404);
    host.get("/v1/modules").expect(200)["items"].as_array().unwrap().iter().for_each(|module| {
        assert!(module["name"].as_str().is_some(), "{module}");
    });
    // The same key is another one there.
    let keyed = json!({"kind": "echo", "payload": {}, "idempotency_key": "once"});
    let (here, there) = (host.enqueue(&keyed), acme.enqueue(&keyed));
    assert_ne!(here, there);
    host.in_tenant("nobody").get("/v1/jobs").expect_problem(404);
}

#[test]
fn a_suspended_tenant_waits_and_loses_nothing() {
    let mut host = TestHost::builder().workers(2).start();
    host.upload(Guest::Handlers);
    let acme = make(&host, "acme");
    let running = acme.enqueue_kind("sleep", &json!({"ms": 500}));
    acme.wait_for(&running, "running");
    let suspended = host.act("/v1/tenants/acme/suspend").expect(200);
    assert_eq!(suspended["state"], "suspended");
    let waiting = acme.enqueue(&echo("late"));
    acme.wait_for(&running, "succeeded");
    let job = acme.job(&waiting);
    assert_eq!((&job["state"], &job["waiting"]["reason"]), (&json!("ready"), &json!("tenant_suspended")), "{job}");
    host.run(&echo("others"));
    host.restart();
    let acme = host.in_tenant("acme");
    host.run(&echo("others"));
    assert_eq!(acme.job(&waiting)["state"], "ready", "a restart resumes nothing");
    let said = stoker(&host, &["tenants", "resume", "acme"]).expect_success();
    assert!(said.contains("acme"), "{said}");
    acme.wait_for(&waiting, "succeeded");
}

#[test]
fn a_tenant_is_exported_whole_and_deleted_without_a_trace() {
    let mut host = TestHost::start();
    host.upload(Guest::Handlers);
    let acme = make(&host, "acme");
    let kept = host.run(&echo("kept"));
    let ids: Vec<String> = (0..30).map(|index| acme.enqueue(&echo(&format!("tag-{index}")))).collect();
    for id in &ids {
        acme.wait_for(id, "succeeded");
    }
    acme.put("/v1/schedules/nightly", &json!({"cron": "@daily", "kind": "echo", "payload": {"a": 1}}))
        .expect_status(201);
    host.delete("/v1/tenants/acme").expect_problem_saying(409, &["export_needed", "without_export"]);
    let said = stoker(&host, &["tenants", "export", "acme", "acme.ndjson"]).expect_success();
    assert!(said.contains("acme.ndjson"), "{said}");
    let text = std::fs::read_to_string(host.home().join("acme.ndjson")).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |what: &str| lines.iter().filter(|line| line["type"] == what).count();
    assert_eq!((of("tenant"), of("job"), of("schedule"), of("module_version"), of("end")), (1, 30, 1, 1, 1));
    assert!(of("kind") > 5 && of("module_chunk") > 0 && of("queue") == 1, "{}", of("kind"));
    let job = lines.iter().find(|line| line["id"] == ids[3].as_str()).unwrap();
    assert_eq!(
        (&job["payload"]["said"], &job["attempts"][0]["outcome"]),
        (&json!("tag-3"), &json!("succeeded")),
        "{job}"
    );
    let running = acme.enqueue_kind("sleep", &json!({"ms": 60_000}));
    acme.wait_for(&running, "running");
    host.delete("/v1/tenants/acme").expect(202);
    // Until it is gone, its name is nobody else's, and that is what is said.
    let early = host.post("/v1/tenants", &json!({"name": "acme"}));
    early.expect_problem_saying(409, &["tenant_deleting", "can be used again when it is gone"]);
    host.restart();
    eventually("the tenant is gone", || (host.get("/v1/tenants/acme").status == 404).then_some(()));
    host.in_tenant("acme").get("/v1/jobs").expect_problem(404);
    assert_eq!(host.job(kept["id"].as_str().unwrap())["state"], "succeeded");
    let usage = host.get("/v1/usage?all_tenants=true").expect(200);
    let of_acme =
        usage["items"].as_array().unwrap().iter().find(|row| row["tenant"] == "acme" && row["kind"] == "echo");
    assert_eq!(of_acme.unwrap()["jobs"], 30, "what was used stays: {usage}");
    // Its name is another one's now.
    let again = make(&host, "acme");
    assert_eq!(again.get("/v1/jobs").expect(200)["items"], json!([]));
    again.run(&echo("new"));
}

#[test]
fn what_is_wrong_is_said() {
    let host = TestHost::start();
    for (body, status, words) in [
        (json!({"name": "Acme"}), 422, vec!["invalid_request", "/name", "a-z"]),
        (json!({"name": ""}), 422, vec!["/name"]),
        (json!({"name": "a".repeat(64)}), 422, vec!["/name", "63"]),
        (json!({"name": "a b"}), 422, vec!["/name"]),
        (json!({"name": "default"}), 409, vec!["tenant_exists"]),
        (json!({"name": "a", "weight": 0}), 422, vec!["/weight", "1 to 1000"]),
        (json!({"name": "a", "quotas": {"colours": 1}}), 422, vec!["/quotas", "colours"]),
        (json!({"name": "a", "quotas": {"running_jobs": 0}}), 422, vec!["/quotas/running_jobs", "suspend"]),
        (json!({"name": "a", "colour": "red"}), 422, vec!["colour"]),
    ] {
        host.post("/v1/tenants", &body).expect_problem_saying(status, &words);
    }
    host.get("/v1/tenants/nobody").expect_problem_saying(404, &["tenant_not_found"]);
    host.get("/v1/tenants/No%20Body").expect_problem_saying(422, &["invalid_id"]);
    host.delete("/v1/tenants/default?without_export=true").expect_problem_saying(409, &["tenant_needed"]);
    host.delete("/v1/tenants/default?without=true").expect_problem(422);
    let names = |reply: Value| -> Vec<String> {
        reply["items"].as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap().to_owned()).collect()
    };
    for name in ["a1", "b-2", "c3"] {
        host.post("/v1/tenants", &json!({"name": name})).expect(201);
    }
    let first = host.get("/v1/tenants?limit=2").expect(200);
    let cursor = first["next_cursor"].as_str().unwrap().to_owned();
    assert_eq!(names(first), ["a1", "b-2"]);
    assert_eq!(names(host.get(&format!("/v1/tenants?cursor={cursor}")).expect(200)), ["c3", "default"]);
    let changed =
        host.merge_patch("/v1/tenants/a1", &json!({"weight": 30, "settings": {"retention": {"failed": "90d"}}}));
    assert_eq!(changed.expect(200)["settings"], json!({"retention": {"failed": "90d"}}));
    let back =
        host.merge_patch("/v1/tenants/a1", &json!({"weight": null, "settings": {"retention": null}})).expect(200);
    assert_eq!((&back["weight"], &back["settings"]), (&json!(10), &json!({})));
    for args in [
        &["tenants", "create", "acme", "--weight", "30", "--quota", "running_jobs=2"][..],
        &["tenants", "set", "acme", "--quota", "running_jobs=none", "--retention", "failed=90d"],
        &["tenants", "show", "acme"],
        &["tenants", "list"],
        &["tenants", "suspend", "acme", "--json"],
        &["tenants", "delete", "acme", "--without-export"],
    ] {
        let said = stoker(&host, args).expect_success();
        assert!(said.contains("acme"), "{args:?}: {said}");
    }
    assert!(!stoker(&host, &["tenants", "show", "nobody"]).status.success());
}

#[test]
fn an_export_holds_keys_with_their_values_and_of_secrets_the_names() {
    // More than one page of keys.
    const KEYS: usize = 130;
    let host = TestHost::builder().env("STOKER_SECRETS_KEY", "01".repeat(32)).start();
    make_tenant(&host, "acme");
    let acme = host.in_tenant("acme");
    for number in 0..KEYS {
        acme.put(&format!("/v1/kv/many/key-{number:03}"), &json!({"value": format!("value {number}")}))
            .expect_status(201);
    }
    acme.put("/v1/kv/other/text", &json!({"value": "in the second bucket"})).expect_status(201);
    acme.put("/v1/kv/other/bytes", &json!({"value_base64": "/wA="})).expect_status(201);
    for name in ["stripe-key", "mail-key"] {
        acme.put(&format!("/v1/secrets/{name}"), &json!({"value": format!("hidden value of {name}")}))
            .expect_status(201);
    }
    host.put("/v1/kv/many/not-of-acme", &json!({"value": "another's value"})).expect_status(201);
    host.put("/v1/secrets/not-of-acme", &json!({"value": "another's hidden value"})).expect_status(201);
    stoker(&host, &["tenants", "export", "acme", "acme.ndjson"]).expect_success();
    let text = std::fs::read_to_string(host.home().join("acme.ndjson")).unwrap();
    for absent in ["hidden value", "another's", "not-of-acme"] {
        assert!(!text.contains(absent), "{absent} is in it");
    }
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |what: &str| lines.iter().filter(|line| line["type"] == what).collect::<Vec<_>>();
    let names: Vec<&Value> = of("secret").iter().map(|line| &line["secret"]["name"]).collect();
    assert_eq!(names, ["mail-key", "stripe-key"]);
    let entries = of("kv");
    assert_eq!(entries.len(), KEYS + 2);
    for (number, line) in entries[..KEYS].iter().enumerate() {
        let entry = &line["entry"];
        let (key, value) = (format!("key-{number:03}"), format!("value {number}"));
        assert_eq!((&entry["bucket"], &entry["key"], &entry["value"]), (&json!("many"), &json!(key), &json!(value)));
    }
    assert_eq!(entries[KEYS]["entry"]["value_base64"], "/wA=");
    assert_eq!(entries[KEYS + 1]["entry"]["value"], "in the second bucket");
}
