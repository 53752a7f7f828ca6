//! What a build made.

use std::io::Read;
use std::path::PathBuf;

use anyhow::Context;

use crate::job::{ModuleName, SettingsWire};
use crate::modules::append_settings;
use crate::regular_file;

/// Largest file that is read at all, bytes; the host has its own, lower limit.
const FILE_BYTES_MAX: u64 = 1 << 30;

/// A module, ready to be uploaded or run.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::cli) struct Built {
    /// The file.
    pub(in crate::cli) wasm: PathBuf,
    /// The name to upload it under.
    pub(in crate::cli) module: ModuleName,
    /// Of a plain command: what its project sets for its kind.
    pub(in crate::cli) settings: Option<SettingsWire>,
    /// The project it was built from; `None` for a file that was there.
    pub(in crate::cli) folder: Option<PathBuf>,
}

impl Built {
    /// The module's bytes, with its settings written into them.
    pub(in crate::cli) fn read(&self) -> anyhow::Result<Vec<u8>> {
        let file = &self.wasm;
        let context = || format!("cannot read {}", file.display());
        let mut wasm = Vec::new();
        let is_input = file == std::path::Path::new("/dev/stdin");
        let opened = if is_input { std::fs::File::open(file) } else { regular_file::open_to_read(file) };
        opened.with_context(context)?.take(FILE_BYTES_MAX + 1).read_to_end(&mut wasm).with_context(context)?;
        anyhow::ensure!(!wasm.is_empty(), "{} is empty", file.display());
        anyhow::ensure!(wasm.len() as u64 <= FILE_BYTES_MAX, "{} is larger than 1 GiB", file.display());
        if let Some(settings) = &self.settings {
            append_settings(&mut wasm, settings).context("cannot write the [settings] of handler.toml")?;
        }
        Ok(wasm)
    }
}
