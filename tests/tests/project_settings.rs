//! The `[settings]` of a project's `handler.toml` on their way: into the module's bytes, to the host, back by a rollback, and
//! the same for `stoker run`.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::Path;

use serde_json::{Value, json};
use stoker_tests::{DEADLINE, Exited, Guest, TestHost, eventually, job_id, run_stoker, state_of, workspace_root};

/// A project `cat` in the host's home that copies what a compiler made before.
fn project(host: &TestHost, settings: &str) {
    let folder = host.home().join("cat");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::copy(Guest::Cat.path(), folder.join("made.wasm")).unwrap();
    let manifest =
        format!("name = \"cat\"\nbuild = [\"cp\", \"made.wasm\", \"cat.wasm\"]\nwasm = \"cat.wasm\"\n{settings}");
    std::fs::write(folder.join("handler.toml"), manifest).unwrap();
}

fn stoker(host: &TestHost, args: &[&str]) -> Exited {
    let cache = host.home().join("cache").display().to_string();
    run_stoker(args, &[("STOKER_URL", host.url()), ("XDG_CACHE_HOME", &cache)], host.home(), b"")
}

fn json_of(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("not JSON ({error}): {text}"))
}

/// What is in force for the kind, and who said so; one setting after the other.
fn in_force(host: &TestHost, names: &[&str]) -> Vec<(Value, Value)> {
    let kind = host.get("/v1/kinds/cat").expect(200);
    names.iter().map(|name| (kind["settings"][name].clone(), kind["settings_from"][name].clone())).collect()
}

#[test]
fn settings_come_and_go_with_the_version() {
    let host = TestHost::start();
    project(&host, "[settings]\nstdin = \"text\"\nstdout = \"text\"\ntimeout = \"5s\"\n");
    let said = stoker(&host, &["deploy", "cat"]).expect_success();
    assert!(said.contains("`stdin` is text") && said.contains("`timeout` is 5s"), "{said}");
    let first = json_of(&stoker(&host, &["deploy", "cat", "--json"]).expect_success());
    let module = |value: Value| (value, json!("module"));
    let names = ["stdin", "stdout", "timeout"];
    let as_first = [module(json!("text")), module(json!("text")), module(json!("5s"))];
    assert_eq!(in_force(&host, &names), as_first);
    assert_eq!(host.run_kind("cat", &json!("as it is")), json!("as it is"));

    // The same again is the same version.
    let same = json_of(&stoker(&host, &["deploy", "cat", "--json"]).expect_success());
    assert_eq!(same["module"]["digest"], first["module"]["digest"]);

    // One changes, one goes; an operator's stays on top.
    host.set_kind("cat", &json!({"memory": "32MiB"}));
    project(&host, "[settings]\nstdin = \"text\"\ntimeout = \"9s\"\nmemory = \"64MiB\"\n");
    let said = stoker(&host, &["deploy", "cat"]).expect_success();
    for words in [
        "`timeout` is 9s now (was 5s)",
        "`stdout` is left to the host now (was text)",
        "`memory` is 64MiB now (was left to the host); without effect here, the operator set 32MiB",
    ] {
        assert!(said.contains(words), "no `{words}` in {said}");
    }
    let kind = host.get("/v1/kinds/cat").expect(200);
    assert_eq!((&kind["settings"]["stdout"], &kind["settings_from"]["stdout"]), (&json!("json"), &json!("host")));
    assert_eq!(in_force(&host, &["timeout", "memory"]), [module(json!("9s")), (json!(32 << 20), json!("operator"))]);
    assert_eq!(kind["operator_settings"], json!({"memory": 32 << 20}));

    // What a version had comes back with it.
    let said = stoker(&host, &["rollback", "cat"]).expect_success();
    assert!(said.contains("`timeout` is 5s now (was 9s)"), "{said}");
    assert_eq!(in_force(&host, &names), as_first);

    // None at all: the bytes are those of the build.
    project(&host, "[settings]\n");
    let bare = json_of(&stoker(&host, &["deploy", "cat", "--json"]).expect_success());
    let digest = bare["module"]["digest"].as_str().unwrap();
    let stored = host.get(&format!("/v1/modules/cat/versions/{digest}/wasm")).expect_status(200).body;
    assert!(stored == Guest::Cat.wasm(), "{} bytes", stored.len());
    assert_eq!(host.run_kind("cat", &json!({"any": 1})), json!({"any": 1}));
}

