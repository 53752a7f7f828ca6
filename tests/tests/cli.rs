//! The command line against a real host: what it prints, what it exits with.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use serde_json::{Value, json};
use stoker_tests::{Exited, Guest, TestHost, job_id, run_stoker};

/// Runs a subcommand against the host.
fn stoker(host: &TestHost, args: &[&str], stdin: &str) -> Exited {
    run_stoker(args, &[("STOKER_URL", host.url())], host.home(), stdin.as_bytes())
}

fn json_of(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("not JSON ({error}): {text}"))
}

#[test]
fn deploy_enqueue_and_look() {
    let host = TestHost::start();
    let file = Guest::Hello.path().display().to_string();
    let said = stoker(&host, &["deploy", &file], "").expect_success();
    assert!(said.contains("hello") && said.contains("sha256:"), "{said}");
    let again = json_of(&stoker(&host, &["deploy", &file, "--json"], "").expect_success());
    assert_eq!((&again["module"]["name"], &again["activated"]), (&json!("hello"), &json!(true)), "{again:#}");

    let output = stoker(&host, &["enqueue", "hello", r#"{"name":"Ada"}"#, "--wait"], "").expect_success();
    assert!(output.contains("Ada"), "{output}");
    // The payload from standard input and from a file.
    let output = stoker(&host, &["enqueue", "hello", "-", "--wait"], r#"{"name":"Bob"}"#).expect_success();
    assert!(output.contains("Bob"), "{output}");
    std::fs::write(host.home().join("payload.json"), r#"{"name":"Eve"}"#).unwrap();
    let output = stoker(&host, &["enqueue", "hello", "@payload.json", "--wait=50"], "").expect_success();
    assert!(output.contains("Eve"), "{output}");

    let args = ["enqueue", "hello", r#"{"name":"Zoe"}"#, "--queue", "side", "--priority", "3", "--tag", "t", "--json"];
    let job = json_of(&stoker(&host, &args, "").expect_success());
    let id = job_id(&job);
    assert_eq!((&job["queue"], &job["priority"], &job["tags"]), (&json!("side"), &json!(3), &json!(["t"])));
    host.wait_for(&id, "succeeded");

    let table = stoker(&host, &["jobs", "--queue", "side"], "").expect_success();
    assert!(table.contains(&id) && table.contains("succeeded"), "{table}");
    let listing = json_of(&stoker(&host, &["jobs", "--tag", "t", "--json"], "").expect_success());
    assert!(listing.to_string().contains(&id), "{listing:#}");
    let shown = stoker(&host, &["job", &id], "").expect_success();
    assert!(shown.contains(&id) && shown.contains("succeeded") && shown.contains("side"), "{shown}");
    assert_eq!(json_of(&stoker(&host, &["job", &id, "--json"], "").expect_success())["id"], json!(id));
}

#[test]
fn a_failure_is_told_and_exits_with_another_code() {
    let host = TestHost::start();
    host.upload(Guest::Handlers);
    let exited = stoker(&host, &["enqueue", "fail-fatal", "{}", "--wait"], "");
    let said = format!("{}{}", exited.stdout, exited.stderr);
    assert!(exited.status.code().is_some_and(|code| code != 0), "{said}");
    assert!(said.contains("handler_error") && said.contains("pointless on purpose"), "{said}");

    stoker(&host, &["enqueue", "fail-fatall", "{}"], "").expect_failure(&["fail-fatal"]);
    stoker(&host, &["enqueue", "fail-retry", r#"{"succeed_on_attempt":"x"}"#], "")
        .expect_failure(&["succeed_on_attempt"]);
    stoker(&host, &["enqueue", "echo", "{not json"], "").expect_failure(&[]);
    stoker(&host, &["enqueue", "echo", "@missing.json"], "").expect_failure(&["missing.json"]);
    stoker(&host, &["job", "job_01ARZ3NDEKTSV4RRFFQ69G5FAV"], "").expect_failure(&["no job"]);
    stoker(&host, &["job", "17"], "").expect_failure(&["17"]);
    stoker(&host, &["deploy", "missing.wasm"], "").expect_failure(&["missing.wasm"]);
    std::fs::write(host.home().join("text.wasm"), "no module").unwrap();
    stoker(&host, &["deploy", "text.wasm"], "").expect_failure(&["byte"]);

    let id = job_id(&host.list("kind=fail-fatal")[0]);
    let said = stoker(&host, &["retry", &id], "").expect_success();
    assert!(said.contains(&id), "{said}");
    host.wait_end(&id);
    stoker(&host, &["cancel", &id], "").expect_failure(&["failed"]);
}

#[test]
fn logs_show_what_the_guest_wrote() {
    let host = TestHost::start();
    host.upload(Guest::Handlers);
    let id = host.enqueue_kind("log-lines", &json!({}));
    host.wait_for(&id, "succeeded");
    let said = stoker(&host, &["logs", &id], "").expect_success();
    for line in ["an info line", "an error line", "a stdout line", "a stderr line"] {
        assert!(said.contains(line), "no `{line}` in {said}");
    }
    let logs = json_of(&stoker(&host, &["logs", &id, "--json"], "").expect_success());
    assert!(logs.to_string().contains("an info line"), "{logs:#}");
    for flags in [&["logs", &id, "--attempt", "99"][..], &["logs", &id, "--attempt", "99", "--json"]] {
        let exited = stoker(&host, flags, "");
        assert_eq!((exited.status.code(), exited.stdout.as_str()), (Some(1), ""), "{exited:?}");
        exited.expect_failure(&["there is no attempt 99", "only 1"]);
    }
    let silent = host.enqueue_kind("limits", &json!({}));
    host.wait_for(&silent, "succeeded");
    assert_eq!(stoker(&host, &["logs", &silent, "--attempt", "1"], "").expect_success(), "");
}

#[test]
fn what_would_help_follows_from_the_limits_in_force() {
    let host = TestHost::start();
    host.upload(Guest::Handlers);
    host.set_kind("busy-loop", &json!({"fuel": 20_000_000}));
    let said = |job: &Value| {
        let id = job_id(job);
        host.wait_for(&id, "failed");
        (id.clone(), stoker(&host, &["job", &id], "").expect_success())
    };
    let job = host.post("/v1/jobs", &json!({"kind": "busy-loop", "payload": {}})).expect(201);
    let (id, page) = said(&job);
    assert!(page.contains("raise it from 20000000 (`stoker kinds busy-loop --set fuel=10000000000`)"), "{page}");
    let limit = &host.job(&id)["limits"]["fuel"];
    assert_eq!(*limit, json!({"value": 20_000_000, "from": "operator", "ceiling": 1_000_000_000_000_u64}));
    assert!(host.list("kind=busy-loop")[0].get("limits").is_none());
    let receipt = &host.job(&id)["receipt"];
    assert_eq!((&receipt["limits"]["fuel"], &receipt["limits"]["timeout"]), (&json!(20_000_000), &json!("30s")));
    // What was met is what the attempt had, whatever is set by now.
    host.set_kind("busy-loop", &json!({"fuel": 30_000_000}));
    let page = stoker(&host, &["job", &id], "").expect_success();
    assert!(page.contains("it had fuel 20000000, and would have 30000000 now: see whether that is enough"), "{page}");
    let attempts = host.get(&format!("/v1/jobs/{id}/attempts")).json();
    assert_eq!(attempts["items"][0]["receipt"]["limits"]["fuel"], json!(20_000_000), "{attempts:#}");

    let job = host.post("/v1/jobs", &json!({"kind": "busy-loop", "payload": {}, "fuel": 10_000_000})).expect(201);
    let (_, page) = said(&job);
    assert!(page.contains("the job itself asks for fuel 10000000") && !page.contains("--set"), "{page}");
}

#[test]
fn what_a_host_refuses_to_enqueue_is_answered_with_what_to_do() {
    let host = TestHost::start();
    host.upload(Guest::Hello);
    stoker(&host, &["enqueue", "hallo"], "").expect_failure(&["kind_not_found", "what to do:", "stoker kinds"]);
    stoker(&host, &["enqueue", "hello", "{}"], "").expect_failure(&["invalid_payload", "stoker kinds KIND"]);
}

#[test]
fn a_backup_is_a_whole_file_or_none() {
    let host = TestHost::start();
    host.upload(Guest::Hello);
    let done = job_id(&host.run(&json!({"kind": "hello", "payload": {"name": "Ada"}})));
    stoker(&host, &["backup", "copy.db"], "").expect_success();
    let copy = std::fs::read(host.home().join("copy.db")).unwrap();
    assert!(copy.starts_with(b"SQLite format 3\0"), "{} bytes", copy.len());
    // It overwrites nothing and leaves nothing half done.
    stoker(&host, &["backup", "copy.db"], "").expect_failure(&["copy.db"]);
    assert_eq!(std::fs::read(host.home().join("copy.db")).unwrap().len(), copy.len());
    let halves = std::fs::read_dir(host.home()).unwrap().flatten();
    let halves: Vec<_> =
        halves.map(|entry| entry.file_name()).filter(|name| name.to_string_lossy().contains("tmp")).collect();
    assert!(halves.is_empty(), "{halves:?}");

    let restored = host.home().join("restored");
    std::fs::create_dir(&restored).unwrap();
    std::fs::copy(host.home().join("copy.db"), restored.join("stoker.db")).unwrap();
    let again = TestHost::builder().data_dir(restored).start();
    assert_eq!(again.job(&done)["output"], host.job(&done)["output"]);
}

#[test]
fn without_a_server_or_a_key_it_says_what_to_do() {
    let home = tempfile::tempdir().unwrap();
    // Nothing listens on the discard port of the loopback interface.
    let nobody = [("STOKER_URL", "http://127.0.0.1:9")];
    run_stoker(&["jobs"], &nobody, home.path(), b"").expect_failure(&["127.0.0.1:9", "stoker serve"]);

    let key = "a-key-of-more-than-sixteen-characters";
    let host = TestHost::builder().admin_key(key).start();
    stoker(&host, &["jobs"], "").expect_failure(&["key"]);
    let env = [("STOKER_URL", host.url()), ("STOKER_KEY", key)];
    run_stoker(&["jobs"], &env, home.path(), b"").expect_success();
    let env = [("STOKER_URL", host.url()), ("STOKER_ADMIN_KEY", key)];
    run_stoker(&["jobs"], &env, home.path(), b"").expect_success();
}

#[test]
fn every_subcommand_explains_itself() {
    let home = tempfile::tempdir().unwrap();
    let commands = [
        "serve", "new", "dev", "run", "deploy", "rollback", "modules", "kinds", "enqueue", "jobs", "job", "logs",
        "backup", "retry", "cancel",
    ];
    for command in commands {
        let help = run_stoker(&[command, "--help"], &[], home.path(), b"").expect_success();
        assert!(help.contains("Usage") && help.contains("--json"), "{command}: {help}");
    }
    let help = run_stoker(&["--help"], &[], home.path(), b"").expect_success();
    assert!(commands.iter().all(|command| help.contains(command)), "{help}");
    assert!(!help.contains("compile-child"), "the compiler's own process is nobody's business: {help}");
    assert!(run_stoker(&["--version"], &[], home.path(), b"").expect_success().contains("stoker"));
    assert!(!run_stoker(&["no-such-command"], &[], home.path(), b"").status.success());
}

#[test]
fn a_deploy_without_the_key_says_what_to_set() {
    let host = TestHost::builder().admin_key("a-key-of-more-than-sixteen-characters").start();
    // More than the system takes from a client whose bytes nobody reads.
    std::fs::write(host.home().join("big.wasm"), vec![0; 24 << 20]).unwrap();
    for _ in 0..3 {
        stoker(&host, &["deploy", "big.wasm"], "").expect_failure(&["401", "STOKER_KEY"]);
    }
}

#[test]
fn hints_name_the_host_that_url_named() {
    let host = TestHost::start();
    let file = Guest::Abort.path().display().to_string();
    let at = |args: &[&str]| run_stoker(&[args, &["--url", host.url()]].concat(), &[], host.home(), b"");
    at(&["deploy", &file]).expect_success();
    let said = at(&["enqueue", "abort", "--max-attempts", "1", "--timeout", "5s", "--wait"])
        .expect_failure(&[&format!("--url {}` and `stoker logs", host.url())]);
    let hint = said.split('`').find(|part| part.starts_with("stoker job ")).unwrap();
    // As it stands there, without anything in the environment.
    let args: Vec<&str> = hint.split(' ').skip(1).collect();
    let page = run_stoker(&args, &[], host.home(), b"").expect_success();
    assert!(page.contains("attempt 1 of 1") && page.contains(&format!("--url {}`", host.url())), "{page}");
    let said =
        stoker(&host, &["enqueue", "abort", "--max-attempts", "1", "--wait"], "").expect_failure(&["stoker job"]);
    assert!(!said.contains("--url"), "the environment holds for the next command as well: {said}");
}

#[test]
fn a_deploy_to_nobody_builds_nothing() {
    let home = tempfile::tempdir().unwrap();
    let manifest = "name = \"x\"\nbuild = [\"touch\", \"built\"]\nwasm = \"built\"\n";
    std::fs::write(home.path().join("handler.toml"), manifest).unwrap();
    let deploy = |url: &str| run_stoker(&["deploy", "--url", url], &[], home.path(), b"");
    deploy("http://127.0.0.1:9").expect_failure(&["127.0.0.1:9", "stoker serve"]);
    deploy("http://127.0.0.1:9/v1").expect_failure(&["no path", "http://127.0.0.1:9"]);
    assert!(!home.path().join("built").exists());
}
