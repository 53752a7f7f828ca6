//! The built module in the real sandbox with its real limits, through `stoker run`.

use std::process::{Command, Output};

/// `None`, with a word about it, where there is no `stoker` to run it with.
fn run(payload: &str) -> Option<Output> {
    let stoker = std::env::var_os("STOKER_BIN").unwrap_or_else(|| "stoker".into());
    let output = Command::new(stoker).args(["run", env!("CARGO_MANIFEST_DIR"), "{{name}}", payload]).output();
    if output.is_err() {
        eprintln!("skipped: put `stoker` on the PATH, or name it in STOKER_BIN");
    }
    output.ok()
}

#[test]
fn shouts_in_the_sandbox() {
    let Some(output) = run("\"hello\"") else { return };
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "\"HELLO\"", "{stderr}");
}

#[test]
fn blank_text_fails_for_good() {
    let Some(output) = run("\" \"") else { return };
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && stderr.contains("blank"), "{stderr}");
}