/// The schedule of a plain command that a page shows, as it stands there.
fn shown_schedule() -> String {
    let page = std::fs::read_to_string(workspace_root().join("docs/schedules.md")).unwrap();
    let block = page.split("\n```toml\n").nth(1).and_then(|rest| rest.split("\n```").next());
    block.filter(|block| block.contains("[[settings.schedules]]")).expect("the page shows one").to_owned()
}

#[test]
fn a_plain_command_declares_its_schedules() {
    let host = TestHost::start();
    let text = "[settings]\nstdin = \"text\"\nstdout = \"text\"\n";
    let every = "[[settings.schedules]]\nname = \"tick\"\nevery = \"1s\"\npayload = \"ticked\"\ntags = [\"tick\"]\n";
    project(&host, &format!("{text}{}\n{every}", shown_schedule()));
    stoker(&host, &["deploy", "cat"]).expect_success();
    let nightly = host.get("/v1/schedules/cat:nightly").expect(200);
    assert_eq!(
        (&nightly["module"], &nightly["definition"]["cron"], &nightly["definition"]["payload"]),
        (&json!("cat"), &json!("0 3 * * *"), &json!("orders")),
        "{nightly:#}"
    );
    let id = eventually("it has fired", || host.list("tag=tick").first().map(job_id));
    let job = host.wait_for(&id, "succeeded");
    assert_eq!((&job["output"], &job["schedule"]["name"]), (&json!("ticked"), &json!("cat:tick")), "{job:#}");
    // They go with the version that declared them, and come with the one before.
    project(&host, text);
    stoker(&host, &["deploy", "cat"]).expect_success();
    host.get("/v1/schedules/cat:tick").expect_problem(404);
    stoker(&host, &["rollback", "cat"]).expect_success();
    assert_eq!(host.get("/v1/schedules/cat:tick").expect(200)["definition"]["every"], "1s");
    host.act("/v1/schedules/cat:tick/pause").expect(200);
    host.wait_idle(DEADLINE);
    project(&host, &format!("{text}{}", every.replace("1s", "1ms")));
    stoker(&host, &["deploy", "cat"]).expect_failure(&["schedules", "at least 1s"]);
}

#[test]
fn memory_an_operator_sets_is_as_much_as_the_module_begins_with() {
    let host = TestHost::start();
    project(&host, "");
    stoker(&host, &["deploy", "cat"]).expect_success();
    // A unit was forgotten.
    let little = json!({"memory": 64});
    let words = ["/memory", "64B", "64mib", "the module begins with"];
    host.put("/v1/kinds/cat/settings", &little).expect_problem_saying(422, &words);
    stoker(&host, &["kinds", "cat", "--set", "memory=128KiB"]).expect_failure(&["memory", "begins with"]);
    assert_eq!(in_force(&host, &["memory"])[0].1, "host");
    let wasm = Guest::Cat.path().display().to_string();
    let run = |settings: &Value| stoker(&host, &["run", &wasm, "{}", "--settings", &settings.to_string()]);
    run(&little).expect_failure(&["memory", "begins with"]);
    let enough = json!({"memory": "8MiB"});
    run(&enough).expect_success();
    host.put("/v1/kinds/cat/settings", &enough).expect(200);
    // What is there already is in nobody's way.
    stoker(&host, &["kinds", "cat", "--set", "timeout=5s"]).expect_success();
    assert_eq!(host.run_kind("cat", &json!([1])), json!([1]));
}

