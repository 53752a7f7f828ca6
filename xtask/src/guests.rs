//! Guests of this repository, built for wasm and copied to `target/guests/NAME.wasm`, where tests, demo and bench
//! look for them.
//!
//! NAME is the package's without `guest-` for handlers, the example's for examples, the binary's for plain commands
//! (preview 1), and that with `-component` for the same commands as components. Guests that are not Rust are built by
//! `projects`.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::Context;
use serde_json::Value;

use crate::cargo::{cargo, say, shown};
use crate::projects;
use crate::setup::{self, COMMAND_TARGET, COMPONENT_TARGET};
use crate::workspace::{Package, Workspace, has_kind};

/// Small, with function names kept; see the workspace's Cargo.toml.
pub(crate) const PROFILE: &str = "handler";

/// Builds every guest; gives the names of those that were skipped for want of a compiler.
pub(crate) fn build_all() -> anyhow::Result<Vec<String>> {
    build(|_| true)?;
    projects::build_all(&Workspace::load()?)
}

/// Builds the guests of these packages.
pub(crate) fn build_only(names: &[&str]) -> anyhow::Result<()> {
    build(|package| names.contains(&&package.name[..]))
}

fn build(wanted: impl Fn(&Package) -> bool) -> anyhow::Result<()> {
    setup::wasm_targets()?;
    let workspace = Workspace::load()?;
    let guests: Vec<&Package> =
        workspace.packages.iter().filter(|package| package.is_guest() && wanted(package)).collect();
    anyhow::ensure!(!guests.is_empty(), "no such guest in the workspace");
    let with = |chosen: fn(&Package) -> bool| -> Vec<&Package> {
        guests.iter().copied().filter(|package| chosen(package)).collect()
    };

    let mut built = build_for(COMPONENT_TARGET, &["--lib", "--bins"], &guests)?;
    // Apart from the others, whose examples and dev-dependencies are for this machine and not for wasm.
    built.extend(build_for(COMPONENT_TARGET, &["--examples"], &with(|package| package.has_component_examples))?);
    built.extend(build_for(COMMAND_TARGET, &["--bins"], &with(|package| package.has_binaries))?);
    built.sort();
    let folder = workspace.guests_dir();
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    for (name, artifact) in &built {
        let bytes = install(artifact, &folder.join(format!("{name}.wasm")))?;
        say(&format!("{bytes:>9} bytes  {name}.wasm"));
    }
    Ok(())
}

/// One cargo build; names and files of the guests it made.
fn build_for(target: &str, artifacts: &[&str], packages: &[&Package]) -> anyhow::Result<Vec<(String, PathBuf)>> {
    if packages.is_empty() {
        return Ok(Vec::new());
    }
    let mut command = cargo(["build", "--profile", PROFILE, "--target", target]);
    command.args(artifacts);
    for package in packages {
        command.args(["--package", &package.name]);
    }
    say(&format!("$ {}", shown(&command)));
    command.args(["--message-format", "json-render-diagnostics"]).stderr(Stdio::inherit());
    let output = command.output().context("cannot run cargo")?;
    anyhow::ensure!(output.status.success(), "the guests do not build for {target}");
    let messages = String::from_utf8(output.stdout).context("cargo's messages")?;
    let mut built = Vec::new();
    for line in messages.lines() {
        let message: Value = serde_json::from_str(line).context("cargo's messages")?;
        built.extend(guest_of(&message, target, packages));
    }
    Ok(built)
}

/// The guest a message of cargo tells of, if it does: its name and file.
fn guest_of(message: &Value, target: &str, packages: &[&Package]) -> Option<(String, PathBuf)> {
    let artifact = message["filenames"].as_array()?.iter().filter_map(Value::as_str).find(|file| is_wasm(file))?;
    let manifest = Path::new(message["manifest_path"].as_str()?);
    let package =
        packages.iter().find(|package| manifest.parent().is_some_and(|dir| dir.ends_with(&package.folder)))?;
    let target_name = message["target"]["name"].as_str()?;
    let name = if has_kind(&message["target"], "bin") {
        if target == COMPONENT_TARGET { format!("{target_name}-component") } else { target_name.to_owned() }
    } else if has_kind(&message["target"], "example") {
        target_name.replace('_', "-")
    } else {
        package.name.strip_prefix("guest-").unwrap_or(&package.name).to_owned()
    };
    Some((name, PathBuf::from(artifact)))
}

fn is_wasm(file: &str) -> bool {
    Path::new(file).extension().is_some_and(|extension| extension == "wasm")
}

/// Copies a file so that nobody ever sees half of it; its size.
pub(crate) fn install(from: &Path, to: &Path) -> anyhow::Result<u64> {
    let unfinished = to.with_extension("wasm.new");
    let bytes = std::fs::copy(from, &unfinished)
        .with_context(|| format!("cannot copy {} to {}", from.display(), unfinished.display()))?;
    std::fs::rename(&unfinished, to).with_context(|| format!("cannot write {}", to.display()))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_follow_the_rule() {
        let package =
            |name: &str, folder: &str| Package { name: name.into(), folder: folder.into(), ..Package::default() };
        let (handlers, commands) =
            (package("guest-handlers", "tests/guests/handlers"), package("guest-commands", "tests/guests/commands"));
        let packages = [&handlers, &commands];
        let message = |folder: &str, kind: &str, name: &str, file: &str| {
            json!({
                "reason": "compiler-artifact",
                "manifest_path": format!("/repo/{folder}/Cargo.toml"),
                "target": {"kind": [kind], "name": name},
                "filenames": ["/t/lib.rlib", file],
            })
        };
        let name = |message: &Value, target: &str| guest_of(message, target, &packages).map(|(name, _)| name);
        let handlers = message("tests/guests/handlers", "cdylib", "guest_handlers", "/t/guest_handlers.wasm");
        assert_eq!(name(&handlers, COMPONENT_TARGET).as_deref(), Some("handlers"));
        let command = message("tests/guests/commands", "bin", "exit-code", "/t/exit-code.wasm");
        assert_eq!(name(&command, COMMAND_TARGET).as_deref(), Some("exit-code"));
        assert_eq!(name(&command, COMPONENT_TARGET).as_deref(), Some("exit-code-component"));
        let example = message("tests/guests/handlers", "example", "no-kinds", "/t/no_kinds.wasm");
        assert_eq!(name(&example, COMPONENT_TARGET).as_deref(), Some("no-kinds"));
        let dependency = message("registry/serde", "lib", "serde", "/t/serde.rlib");
        assert_eq!(name(&dependency, COMPONENT_TARGET), None);
    }
}
