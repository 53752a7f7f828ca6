//! Programs nobody here wrote, built unmodified for WASI preview 1: proof that a plain command is a job.

use anyhow::Context;

use crate::cargo::{cargo, run, say};
use crate::guests::install;
use crate::setup::{self, COMMAND_TARGET};
use crate::workspace::Workspace;

/// A program on crates.io.
struct Program {
    name: &'static str,
    version: &'static str,
    options: &'static [&'static str],
}

const PROGRAMS: [Program; 2] = [
    // 3.x needs a terminal library that does not build for WASI; the default features need a C allocator.
    Program { name: "jaq", version: "1.6.0", options: &["--no-default-features"] },
    Program { name: "pulldown-cmark", version: "0.13.0", options: &[] },
];

/// Builds those that are not there yet.
pub(crate) fn build() -> anyhow::Result<()> {
    setup::wasm_targets()?;
    let workspace = Workspace::load()?;
    let folder = workspace.guests_dir();
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let root = workspace.target_dir.join("third-party");
    for Program { name, version, options } in PROGRAMS {
        let binary = root.join(format!("bin/{name}.wasm"));
        let stamp = root.join(format!("{name}-{version}.built"));
        if !(binary.is_file() && stamp.is_file()) {
            let mut command = cargo(["install", name, "--version", version, "--locked", "--force"]);
            command.args(options).args(["--target", COMMAND_TARGET, "--root"]).arg(&root);
            // Not this workspace's alias, flags or target directory: the program as its authors made it.
            command.env("CARGO_TARGET_DIR", root.join("build")).env_remove("RUSTFLAGS");
            // It is run a few times: to optimise it takes longer than that.
            command.env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1");
            run(&mut command)?;
            std::fs::write(&stamp, "")?;
        }
        let bytes = install(&binary, &folder.join(format!("{name}.wasm")))?;
        say(&format!("{bytes:>9} bytes  {name}.wasm ({version}, unmodified)"));
    }
    Ok(())
}
