//! Quotas: what is refused, with which words, and how room is made again.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use serde_json::{Value, json};
use stoker_tests::{Api, Guest, Reply, TestHost, eventually};

fn tenant_with(host: &TestHost, name: &str, quotas: &Value) -> Api {
    host.post("/v1/tenants", &json!({"name": name, "quotas": quotas})).expect(201);
    host.in_tenant(name)
}

fn set(host: &TestHost, name: &str, quotas: &Value) {
    host.merge_patch(&format!("/v1/tenants/{name}"), &json!({"quotas": quotas})).expect(200);
}

fn echo() -> Value {
    json!({"kind": "echo", "payload": {}})
}

#[track_caller]
fn refused(reply: Reply, status: u16, quota: &str) -> Value {
    let retry_after = reply.header("retry-after").map(str::to_owned);
    let problem = reply.expect_problem_saying(status, &["quota_exceeded", quota]);
    assert_eq!(problem["quota"], quota, "{problem}");
    assert_eq!(retry_after.is_some(), status == 429, "only what time heals says when to try again");
    problem
}

fn used(host: &TestHost, name: &str, quota: &str) -> Value {
    let tenant = host.get(&format!("/v1/tenants/{name}")).expect(200);
    tenant["quota_uses"].as_array().unwrap().iter().find(|row| row["quota"] == quota).unwrap()["used"].clone()
}

#[test]
fn what_waits_is_bounded_and_room_comes_back() {
    let host = TestHost::builder().workers(1).start();
    let acme = tenant_with(&host, "acme", &json!({"waiting_jobs": 2}));
    acme.upload(Guest::Handlers);
    host.act("/v1/tenants/acme/suspend").expect(200);
    let ids = [acme.enqueue(&echo()), acme.enqueue(&echo())];
    let problem = refused(acme.post("/v1/jobs", &echo()), 429, "waiting_jobs");
    assert_eq!((&problem["most"], &problem["used"]), (&json!(2), &json!(2)));
    refused(acme.post("/v1/batches", &json!({"jobs": [echo()]})), 429, "waiting_jobs");
    let batch = acme.post("/v1/jobs/batch", &json!([echo()])).json();
    assert_eq!(batch["results"][0]["error"]["code"], "quota_exceeded", "{batch}");
    assert_eq!(batch["results"][0]["error"]["quota"], "waiting_jobs", "{batch}");
    assert_eq!(used(&host, "acme", "waiting_jobs"), 2);
    host.act("/v1/tenants/acme/resume").expect(200);
    for id in &ids {
        acme.wait_for(id, "succeeded");
    }
    eventually("there is room again", || (acme.post("/v1/jobs", &echo()).status == 201).then_some(()));
}

#[test]
fn hard_caps_are_403_and_name_what_to_delete() {
    let host = TestHost::start();
    let acme = tenant_with(&host, "acme", &json!({"modules": 1, "schedules": 1}));
    acme.upload(Guest::Handlers);
    refused(acme.put_module("hello", &Guest::Hello.wasm()), 403, "modules");
    let nightly = json!({"cron": "@daily", "kind": "echo", "payload": {}});
    acme.put("/v1/schedules/one", &nightly).expect_status(201);
    refused(acme.put("/v1/schedules/two", &nightly), 403, "schedules");
    acme.put("/v1/schedules/one", &nightly).expect_status(200);
    acme.delete("/v1/schedules/one").expect_status(204);
    acme.put("/v1/schedules/two", &nightly).expect_status(201);
    set(&host, "acme", &json!({"modules": null, "kinds": 1}));
    refused(acme.put_module("hello", &Guest::Hello.wasm()), 403, "kinds");
    set(&host, "acme", &json!({"kinds": null, "module_bytes": "1KiB"}));
    refused(acme.put_module("hello", &Guest::Hello.wasm()), 403, "module_bytes");
    let most = used(&host, "acme", "stored_bytes").as_u64().unwrap() + 10;
    set(&host, "acme", &json!({"module_bytes": null, "stored_bytes": most}));
    acme.run(&echo());
    refused(acme.post("/v1/jobs", &json!({"kind": "echo", "payload": {"a": "long enough"}})), 403, "stored_bytes");
    // The host's hold for who has none of its own.
    let host = TestHost::builder().flag("--quota-schedules", 1).start();
    host.upload(Guest::Handlers);
    host.put("/v1/schedules/one", &nightly).expect_status(201);
    refused(host.put("/v1/schedules/two", &nightly), 403, "schedules");
    set(&host, "default", &json!({"schedules": 2}));
    host.put("/v1/schedules/two", &nightly).expect_status(201);
    refused(host.put("/v1/schedules/three", &nightly), 403, "schedules");
    set(&host, "default", &json!({"schedules": "any"}));
    host.put("/v1/schedules/three", &nightly).expect_status(201);
}

