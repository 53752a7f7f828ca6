//! Plain WASI commands: exit codes, what goes in and out, arguments, environment; and two programs nobody here wrote.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use stoker_tests::{CommandModule, Guest, TestHost, job_id, reason_of, state_of, workspace_root};

#[test]
fn exit_codes_of_a_core_command_are_exact() {
    let host = TestHost::start();
    host.upload(Guest::ExitCode);
    let run = |code: i32| host.run(&json!({"kind": "exit-code", "payload": {"code": code}, "max_attempts": 2}));
    host.set_kind("exit-code", &json!({"retry": {"strategy": "fixed", "delay": 1}}));
    for (code, state, attempts) in
        [(0, "succeeded", 1), (75, "failed", 2), (65, "failed", 1), (1, "failed", 2), (125, "failed", 2)]
    {
        let job = run(code);
        assert_eq!((state_of(&job), job["attempt"].as_i64().unwrap()), (state, attempts), "exit {code}: {job:#}");
        if code == 0 {
            assert_eq!(job["output"], json!({"exit": 0}));
        } else {
            assert_eq!(reason_of(&job), "handler_error", "{job:#}");
            assert!(job["error"].to_string().contains(&code.to_string()), "the code is not told: {job:#}");
            assert!(job["error"].to_string().contains("exiting with"), "stderr is not told: {job:#}");
        }
    }
    host.set_kind("exit-code", &json!({"exit_failure": "fatal", "retry": {"strategy": "fixed", "delay": 1}}));
    assert_eq!(run(1)["attempt"], 1, "exit_failure: fatal");
    assert_eq!(run(75)["attempt"], 2, "75 means retry whatever exit_failure says");
}

#[test]
fn a_component_command_can_tell_success_from_failure_only() {
    let host = TestHost::start();
    host.upload(Guest::ExitCodeComponent);
    let kind = Guest::ExitCodeComponent.module_name();
    host.set_kind(kind, &json!({"exit_failure": "fatal"}));
    let job = host.run(&json!({"kind": kind, "payload": {"code": 0}}));
    assert_eq!((state_of(&job), &job["output"]), ("succeeded", &json!({"exit": 0})), "{job:#}");
    let job = host.run(&json!({"kind": kind, "payload": {"code": 75}}));
    assert_eq!((state_of(&job), reason_of(&job), &job["attempt"]), ("failed", "handler_error", &json!(1)), "{job:#}");

    host.upload(Guest::CatComponent);
    let payload = json!({"any": ["thing", 1.5]});
    assert_eq!(host.run_kind(Guest::CatComponent.module_name(), &payload), payload);
}

#[test]
fn payloads_go_in_and_outputs_come_out_in_the_formats_of_the_kind() {
    let host = TestHost::start();
    host.upload(Guest::Cat);
    let payload = json!({"text": "größe \u{1F600}", "list": [1, 2.5, null]});
    assert_eq!(host.run_kind("cat", &payload), payload);

    let kind = host.get("/v1/kinds/cat").expect(200);
    for (name, value) in [
        ("stdin", json!("json")),
        ("stdout", json!("json")),
        ("args", json!([])),
        ("env", json!({})),
        ("exit_failure", json!("retry")),
    ] {
        assert_eq!(
            (&kind["settings"][name], &kind["settings_from"][name]),
            (&value, &json!("host")),
            "{name}: {kind:#}"
        );
    }
    host.set_kind("cat", &json!({"stdin": "text", "stdout": "text"}));
    let text = "no JSON: \"quoted\"\nsecond line ü";
    assert_eq!(host.run_kind("cat", &json!(text)), json!(text));
    for payload in [json!({"not": "text"}), json!(null)] {
        let refused = host.post("/v1/jobs", &json!({"kind": "cat", "payload": payload}));
        let problem = refused.expect_problem_saying(422, &["JSON string", "stdin"]);
        assert_eq!(
            (&problem["code"], &problem["errors"][0]["pointer"]),
            (&json!("invalid_payload"), &json!("/payload"))
        );
    }
    assert_eq!(host.get("/v1/kinds/cat").expect(200)["input_schema"], json!({"type": "string"}));

    host.set_kind("cat", &json!({"stdin": "text", "stdout": "bytes"}));
    assert_eq!(host.run_kind("cat", &json!("abc")), json!(STANDARD.encode("abc")));

    host.set_kind("cat", &json!({"stdin": "text", "stdout": "json"}));
    assert_eq!(host.run_kind("cat", &json!("  [1, 2]\n")), json!([1, 2]));
    host.run_failing("cat", &json!("[1, 2"), "invalid_output");
    host.run_failing("cat", &json!(""), "invalid_output");
}

