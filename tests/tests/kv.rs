//! The key-value store: what handlers write acts at once, is theirs by grant, and is not written by who is taken for dead.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use serde_json::{Value, json};
use stoker_tests::{
    Api, DEADLINE, Guest, TestHost, cache_dir, crash_rounds, eventually, make_tenant, run_stoker, state_of,
};

fn host_with_handlers() -> TestHost {
    let host = TestHost::builder().workers(4).start();
    host.upload(Guest::Handlers);
    host
}

fn granted(host: &TestHost, kind: &str, buckets: &[&str]) {
    host.set_kind(kind, &json!({"grants": {"kv": buckets}, "max_attempts": 1}));
}

#[test]
fn nothing_is_lost_of_what_many_jobs_add_at_once() {
    const JOBS: u64 = 12;
    const TIMES: u64 = 20;
    let host = host_with_handlers();
    granted(&host, "kv-count", &["counts"]);
    let ids: Vec<String> = (0..JOBS).map(|_| host.enqueue_kind("kv-count", &json!({"times": TIMES}))).collect();
    let last: Vec<u64> = ids.iter().map(|id| host.wait_for(id, "succeeded")["output"].as_u64().unwrap()).collect();
    assert_eq!(last.iter().max(), Some(&(JOBS * TIMES)));
    for key in ["swapped", "added"] {
        let entry = host.get(&format!("/v1/kv/counts/{key}")).expect(200);
        assert_eq!(entry["value"], (JOBS * TIMES).to_string(), "{entry:#}");
    }
}

#[test]
fn a_bucket_is_closed_until_it_is_granted_and_outlives_a_failed_attempt() {
    let host = host_with_handlers();
    let asked = |bucket: &str| json!({"bucket": bucket, "key": "k", "value": "v"});
    let output = host.run_kind("kv-value", &asked("mine"));
    assert_eq!(output["refused"], "the kind is not granted the bucket");
    granted(&host, "kv-value", &["mine"]);
    let output = host.run_kind("kv-value", &asked("mine"));
    assert_eq!(output, json!({"found": "v", "keys": ["k"], "refused": null}));
    assert_eq!(host.run_kind("kv-value", &asked("other"))["refused"], "the kind is not granted the bucket");
    let mut failing = asked("other");
    failing["fail"] = json!(true);
    let job = host.run_failing("kv-value", &failing, "capability_denied");
    assert!(job["error"]["message"].as_str().unwrap().contains("kv other"), "{job:#}");
    let written = json!({"bucket": "mine", "key": "after", "value": "all", "fail": true});
    host.run_failing("kv-value", &written, "handler_error");
    assert_eq!(host.get("/v1/kv/mine/after").expect(200)["value"], "all");
    host.get("/v1/kv/other/k").expect_problem_saying(404, &["kv_key_not_found"]);

    let sized = |bytes: usize| host.run_kind("kv-value", &json!({"bucket": "mine", "key": "large", "bytes": bytes}));
    assert_eq!(sized(256 << 10)["refused"], Value::Null);
    assert_eq!(sized((256 << 10) + 1)["refused"], "a value may have at most 256 KiB");
    let odd = host.run_kind("kv-value", &json!({"bucket": "mine", "key": "", "value": "v"}));
    assert!(odd["refused"].as_str().unwrap().contains("1 to 512 bytes"), "{odd}");
}

#[test]
fn who_was_taken_for_dead_writes_no_more() {
    let builder = || TestHost::builder().flag("--lease-ttl", "3s").leaves_work_behind();
    let mut frozen = builder().start();
    frozen.upload(Guest::Handlers);
    frozen.set_kind("kv-late", &json!({"grants": {"kv": ["late"]}, "timeout": "1m"}));
    let id = frozen.enqueue_kind("kv-late", &json!({"ms": 4_000}));
    frozen.wait_until(&id, "past its first write", |job| job["progress"]["done"] == 1);
    frozen.freeze();
    // Who deletes the lock has two hosts.
    std::fs::remove_file(frozen.data_dir().join("stoker.lock")).unwrap();
    let other = builder().data_dir(frozen.data_dir()).start();
    other.wait_for(&id, "succeeded");
    frozen.thaw();
    let status = frozen.wait_exit(DEADLINE);
    assert!(status.code().is_some_and(|code| code != 0), "{status}");
    let listed = other.get("/v1/kv/late").expect(200);
    let keys: Vec<&str> =
        listed["items"].as_array().unwrap().iter().map(|item| item["key"].as_str().unwrap()).collect();
    assert_eq!(keys, ["end of run 2", "runs"], "the first run came back and wrote under its old lease");
    assert_eq!(state_of(&other.job(&id)), "succeeded");
}

