//! The command line against a host that sends escape sequences wherever it may say something: none reaches the terminal.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use serde_json::{Value, json};
use stoker_tests::{FakeHost, Guest, run_stoker};

const ID: &str = "job_01ARZ3NDEKTSV4RRFFQ69G5FAV";
/// Clears the screen in two ways, goes back to the line's begin, and turns the reading direction.
const HOSTILE: &str = "\u{1b}[2J\u{9b}2J\r\u{202e}";

fn digest(word: &str) -> String {
    format!("sha256:{word:0<64}")
}

fn version(word: &str, active: bool) -> Value {
    json!({"name": HOSTILE, "digest": digest(word), "size_bytes": 1, "kinds": [HOSTILE], "imports": [HOSTILE],
        "type": HOSTILE, "compile_ms": 1, "active": active, "created_at": HOSTILE, "activated_at": HOSTILE})
}

fn job(state: &str) -> Value {
    json!({"id": ID, "kind": HOSTILE, "queue": HOSTILE, "state": state, "priority": 5, "payload": {"a": HOSTILE},
        "output": HOSTILE, "attempt": 1, "max_attempts": 2, "run_at": HOSTILE, "created_at": HOSTILE, "tags": [HOSTILE],
        "started_at": HOSTILE, "finished_at": HOSTILE, "module": {"name": HOSTILE, "digest": HOSTILE},
        "error": {"reason": HOSTILE, "message": HOSTILE, "detail": HOSTILE}, "progress": {"done": 1, "message": HOSTILE},
        "waiting": {"reason": HOSTILE, "detail": HOSTILE}})
}

/// What a host would answer, with everything it is free to say made hostile.
fn answer(target: &str) -> Option<String> {
    let path = target.split([' ', '?']).nth(1)?;
    let page = |items: Vec<Value>| json!({"items": items, "next_cursor": null});
    let log = json!({"execution": 1, "attempt": 1, "dropped": 2,
        "lines": [{"at": HOSTILE, "level": HOSTILE, "message": HOSTILE}]});
    let answer = match path.strip_prefix("/v1")? {
        "/modules/m/versions" => page(vec![version("b", true), version("a", false)]),
        path if path.ends_with("/changes") => {
            json!({"active": HOSTILE, "kinds": [{"kind": HOSTILE, "change": "changed",
            "input": [HOSTILE], "jobs": {"unfinished": 1, "unchecked": HOSTILE}}]})
        }
        "/modules" => page(vec![version("a", true)]),
        path if path.starts_with("/modules") => version("a", true),
        "/kinds" => page(vec![json!({"name": HOSTILE, "description": HOSTILE})]),
        path if path.starts_with("/kinds") => {
            json!({"name": HOSTILE, "description": HOSTILE, "settings": {HOSTILE: HOSTILE},
            "settings_from": {HOSTILE: HOSTILE}, "operator_settings": {HOSTILE: HOSTILE}, "input_schema": {HOSTILE: HOSTILE},
            "output_schema": true, "module": {"name": HOSTILE, "digest": HOSTILE}})
        }
        path if path.ends_with("/logs") => page(vec![log]),
        path if path.ends_with("/attempts") => page(vec![json!({"number": 1, "attempt": 1, "outcome": HOSTILE,
            "error": {"reason": HOSTILE, "message": HOSTILE}, "started_at": HOSTILE, "finished_at": HOSTILE})]),
        path if path.ends_with("/history") => page(vec![json!({"at": HOSTILE, "event": HOSTILE, "attempt": 1,
            "detail": HOSTILE})]),
        "/jobs" if target.starts_with("GET") => page(vec![job("failed"), job(HOSTILE)]),
        path if path.ends_with("/retry") => job(HOSTILE),
        _ => job("failed"),
    };
    Some(answer.to_string())
}

/// Everything is escaped, and something of what was sent is shown.
#[track_caller]
fn assert_harmless(args: &[&str], answer: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> String {
    let (host, home) = (FakeHost::start(answer), tempfile::tempdir().unwrap());
    let exited = run_stoker(args, &[("STOKER_URL", host.url())], home.path(), b"");
    let said = exited.stdout + &exited.stderr;
    let harmful = said.chars().find(|c| (c.is_control() && !matches!(c, '\n' | '\t')) || *c == '\u{202e}');
    assert_eq!(harmful, None, "{args:?}: {said:?}");
    said
}

#[test]
fn no_escape_of_a_host_reaches_the_terminal() {
    let wasm = Guest::Hello.path().display().to_string();
    for args in [
        &["rollback", "m"][..],
        &["rollback", "m", "a000", "--force"],
        &["modules"],
        &["modules", "m"],
        &["kinds"],
        &["kinds", "k"],
        &["kinds", "k", "--set", "fuel=1"],
        &["kinds", "k", "--unset", "none"],
        &["jobs"],
        &["job", ID],
        &["logs", ID],
        &["logs", "-f", ID],
        &["retry", ID],
        &["cancel", ID],
        &["enqueue", "k", "{}"],
        &["enqueue", "k", "{}", "--wait"],
        &["deploy", &wasm, "--name", "m"],
    ] {
        let said = assert_harmless(args, answer);
        let says_nothing_of_it = matches!(args, ["cancel", ..] | ["enqueue", "k", "{}"]);
        assert!(says_nothing_of_it || said.contains("\\u{1b}[2J"), "{args:?}: {said}");
        let has_json = !matches!(args, ["kinds", "k", "--unset", _]);
        if has_json {
            let said = assert_harmless(&[args, &["--json"]].concat(), answer);
            assert!(said.contains("\\u001b[2J") && said.contains("\\u009b2J"), "{args:?}: {said}");
        }
    }
    assert_harmless(&["doctor", "--json"], |_| Some(format!(r#"{{"info": {{"version": "{HOSTILE}"}}}}"#)));
}

#[test]
fn what_is_no_json_is_not_printed_as_such() {
    for args in [&["job", ID, "--json"][..], &["kinds", "k", "--json"], &["retry", ID, "--json"]] {
        let said = assert_harmless(args, |_| Some("\u{1b}[2J and no JSON".to_owned()));
        assert!(said.contains("is it a Stoker host"), "{args:?}: {said}");
    }
}
