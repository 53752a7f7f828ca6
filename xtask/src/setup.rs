//! What must be on the machine before anything builds: the wasm targets and a C compiler. Installs what it can.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::Context;

use crate::cargo::{run, say};

/// Plain WASI commands.
pub(crate) const COMMAND_TARGET: &str = "wasm32-wasip1";
/// Components.
pub(crate) const COMPONENT_TARGET: &str = "wasm32-wasip2";
/// Debian's names of what the C parts (SQLite, the allocator) and the power-cut test need.
const DEBIAN_PACKAGES: [&str; 2] = ["gcc", "libc6-dev"];

/// Makes sure that the wasm targets are there.
pub(crate) fn wasm_targets() -> anyhow::Result<()> {
    let libraries = sysroot()?.join("lib/rustlib");
    let missing: Vec<&str> =
        [COMMAND_TARGET, COMPONENT_TARGET].into_iter().filter(|target| !libraries.join(target).is_dir()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let mut command = Command::new("rustup");
    run(command.args(["target", "add"]).args(&missing)).with_context(|| {
        format!("the Rust toolchain lacks {}; install it, e.g. through https://rustup.rs", missing.join(" and "))
    })
}

/// Makes sure that there is a C compiler.
pub(crate) fn c_compiler() -> anyhow::Result<()> {
    if answers("cc") || answers("gcc") || answers("clang") {
        return Ok(());
    }
    let advice = format!("a C compiler is needed; on Debian: apt-get install {}", DEBIAN_PACKAGES.join(" "));
    anyhow::ensure!(rustix::process::geteuid().is_root() && answers("apt-get"), "{advice}");
    say("no C compiler: installing one");
    run(Command::new("apt-get").args(["install", "--yes", "--no-install-recommends"]).args(DEBIAN_PACKAGES))
        .context(advice)
}

/// Whether a program can be run.
pub(crate) fn answers(program: &str) -> bool {
    let mut command = Command::new(program);
    command.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

fn sysroot() -> anyhow::Result<PathBuf> {
    let output = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
        .args(["--print", "sysroot"])
        .current_dir(crate::workspace::root())
        .output()
        .context("cannot run rustc")?;
    anyhow::ensure!(output.status.success(), "rustc names no sysroot");
    Ok(PathBuf::from(String::from_utf8(output.stdout)?.trim()))
}
