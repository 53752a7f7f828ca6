//! The built guests under `target/guests`, put there by `cargo xtask guests` and `cargo xtask third-party`.

use std::path::PathBuf;

use crate::child::{target_dir, workspace_root};

/// A module built before the tests run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guest {
    /// `jobs/hello`: the smallest.
    Hello,
    /// `jobs/thumbnail`.
    Thumbnail,
    /// `tests/guests/handlers`: one kind per behaviour, made with the SDK.
    Handlers,
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
            Guest::Handlers => "handlers",
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
