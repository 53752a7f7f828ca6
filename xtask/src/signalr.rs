//! The real SignalR client for Node, from npm, that the hub is tested with: installed into `target/signalr` as
//! `tests/signalr/package-lock.json` says. Where it can't be, the tests that need it fail and say what to install.

use std::path::Path;
use std::process::Command;

use anyhow::Context;

use crate::cargo::run;
use crate::setup;
use crate::workspace::{self, Workspace};

/// What is copied; a change of any of them installs anew.
const FILES: [&str; 3] = ["package.json", "package-lock.json", "client.js"];
/// Names of the programs, as Debian calls their packages as well.
const PROGRAMS: [&str; 2] = ["nodejs", "npm"];

/// Installs it, if it is not there as it should be. An error is no reason not to run the other tests.
pub(crate) fn install() -> anyhow::Result<()> {
    let target = Workspace::load()?.target_dir.join("signalr");
    let source = workspace::root().join("tests/signalr");
    if is_installed(&source, &target) {
        return Ok(());
    }
    anyhow::ensure!(
        setup::answers("node") && setup::answers("npm"),
        "there is no Node; on Debian: apt-get install {}",
        PROGRAMS.join(" ")
    );
    std::fs::create_dir_all(&target)?;
    for file in FILES {
        std::fs::copy(source.join(file), target.join(file)).with_context(|| format!("cannot copy {file}"))?;
    }
    let mut command = Command::new("npm");
    command.args(["ci", "--no-audit", "--no-fund", "--ignore-scripts"]).current_dir(&target);
    let installed = run(&mut command);
    if installed.is_err() {
        // What is half there would pass for what should be.
        let _gone = std::fs::remove_dir_all(&target);
    }
    installed
}

fn is_installed(source: &Path, target: &Path) -> bool {
    let is_same = |file: &&str| {
        let read = |folder: &Path| std::fs::read(folder.join(file)).ok();
        read(source).is_some_and(|wanted| read(target) == Some(wanted))
    };
    FILES.iter().all(is_same) && target.join("node_modules/@microsoft/signalr/package.json").is_file()
}
