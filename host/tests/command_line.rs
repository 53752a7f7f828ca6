//! The real binary, without a host: which source of settings wins, what is refused before anything starts, and how
//! that is told. Values past their bounds are used on purpose: the message then shows which one was taken.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::Path;
use std::process::{Command, Output};

/// Runs `stoker` with these arguments and nothing of Stoker's in the environment but `variables`.
fn stoker(directory: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stoker"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("STOKER_") {
            command.env_remove(name);
        }
    }
    command.args(arguments).envs(variables.iter().copied()).current_dir(directory).output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn flags_win_over_the_environment_and_that_over_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    std::fs::write(path.join("named.toml"), "workers = 904\n").unwrap();
    let file = "workers = 903\n";
    let variable: &[_] = &[("STOKER_WORKERS", "902")];
    let named: &[_] = &[("STOKER_CONFIG", "named.toml")];
    for (file, variables, arguments, taken) in [
        (Some(file), variable, &["serve", "--workers", "901"][..], "901"),
        (None, variable, &["serve", "--workers", "901"], "901"),
        (Some(file), variable, &["serve"], "902"),
        (None, variable, &["serve"], "902"),
        (Some(file), &[], &["serve"], "903"),
        (Some(file), named, &["serve"], "904"),
        (None, &[], &["serve", "--config", "named.toml"], "904"),
        (None, variable, &["serve", "--config", "named.toml"], "902"),
    ] {
        match file {
            Some(text) => std::fs::write(path.join("stoker.toml"), text).unwrap(),
            None => drop(std::fs::remove_file(path.join("stoker.toml"))),
        }
        let output = stoker(path, arguments, variables);
        let expected = format!("error: `workers`: {taken} is more than");
        assert!(stderr(&output).starts_with(&expected), "{file:?} {variables:?} {arguments:?}: {}", stderr(&output));
        assert_eq!(output.status.code(), Some(1));
    }
}

#[test]
fn an_open_door_is_refused_and_the_key_is_never_shown() {
    let directory = tempfile::tempdir().unwrap();
    let refused = stoker(directory.path(), &["serve", "--listen", "0.0.0.0:0"], &[]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(stderr(&refused).contains("STOKER_ADMIN_KEY"), "{}", stderr(&refused));

    let key = [("STOKER_ADMIN_KEY", "a-key-that-nobody-shall-see"), ("STOKER_WORKERS", "900")];
    for arguments in [&["serve", "--help"][..], &["jobs", "--help"], &["serve", "--listen", "0.0.0.0:0"]] {
        let output = stoker(directory.path(), arguments, &key);
        let shown = String::from_utf8_lossy(&output.stdout).into_owned() + &stderr(&output);
        assert!(!shown.contains("nobody-shall-see"), "{arguments:?}: {shown}");
    }
}

#[test]
fn exit_codes_and_channels() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("stoker.toml"), "workers = 1\nwokers = 2\n").unwrap();
    let nobody = "http://127.0.0.1:9";
    for (arguments, code, message) in [
        (&["serve"][..], 1, "stoker.toml, line 2: unknown field `wokers`"),
        (&["serve", "--memory", "lots"], 2, "`lots` is not a size"),
        (&["serve", "--config", "none.toml"], 1, "none.toml"),
        (&["jobs", "--url", nobody], 1, "start one with `stoker serve`"),
        (&["enqueue", "hello", "{name: Ada}", "--url", nobody], 1, "not JSON"),
        (&["deploy", "none.wasm", "--url", nobody], 1, "none.wasm"),
        (&["backup", "stoker.toml", "--url", nobody], 1, "exists already"),
        (&["job", "17"], 2, "not an id"),
        (&["--version"], 0, ""),
    ] {
        let output = stoker(directory.path(), arguments, &[]);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(message), "{arguments:?}: {}", stderr(&output));
        assert_eq!(output.stdout.is_empty(), code != 0, "{arguments:?}: results only on standard output");
    }
}