#[test]
fn what_could_fill_a_disk_is_bounded_unless_somebody_lifts_it() {
    let host = TestHost::builder().workers(0).flag("--quota-kv-bytes", "any").start();
    let tenant = host.get("/v1/tenants/default").expect(200);
    let most = |quota: &str| {
        let uses = tenant["quota_uses"].as_array().unwrap();
        uses.iter().find(|row| row["quota"] == quota).unwrap_or_else(|| panic!("no {quota}"))["most"].clone()
    };
    for (quota, bound) in [
        ("waiting_jobs", json!(1_000_000)),
        ("stored_bytes", json!(16_u64 << 30)),
        ("modules", json!(1_000)),
        ("module_bytes", json!(8_u64 << 30)),
        ("kinds", json!(10_000)),
        ("schedules", json!(10_000)),
        ("secrets", json!(1_000)),
        ("kv_bytes", Value::Null),
        ("running_jobs", Value::Null),
        ("enqueues_per_second", Value::Null),
        ("fuel_per_day", Value::Null),
        ("run_time_per_day", Value::Null),
    ] {
        assert_eq!(most(quota), bound, "{quota}");
    }
}

#[test]
fn a_rate_says_when_to_come_again() {
    let host = TestHost::start();
    let acme = tenant_with(&host, "acme", &json!({"enqueues_per_second": 1}));
    acme.upload(Guest::Handlers);
    let reply = eventually("the rate is used up", || {
        let reply = acme.post("/v1/jobs", &echo());
        (reply.status != 201).then_some(reply)
    });
    refused(reply, 429, "enqueues_per_second");
}

#[test]
fn who_has_used_up_the_day_waits_and_says_so() {
    let host = TestHost::start();
    let acme = tenant_with(&host, "acme", &json!({"fuel_per_day": 1}));
    acme.upload(Guest::Handlers);
    acme.run(&echo());
    eventually("the day is used up", || (used(&host, "acme", "fuel_per_day").as_u64() > Some(0)).then_some(()));
    let waiting = acme.enqueue(&echo());
    let job = eventually("it says so", || {
        let job = acme.job(&waiting);
        (job["waiting"]["reason"] == "quota").then_some(job)
    });
    assert!(job["waiting"]["detail"].as_str().unwrap().contains("`fuel_per_day`"), "{job}");
    set(&host, "acme", &json!({"fuel_per_day": null}));
    acme.wait_for(&waiting, "succeeded");
}

#[test]
fn a_slot_that_has_no_room_says_why() {
    let host = TestHost::start();
    let acme = tenant_with(&host, "acme", &json!({"waiting_jobs": 0}));
    acme.upload(Guest::Handlers);
    acme.put("/v1/schedules/often", &json!({"every": "1s", "kind": "echo", "payload": {}})).expect_status(201);
    let slot = eventually("a slot is decided", || {
        let schedule = acme.get("/v1/schedules/often").expect(200);
        let slot = schedule["slots"][0].clone();
        (!slot.is_null()).then_some(slot)
    });
    assert_eq!(slot["fate"], "failed", "{slot}");
    assert!(slot["detail"].as_str().unwrap().contains("waiting_jobs"), "{slot}");
}

#[test]
fn what_is_kept_in_buckets_is_bounded_for_operators_and_handlers() {
    let host = TestHost::start();
    let acme = tenant_with(&host, "acme", &json!({"kv_bytes": 40}));
    acme.upload(Guest::Handlers);
    let put = |key: &str, value: &str| acme.put(&format!("/v1/kv/b/{key}"), &json!({"value": value}));
    put("a", &"x".repeat(20)).expect_status(201);
    // A bucket's name and the key count, too.
    assert_eq!(used(&host, "acme", "kv_bytes"), 22);
    let full = put("b", &"x".repeat(17)).expect_problem_saying(403, &["kv_full", "`kv_bytes`", "delete keys"]);
    assert_eq!(full["quota"], "kv_bytes", "{full}");
    acme.get("/v1/kv/b/b").expect_problem(404);
    put("b", &"x".repeat(16)).expect_status(201);
    acme.set_kind("kv-value", &json!({"grants": {"kv": ["b"]}, "max_attempts": 1}));
    let refused = acme.run_kind("kv-value", &json!({"bucket": "b", "key": "c", "value": "v"}));
    assert!(refused["refused"].as_str().unwrap().contains("`kv_bytes`"), "{refused}");
    // Less in the place of more is no matter, and room is made by what goes.
    put("b", "x").expect_status(204);
    acme.delete("/v1/kv/b/a").expect_status(204);
    assert_eq!(acme.run_kind("kv-value", &json!({"bucket": "b", "key": "c", "value": "v"}))["refused"], Value::Null);
    // Who has too much may keep it, and add nothing.
    set(&host, "acme", &json!({"kv_bytes": 1}));
    put("d", "").expect_problem_saying(403, &["kv_full"]);
    put("b", "").expect_status(204);
    // Others have their own.
    host.put("/v1/kv/b/a", &json!({"value": "x".repeat(100)})).expect_status(201);
}

