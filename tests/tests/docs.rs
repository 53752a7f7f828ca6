//! The programs of `docs/plain-commands.md`, built and run as the page says.
//!
//! In each section of the page, a block whose fence names a file (`c lines.c`) is that file, and a block `sh run` is run
//! in the folder where the files are; what its comments say is printed (`# prints …`) must be.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::{Path, PathBuf};
use std::process::Command;

use stoker_tests::{Guest, TestHost, stoker_binary, workspace_root};

/// Where the page supposes the host.
const DEFAULT_URL: &str = "http://127.0.0.1:7700";
/// Before what a command prints, in a comment behind it.
const PRINTS: &str = "# prints ";

/// A fenced block: the words after its fence, and its text.
struct Block {
    info: Vec<String>,
    text: String,
}

/// The blocks of the section with this title.
fn blocks(page: &str, title: &str) -> Vec<Block> {
    let section = page.split("\n## ").find(|section| section.lines().next() == Some(title));
    let section = section.unwrap_or_else(|| panic!("no section {title:?}"));
    // Outside and inside take turns.
    let fenced = section.split("\n```").skip(1).step_by(2);
    fenced
        .map(|block| {
            let (info, text) = block.split_once('\n').unwrap_or((block, ""));
            Block { info: info.split_whitespace().map(ToOwned::to_owned).collect(), text: format!("{text}\n") }
        })
        .collect()
}

/// Does what the section says; the host is another one.
fn follow(title: &str, compilers: &[PathBuf]) {
    let page = std::fs::read_to_string(workspace_root().join("docs/plain-commands.md")).unwrap();
    let host = TestHost::start();
    let folder = tempfile::tempdir().unwrap();
    let mut runs = 0;
    for Block { info, text } in blocks(&page, title) {
        match info.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
            ["sh", "run"] => {
                runs += 1;
                run(&text.replace(DEFAULT_URL, host.url()), folder.path(), host.url(), compilers);
            }
            [_, file] => {
                let path = folder.path().join(file);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, text).unwrap();
            }
            _ => {}
        }
    }
    assert!(runs > 0, "section {title:?} has nothing to run");
}

fn run(script: &str, folder: &Path, url: &str, compilers: &[PathBuf]) {
    let programs = stoker_binary().parent().unwrap().to_owned();
    let inherited = std::env::var_os("PATH").unwrap_or_default();
    // What is installed comes before what was put into the target directory.
    let path = std::iter::once(programs).chain(std::env::split_paths(&inherited)).chain(compilers.iter().cloned());
    let output = Command::new("sh")
        .args(["-euc", script])
        .current_dir(folder)
        .env("PATH", std::env::join_paths(path).unwrap())
        .env("STOKER_URL", url)
        .env_remove("CARGO_TARGET_DIR")
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    let said = format!("{script}\n---\n{printed}{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{:?}\n{said}", output.status);
    let promised: Vec<&str> = script.lines().filter_map(|line| Some(line.split_once(PRINTS)?.1.trim())).collect();
    assert!(!promised.is_empty(), "nothing is said to be printed, so nothing is tested:\n{said}");
    for words in promised {
        assert!(printed.contains(words), "{words} is not printed:\n{said}");
    }
}

/// Compilers that `cargo xtask guests` put into the target directory; zig answers to clang's name there.
fn installed() -> PathBuf {
    // target/guests/NAME.wasm
    Guest::Hello.path().ancestors().nth(2).unwrap().join("tools")
}

#[test]
fn the_program_in_rust() {
    follow("Rust", &[]);
}

#[test]
fn the_program_in_c() {
    if Guest::Checksum.wasm_if_compiled().is_none() {
        return;
    }
    let shim = tempfile::tempdir().unwrap();
    let zig = installed().join("ziglang/zig");
    if zig.is_file() {
        use std::os::unix::fs::PermissionsExt;
        let clang = shim.path().join("clang");
        std::fs::write(&clang, format!("#!/bin/sh\nexec '{}' cc \"$@\"\n", zig.display())).unwrap();
        std::fs::set_permissions(&clang, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    follow("C", &[shim.path().to_owned()]);
}

#[test]
fn the_program_in_go() {
    if Guest::Words.wasm_if_compiled().is_some() {
        follow("Go", &[installed().join("go/bin")]);
    }
}
