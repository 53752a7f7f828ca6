//! `check`: formatting, clippy and documentation; a warning is an error.

use crate::cargo::{cargo, run};
use crate::guests;
use crate::setup::{self, COMPONENT_TARGET};
use crate::workspace::Workspace;

/// All of it, cheapest first.
pub(crate) fn run_all() -> anyhow::Result<()> {
    let workspace = Workspace::load()?;
    let selection = workspace.native_selection();
    run(&mut cargo(["fmt", "--all", "--check"]))?;
    run(cargo(["clippy", "--all-targets"]).args(&selection).args(["--", "-D", "warnings"]))?;
    let wasm_only: Vec<&str> =
        workspace.packages.iter().filter(|one| one.is_wasm_only()).map(|one| one.name.as_str()).collect();
    if !wasm_only.is_empty() {
        setup::wasm_targets()?;
        // In the profile guests are built in: the macros they need run from there and are not compiled again.
        let mut command = cargo(["clippy", "--profile", guests::PROFILE, "--target", COMPONENT_TARGET]);
        command.args(["--lib", "--bins", "--examples"]);
        for package in wasm_only {
            command.args(["--package", package]);
        }
        run(command.args(["--", "-D", "warnings"]))?;
    }
    run(cargo(["doc", "--no-deps"]).args(&selection).env("RUSTDOCFLAGS", "-D warnings"))
}