#[test]
fn secrets_are_counted_and_one_that_is_there_may_change() {
    let host = TestHost::builder().env("STOKER_SECRETS_KEY", "01".repeat(32)).start();
    let acme = tenant_with(&host, "acme", &json!({"secrets": 2}));
    let put = |api: &Api, name: &str| api.put(&format!("/v1/secrets/{name}"), &json!({"value": "eight bytes or more"}));
    put(&acme, "a").expect_status(201);
    put(&acme, "b").expect_status(201);
    refused(put(&acme, "c"), 403, "secrets");
    assert_eq!(used(&host, "acme", "secrets"), 2);
    put(&acme, "a").expect_status(200);
    acme.delete("/v1/secrets/a").expect_status(200);
    put(&acme, "c").expect_status(201);
    refused(put(&acme, "a"), 403, "secrets");
    for name in ["a", "b", "c"] {
        put(&host, name).expect_status(201);
    }
}

fn patch_job(api: &Api, id: &str, payload: &Value) -> Reply {
    let body = json!({"payload": payload}).to_string();
    let headers = [("content-type", "application/json")];
    api.request("PATCH", &format!("/v1/jobs/{id}"), &headers, Some(body.as_bytes()))
}

#[test]
fn a_payload_may_grow_where_there_is_room_and_always_shrink() {
    let host = TestHost::builder().workers(0).start();
    let acme = tenant_with(&host, "acme", &json!({"stored_bytes": 100}));
    acme.upload(Guest::Handlers);
    let waiting = json!({"kind": "echo", "payload": "x".repeat(58), "delay": "1h"});
    let id = acme.enqueue(&waiting);
    assert_eq!(used(&host, "acme", "stored_bytes"), 60);
    let problem = refused(patch_job(&acme, &id, &json!("x".repeat(99))), 403, "stored_bytes");
    assert_eq!((&problem["most"], &problem["used"]), (&json!(100), &json!(60)));
    assert_eq!(acme.job(&id)["payload"], json!("x".repeat(58)), "what is refused changes nothing");
    patch_job(&acme, &id, &json!("x".repeat(98))).expect_status(200);
    assert_eq!(used(&host, "acme", "stored_bytes"), 100);
    // Who has too much may have less, and as much as there is.
    set(&host, "acme", &json!({"stored_bytes": 10}));
    patch_job(&acme, &id, &json!("y".repeat(98))).expect_status(200);
    patch_job(&acme, &id, &json!("x".repeat(48))).expect_status(200);
    refused(patch_job(&acme, &id, &json!("x".repeat(49))), 403, "stored_bytes");
    assert_eq!(used(&host, "acme", "stored_bytes"), 50);
}

#[test]
fn who_triggers_a_schedule_enqueues() {
    let host = TestHost::builder().workers(0).start();
    let acme = tenant_with(&host, "acme", &json!({"enqueues_per_second": 1, "waiting_jobs": 1_000}));
    acme.upload(Guest::Handlers);
    acme.put("/v1/schedules/nightly", &json!({"cron": "@daily", "kind": "echo", "payload": {}})).expect_status(201);
    let trigger = || acme.act("/v1/schedules/nightly/trigger");
    let reply = eventually("the rate is used up", || {
        let reply = trigger();
        (reply.status != 201).then_some(reply)
    });
    refused(reply, 429, "enqueues_per_second");
    set(&host, "acme", &json!({"enqueues_per_second": null, "waiting_jobs": 0}));
    refused(trigger(), 429, "waiting_jobs");
}

/// Bytes of modules that are on the disk, whosever.
fn module_bytes_kept(host: &TestHost) -> u64 {
    let database = rusqlite::Connection::open(host.data_dir().join("stoker.db")).expect("a database");
    let bytes = "SELECT coalesce(sum(length(bytes)), 0) FROM module_chunks";
    database.query_row(bytes, [], |row| row.get(0)).expect("a sum")
}

