//! The upload pipeline: what is refused and how it is told, versions, what a change of version means for jobs.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use serde_json::{Value, json};
use stoker_tests::{
    CommandModule, Guest, HandlerModule, KindOf, TestHost, core_module, is_terminal, raw_request, reason_of, state_of,
};

/// A module's size above the default cap of 64 MiB.
const TOO_LARGE_BYTES: usize = 65 << 20;

#[test]
fn what_is_no_module_is_refused_with_the_byte() {
    let host = TestHost::start();
    let valid = CommandModule::printing("1").wasm();
    let cut = &valid[..valid.len() - 1];
    let mut damaged = valid.clone();
    damaged[20] ^= 0xff;
    for (name, bytes) in
        [("text", &b"this is not WebAssembly"[..]), ("empty", b""), ("cut", cut), ("damaged", &damaged)]
    {
        let problem = host.put_module(name, bytes).expect_problem_saying(422, &["byte"]);
        assert_eq!(problem["code"], "malformed_module", "{name}: {problem:#}");
        assert!(problem["detail"].as_str().unwrap().contains(|c: char| c.is_ascii_digit()), "{problem:#}");
        host.get(&format!("/v1/modules/{name}")).expect_problem(404);
    }
}

#[test]
fn imports_the_host_lacks_are_named() {
    let host = TestHost::start();
    let wasm = core_module(
        r#"(module
            (import "wasi_snapshot_preview1" "proc_exit" (func (param i32)))
            (import "env" "launch_missiles" (func))
            (memory (export "memory") 1)
            (func (export "_start")))"#,
    );
    let problem = host.put_module("missiles", &wasm).expect_problem_saying(422, &["env", "launch_missiles"]);
    assert_eq!(problem["code"], "unknown_imports");
    assert!(!problem["detail"].as_str().unwrap().contains("proc_exit"), "{problem:#}");
    let wasm = core_module(
        r#"(module
            (import "wasi_snapshot_preview1" "no_such_call" (func))
            (memory (export "memory") 1)
            (func (export "_start")))"#,
    );
    host.put_module("missiles", &wasm).expect_problem_saying(422, &["no_such_call"]);
    let wasm = core_module(r#"(component (import "acme:rockets/launch@1.0.0" (instance (export "go" (func)))))"#);
    host.put_module("missiles", &wasm).expect_problem(422);
}

