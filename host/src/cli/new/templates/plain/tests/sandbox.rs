//! The built module in the real sandbox with its real limits, through `stoker run`.

use std::process::{Command, Output};

fn run(payload: &str) -> Output {
    let stoker = std::env::var_os("STOKER_BIN").unwrap_or_else(|| "stoker".into());
    let mut command = Command::new(stoker);
    command.args(["run", env!("CARGO_MANIFEST_DIR"), "{{name}}", payload]);
    command
        .output()
        .expect("put `stoker` on the PATH, or name it in STOKER_BIN")
}

#[test]
fn shouts_in_the_sandbox() {
    let output = run("\"hello\"");
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(stdout.trim(), "\"HELLO\"", "{stderr}");
}

#[test]
fn blank_text_fails_for_good() {
    let output = run("\" \"");
    let stderr = text(&output.stderr);
    assert!(!output.status.success(), "{stderr}");
    assert!(stderr.contains("blank"), "{stderr}");
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
