//! What a kind is granted, what its module asks for, and what becomes of a handler that uses what it was not granted.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::Path;

use serde_json::{Value, json};
use stoker_tests::{Guest, TestHost, core_module, job_id, run_stoker, with_settings};

fn started() -> TestHost {
    let host = TestHost::start();
    host.upload(Guest::Handlers);
    host
}

fn grants_of(host: &TestHost, kind: &str) -> Value {
    host.get(&format!("/v1/kinds/{kind}")).expect(200)["grants"].clone()
}

/// The job, once it has succeeded.
fn ran(host: &TestHost, kind: &str, payload: &Value) -> Value {
    let id = host.enqueue_kind(kind, payload);
    host.wait_for(&id, "succeeded")
}

#[test]
fn a_module_asks_and_an_operator_grants() {
    let host = started();
    let asked = json!({"http": ["api.example.com", "*.example.org:8443"]});
    assert_eq!(grants_of(&host, "http"), json!({"granted": {}, "asked": asked, "missing": asked}));
    let kind = host.get("/v1/kinds/http").expect(200);
    assert_eq!((&kind["settings"]["grants"], &kind["settings_from"]["grants"]), (&json!({}), &json!("host")));
    host.set_kind("http", &json!({"grants": {"http": ["*.example.com"]}}));
    assert_eq!(
        grants_of(&host, "http"),
        json!({"granted": {"http": ["*.example.com"]}, "asked": asked, "missing": {"http": ["*.example.org:8443"]}})
    );
    // Values are merged one by one; lists are replaced.
    let patch = |body: Value| {
        let headers = [("content-type", "application/merge-patch+json")];
        host.request("PATCH", "/v1/kinds/config/settings", &headers, Some(body.to_string().as_bytes())).expect(200)
    };
    patch(json!({"grants": {"config": {"a": "1", "b": "2"}}}));
    patch(json!({"grants": {"config": {"b": null, "c": "3"}}}));
    assert_eq!(grants_of(&host, "config")["granted"], json!({"config": {"a": "1", "c": "3"}}));
    patch(json!({"grants": null}));
    assert_eq!(grants_of(&host, "config")["granted"], json!({}));
}

#[test]
fn what_would_allow_everybody_or_makes_no_sense_is_refused() {
    let host = started();
    for (grants, pointer, words) in [
        (json!({"http": ["*.com"]}), "/grants/http/0", "anybody can get a name"),
        (json!({"http": ["a.example", "*.co.uk"]}), "/grants/http/1", "anybody can get a name"),
        (json!({"http": ["*", "a.example"]}), "/grants/http", "write it alone"),
        (json!({"http": ["*:443"]}), "/grants/http/0", "write `*` alone"),
        (json!({"http": ["https://a.example/path"]}), "/grants/http/0", "more than a scheme"),
        (json!({"http": ["0.0.0.0/0"]}), "/grants/http/0", "one by one"),
        (json!({"http": ["0.0.0.0:80"]}), "/grants/http/0", "no host has"),
        (json!({"http": "a.example"}), "/grants/http", "array"),
        (json!({"http": ["a.example", "A.example"]}), "/grants/http/1", "twice"),
        (json!({"secrets": ["no spaces"]}), "/grants/secrets/0", "name"),
        (json!({"kv": [""]}), "/grants/kv/0", "name"),
        (json!({"config": {"a": 1}}), "/grants/config/a", "text"),
        (json!({"files": ["/"]}), "/grants/files", "unknown field"),
    ] {
        let reply = host.put("/v1/kinds/http/settings", &json!({"grants": grants}));
        let problem = reply.expect_problem(422);
        let said = problem["errors"].to_string();
        assert!(said.contains(words) && said.contains(pointer), "{grants}: {problem:#}");
    }
    assert_eq!(grants_of(&host, "http")["granted"], json!({}));
    // Whoever runs the host may.
    host.set_kind("http", &json!({"grants": {"http": ["*"]}}));
    assert_eq!(grants_of(&host, "http")["missing"], json!({}));
}

