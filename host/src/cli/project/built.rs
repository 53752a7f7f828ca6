//! What a build made.

use std::path::PathBuf;

use crate::job::{ModuleName, SettingsWire};

/// A module, ready to be uploaded or run.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::cli) struct Built {
    /// The file.
    pub(in crate::cli) wasm: PathBuf,
    /// The name to upload it under.
    pub(in crate::cli) module: ModuleName,
    /// Of a plain command: what its project wants its kind to be set to.
    pub(in crate::cli) settings: Option<SettingsWire>,
    /// The project it was built from; `None` for a file that was there.
    pub(in crate::cli) folder: Option<PathBuf>,
}
