//! The README's tour, as a reader would type it: its `sh` blocks run in one shell, in order, against a real host, and
//! what stands in a `text` block after one must be in what it printed.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::process::{Command, Stdio};

use stoker_tests::{TestHost, cache_dir, scaffold_dir, stoker_binary, workspace_root};

const HEADING: &str = "## A tour";
/// Stands alone on a line between the output of two blocks, with the exit code of the first.
const BORDER: &str = "=== end of block, exit code";

/// Commands, and what the README says they print.
#[derive(Debug, Default)]
struct Step {
    commands: String,
    printed: Vec<String>,
}

/// The steps of the section.
fn steps(readme: &str) -> Vec<Step> {
    let (_, section) = readme.split_once(HEADING).expect("the README has a tour");
    let section = section.split("\n## ").next().unwrap_or_default();
    let mut steps: Vec<Step> = Vec::new();
    let mut fence = None;
    for line in section.lines() {
        match (fence, line.strip_prefix("```")) {
            (None, Some(language)) => {
                fence = Some(language);
                if language == "sh" {
                    steps.push(Step::default());
                }
            }
            (Some(_), Some(_)) => fence = None,
            (Some("sh"), None) => {
                let step = steps.last_mut().expect("its fence made it");
                step.commands.push_str(line);
                step.commands.push('\n');
            }
            (Some("text"), None) => steps.last_mut().expect("output follows commands").printed.push(line.to_owned()),
            (_, None) => {}
        }
    }
    steps
}

/// Whether the pieces of `line` between `…` stand in `printed`, in order.
fn is_printed(line: &str, printed: &str) -> bool {
    let mut rest = printed;
    line.split('…').map(str::trim).filter(|piece| !piece.is_empty()).all(|piece| {
        let found = rest.find(piece);
        rest = found.map_or(rest, |at| &rest[at + piece.len()..]);
        found.is_some()
    })
}

#[test]
fn the_tour_goes_as_the_readme_says() {
    let readme = std::fs::read_to_string(workspace_root().join("README.md")).unwrap();
    let steps = steps(&readme);
    assert!(steps.len() > 5, "the tour is short: {steps:#?}");

    let mut host = TestHost::builder().leaves_work_behind().start();
    let folder = tempfile::tempdir().unwrap();
    let script: Vec<String> =
        steps.iter().map(|step| format!("{}printf '\\n{BORDER} %s\\n' $?", step.commands)).collect();
    let script = script.join("\n");
    let binary = stoker_binary();
    let path = format!("{}:{}", binary.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let output = Command::new("bash")
        .args(["-c", &format!("exec 2>&1\n{script}")])
        .current_dir(folder.path())
        .env("PATH", path)
        .env("STOKER_BIN", &binary)
        .env("STOKER_URL", host.url())
        .env("NO_COLOR", "1")
        // Everything the scaffold needs was fetched for this workspace.
        .env("CARGO_NET_OFFLINE", "true")
        // Where the tests of new projects are built, too: dependencies compile once.
        .env("CARGO_TARGET_DIR", scaffold_dir().join("target"))
        .env("XDG_CACHE_HOME", cache_dir())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut rest = said.as_str();
    for step in &steps {
        let Some((printed, after)) = rest.split_once(BORDER) else { panic!("the shell ended early:\n{said}") };
        let (code, after) = after.split_once('\n').unwrap();
        rest = after;
        for line in &step.printed {
            assert!(is_printed(line, printed), "`{line}` is not in the output of\n{}\n{printed}", step.commands);
        }
        // A block that is shown to fail says what it prints.
        assert!(code.trim() == "0" || !step.printed.is_empty(), "exit code {code} of\n{}\n{printed}", step.commands);
    }
    host.leave_work_behind();
}

#[test]
fn pieces_stand_in_order() {
    for (line, printed, expected) in [
        ("job_… succeeded", "job_01AB succeeded in 3 ms", true),
        ("succeeded … job_", "job_01AB succeeded", false),
        ("", "anything", true),
        ("x", "", false),
    ] {
        assert_eq!(is_printed(line, printed), expected, "{line}");
    }
}