#[test]
fn what_reaches_beyond_a_tenant_is_an_admins_to_grant() {
    let admin = TestHost::builder().admin_key("0123456789abcdef0123456789abcdef").start();
    admin.upload(Guest::Handlers);
    let key = admin.post("/v1/keys", &json!({"name": "op", "role": "operator"})).expect(201)["key"].clone();
    let operator = admin.with_key(key.as_str());
    let settings = "/v1/kinds/http/settings";
    operator.put(settings, &json!({"grants": {"http": ["api.example.com", "8.8.8.8"]}})).expect_status(200);
    for (pattern, words) in [
        ("*", "every host"),
        ("127.0.0.1:7700", "loopback"),
        ("http://169.254.169.254", "metadata"),
        ("[fd00::1]:80", "private"),
        ("[::ffff:10.0.0.1]:80", "private"),
    ] {
        let grants = json!({"grants": {"http": [pattern]}});
        operator.put(settings, &grants).expect_problem_saying(422, &[words, "only an admin"]);
        admin.put(settings, &grants).expect_status(200);
        // What an admin granted stays when an operator sets something else.
        let headers = [("content-type", "application/merge-patch+json")];
        operator.request("PATCH", settings, &headers, Some(br#"{"timeout": "5s"}"#)).expect_status(200);
        assert_eq!(
            admin.get("/v1/kinds/http").expect(200)["grants"]["granted"]["http"].as_array().map(Vec::len),
            Some(1)
        );
        operator.put(settings, &json!({})).expect_status(200);
    }
}

#[test]
fn values_are_read_as_they_are_given() {
    let host = started();
    let asks = json!({"names": ["greeting", "none"]});
    // What a module suggests is not what it gets.
    let closed = ran(&host, "config", &asks);
    assert_eq!(closed["output"], json!({"values": [null, null], "all": {}}));
    host.set_kind("config", &json!({"grants": {"config": {"greeting": "Grüezi", "colour": ""}}}));
    let open = ran(&host, "config", &asks);
    assert_eq!(open["output"], json!({"values": ["Grüezi", null], "all": {"colour": "", "greeting": "Grüezi"}}));
    assert!(open["receipt"]["host_calls"].as_u64() >= Some(3), "{open:#}");
    assert_eq!(host.attempts(&job_id(&open))[0]["denied"], json!([]));
    // Another kind of the same module has its own.
    assert_eq!(grants_of(&host, "http")["granted"], json!({}));
}

#[test]
fn nothing_goes_through_sockets() {
    let host = started();
    host.set_kind("sockets", &json!({"grants": {"http": ["*"]}, "max_attempts": 1}));
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let to = listener.local_addr().unwrap().to_string();
    let coped = ran(&host, "sockets", &json!({"to": to}));
    for way in ["connect", "listen", "udp", "lookup"] {
        assert!(coped["output"][way].is_string(), "{way} got through: {coped:#}");
    }
    assert_eq!(host.attempts(&job_id(&coped))[0]["denied"], json!(["sockets"]));
    let failed = host.run_failing("sockets", &json!({"to": to, "fail": true}), "capability_denied");
    assert!(failed["error"]["message"].as_str().unwrap().contains("sockets"), "{failed:#}");
    listener.set_nonblocking(true).unwrap();
    assert!(listener.accept().is_err(), "somebody came");
}

#[test]
fn a_denied_job_is_not_tried_again_unless_its_kind_says_so() {
    let host = started();
    let payload = json!({"must": true, "requests": [{"url": "https://api.example.com/"}]});
    let failed = host.run_failing("http", &payload, "capability_denied");
    assert_eq!(failed["attempt"], 1);
    host.set_kind(
        "http",
        &json!({"retry_on": ["capability_denied"], "retry": {"strategy": "fixed", "delay": 1}, "max_attempts": 2}),
    );
    let failed = host.run(&json!({"kind": "http", "payload": payload}));
    assert_eq!(failed["error"]["reason"], "capability_denied");
    assert_eq!(failed["attempt"], 2);
}

#[test]
fn what_is_asked_and_not_granted_is_told_where_a_version_comes() {
    let host = TestHost::start();
    let uploaded = host.upload(Guest::Handlers);
    let missing = json!([
        {"kind": "config", "missing": {"config": {"greeting": "Hello"}}},
        {"kind": "http", "missing": {"http": ["api.example.com", "*.example.org:8443"]}},
    ]);
    assert_eq!(uploaded["not_granted"], missing, "{uploaded:#}");
    host.set_kind("http", &json!({"grants": {"http": ["api.example.com", "*.example.org:8443"]}}));
    let activate = json!({"digest": uploaded["digest"]});
    let activated = host.post("/v1/modules/handlers/activate", &activate).expect(200);
    assert_eq!(activated["not_granted"].as_array().unwrap().len(), 1, "{activated:#}");
    let digest = uploaded["digest"].as_str().unwrap();
    let changes = host.get(&format!("/v1/modules/handlers/versions/{digest}/changes")).expect(200);
    let of =
        |kind: &str| changes["kinds"].as_array().unwrap().iter().find(|known| known["kind"] == kind).unwrap().clone();
    assert_eq!(of("config")["not_granted"], json!(["config greeting"]), "{changes:#}");
    assert_eq!(of("http")["not_granted"], json!([]));

    // A plain command asks in its settings; another version that asks for more is told by its changes and by `deploy`.
    let wasm = core_module(r#"(module (memory (export "memory") 1) (func (export "_start")))"#);
    let asking = with_settings(wasm.clone(), &json!({"grants": {"secrets": ["stripe-key"], "kv": ["sessions"]}}));
    host.upload_bytes("plain", &wasm);
    let later = host
        .request("PUT", "/v1/modules/plain?activate=false", &[("content-type", "application/wasm")], Some(&asking))
        .expect(201);
    let digest = later["digest"].as_str().unwrap();
    let changes = host.get(&format!("/v1/modules/plain/versions/{digest}/changes")).expect(200);
    let settings = changes["kinds"][0]["settings"].to_string();
    assert!(settings.contains("asks for `secret stripe-key` now") && settings.contains("not granted"), "{changes:#}");
    let file = host.home().join("plain.wasm");
    std::fs::write(&file, &asking).unwrap();
    let told = run_stoker(&["deploy", file.to_str().unwrap(), "--url", host.url()], &[], host.home(), b"");
    assert!(told.stdout.contains("kv sessions") || told.stderr.contains("kv sessions"), "{told:?}");
    assert!(grants_of(&host, "plain")["missing"]["secrets"][0] == "stripe-key");
}

#[test]
fn a_run_without_a_host_has_the_grants_it_is_given() {
    let wasm = Guest::Handlers.path();
    let run = |arguments: &[&str]| {
        let mut all = vec!["run", wasm.to_str().unwrap()];
        all.extend_from_slice(arguments);
        run_stoker(&all, &[], Path::new("."), b"")
    };
    let given = run(&["config", r#"{"names":["greeting"]}"#, "--grant", "config=greeting=Hi", "--json"]);
    let report: Value = serde_json::from_str(&given.stdout).unwrap();
    assert_eq!(report["output"]["values"], json!(["Hi"]), "{given:?}");
    let denied = run(&["http", r#"{"must":true,"requests":[{"url":"http://127.0.0.1:9/"}]}"#, "--json"]);
    let report: Value = serde_json::from_str(&denied.stdout).unwrap();
    assert_eq!(report["error"]["reason"], "capability_denied", "{denied:?}");
    assert_eq!(report["denied"], json!(["http 127.0.0.1:9"]));
    let tried = run(&[
        "http",
        r#"{"requests":[{"url":"http://127.0.0.1:1/"}]}"#,
        "--grant",
        "http=http://127.0.0.1:1",
        "--json",
    ]);
    let report: Value = serde_json::from_str(&tried.stdout).unwrap();
    assert_eq!((&report["output"][0]["error"], &report["denied"]), (&json!("failed"), &json!([])), "{tried:?}");
    let wrong = run(&["http", "{}", "--grant", "http=*.com"]);
    assert!(wrong.stderr.contains("anybody can get a name"), "{wrong:?}");
}