#[test]
fn a_module_without_an_entry_is_refused() {
    let host = TestHost::start();
    let wasm = core_module(r#"(module (memory (export "memory") 1) (func (export "main")))"#);
    let problem = host.put_module("no-entry", &wasm).expect_problem_saying(422, &["_start"]);
    assert_eq!(problem["code"], "no_entry");
    host.put_module("no-entry", &core_module("(component)")).expect_problem(422);
    let wasm = r#"(module (memory (export "memory") 1) (func (export "_start") (result i32) i32.const 0))"#;
    let problem = host.put_module("no-entry", &core_module(wasm)).expect_problem_saying(422, &["_start", "results"]);
    assert_eq!(problem["code"], "no_entry");
}

#[test]
fn a_module_that_could_never_be_instantiated_is_refused_with_what_it_needs() {
    let host = TestHost::start();
    let refused = |inside: &str, words: &[&str]| {
        let wasm = core_module(&format!(r#"(module {inside} (func (export "_start")))"#));
        let problem = host.put_module("large", &wasm).expect_problem_saying(422, words);
        assert_eq!(problem["code"], "module_limits");
    };
    refused(r#"(memory (export "memory") 16385)"#, &["memory", "1GiB", "memory_max"]);
    refused(r#"(memory (export "memory") 1) (table 20001 funcref)"#, &["table", "20001", "20000"]);
    // Found by the engine.
    refused(&format!(r#"(memory (export "memory") 1) {}"#, "(table 1 funcref)".repeat(50)), &["table", "50"]);
}

/// 2 MB that take half a minute and more to validate: each target of a jump is compared with the thousand results of the
/// block it leaves.
fn slow_to_validate() -> Vec<u8> {
    let results = "i32 ".repeat(1_000);
    let jumps = "0 ".repeat(100_000);
    let function = format!("(func (type $r) (block (type $r) unreachable (br_table {jumps})))");
    core_module(&format!(
        r#"(module (type $r (func (result {results}))) (memory (export "memory") 1) (func (export "_start")) {})"#,
        function.repeat(20)
    ))
}

#[cfg(target_os = "linux")]
#[test]
fn what_takes_too_long_to_validate_is_refused_and_costs_the_host_nothing() {
    let host = TestHost::builder().flag("--compile-timeout", "5s").start();
    let problem = host
        .put_module("slow", &slow_to_validate())
        .expect_problem_saying(422, &["validating", "5s", "compile_timeout"]);
    assert_eq!(problem["code"], "compile_failed");
    host.get("/v1/modules/slow").expect_problem(404);
    let spent = cpu_seconds(host.pid());
    assert!(spent < 8, "the host itself worked for {spent} s");
    host.upload_bytes("quick", &CommandModule::printing("1").wasm());
    assert_eq!(host.run_kind("quick", &json!(null)), 1);
}

/// Of the kernel's accounting, on every Linux there is.
#[cfg(target_os = "linux")]
const TICKS_PER_SECOND: u64 = 100;

/// Processor time that a process has used, without its children's.
#[cfg(target_os = "linux")]
fn cpu_seconds(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    // Fields 14 and 15 of proc(5), counted after the name, which may hold anything.
    let (_, fields) = stat.rsplit_once(')').unwrap();
    let ticks: u64 = fields.split_ascii_whitespace().skip(11).take(2).map(|ticks| ticks.parse::<u64>().unwrap()).sum();
    ticks / TICKS_PER_SECOND
}

#[test]
fn a_module_over_the_cap_is_refused_before_it_is_read_whole() {
    let host = TestHost::start();
    let authority = host.authority().to_owned();
    let host_line = format!("host: {authority}");
    let length = format!("content-length: {TOO_LARGE_BYTES}");
    // Nothing of the body is sent: the length alone has to do.
    let reply = raw_request(&authority, &["PUT /v1/modules/big HTTP/1.1", &host_line, &length], []);
    assert_eq!(reply.status, 413, "{}", reply.text);
    assert!(reply.text.contains("application/problem+json"), "{}", reply.text);
    // And without a length, while it comes.
    let piece = [b"10000\r\n".as_slice(), &vec![0; 0x10000], b"\r\n"].concat();
    let pieces = std::iter::repeat_n(piece.as_slice(), TOO_LARGE_BYTES / 0x10000 + 1);
    let head = ["PUT /v1/modules/big HTTP/1.1", &host_line, "transfer-encoding: chunked"];
    let reply = raw_request(&authority, &head, pieces);
    // A reset may overtake the answer: then the connection just ends.
    assert!(matches!(reply.status, 413 | 0), "{}", reply.text);
    host.get("/v1/modules/big").expect_problem(404);
}

#[test]
fn a_describe_that_lies_is_refused() {
    let host = TestHost::start();
    let lies = [
        ("twins", HandlerModule::serving([KindOf::any("twin"), KindOf::any("twin")]), "twin"),
        ("none", HandlerModule::serving([]), ""),
        ("traps", HandlerModule::serving([KindOf::any("a")]).trapping_in_describe(), ""),
        ("name", HandlerModule::serving([KindOf::any("no spaces please")]), "no spaces"),
        ("text", HandlerModule::serving([KindOf::any("a").input("{\"type\":")]), "schema"),
        ("type", HandlerModule::serving([KindOf::any("a").input(r#"{"type":"banana"}"#)]), "schema"),
        ("output", HandlerModule::serving([KindOf::any("a").output(r#"{"required":7}"#)]), "schema"),
        ("remote", HandlerModule::serving([KindOf::any("a").input(r#"{"$ref":"http://127.0.0.1:9/s"}"#)]), ""),
        ("settings", HandlerModule::serving([KindOf::any("a").settings(r#"{"colour":"red"}"#)]), "colour"),
        ("json", HandlerModule::serving([KindOf::any("a").settings("{")]), "settings"),
    ];
    for (name, module, word) in lies {
        let problem = host.put_module(name, &module.wasm()).expect_problem_saying(422, &[word]);
        assert_eq!(problem["code"], "describe_failed", "{name}: {problem:#}");
        host.get(&format!("/v1/modules/{name}")).expect_problem(404);
        host.get("/v1/kinds/a").expect_problem(404);
    }
}

#[test]
fn liars_built_like_any_guest_are_refused() {
    let host = TestHost::start();
    for lie in [
        "duplicate-kind",
        "invalid-schema",
        "trap-in-describe",
        "endless-describe",
        "bad-kind-name",
        "bad-settings",
        "schema-not-json",
        "no-kinds",
    ] {
        let problem = host.put_module(lie, &Guest::Liar(lie).wasm()).expect_problem(422);
        assert_eq!(problem["code"], "describe_failed", "{lie}: {problem:#}");
        // What helps a job that meets a limit is no help here.
        assert!(lie == "bad-settings" || !problem.to_string().contains("settings"), "{lie}: {problem:#}");
    }
}

#[test]
fn a_kind_belongs_to_one_module() {
    let host = TestHost::start();
    host.upload_bytes("first", &HandlerModule::serving([KindOf::any("shared")]).wasm());
    let second = HandlerModule::serving([KindOf::any("own"), KindOf::any("shared")]).wasm();
    let problem = host.put_module("second", &second).expect_problem_saying(409, &["shared", "first"]);
    assert_eq!(problem["code"], "kind_owned");
    host.get("/v1/kinds/own").expect_problem(404);
    // A plain command's kind is its name.
    host.put_module("shared", &CommandModule::printing("1").wasm()).expect_problem(409);
    host.delete("/v1/modules/first").expect_status(204);
    host.upload_bytes("second", &second);
}

#[test]
fn names_are_checked() {
    let host = TestHost::start();
    let wasm = CommandModule::printing("1").wasm();
    for name in ["%20", ".hidden", "a%2Fb", &"x".repeat(129), "%F0%9F%98%80"] {
        let reply = host.put_module(name, &wasm);
        assert!(matches!(reply.status, 404 | 422), "{reply}");
        reply.clone().expect_problem(reply.status);
    }
}

#[test]
fn versions_are_kept_activated_downloaded_and_deleted() {
    let host = TestHost::start();
    let (one, two) = (CommandModule::printing("1").wasm(), CommandModule::printing("2").wasm());
    let first = host.upload_bytes("counter", &one);
    for field in ["name", "digest", "size_bytes", "kinds", "imports", "compile_ms", "active"] {
        assert!(!first[field].is_null(), "no `{field}`: {first:#}");
    }
    assert_eq!((&first["size_bytes"], &first["active"]), (&json!(one.len()), &json!(true)));
    assert_eq!(host.run_kind("counter", &json!(null)), json!(1));

    let second = host.upload_bytes("counter", &two);
    assert_ne!(first["digest"], second["digest"]);
    assert_eq!(host.run_kind("counter", &json!(null)), json!(2));
    // The same bytes again: nothing new.
    assert_eq!(host.put_module("counter", &two).expect(200)["digest"], second["digest"]);

    let versions = host.get("/v1/modules/counter/versions").expect(200);
    assert_eq!(versions["items"].as_array().unwrap().len(), 2, "{versions:#}");
    let digest_of = |module: &Value| module["digest"].as_str().unwrap().to_owned();
    let (first, second) = (digest_of(&first), digest_of(&second));
    let wasm = host.get(&format!("/v1/modules/counter/versions/{first}/wasm")).expect_status(200);
    assert!(wasm.body == one, "{} bytes came back of {}", wasm.body.len(), one.len());

    // Rolled back at once; the attempt tells what ran.
    host.post("/v1/modules/counter/activate", &json!({"digest": first})).expect(200);
    let job = host.run(&json!({"kind": "counter", "payload": null}));
    assert_eq!((&job["output"], &job["module"]["digest"]), (&json!(1), &json!(first)), "{job:#}");

    host.delete(&format!("/v1/modules/counter/versions/{first}")).expect_problem(409);
    host.delete(&format!("/v1/modules/counter/versions/{second}")).expect_status(204);
    host.get(&format!("/v1/modules/counter/versions/{second}/wasm")).expect_problem(404);
    let unknown = format!("sha256:{}", "0".repeat(64));
    host.post("/v1/modules/counter/activate", &json!({"digest": unknown})).expect_problem(404);
    host.post("/v1/modules/counter/activate", &json!({"digest": "sha256:xyz"})).expect_problem(422);
    host.post("/v1/modules/nobody/activate", &json!({"digest": first})).expect_problem(404);
    host.delete("/v1/modules/counter").expect_status(204);
    host.get("/v1/modules/counter").expect_problem(404);
}

#[test]
fn jobs_keep_the_kinds_they_need() {
    let mut host = TestHost::builder().workers(0).start();
    let both = HandlerModule::serving([KindOf::any("kept"), KindOf::any("dropped")]).wasm();
    let one = HandlerModule::serving([KindOf::any("kept")]).answering("1").wasm();
    host.upload_bytes("module", &both);
    let id = host.enqueue_kind("dropped", &json!(null));

    let problem = host.put_module("module", &one).expect_problem_saying(409, &["dropped", "force"]);
    assert_eq!(problem["code"], "kinds_needed");
    host.delete("/v1/modules/module").expect_problem_saying(409, &["dropped"]);

    // By force the job waits, and says for what.
    let headers = [("content-type", "application/wasm")];
    host.request("PUT", "/v1/modules/module?force=true", &headers, Some(&one)).expect(201);
    host.restart_with(|builder| builder.workers(2));
    let job = host.wait_until(&id, "no_handler", |job| job["waiting"]["reason"] == "no_handler");
    assert_eq!(state_of(&job), "ready", "{job:#}");
    assert!(job["waiting"]["detail"].as_str().unwrap().contains("dropped"), "{job:#}");

    // The kind comes back, and the job runs.
    assert_eq!(host.put_module("module", &both).status, 200);
    host.wait_for(&id, "succeeded");
}

#[test]
fn a_payload_is_checked_again_when_the_version_changed() {
    let mut host = TestHost::builder().workers(0).start();
    let text = HandlerModule::serving([KindOf::any("typed").input(r#"{"type":"string"}"#)]).answering("\"text\"");
    let number = HandlerModule::serving([KindOf::any("typed").input(r#"{"type":"number"}"#)]).answering("\"number\"");
    host.upload_bytes("typed-module", &text.wasm());
    host.post("/v1/jobs", &json!({"kind": "typed", "payload": 7})).expect_problem(422);
    let id = host.enqueue_kind("typed", &json!("seven"));

    let old = host.get("/v1/modules/typed-module").expect(200)["digest"].clone();
    host.upload_bytes("typed-module", &number.wasm());
    host.post("/v1/jobs", &json!({"kind": "typed", "payload": "seven"})).expect_problem(422);
    host.restart_with(|builder| builder.workers(2));
    let job = host.wait_end(&id);
    assert_eq!((state_of(&job), reason_of(&job)), ("failed", "invalid_payload"), "{job:#}");
    assert!(job["started_at"].is_null() || job["output"].is_null(), "{job:#}");

    // Rolled back, it can be redriven.
    host.post("/v1/modules/typed-module/activate", &json!({"digest": old})).expect(200);
    host.act(&format!("/v1/jobs/{id}/retry")).expect(200);
    assert_eq!(host.wait_for(&id, "succeeded")["output"], "text");
}

#[test]
fn an_upload_does_not_hold_up_jobs() {
    let host = TestHost::start();
    host.upload(Guest::Hello);
    let api = host.api();
    let uploading = std::thread::spawn(move || api.upload(Guest::Handlers));
    let mut ran = 0;
    while !uploading.is_finished() {
        host.assert_still_runs();
        ran += 1;
    }
    uploading.join().unwrap();
    println!("{ran} jobs ran during the upload");
    assert!(ran > 0);
}

#[test]
fn settings_of_a_kind_are_layered_and_checked() {
    let host = TestHost::start();
    let module = HandlerModule::serving([KindOf::any("set").settings(r#"{"queue":"slow","timeout":"45s"}"#)]);
    host.upload_bytes("settings", &module.wasm());
    let kind = host.get("/v1/kinds/set").expect(200);
    assert_eq!((&kind["settings"]["queue"], &kind["settings"]["timeout"]), (&json!("slow"), &json!("45s")), "{kind:#}");
    host.set_kind("set", &json!({"queue": "fast", "max_attempts": 3}));
    let kind = host.get("/v1/kinds/set").expect(200);
    let settings = &kind["settings"];
    assert_eq!((&settings["queue"], &settings["timeout"]), (&json!("fast"), &json!("45s")), "{kind:#}");
    let job = host.run(&json!({"kind": "set", "payload": 1}));
    assert_eq!((&job["queue"], &job["max_attempts"]), (&json!("fast"), &json!(3)), "{job:#}");

    for (settings, word) in [
        (json!({"colour": "red"}), "colour"),
        (json!({"priority": 10}), "priority"),
        (json!({"max_attempts": 0}), "max_attempts"),
        (json!({"timeout": "-1s"}), "timeout"),
        (json!({"timeout": "2h"}), "ceiling"),
        (json!({"memory": 2u64 << 30}), "ceiling"),
        (json!({"fuel": 0}), "fuel"),
        (json!({"retry": {"strategy": "sometimes"}}), "strategy"),
        (json!({"retry": {"strategy": "list", "delays": []}}), "delays"),
        (json!({"retry_on": ["boredom"]}), "retry_on"),
        (json!({"stdin": "xml"}), "stdin"),
    ] {
        host.put("/v1/kinds/set/settings", &settings).expect_problem_saying(422, &[word]);
    }
    host.put("/v1/kinds/nobody/settings", &json!({})).expect_problem(404);

    // Less than the module begins with, as where a unit was forgotten: no job of it could run.
    let starved = HandlerModule::serving([KindOf::any("set").settings(r#"{"memory":64}"#)]);
    let refused = host.put_module("settings", &starved.wasm());
    refused.expect_problem_saying(422, &["`set`", "64B", "8MiB", "unit"]);
    assert!(is_terminal(state_of(&job)));
}

#[test]
fn only_what_calls_itself_a_module_is_taken_for_one() {
    let host = TestHost::start();
    let module = CommandModule::printing("1").wasm();
    let put = |headers: &[(&str, &str)], body: &[u8]| host.request("PUT", "/v1/modules/m", headers, Some(body));
    for sent in ["application/x-www-form-urlencoded", "application/json", "text/plain; charset=utf-8", ""] {
        let problem = put(&[("content-type", sent)], &module).expect_problem_saying(415, &["application/wasm"]);
        assert_eq!(problem["code"], "unsupported_media_type", "{sent}");
    }
    // The client gets to see why, however much it sends.
    put(&[("content-type", "text/plain")], &vec![0; 32 << 20]).expect_problem(415);
    put(&[("content-type", "application/wasm")], &module).expect_status(201);
    put(&[("content-type", "Application/Octet-Stream")], &module).expect_status(200);
    // `curl -T` says nothing.
    let length = format!("content-length: {}", module.len());
    let head = ["PUT /v1/modules/m HTTP/1.1", "host: localhost", &length];
    assert_eq!(raw_request(host.authority(), &head, [module.as_slice()]).status, 200);
}

#[test]
fn settings_of_commands_are_refused_on_a_handlers_kind() {
    let host = TestHost::start();
    host.upload_bytes("handler", &HandlerModule::serving([KindOf::any("handled")]).answering("1").wasm());
    host.upload_bytes("command", &CommandModule::printing("1").wasm());
    for settings in [
        json!({"stdin": "text"}),
        json!({"stdout": "bytes"}),
        json!({"args": ["-x"]}),
        json!({"env": {"A": "b"}}),
        json!({"exit_failure": "fatal"}),
    ] {
        let field = format!("/{}", settings.as_object().unwrap().keys().next().unwrap());
        let words = [field.as_str(), "plain commands", "leave it out"];
        host.put("/v1/kinds/handled/settings", &settings).expect_problem_saying(422, &words);
        host.put("/v1/kinds/command/settings", &settings).expect_status(200);
    }
    assert_eq!(host.get("/v1/kinds/handled").expect(200)["operator_settings"], json!({}));
}
