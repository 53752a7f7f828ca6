//! What must be on the machine before anything builds: the wasm targets and a C compiler; and what tests run against. Installs what it can.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Context;

use crate::cargo::{run, say};

/// Plain WASI commands.
pub(crate) const COMMAND_TARGET: &str = "wasm32-wasip1";
/// Components.
pub(crate) const COMPONENT_TARGET: &str = "wasm32-wasip2";
/// Debian's names of what the C parts (SQLite, the allocator) and the power-cut test need.
const DEBIAN_PACKAGES: [&str; 2] = ["gcc", "libc6-dev"];
/// Where Debian has the programs of `PostgreSQL`, which are not on the path.
const POSTGRES_FOLDER: &str = "/usr/lib/postgresql";
/// Set to `1` where the guests of every language must be built and tested.
const ALL_LANGUAGES_VARIABLE: &str = "STOKER_ALL_LANGUAGES";

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
    anyhow::ensure!(can_install(), "{advice}");
    say("no C compiler: installing one");
    install_packages(&DEBIAN_PACKAGES).context(advice)
}

/// Installs the programs that tests run against, where that can be done, and names them first of all where it can't: the tests that
/// need them fail then, and say so again; the others run.
pub(crate) fn servers_of_tests() {
    let mut packages = Vec::new();
    if !answers("postgres") && !Path::new(POSTGRES_FOLDER).is_dir() {
        packages.push("postgresql");
    }
    if !answers("node") {
        packages.push("nodejs");
    }
    if !answers("npm") {
        packages.push("npm");
    }
    if !runs(Command::new("python3").args(["-m", "pip"])) {
        packages.push("python3-pip");
    }
    if packages.is_empty() {
        return;
    }
    let names = packages.join(" ");
    say(&format!("what some tests need is not here; on Debian: apt-get install {names}"));
    if can_install()
        && let Err(error) = install_packages(&packages)
    {
        say(&format!("it could not be installed, and those tests will fail: {error:#}"));
    }
}

/// Whether the guests of every language must be built, their compilers being installed where they are absent.
pub(crate) fn all_languages() -> bool {
    std::env::var_os(ALL_LANGUAGES_VARIABLE).is_some_and(|value| value == "1")
}

/// Whether packages of Debian can be installed.
pub(crate) fn can_install() -> bool {
    rustix::process::geteuid().is_root() && answers("apt-get")
}

/// Installs packages of Debian.
pub(crate) fn install_packages(packages: &[&str]) -> anyhow::Result<()> {
    let install = || run(Command::new("apt-get").args(["install", "--yes", "--no-install-recommends"]).args(packages));
    // A fresh image has no lists of packages, and an old one those of yesterday.
    install().or_else(|_| run(Command::new("apt-get").arg("update")).and_then(|()| install()))
}

/// Whether a program can be run.
pub(crate) fn answers(program: &str) -> bool {
    runs(&mut Command::new(program))
}

fn runs(command: &mut Command) -> bool {
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