#[test]
fn what_waits_is_looked_at_before_its_settings_change() {
    let mut host = TestHost::builder().workers(0).start();
    project(&host, "");
    stoker(&host, &["deploy", "cat"]).expect_success();
    let active = host.get("/v1/modules/cat").expect(200)["digest"].clone();
    let waiting = host.enqueue_kind("cat", &json!({"no": "text"}));
    project(&host, "[settings]\nstdin = \"text\"\n");
    let refused = stoker(&host, &["deploy", "cat"]);
    let shown = refused.stdout.clone();
    let said = refused.expect_failure(&["not activated", "1 waiting job", &waiting, "[settings]", "--force"]);
    assert!(!said.contains("serde"), "{said}");
    assert!(shown.contains("`stdin` is text now (was left to the host)"), "{shown}");
    assert_eq!(host.get("/v1/modules/cat").expect(200)["digest"], active);
    host.restart_with(|host| host.workers(1));
    assert_eq!(host.wait_for(&waiting, "succeeded")["output"], json!({"no": "text"}));
}

#[test]
fn settings_that_are_not_allowed_are_refused_before_anything_is_stored() {
    let host = TestHost::start();
    project(&host, "[settings]\ntimeout = \"2h\"\nfuel = 9000000000000000\n");
    for args in [&["deploy", "cat"][..], &["run", "cat", "cat", "{}"]] {
        let refused = stoker(&host, args);
        assert_eq!(refused.stdout, "", "{args:?}");
        refused.expect_failure(&["invalid_settings", "handler.toml", "/timeout: must be at most 1h", "/fuel"]);
    }
    host.get("/v1/modules/cat").expect_problem(404);

    // Of a handler they stand in its code.
    let folder = host.home().join("cat");
    std::fs::copy(Guest::Hello.path(), folder.join("made.wasm")).unwrap();
    let manifest = std::fs::read_to_string(folder.join("handler.toml")).unwrap().replace("2h", "5s");
    std::fs::write(folder.join("handler.toml"), manifest).unwrap();
    stoker(&host, &["deploy", "cat"]).expect_failure(&["invalid_settings", "stoker:settings", "#[handler("]);
    host.get("/v1/modules/cat").expect_problem(404);
}

#[test]
fn a_run_of_the_folder_and_the_host_agree() {
    let host = TestHost::start();
    let answer = |folder: &Path, payload: &Value, flags: &[&str]| {
        let args: Vec<&str> =
            ["run", folder.to_str().unwrap(), "cat", "-", "--json"].into_iter().chain(flags.iter().copied()).collect();
        let cache = host.home().join("cache").display().to_string();
        let exited = run_stoker(&args, &[("XDG_CACHE_HOME", &cache)], host.home(), payload.to_string().as_bytes());
        json_of(&exited.stdout)
    };
    let folder = host.home().join("cat");
    for (settings, payload) in [
        ("", json!({"a": [1]})),
        ("[settings]\nstdin = \"text\"\nstdout = \"bytes\"\n", json!("größe")),
        ("[settings]\nstdin = \"text\"\nmax_attempts = 1\n", json!("no JSON")),
    ] {
        project(&host, settings);
        let here = answer(&folder, &payload, &[]);
        let deployed = json_of(&stoker(&host, &["deploy", "cat", "--json"]).expect_success());
        let there = host.run(&json!({"kind": "cat", "payload": payload}));
        assert_eq!(here["module"]["digest"], deployed["module"]["digest"], "{settings}");
        assert_eq!((&here["output"], state_of(&here)), (&there["output"], state_of(&there)), "{settings}: {here:#}");
        assert_eq!((&here["error"], &here["max_attempts"]), (&there["error"], &there["max_attempts"]), "{settings}");
    }
    // What an operator sets lies over them on both sides.
    let (set, payload) = (json!({"stdout": "text"}), json!("no JSON"));
    let here = answer(&folder, &payload, &["--settings", &set.to_string()]);
    host.set_kind("cat", &set);
    assert_eq!(here["output"], host.run_kind("cat", &payload));
}