/// Killed before, after and among what it adds: what it was told is added is there, and nothing is added that it did not add.
#[test]
fn killed_around_writes_each_that_was_answered_is_there_once() {
    const MANY: u64 = 300;
    let mut host = TestHost::builder().workers(2).leaves_work_behind().start();
    host.upload(Guest::Handlers);
    host.set_kind("script", &json!({"grants": {"kv": ["counts"]}, "timeout": "1m"}));
    let counted = |host: &TestHost, id: &str, key: &str| -> u64 {
        let entry = host.get(&format!("/v1/kv/counts/{id}%2F{key}")).expect(200);
        entry["value"].as_str().unwrap().parse().unwrap()
    };
    let (hold, add) = (json!({"do": "hold", "ms": 300}), |key: &str| json!({"do": "count", "key": key}));
    let many: Vec<Value> = (0..MANY).map(|_| add("a")).chain([add("b")]).collect();
    for (place, lines, at, in_a) in [
        ("before", json!([hold, add("a"), add("b")]), 0, 1),
        ("after", json!([add("a"), hold, add("b")]), 1, 2),
        ("among", json!(many), 1, 0),
    ] {
        for round in 0..crash_rounds(3) {
            let id = host.enqueue_kind("script", &json!({ "lines": lines }));
            let at = at + if place == "among" { round as u64 * 7 % (MANY / 2) } else { 0 };
            let is_there = |job: &Value| job["progress"]["done"].as_u64().is_some_and(|done| done >= at);
            let job = host.wait_until(&id, place, |job| is_there(job) || state_of(job) == "succeeded");
            host.kill9();
            host.restart();
            host.wait_for(&id, "succeeded");
            let (a, b) = (counted(&host, &id, "a"), counted(&host, &id, "b"));
            if place == "among" {
                // Each line before the one it was seen at was answered.
                let answered = job["progress"]["done"].as_u64().unwrap().min(MANY);
                let runs = host.attempts(&id).len() as u64;
                let least = MANY + if runs > 1 { answered } else { 0 };
                assert!(a >= least, "round {round}: {a} of {runs} runs, {answered} answered in the first");
                assert!(a <= MANY * runs && (1..=runs).contains(&b), "round {round}: {a} and {b} of {runs} runs");
            } else {
                assert_eq!((a, b), (in_a, 1), "{place}, round {round}");
            }
        }
    }
}

