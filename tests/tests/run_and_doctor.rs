//! What works without a host: `stoker run` as a person sees it, `doctor`, `completions`, `help`.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use serde_json::{Value, json};
use stoker_tests::{CommandModule, Exited, Guest, Running, TestHost, core_module, run_stoker};

/// Runs a subcommand in a folder that also holds what is kept for the next time.
fn stoker(home: &std::path::Path, args: &[&str], stdin: &str) -> Exited {
    let cache = home.join("cache").display().to_string();
    run_stoker(args, &[("XDG_CACHE_HOME", &cache)], home, stdin.as_bytes())
}

fn json_of(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("not JSON ({error}): {text}"))
}

/// What `doctor --json` says of one check: levels and messages.
fn found(said: &Value, check: &str) -> Vec<(String, String)> {
    let findings = said["findings"].as_array().unwrap().iter().filter(|finding| finding["check"] == check);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    findings.map(|finding| (text(&finding["level"]), text(&finding["message"]))).collect()
}

#[test]
fn a_run_prints_the_output_alone_and_tells_the_rest_beside() {
    let home = tempfile::tempdir().unwrap();
    let hello = Guest::Hello.path().display().to_string();
    let first = stoker(home.path(), &["run", &hello, r#"{"name":"Ada"}"#], "");
    assert_eq!(first.stdout, "{\"greeting\":\"Hello, Ada!\"}\n", "{}", first.stderr);
    assert!(first.status.success() && first.stderr.contains("hello succeeded in"), "{}", first.stderr);
    assert!(first.stderr.contains("fuel ") && first.stderr.contains("module compiled first"), "{}", first.stderr);
    // The kind may be named; the payload may come from elsewhere; what was compiled is still there.
    let again = stoker(home.path(), &["run", &hello, "hello", "-"], r#"{"name":"Bob"}"#);
    assert!(again.stdout.contains("Bob") && !again.stderr.contains("compiled first"), "{again:?}");
    let cat = Guest::Cat.path().display().to_string();
    let texts = r#"{"stdin":"text","stdout":"text"}"#;
    let raw = stoker(home.path(), &["run", &cat, "--text", "plain", "--raw", "--settings", texts], "");
    assert_eq!(raw.expect_success(), "plain\n");
}

#[test]
fn a_run_that_fails_says_why_what_helps_and_what_a_host_would_do() {
    let home = tempfile::tempdir().unwrap();
    let handlers = Guest::Handlers.path().display().to_string();
    let run = |args: &[&str]| {
        let exited = stoker(home.path(), &[&["run", &handlers], args].concat(), "");
        assert_eq!((exited.status.code(), exited.stdout.as_str()), (Some(1), ""), "{}", exited.stderr);
        exited
    };
    run(&["busy-loop", "--fuel", "20000000"]).expect_failure(&[
        "fuel_exhausted",
        "--fuel 200000000",
        "would give up at once",
    ]);
    run(&["busy-loop", "--fuel", "20000000"])
        .expect_failure(&["`fuel_exhausted` is tried again only where `retry_on`"]);
    run(&["fail-fatal"])
        .expect_failure(&["would give up at once, after attempt 1 of 10: the handler says that it is fatal"]);
    let only_timeouts = ["trap", "--settings", r#"{"retry_on":["timeout"]}"#];
    run(&only_timeouts).expect_failure(&["give up at once", "`retry_on` names timeout, and not `trap`"]);
    run(&["fail-retry"]).expect_failure(&["on purpose", "a host would try again in", "attempt 2 of 10"]);
    run(&["fail-retry", "--attempt", "3", "--max-attempts", "3"]).expect_failure(&["give up: it was attempt 3 of 3"]);
    run(&["fail-retry", "--attempt", "4", "--max-attempts", "3"]).expect_failure(&["--max-attempts"]);
    run(&["snooze", r#"{"until_ms": 4000000000000}"#]).expect_failure(&["run it again in", "no attempt is used"]);
    let panicked = run(&["panic"]).stderr;
    assert!(panicked.contains("the guest panics on purpose") && panicked.contains("panic.rs"), "{panicked}");
    run(&["{}"]).expect_failure(&["several kinds", "busy-loop"]);
    run(&["fail-retri"]).expect_failure(&["kind_not_found", "did you mean `fail-retry`", "what to do:", "module!"]);
    run(&["snooze", r#"{"until_ms":"x"}"#]).expect_failure(&[
        "invalid_payload",
        "until_ms",
        "what to do: correct the payload",
    ]);
    run(&["echo", "{not json"]).expect_failure(&["not JSON"]);
    run(&["fail-retry", "--settings", r#"{"tiemout":"5s"}"#]).expect_failure(&["tiemout", "timeout"]);
    let command = Guest::ExitCode.path().display().to_string();
    let exited = stoker(home.path(), &["run", &command, r#"{"code":65}"#], "");
    exited.expect_failure(&["would give up at once", "its exit code says that it is fatal"]);
    std::fs::write(home.path().join("bare.wasm"), b"\0asm\x01\0\0\0").unwrap();
    let bare = stoker(home.path(), &["run", "bare.wasm"], "");
    bare.expect_failure(&["no_entry", "what to do:", "stoker_sdk::module!(greet)"]);
    stoker(home.path(), &["run", "missing.wasm"], "").expect_failure(&["missing.wasm"]);
    stoker(home.path(), &["run", "."], "").expect_failure(&["folder"]);
}

#[test]
fn a_run_can_be_told_what_the_jobs_before_it_returned() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("fetched.json"), "[1, \"zwei\"]\n").unwrap();
    let handlers = Guest::Handlers.path().display().to_string();
    let asked = json!({"parents": ["render", "fetch", "other"]}).to_string();
    let parents = ["--parent", "render={\"pages\":7}", "--parent", "fetch=@fetched.json"];
    let run = stoker(home.path(), &[&["run", &handlers, "parents", &asked][..], &parents].concat(), "");
    let expected = json!({"render": {"pages": 7}, "fetch": [1, "zwei"], "other": null});
    assert_eq!(json_of(&run.expect_success()), expected);
    let alone = stoker(home.path(), &["run", &handlers, "parents", &asked], "").expect_success();
    assert_eq!(json_of(&alone), json!({"render": null, "fetch": null, "other": null}));
    // A plain command finds them in its environment, as far as they fit.
    let command = Guest::EnvArgs.path().display().to_string();
    let told = json_of(&stoker(home.path(), &[&["run", &command, "{}"][..], &parents].concat(), "").expect_success());
    let variable = told["env"]["STOKER_PARENT_OUTPUTS"].as_str().unwrap_or_else(|| panic!("{told:#}"));
    assert_eq!(json_of(variable), json!({"render": {"pages": 7}, "fetch": [1, "zwei"]}));
    std::fs::write(home.path().join("large.json"), format!("\"{}\"", "x".repeat(64 << 10))).unwrap();
    let large = stoker(home.path(), &["run", &command, "{}", "--parent", "fetch=@large.json"], "");
    large.expect_failure(&["invalid_payload", "STOKER_PARENT_OUTPUTS"]);
    stoker(home.path(), &["run", &command, "{}", "--parent", "fetch"], "").expect_failure(&["--parent render="]);
}

#[test]
fn a_run_has_the_limits_of_the_host_that_would_be_started_here() {
    let home = tempfile::tempdir().unwrap();
    let handlers = Guest::Handlers.path().display().to_string();
    let cache = home.path().join("cache").display().to_string();
    let run = |args: &[&str], envs: &[(&str, &str)]| {
        let envs = [envs, &[("XDG_CACHE_HOME", cache.as_str())]].concat();
        run_stoker(&[&["run", &handlers, "busy-loop"], args].concat(), &envs, home.path(), b"")
    };
    // What is about being reached is none of its concern: no key is asked for.
    let limits = "fuel = 20000000\nfuel_max = 30000000\nlisten = \"0.0.0.0:1\"\n";
    std::fs::write(home.path().join("stoker.toml"), limits).unwrap();
    run(&[], &[]).expect_failure(&["its fuel of 20000000 units", "--fuel 30000000", "limits of stoker.toml"]);
    run(&["--fuel", "30000000"], &[]).expect_failure(&["the most a host gives", "`fuel_max`", "--config FILE"]);
    run(&["--fuel", "30000001"], &[]).expect_failure(&["/fuel: must be at most 30000000, the host's ceiling"]);
    run(&[], &[("STOKER_FUEL", "10000000")]).expect_failure(&["its fuel of 10000000 units"]);
    run(&[], &[("STOKER_FUEL", "much")]).expect_failure(&["STOKER_FUEL: ", "much", "unset"]);
    std::fs::write(home.path().join("other.toml"), "fuel = 25000000\n").unwrap();
    run(&["--config", "other.toml"], &[]).expect_failure(&["its fuel of 25000000 units", "limits of other.toml"]);
    run(&["--config", "none.toml"], &[]).expect_failure(&["none.toml"]);
    std::fs::write(home.path().join("stoker.toml"), "feul = 1\n").unwrap();
    run(&[], &[]).expect_failure(&["stoker.toml, line 1", "feul"]);
}

#[test]
fn a_run_shows_each_line_of_the_log_as_it_comes() {
    let home = tempfile::tempdir().unwrap();
    let endless = core_module(
        r#"(module
            (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
            (memory (export "memory") 1)
            (data (i32.const 64) "begun and not ended\n")
            (func (export "_start")
                (i32.store (i32.const 0) (i32.const 64))
                (i32.store (i32.const 4) (i32.const 20))
                (drop (call $write (i32.const 2) (i32.const 0) (i32.const 1) (i32.const 8)))
                (loop $forever (br $forever))))"#,
    );
    std::fs::write(home.path().join("endless.wasm"), endless).unwrap();
    let cache = home.path().join("cache").display().to_string();
    let args = ["run", "endless.wasm", "--timeout", "1h", "--fuel", "1000000000000"];
    let mut running = Running::start(&args, &[("XDG_CACHE_HOME", &cache)], home.path());
    let said = running.wait_said("begun and not ended");
    assert_eq!(said, "stderr begun and not ended\n", "nothing more while it runs");
    running.kill9();
}

#[test]
fn the_doctor_looks_at_a_directory_from_its_first_day_to_its_last() {
    let home = tempfile::tempdir().unwrap();
    let nobody = "http://127.0.0.1:1";
    let said = json_of(&stoker(home.path(), &["doctor", "--json", "--url", nobody], "").stdout);
    let (level, message) = &found(&said, "data directory")[0];
    assert!(level == "note" && message.contains("not there yet"), "{said:#}");
    assert_eq!(found(&said, "host")[0].0, "note", "{said:#}");
    assert!(!home.path().join("stoker-data").exists(), "it was made");

    let mut host = TestHost::start();
    let data_dir = host.data_dir().display().to_string();
    let look = |url: &str| stoker(home.path(), &["doctor", "--json", "--url", url, "--data-dir", &data_dir], "");
    let said = json_of(&look(host.url()).stdout);
    assert!(found(&said, "lock")[0].1.contains(&host.pid().to_string()), "{said:#}");
    let is_well = |level: &str, message: &str| level == "ok" || message.starts_with("asks for no key");
    assert!(found(&said, "host").iter().all(|(level, message)| is_well(level, message)), "{said:#}");
    assert_eq!(found(&said, "database")[0].0, "ok", "{said:#}");
    assert!(found(&said, "clock")[0].1.contains("as the host's"), "{said:#}");
    host.terminate();
    let said = json_of(&look(nobody).stdout);
    assert!(found(&said, "lock")[0].1.contains("free"), "{said:#}");
    assert_eq!(found(&said, "mark")[0].0, "ok", "{said:#}");

    std::fs::write(host.data_dir().join("stoker.db"), "no database any more, only words").unwrap();
    let exited = look(nobody);
    assert_eq!(exited.status.code(), Some(1));
    let said = json_of(&exited.stdout);
    assert_eq!(found(&said, "database")[0].0, "problem", "{said:#}");
    assert!(said["problems"].as_u64().is_some_and(|problems| problems > 0), "{said:#}");
    let text = stoker(home.path(), &["doctor", "--url", nobody, "--data-dir", &data_dir], "").stdout;
    assert!(text.contains("problem database: ") && text.contains("→ restore a backup"), "{text}");
}

#[test]
fn the_doctor_reads_a_database_with_the_log_that_a_killed_host_left() {
    let mut host = TestHost::start();
    host.upload_bytes("spin", &CommandModule::printing("1").wasm());
    let id = host.enqueue(&json!({"kind": "spin", "payload": {}, "delay": "1h"}));
    host.kill9();
    host.leave_work_behind();
    let (home, directory) = (host.home().to_owned(), host.data_dir());
    let (data_dir, database, log) =
        (directory.display().to_string(), directory.join("stoker.db"), directory.join("stoker.db-wal"));
    assert!(log.metadata().unwrap().len() > 0, "there is a log");
    let look = || {
        let args = ["doctor", "--json", "--url", "http://127.0.0.1:1", "--data-dir", &data_dir];
        stoker(&home, &args, "").stdout
    };
    let files = || [&database, &log].map(|file| std::fs::read(file).unwrap());
    let before = files();
    let said = json_of(&look());
    assert_eq!(found(&said, "database")[0].0, "ok", "{said:#}");
    assert!(found(&said, "database")[0].1.contains(&database.display().to_string()), "{said:#}");
    assert!(files() == before, "a look changes nothing");

    // The first page is torn: the log has it whole.
    let mut torn = before[0].clone();
    torn[16..66].iter_mut().zip(1_u8..).for_each(|(byte, noise)| *byte = noise.wrapping_mul(167));
    std::fs::write(&database, &torn).unwrap();
    let said = look();
    assert_eq!(found(&json_of(&said), "database")[0].0, "ok", "{said}");
    assert!(!said.contains("restore a backup"), "{said}");
    host.restart();
    assert_eq!(host.job(&id)["state"], "scheduled");
    host.kill9();

    // A log that mends nothing: who restores a backup over it may lose what it holds.
    std::fs::write(&database, "no database any more, only words").unwrap();
    std::fs::write(&log, "no log either").unwrap();
    let said = look();
    let (level, message) = &found(&json_of(&said), "database")[0];
    assert!(level == "problem" && message.contains("stoker.db can't be read"), "{said}");
    assert!(said.contains("the log included") && !said.contains("restore a backup"), "{said}");
}

fn make_pipe(path: &std::path::Path) {
    rustix::fs::mkfifoat(rustix::fs::CWD, path, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR).unwrap();
}

#[test]
fn pipes_and_folders_in_place_of_files_are_named_and_not_waited_for() {
    let home = tempfile::tempdir().unwrap();
    let mut host = TestHost::start();
    host.terminate();
    let url = ["--url", "http://127.0.0.1:1"];
    for name in ["stoker.lock", "stoker.db", "stoker.db-wal", "stoker.mark", "entered.slots", "artifacts/artifact.key"]
    {
        let file = host.data_dir().join(name);
        for make in [make_pipe as fn(&std::path::Path), |path| std::fs::create_dir(path).unwrap()] {
            let before = std::fs::read(&file).ok();
            let _ = std::fs::remove_file(&file);
            make(&file);
            let what = if file.is_dir() { "it is a directory" } else { "it is a pipe" };
            let data_dir = host.data_dir().display().to_string();
            let mut serve =
                Running::start(&["serve", "--listen", "127.0.0.1:0", "--data-dir", &data_dir], &[], home.path());
            assert!(!serve.wait_exit().success());
            let said = serve.said();
            assert!(said.contains(what) && said.contains(name), "{name}: {said}");
            let mut doctor =
                Running::start(&[&["doctor", "--data-dir", &data_dir], &url[..]].concat(), &[], home.path());
            assert_eq!(doctor.wait_exit().code(), Some(1), "{name}");
            let said = doctor.said();
            let problem = said.lines().find(|line| line.starts_with("problem") && line.contains(what));
            assert!(problem.is_some_and(|line| line.contains(name)), "{name}: {said}");
            if file.is_dir() {
                std::fs::remove_dir(&file).unwrap();
            } else {
                std::fs::remove_file(&file).unwrap();
            }
            if let Some(bytes) = before {
                std::fs::write(&file, bytes).unwrap();
            }
        }
    }
    host.restart();
    // So is a configuration file; what the shell has opened is read.
    make_pipe(&home.path().join("stoker.toml"));
    for args in [&["serve"][..], &["run", "none.wasm"], &[&["doctor"], &url[..]].concat()] {
        std::fs::write(home.path().join("none.wasm"), "").unwrap();
        let mut running = Running::start(args, &[], home.path());
        assert_eq!(running.wait_exit().code(), Some(1), "{args:?}");
        let said = running.said();
        assert!(said.contains("stoker.toml: it is a pipe"), "{args:?}: {said}");
    }
    let given = run_stoker(&["run", "none.wasm", "--config", "/dev/stdin"], &[], home.path(), b"feul = 1\n");
    given.expect_failure(&["/dev/stdin, line 1", "feul"]);
}

#[test]
fn a_run_keeps_nothing_where_others_could_put_something() {
    use std::os::unix::fs::PermissionsExt;
    let home = tempfile::tempdir().unwrap();
    let hello = Guest::Hello.path().display().to_string();
    let run = || stoker(home.path(), &["run", &hello, r#"{"name":"Ada"}"#], "");
    assert!(!run().stderr.contains("not kept"));
    let above = home.path().join("cache");
    std::fs::set_permissions(&above, std::fs::Permissions::from_mode(0o777)).unwrap();
    for _ in 0..2 {
        let exited = run();
        let advice = format!("`chmod go-w {}`", std::fs::canonicalize(&above).unwrap().display());
        assert!(exited.stderr.contains("not kept for the next run") && exited.stderr.contains(&advice), "{exited:?}");
        assert!(exited.stderr.contains("module compiled first") && exited.stdout.contains("Ada"), "{exited:?}");
    }
    std::fs::set_permissions(&above, std::fs::Permissions::from_mode(0o755)).unwrap();
    let again = run();
    assert!(!again.stderr.contains("not kept") && !again.stderr.contains("compiled first"), "{again:?}");
}

#[test]
fn the_doctor_reads_the_configuration_a_host_would_have() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("stoker.toml"), "workers = 3\nwokers = 4\n").unwrap();
    let doctor = |envs: &[(&str, &str)]| {
        let exited = run_stoker(&["doctor", "--json"], envs, home.path(), b"");
        (exited.status.code(), json_of(&exited.stdout))
    };
    let (code, said) = doctor(&[]);
    let (level, message) = &found(&said, "configuration")[0];
    assert!(code == Some(1) && level == "problem" && message.contains("wokers"), "{said:#}");
    std::fs::write(home.path().join("stoker.toml"), "workers = 3\ndata_dir = \"there\"\n").unwrap();
    let (_, said) = doctor(&[("STOKER_WORKRES", "4")]);
    let told = found(&said, "configuration");
    assert!(told[0].0 == "ok" && told[1].1.contains("did you mean STOKER_WORKERS"), "{said:#}");
    assert!(found(&said, "cores")[0].1.contains("for 3 attempts"), "{said:#}");
    assert!(found(&said, "data directory")[0].1.contains("there"), "{said:#}");
    // One that is wrong is told, and takes nothing from the others.
    let (code, said) = doctor(&[("STOKER_WORKERS", "many"), ("STOKER_DATA_DIR", "elsewhere")]);
    let (level, message) = &found(&said, "configuration")[1];
    assert!(code == Some(1) && level == "problem", "{said:#}");
    assert!(message.starts_with("STOKER_WORKERS: ") && message.contains("many"), "{said:#}");
    assert!(found(&said, "data directory")[0].1.contains("elsewhere"), "{said:#}");
}

#[test]
fn completions_know_every_shell_and_what_there_is() {
    let home = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = stoker(home.path(), &["completions", shell], "").expect_success();
        assert!(script.contains("doctor") && script.contains("max-attempts"), "{shell}: {script}");
    }
    stoker(home.path(), &["completions", "tcsh"], "").expect_failure(&["bash", "zsh"]);
    let help = stoker(home.path(), &["help"], "").expect_success();
    assert!(help.contains("Write handlers:") && help.contains("First steps:"), "{help}");
    assert_eq!(json!(help), json!(stoker(home.path(), &["--help"], "").expect_success()));
}