#[test]
fn output_that_is_no_json_or_no_text_has_its_reason() {
    let host = TestHost::start();
    host.upload(Guest::NotJson);
    host.run_failing("not-json", &json!(null), "invalid_output");
    host.set_kind("not-json", &json!({"stdout": "text"}));
    assert_eq!(host.run_kind("not-json", &json!(null)), json!("this is not JSON\n"));
    host.upload(Guest::NotUtf8);
    host.set_kind("not-utf8", &json!({"stdout": "text"}));
    host.run_failing("not-utf8", &json!(null), "invalid_output");
    host.set_kind("not-utf8", &json!({"stdout": "bytes"}));
    assert_eq!(host.run_kind("not-utf8", &json!(null)), json!(STANDARD.encode([0xff, 0xfe, 0x00, 0x80])));
}

#[test]
fn arguments_and_environment_are_the_kinds_and_nothing_else() {
    let host = TestHost::builder().env("SECRET_OF_THE_HOST", "hush").start();
    host.upload(Guest::EnvArgs);
    host.set_kind("env-args", &json!({"args": ["--flag", "two words"], "env": {"COLOUR": "blue"}}));
    let job = host.run(&json!({"kind": "env-args", "payload": null}));
    let output = &job["output"];
    let args = output["args"].as_array().unwrap();
    assert_eq!(args[1..], [json!("--flag"), json!("two words")], "{output:#}");
    let expected = json!({
        "COLOUR": "blue",
        "STOKER_JOB_ID": job_id(&job),
        "STOKER_ATTEMPT": "1",
        "STOKER_TENANT": "default",
        "STOKER_KIND": "env-args",
    });
    assert_eq!(output["env"], expected);
}

#[test]
fn commands_meet_the_same_limits_as_handlers() {
    let host = TestHost::start();
    host.upload(Guest::Hello);
    for (guest, settings, reason) in [
        (Guest::Busy, json!({"timeout": 400, "fuel": 1_000_000_000_000u64}), "timeout"),
        (Guest::Sleep, json!({"timeout": 400}), "timeout"),
        (Guest::Flood, json!({}), "output_too_large"),
        (Guest::Abort, json!({}), "trap"),
        (Guest::EatMemory, json!({"memory": 32 << 20}), "memory_exceeded"),
    ] {
        host.upload(guest);
        host.set_kind(guest.module_name(), &settings);
        host.run_failing(guest.module_name(), &json!(null), reason);
        host.assert_still_runs();
    }
    host.set_kind("busy", &json!({"timeout": "30s", "fuel": 20_000_000}));
    host.run_failing("busy", &json!(null), "fuel_exhausted");
    let job = host.run_failing("abort", &json!(null), "trap");
    assert!(format!("{}", job["error"]).contains("aborting on purpose"), "stderr is not told: {job:#}");
}

#[test]
fn a_command_reaches_neither_files_nor_network() {
    let host = TestHost::start();
    host.upload(Guest::ReadFile);
    // It catches what is refused and tells of it.
    let output = host.run_kind("read-file", &json!(null));
    assert_eq!((&output["file"], &output["network"]), (&json!(false), &json!(false)), "{output:#}");
    assert!(output["why"][0].is_string() && output["why"][1].is_string(), "{output:#}");
}

#[test]
fn a_command_of_a_few_instructions_runs_too() {
    let host = TestHost::start();
    host.upload_bytes("tiny", &CommandModule::printing("{\"n\":1}").wasm());
    assert_eq!(host.run_kind("tiny", &json!(null)), json!({"n": 1}));
    host.upload_bytes("tiny-fatal", &CommandModule::printing("").exiting(65).wasm());
    host.run_failing("tiny-fatal", &json!(null), "handler_error");
}

/// What `cargo metadata` says of this very workspace.
fn cargo_metadata() -> Value {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = std::process::Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(workspace_root())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn jaq_as_its_authors_wrote_it() {
    let host = TestHost::start();
    host.upload(Guest::Jaq);
    host.set_kind("jaq", &json!({"args": ["[.packages[] | {name, targets: (.targets | length)}] | sort_by(.name)"]}));
    let metadata = cargo_metadata();
    let output = host.run_kind("jaq", &metadata);
    let mut expected: Vec<Value> = metadata["packages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|package| json!({"name": package["name"], "targets": package["targets"].as_array().unwrap().len()}))
        .collect();
    expected.sort_by_key(|package| package["name"].as_str().unwrap().to_owned());
    assert_eq!(output, json!(expected));

    host.set_kind("jaq", &json!({"args": ["this is no filter ((("], "exit_failure": "fatal"}));
    let job = host.run_failing("jaq", &json!({}), "handler_error");
    assert!(job["error"]["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "jaq's own words: {job:#}");
}

#[test]
fn pulldown_cmark_as_its_authors_wrote_it() {
    let host = TestHost::start();
    host.upload(Guest::PulldownCmark);
    host.set_kind("pulldown-cmark", &json!({"stdin": "text", "stdout": "text"}));
    let html = host.run_kind("pulldown-cmark", &json!("# Title\n\n*a* < `b`\n\n1. one\n2. two\n"));
    let expected = "<h1>Title</h1>\n<p><em>a</em> &lt; <code>b</code></p>\n<ol>\n<li>one</li>\n<li>two</li>\n</ol>\n";
    assert_eq!(html.as_str().unwrap().trim_end(), expected.trim_end());
}
