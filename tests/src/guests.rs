//! The built guests under `target/guests`, put there by `cargo xtask guests` and `cargo xtask third-party`, and what the
//! examples among them say about themselves.

use std::path::PathBuf;

use serde_json::Value;

use crate::child::{target_dir, workspace_root};

/// Set to `1` where the guests of every language must have been built.
const ALL_LANGUAGES_VARIABLE: &str = "STOKER_ALL_LANGUAGES";

/// A module built before the tests run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guest {
    /// `jobs/hello`: the smallest.
    Hello,
    /// `jobs/thumbnail`.
    Thumbnail,
    /// `jobs/csv-report`.
    CsvReport,
    /// `jobs/trial`: lasts for days.
    Trial,
    /// `jobs/markdown`: a plain command.
    Markdown,
    /// `jobs/checksum-c`: a plain command in C.
    Checksum,
    /// `jobs/words-go`: a plain command in Go.
    Words,
    /// `tests/guests/handlers`: one kind per behaviour, made with the SDK.
    Handlers,
    /// `tests/guests/hostile`: one kind per attack.
    Hostile,
    /// `tests/guests/raw`: what the SDK forbids.
    Raw,
    /// `tests/guests/commands`, for WASI preview 1: exits with the code its input says.
    ExitCode,
    /// Copies standard input to standard output.
    Cat,
    /// Prints arguments and environment as JSON.
    EnvArgs,
    /// Writes to standard output without end.
    Flood,
    /// Writes text that is no JSON.
    NotJson,
    /// Never ends.
    Busy,
    /// Sleeps far past any timeout.
    Sleep,
    /// Aborts.
    Abort,
    /// Prints bytes that are no text.
    NotUtf8,
    /// Allocates without end.
    EatMemory,
    /// Tries to read a file and to reach the network.
    ReadFile,
    /// `tests/guests/liar`: a handler whose `describe` lies in the way the name says.
    Liar(&'static str),
    /// `ExitCode` as a component.
    ExitCodeComponent,
    /// `Cat` as a component.
    CatComponent,
    /// jaq 1.6.0, as its authors wrote it.
    Jaq,
    /// pulldown-cmark 0.13, as its authors wrote it.
    PulldownCmark,
}

impl Guest {
    /// The file, without its ending; also the name it is uploaded under.
    pub const fn module_name(self) -> &'static str {
        match self {
            Guest::Hello => "hello",
            Guest::Thumbnail => "thumbnail",
            Guest::CsvReport => "csv-report",
            Guest::Trial => "trial",
            Guest::Markdown => "markdown",
            Guest::Checksum => "checksum",
            Guest::Words => "words",
            Guest::Handlers => "handlers",
            Guest::Hostile => "hostile",
            Guest::Raw => "raw",
            Guest::ExitCode => "exit-code",
            Guest::Cat => "cat",
            Guest::EnvArgs => "env-args",
            Guest::Flood => "flood",
            Guest::NotJson => "not-json",
            Guest::Busy => "busy",
            Guest::Sleep => "sleep",
            Guest::Abort => "abort",
            Guest::NotUtf8 => "not-utf8",
            Guest::EatMemory => "eat-memory",
            Guest::ReadFile => "read-file",
            Guest::Liar(lie) => lie,
            Guest::ExitCodeComponent => "exit-code-component",
            Guest::CatComponent => "cat-component",
            Guest::Jaq => "jaq",
            Guest::PulldownCmark => "pulldown-cmark",
        }
    }

    /// What lies in `jobs/`.
    pub const EXAMPLES: [Guest; 7] = [
        Guest::Hello,
        Guest::Thumbnail,
        Guest::CsvReport,
        Guest::Trial,
        Guest::Markdown,
        Guest::Checksum,
        Guest::Words,
    ];

    /// Its folder in `jobs/`.
    pub fn folder(self) -> Option<&'static str> {
        match self {
            Guest::Checksum => Some("checksum-c"),
            Guest::Words => Some("words-go"),
            example if Guest::EXAMPLES.contains(&example) => Some(example.module_name()),
            _ => None,
        }
    }

    /// Where it is.
    pub fn path(self) -> PathBuf {
        let folder = std::env::var_os("STOKER_GUESTS").map_or_else(|| target_dir().join("guests"), PathBuf::from);
        folder.join(format!("{}.wasm", self.module_name()))
    }

    /// Its bytes.
    #[track_caller]
    pub fn wasm(self) -> Vec<u8> {
        let path = self.path();
        std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}; run `cargo xtask test`", path.display()))
    }

    /// Its bytes; none, and a line that says so, when its language's compiler was not there to build it. That is no
    /// excuse where all languages are asked for.
    #[track_caller]
    pub fn wasm_if_compiled(self) -> Option<Vec<u8>> {
        let must_be_there = std::env::var_os(ALL_LANGUAGES_VARIABLE).is_some_and(|value| value == "1");
        if !must_be_there && !self.path().is_file() {
            eprintln!("SKIPPED, NOT TESTED: {} is not built; `cargo xtask guests` says why", self.path().display());
            return None;
        }
        Some(self.wasm())
    }
}

/// The `[settings]` in the `handler.toml` of an example: what is written into it when it is deployed.
///
/// # Panics
/// When the file is missing or is no such file.
pub fn project_settings(folder: &str) -> Value {
    let path = workspace_root().join(folder).join("handler.toml");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let manifest: toml::Table = text.parse().unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let settings = manifest.get("settings").unwrap_or_else(|| panic!("{}: no [settings]", path.display()));
    serde_json::to_value(settings).expect("settings of JSON's types")
}

/// Guests built for an earlier host, `(version/name, bytes)`: they must run on every later one.
pub fn kept_guests() -> Vec<(String, Vec<u8>)> {
    let root = workspace_root().join("tests/guests/kept");
    let mut found = Vec::new();
    for version in std::fs::read_dir(&root).into_iter().flatten().flatten() {
        for file in std::fs::read_dir(version.path()).into_iter().flatten().flatten() {
            let path = file.path();
            if path.extension().is_some_and(|extension| extension == "wasm") {
                let name = path.strip_prefix(&root).expect("below the root").display().to_string();
                found.push((name, std::fs::read(&path).expect("a kept guest can be read")));
            }
        }
    }
    found.sort();
    found
}