#[test]
fn an_upload_that_is_refused_leaves_no_bytes() {
    let host = TestHost::start();
    let acme = tenant_with(&host, "acme", &json!({"module_bytes": "1KiB"}));
    let hello = Guest::Hello.wasm();
    refused(acme.put_module("hello", &hello), 403, "module_bytes");
    // Before anything is examined: what is in it does not matter.
    let broken = [b"\0asm".as_slice(), &[0; 2_000]].concat();
    refused(acme.put_module("hello", &broken), 403, "module_bytes");
    for quotas in [json!({"modules": 0}), json!({"kinds": 0})] {
        set(&host, "acme", &json!({"module_bytes": null, "modules": null, "kinds": null}));
        set(&host, "acme", &quotas);
        let quota = quotas.as_object().unwrap().keys().next().unwrap();
        refused(acme.put_module("hello", &hello), 403, quota);
    }
    assert_eq!(module_bytes_kept(&host), 0);
    set(&host, "acme", &json!({"modules": null, "kinds": null}));
    acme.upload_bytes("hello", &hello);
    let kept = module_bytes_kept(&host);
    assert_eq!(kept, u64::try_from(hello.len()).unwrap());
    // The same bytes under another name are refused for their kind, and stay for who has them.
    let problem = acme.put_module("other", &hello).expect_problem(409);
    assert_eq!(problem["code"], "kind_owned", "{problem}");
    assert_eq!(module_bytes_kept(&host), kept);
}

#[test]
fn batches_without_jobs_keep_to_the_quotas() {
    let host = TestHost::builder().workers(0).start();
    let acme = tenant_with(&host, "acme", &json!({"waiting_jobs": 0, "stored_bytes": 1_024}));
    acme.upload(Guest::Handlers);
    let callback = json!({"kind": "echo", "payload": "x".repeat(600)});
    let batch = json!({"close": "on_request", "on_finish": callback});
    let made = acme.post("/v1/batches", &batch).expect(201);
    refused(acme.post("/v1/batches", &batch), 403, "stored_bytes");
    let open = used(&host, "acme", "stored_bytes").as_u64().unwrap();
    assert!((600..1_024).contains(&open), "{open}");
    // It is the job's from then on.
    acme.act(&format!("/v1/batches/{}/close", made["id"].as_str().unwrap())).expect_status(200);
    let closed = used(&host, "acme", "stored_bytes").as_u64().unwrap();
    assert!((602..1_024).contains(&closed), "{closed}");
    set(&host, "acme", &json!({"stored_bytes": null, "waiting_jobs": null, "enqueues_per_second": 1}));
    let reply = eventually("the rate is used up", || {
        let reply = acme.post("/v1/batches", &json!({}));
        (reply.status != 201).then_some(reply)
    });
    refused(reply, 429, "enqueues_per_second");
}

#[test]
fn what_schedules_keep_is_counted() {
    let host = TestHost::builder().workers(0).start();
    let acme = tenant_with(&host, "acme", &json!({"stored_bytes": 3_000}));
    acme.upload(Guest::Handlers);
    let put = |name: &str, length: usize| {
        let schedule = json!({"cron": "@daily", "kind": "echo", "payload": "x".repeat(length)});
        acme.put(&format!("/v1/schedules/{name}"), &schedule)
    };
    put("one", 1_500).expect_status(201);
    let one = used(&host, "acme", "stored_bytes").as_u64().unwrap();
    assert!((1_502..3_000).contains(&one), "{one}");
    refused(put("two", 1_500), 403, "stored_bytes");
    refused(put("one", 3_000), 403, "stored_bytes");
    put("one", 500).expect_status(200);
    assert_eq!(used(&host, "acme", "stored_bytes"), one - 1_000);
    acme.delete("/v1/schedules/one").expect_status(204);
    assert_eq!(used(&host, "acme", "stored_bytes"), 0);
}

#[test]
fn what_a_key_stands_for_is_counted_refused_lines_included() {
    let host = TestHost::builder().workers(0).start();
    let acme = tenant_with(&host, "acme", &json!({"stored_bytes": 1_000, "waiting_jobs": 0}));
    acme.upload(Guest::Handlers);
    let unknown = json!(vec![json!({"kind": "nobody", "payload": {}}); 40]);
    let send = |key: &str| acme.post_with("/v1/jobs/batch", &[("idempotency-key", key)], &unknown);
    let first = send("first").expect_status(200);
    assert_eq!(used(&host, "acme", "stored_bytes"), 5 + 32 + 40 * 16);
    refused(send("second"), 403, "stored_bytes");
    assert_eq!(send("first").expect_status(200).json(), first.json(), "what is known is answered");
    // Where nothing is to be remembered nothing is counted.
    acme.post("/v1/jobs/batch", &unknown).expect_status(200);
    assert_eq!(used(&host, "acme", "stored_bytes"), 5 + 32 + 40 * 16);
}