#[test]
fn operators_look_into_it_and_mend_it() {
    let host = host_with_handlers();
    let put = |path: &str, value: &str| host.put(path, &json!({"value": value}));
    put("/v1/kv/sessions/user%2F1", "one").expect_status(201);
    put("/v1/kv/sessions/user%2F1", "other").expect_status(204);
    put("/v1/kv/sessions/user%2F2", "two").expect_status(201);
    host.put("/v1/kv/sessions/x", &json!({"value_base64": "/wA="})).expect_status(201);
    put("/v1/kv/carts/a", "").expect_status(201);
    let names = |path: &str, field: &str| -> Vec<String> {
        let listed = host.get(path).expect(200);
        listed["items"].as_array().unwrap().iter().map(|item| item[field].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names("/v1/kv", "bucket"), ["carts", "sessions"]);
    assert_eq!(names("/v1/kv/sessions", "key"), ["user/1", "user/2", "x"]);
    assert_eq!(names("/v1/kv/sessions?prefix=user%2F", "key"), ["user/1", "user/2"]);
    let first = host.get("/v1/kv/sessions?limit=1").expect(200);
    assert_eq!(first["next_cursor"], "user/1");
    assert_eq!(names("/v1/kv/sessions?limit=1&cursor=user%2F1", "key"), ["user/2"]);
    let entry = host.get("/v1/kv/sessions/user%2F1").expect(200);
    assert_eq!((&entry["value"], &entry["size_bytes"], &entry["version"]), (&json!("other"), &json!(5), &json!(2)));
    assert_eq!(host.get("/v1/kv/sessions/x").expect(200)["value_base64"], "/wA=");
    // A handler sees what was put.
    granted(&host, "kv-value", &["sessions"]);
    assert_eq!(host.run_kind("kv-value", &json!({"bucket": "sessions", "key": "user/2"}))["found"], "two");
    host.delete("/v1/kv/sessions/x").expect_status(204);
    host.delete("/v1/kv/sessions/x").expect_problem_saying(404, &["kv_key_not_found"]);
    for (path, status) in [
        ("/v1/kv/a%20b", 422),
        ("/v1/kv/sessions?prefix=a&limit=0", 422),
        ("/v1/kv/sessions?cursor=", 422),
        ("/v1/kv/sessions?more=1", 422),
        ("/v1/kv/sessions/a%0Ab", 422),
    ] {
        let problem = host.get(path).expect_problem(status);
        assert!(["invalid_id", "invalid_query"].contains(&problem["code"].as_str().unwrap()), "{path}: {problem:#}");
    }
    put("/v1/kv/sessions/large", &"x".repeat((256 << 10) + 1)).expect_problem(422);

    let stoker =
        |args: &[&str], stdin: &str| run_stoker(args, &[("STOKER_URL", host.url())], host.home(), stdin.as_bytes());
    assert!(stoker(&["kv", "set", "sessions", "user/3", "-"], "three\n").status.success());
    assert_eq!(stoker(&["kv", "get", "sessions", "user/3"], "").stdout.trim_end(), "three");
    let listed = stoker(&["kv", "list", "sessions", "--prefix", "user/"], "").stdout;
    assert!(listed.contains("user/1") && listed.contains("user/3") && listed.contains("SIZE"), "{listed}");
    assert!(stoker(&["kv", "list"], "").stdout.contains("carts"));
    assert!(stoker(&["kv", "delete", "sessions", "user/3"], "").status.success());
    let gone = stoker(&["kv", "get", "sessions", "user/3"], "");
    assert_eq!(gone.status.code(), Some(1));
    assert!(gone.stderr.contains("kv_key_not_found"), "{gone:?}");
}

#[test]
fn a_run_without_a_host_has_an_empty_store() {
    let home = tempfile::tempdir().unwrap();
    let wasm = Guest::Handlers.path().display().to_string();
    let cache = cache_dir().display().to_string();
    let args = ["run", &wasm, "kv-count", r#"{"times":3}"#, "--settings", r#"{"grants":{"kv":["counts"]}}"#, "--json"];
    let run = run_stoker(&args, &[("XDG_CACHE_HOME", &cache)], home.path(), b"");
    let said: Value = serde_json::from_str(&run.stdout).unwrap_or_else(|error| panic!("{error}: {run:?}"));
    assert_eq!(said["output"], 3, "{said:#}");
}

#[test]
fn the_same_key_is_another_one_in_another_tenant() {
    let host = host_with_handlers();
    make_tenant(&host, "acme");
    let acme = host.in_tenant("acme");
    acme.upload(Guest::Handlers);
    for api in [&host.api(), &acme] {
        api.set_kind("kv-value", &json!({"grants": {"kv": ["shared"]}, "max_attempts": 1}));
    }
    let asked = |key: &str| json!({"bucket": "shared", "key": key});
    let write = |api: &Api, key: &str, value: &str| {
        api.run_kind("kv-value", &json!({"bucket": "shared", "key": key, "value": value}))
    };
    assert_eq!(write(&host, "k", "of default")["found"], "of default");
    assert_eq!(write(&acme, "k", "of acme")["found"], "of acme");
    assert_eq!(write(&acme, "mine", "only of acme")["keys"], json!(["k", "mine"]));
    let seen = host.run_kind("kv-value", &asked("k"));
    assert_eq!((&seen["found"], &seen["keys"]), (&json!("of default"), &json!(["k"])), "{seen}");
    assert_eq!(host.run_kind("kv-value", &asked("mine"))["found"], Value::Null);
    host.get("/v1/kv/shared/mine").expect_problem_saying(404, &["kv_key_not_found"]);
    host.delete("/v1/kv/shared/mine").expect_problem(404);
    // Versions are each tenant's own.
    let version = |api: &Api| api.get("/v1/kv/shared/k").expect(200)["version"].clone();
    let before = version(&host);
    acme.put("/v1/kv/shared/k", &json!({"value": "newer"})).expect_status(204);
    assert_eq!(version(&host), before);
    host.delete("/v1/kv/shared/k").expect_status(204);
    assert_eq!(host.get("/v1/kv").expect(200)["items"], json!([]));
    assert_eq!(acme.run_kind("kv-value", &asked("k"))["found"], "newer", "what one deletes the other keeps");
}

#[test]
fn keys_are_set_for_a_time_and_listed_by_how_they_begin() {
    let host = host_with_handlers();
    granted(&host, "script", &["counts"]);
    let run = |lines: Value| host.run_kind("script", &json!({ "lines": lines }));
    let set = |key: &str, ms: u64| json!({"do": "set_for", "key": key, "value": "v", "ms": ms});
    let output = run(json!([
        set("user/1", 3_600_000), set("user/2", 150), set("visits", 3_600_000), {"do": "keys_with", "prefix": "user/"},
    ]));
    assert_eq!(output[3], json!(["user/1", "user/2"]));
    let left = host.get("/v1/kv/counts/user%2F1").expect(200)["expires_in_ms"].as_u64().unwrap();
    assert!((3_000_000..=3_600_000).contains(&left), "{left}");
    eventually("its time is over", || (host.get("/v1/kv/counts/user%2F2").status == 404).then_some(()));
    assert_eq!(run(json!([{"do": "keys_with", "prefix": "user/"}]))[0], json!(["user/1"]));
    let odd = run(json!([set("never", 0), set("for ever", 366 * 24 * 3_600_000 + 1)]));
    for refused in odd.as_array().unwrap() {
        assert!(refused["refused"].as_str().unwrap().contains("at most 366 days"), "{refused}");
    }
    // By hand as well.
    host.put("/v1/kv/counts/brief?ttl=1h", &json!({"value": "x"})).expect_status(201);
    host.put("/v1/kv/counts/brief?ttl=3600000", &json!({"value": "x"})).expect_status(204);
    assert!(host.get("/v1/kv/counts/brief").expect(200)["expires_in_ms"].is_u64());
    host.put("/v1/kv/counts/brief", &json!({"value": "x"})).expect_status(204);
    assert!(host.get("/v1/kv/counts/brief").expect(200)["expires_in_ms"].is_null());
    for wrong in ["0s", "0", "9999d", "soon"] {
        host.put(&format!("/v1/kv/counts/brief?ttl={wrong}"), &json!({"value": "x"})).expect_problem(422);
    }
}
