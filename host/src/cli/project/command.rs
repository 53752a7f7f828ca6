//! A project of any language: built by the command its `handler.toml` names.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};

use super::process::{self, Interrupt, Output, shown};
use super::toolchain;

/// Runs `build` in `folder` and gives the file it was to make.
pub(super) fn build(
    folder: &Path,
    build: &[String],
    variables: impl IntoIterator<Item = (String, String)>,
    wasm: &Path,
    say: &mut dyn FnMut(&str),
    interrupt: Option<&Interrupt>,
) -> anyhow::Result<PathBuf> {
    toolchain::command(build, folder)?;
    let (program, arguments) = build.split_first().context("`build` names no program")?;
    // What a relative path means to a process started elsewhere is not the same everywhere.
    let program = if program.contains('/') { folder.join(program) } else { PathBuf::from(program) };
    let mut command = Command::new(program);
    command.args(arguments).envs(variables).current_dir(folder);
    say(&format!("$ {}", shown(&command)));
    process::run(command, Output::Shown, interrupt)?;
    let made = folder.join(wasm);
    if !made.is_file() {
        bail!("the build made no {}; `wasm` in handler.toml must name the file it makes", made.display());
    }
    Ok(made)
}
