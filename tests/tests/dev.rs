//! `stoker dev` beside what else is on a developer's machine: configurations of other hosts, folders that come and go,
//! hosts that do not answer.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::Path;

use stoker_tests::{FakeHost, Guest, Running, TestHost, eventually, run_stoker};

/// Where its own host listens, by what it said.
fn own_url(said: &str) -> String {
    said.split("host at ").nth(1).unwrap().split(',').next().unwrap().to_owned()
}

#[test]
fn its_own_host_is_as_it_needs_it_whatever_other_hosts_are_told() {
    let home = tempfile::tempdir().unwrap();
    std::fs::copy(Guest::Hello.path(), home.path().join("hello.wasm")).unwrap();
    let production = "listen = \"0.0.0.0:80\"\ndata_dir = \"/nowhere\"\nworkers = 0\nlog = \"off\"\nlog_format = \"json\"\n\
        admin_key = \"0123456789abcdef-of-the-file\"\nallowed_hosts = [\"jobs.example.com\"]\nfuel_max = 11000000000\n";
    std::fs::write(home.path().join("stoker.toml"), production).unwrap();
    let environment = [
        ("STOKER_URL", "http://127.0.0.1:9"),
        ("STOKER_KEY", "0123456789abcdef-of-the-client"),
        ("STOKER_ADMIN_KEY", "0123456789abcdef-of-the-environment"),
        ("STOKER_LOG", "warn"),
        ("STOKER_WORKERS", "0"),
        ("STOKER_LISTEN", "127.0.0.1:9"),
        ("STOKER_DATA_DIR", "/nowhere"),
        ("STOKER_TIMEOUT_MAX", "31s"),
    ];
    let mut dev = Running::start(&["dev", "hello.wasm", "--own-host"], &environment, home.path());
    let said = dev.wait_said("stoker enqueue hello");
    let url = own_url(&said);
    assert!(said.contains(&format!("--wait --url {url}")), "another terminal has the same environment: {said}");
    let run = |args: &[&str]| {
        let args = [args, &["--url", &url]].concat();
        run_stoker(&args, &[], home.path(), b"")
    };
    assert!(run(&["enqueue", "hello", r#"{"name":"Ada"}"#, "--wait"]).expect_success().contains("Hello, Ada!"));
    // What limits jobs is what it will be where they are meant to run.
    run(&["enqueue", "hello", "{}", "--fuel", "11000000001"]).expect_failure(&["11000000000"]);
    run(&["enqueue", "hello", "{}", "--timeout", "32s"]).expect_failure(&["31s"]);
    assert!(home.path().join(".stoker/data/stoker.db").is_file());
    assert!(dev.terminate().success(), "{}", dev.said());
    let log = std::fs::read_to_string(home.path().join(".stoker/host.log")).unwrap();
    for secret in ["of-the-file", "of-the-client", "of-the-environment"] {
        assert!(!log.contains(secret) && !dev.said().contains(secret), "{log}");
    }
}

#[test]
fn a_host_of_its_own_and_one_that_is_named_exclude_each_other() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("a.wasm"), "").unwrap();
    let args = ["dev", "a.wasm", "--own-host", "--url", "http://127.0.0.1:9"];
    run_stoker(&args, &[], home.path(), b"").expect_failure(&["--own-host", "--url", "leave out one"]);
}
