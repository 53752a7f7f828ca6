//! `test` and `crash`: everything is built once with one selection of packages, so that nothing compiles twice.

use std::time::Instant;

use crate::cargo::{cargo, run, say};
use crate::workspace::Workspace;
use crate::{guests, setup, signalr, smtp, third_party};

/// The crate whose tests start the real host.
const END_TO_END: &str = "stoker-tests";
/// Rounds of `crash` when nobody says otherwise.
pub(crate) const CRASH_ROUNDS_DEFAULT: u32 = 50;
const CRASH_ROUNDS_VARIABLE: &str = "STOKER_CRASH_ROUNDS";

/// Tests that kill the host, as often as it says.
const CRASH_TESTS: [&str; 7] = ["crash", "steps", "effects", "kv", "mail", "databases", "postgres"];

/// How much is tested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// All of it.
    Everything,
    /// What needs neither guests nor a running host.
    Short,
}

/// Sets up, builds, tests.
pub(crate) fn run_tests(extent: Extent) -> anyhow::Result<()> {
    let started = Instant::now();
    setup::c_compiler()?;
    if extent == Extent::Everything {
        setup::servers_of_tests();
    }
    let workspace = Workspace::load()?;
    let mut selection = workspace.native_selection();
    let mut skipped = Vec::new();
    match extent {
        Extent::Everything => skipped = prepare(&selection)?,
        Extent::Short if workspace.has(END_TO_END) => {
            selection.extend(["--exclude".to_owned(), END_TO_END.to_owned()]);
        }
        Extent::Short => {}
    }
    if setup::answers("cargo-nextest") {
        run(cargo(["nextest", "run", "--no-fail-fast"]).args(&selection))?;
    } else {
        run(cargo(["test", "--no-fail-fast", "--bins", "--lib", "--tests"]).args(&selection))?;
    }
    run(cargo(["test", "--doc"]).args(&selection))?;
    say(&format!("all tests passed, {} s", started.elapsed().as_secs()));
    if !skipped.is_empty() {
        say(&format!(
            "NOT TESTED for want of a compiler: {}; `cargo xtask guests` says what to do",
            skipped.join(", ")
        ));
    }
    Ok(())
}

/// Kills the host under load, again and again.
pub(crate) fn crash(rounds: u32) -> anyhow::Result<()> {
    setup::c_compiler()?;
    setup::servers_of_tests();
    let selection = Workspace::load()?.native_selection();
    prepare(&selection)?;
    let crash_tests = CRASH_TESTS.iter().flat_map(|test| ["--test", test]);
    let mut command = cargo(["test"]);
    command.args(crash_tests).args(&selection);
    command.args(["--", "--nocapture", "kill", "lost", "died"]).env(CRASH_ROUNDS_VARIABLE, rounds.to_string());
    run(&mut command)
}

/// Guests, third-party programs, the host's binary and all tests; the guests that could not be built.
fn prepare(selection: &[String]) -> anyhow::Result<Vec<String>> {
    let skipped = guests::build_all()?;
    third_party::build()?;
    if let Err(error) = signalr::install() {
        say(&format!("SignalR's client for Node could not be installed, and its tests will fail: {error:#}"));
    }
    if let Err(error) = smtp::install() {
        say(&format!("the SMTP server could not be installed, and the tests of mail will fail: {error:#}"));
    }
    // With `--tests`, as the tests will: features of dev-dependencies would otherwise make a second build of all.
    run(cargo(["build", "--bins", "--tests"]).args(selection))?;
    Ok(skipped)
}
