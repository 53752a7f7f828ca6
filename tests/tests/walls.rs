//! The walls between the host's parts (`ARCHITECTURE.md`): what a folder must not name.

use stoker_tests::walls::{Source, host_sources};

/// Longest file that passes without a remark, lines.
const FILE_LINES_WANTED: usize = 400;

/// Fails with every line of `sources` that names one of `names`.
fn assert_none_names<'a>(wall: &str, sources: impl Iterator<Item = &'a Source>, names: &[&str]) {
    let mut breaches = Vec::new();
    for source in sources {
        let lines = source.lines_naming(names);
        breaches.extend(lines.into_iter().map(|(line, text)| format!("host/src/{}:{line}: {text}", source.path)));
    }
    assert!(breaches.is_empty(), "{wall}:\n{}", breaches.join("\n"));
}

#[test]
fn the_domain_is_pure() {
    let sources = host_sources();
    let domain = || sources.iter().filter(|source| source.is_in(&["job"]));
    assert!(domain().count() > 5, "host/src/job has moved: this wall guards nothing");
    let names = [
        "std::fs",
        "fs",
        "std::net",
        "net",
        "std::io",
        "std::env",
        "std::process",
        "std::thread",
        "thread",
        "Instant",
        "SystemTime",
        "tokio",
        "rand",
        "rusqlite",
        "axum",
        "wasmtime",
        "async",
        ".await",
    ];
    assert_none_names("job/ does no IO, reads no clock and is not async", domain(), &names);
}

#[test]
fn sqlite_is_the_stores_alone() {
    let sources = host_sources();
    let outside = sources.iter().filter(|source| !source.is_in(&["store"]));
    assert_none_names("only store/ names rusqlite", outside, &["rusqlite", "libsqlite3_sys"]);
}

#[test]
fn jsonschema_is_the_bounded_schemas_alone() {
    let sources = host_sources();
    let outside = sources.iter().filter(|source| !source.is_in(&["schema"]));
    assert_none_names("only schema/ names jsonschema", outside, &["jsonschema"]);
}

#[test]
fn wasmtime_is_the_sandboxs_alone() {
    let sources = host_sources();
    let outside = sources.iter().filter(|source| !source.is_in(&["sandbox", "modules"]));
    let names = ["wasmtime", "wasmtime_wasi", "wasmtime_wasi_http", "wasmparser", "wasm_encoder"];
    assert_none_names("only sandbox/ and modules/ name wasmtime", outside, &names);
}

#[test]
fn axum_is_the_apis_alone() {
    let sources = host_sources();
    let outside = sources.iter().filter(|source| !source.is_in(&["api", "dashboard"]));
    assert_none_names("only api/ and dashboard/ name axum", outside, &["axum", "utoipa_axum", "hyper", "hyper_util"]);
}

#[test]
fn every_file_says_what_it_owns() {
    let silent: Vec<_> =
        host_sources().into_iter().filter(|source| !source.text.starts_with("//!")).map(|source| source.path).collect();
    assert!(silent.is_empty(), "these files do not open with `//!`: {silent:?}");
}

/// Remarks only: a long file is a smell, not a fault.
#[test]
fn long_files_are_remarked() {
    for source in host_sources() {
        let lines = source.text.lines().count();
        if lines > FILE_LINES_WANTED {
            println!("host/src/{} has {lines} lines: split it by operation", source.path);
        }
    }
}
