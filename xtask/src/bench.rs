//! `bench`: a release host, the bench guest, and the load generator.

use std::process::Command;

use crate::cargo::{cargo, run};
use crate::workspace::{self, Workspace};
use crate::{guests, setup};

/// Builds and runs `stoker-bench` with these arguments.
pub(crate) fn run_with(arguments: &[&str]) -> anyhow::Result<()> {
    setup::c_compiler()?;
    guests::build_only(&["bench-guest"])?;
    // Both in one build: they share every dependency.
    run(&mut cargo(["build", "--release", "--package", "stoker", "--package", "stoker-bench"]))?;
    let target_dir = Workspace::load()?.target_dir;
    let mut command = Command::new(target_dir.join("release/stoker-bench"));
    command.current_dir(workspace::root());
    command.arg("--stoker").arg(target_dir.join("release/stoker"));
    command.arg("--guest").arg(target_dir.join("guests/bench-guest.wasm"));
    command.arg("--data-dir").arg(target_dir.join("bench-data"));
    run(command.args(arguments))
}
