//! What is in the workspace, as cargo sees it.

use std::path::{Path, PathBuf};

use anyhow::Context;
use serde_json::Value;

use crate::cargo::{cargo, shown};

/// Folders whose packages are built for wasm; the others never are.
const GUEST_FOLDERS: [&str; 3] = ["jobs", "tests/guests", "bench/guest"];
/// Of these, the ones that are also libraries with tests of their own on this machine.
const NATIVE_GUEST_FOLDER: &str = "jobs";

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap_or(own).to_path_buf()
}

/// Packages and where things are built.
#[derive(Debug)]
pub(crate) struct Workspace {
    pub(crate) packages: Vec<Package>,
    pub(crate) target_dir: PathBuf,
}

/// One member.
#[derive(Debug, Default)]
pub(crate) struct Package {
    pub(crate) name: String,
    /// Below the root.
    pub(crate) folder: PathBuf,
    pub(crate) has_binaries: bool,
    /// Has examples that are libraries for a host to load, not programs.
    pub(crate) has_component_examples: bool,
}

impl Package {
    /// Whether it is built for wasm.
    pub(crate) fn is_guest(&self) -> bool {
        GUEST_FOLDERS.iter().any(|folder| self.folder.starts_with(folder))
    }

    /// Whether it makes sense only as wasm.
    pub(crate) fn is_wasm_only(&self) -> bool {
        self.is_guest() && !self.folder.starts_with(NATIVE_GUEST_FOLDER)
    }
}

impl Workspace {
    /// Asks cargo.
    pub(crate) fn load() -> anyhow::Result<Self> {
        let mut command = cargo(["metadata", "--no-deps", "--format-version", "1"]);
        let output = command.output().with_context(|| format!("cannot run `{}`", shown(&command)))?;
        anyhow::ensure!(
            output.status.success(),
            "`{}` failed:\n{}",
            shown(&command),
            String::from_utf8_lossy(&output.stderr)
        );
        Self::from_metadata(&serde_json::from_slice(&output.stdout)?, &root())
    }

    fn from_metadata(metadata: &Value, root: &Path) -> anyhow::Result<Self> {
        let target_dir = metadata["target_directory"].as_str().context("cargo metadata names no target directory")?;
        let packages = metadata["packages"]
            .as_array()
            .context("cargo metadata lists no packages")?
            .iter()
            .map(|package| {
                let name = package["name"].as_str().context("a package without a name")?;
                let manifest = Path::new(package["manifest_path"].as_str().context("a package without a manifest")?);
                let folder = manifest.parent().unwrap_or(manifest);
                let targets = package["targets"].as_array().map(Vec::as_slice).unwrap_or_default();
                Ok(Package {
                    name: name.to_owned(),
                    folder: folder.strip_prefix(root).unwrap_or(folder).to_path_buf(),
                    has_binaries: targets.iter().any(|target| has_kind(target, "bin")),
                    has_component_examples: targets
                        .iter()
                        .any(|target| has_kind(target, "example") && has_word(&target["crate_types"], "cdylib")),
                })
            })
            .collect::<anyhow::Result<_>>()?;
        Ok(Self { packages, target_dir: PathBuf::from(target_dir) })
    }

    /// Where tests, demo and bench find built guests.
    pub(crate) fn guests_dir(&self) -> PathBuf {
        self.target_dir.join("guests")
    }

    /// `--workspace` without what builds only for wasm.
    pub(crate) fn native_selection(&self) -> Vec<String> {
        let mut selection = vec!["--workspace".to_owned()];
        for package in self.packages.iter().filter(|package| package.is_wasm_only()) {
            selection.extend(["--exclude".to_owned(), package.name.clone()]);
        }
        selection
    }

    /// Whether there is such a package.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.packages.iter().any(|package| package.name == name)
    }
}

/// Whether a target of cargo's metadata or messages is of a kind (`bin`, `cdylib`, `example`, …).
pub(crate) fn has_kind(target: &Value, kind: &str) -> bool {
    has_word(&target["kind"], kind)
}

fn has_word(words: &Value, word: &str) -> bool {
    words.as_array().is_some_and(|words| words.iter().any(|one| one == word))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn guests_are_told_by_their_folder() {
        let package = |name: &str, manifest: &str, kind: &str| json!({"name": name, "manifest_path": format!("/repo/{manifest}/Cargo.toml"), "targets": [{"kind": [kind]}]});
        let metadata = json!({"target_directory": "/repo/target", "packages": [
            package("stoker", "host", "bin"),
            package("hello", "jobs/hello", "cdylib"),
            package("guest-raw", "tests/guests/raw", "cdylib"),
            package("bench-guest", "bench/guest", "cdylib"),
            package("stoker-tests", "tests", "lib"),
            package("stoker-bench", "bench", "bin"),
        ]});
        let workspace = Workspace::from_metadata(&metadata, Path::new("/repo")).unwrap();
        let guests: Vec<_> = workspace.packages.iter().filter(|one| one.is_guest()).map(|one| &one.name[..]).collect();
        assert_eq!(guests, ["hello", "guest-raw", "bench-guest"]);
        assert_eq!(workspace.native_selection(), ["--workspace", "--exclude", "guest-raw", "--exclude", "bench-guest"]);
        assert!(workspace.packages[0].has_binaries && !workspace.packages[1].has_binaries);
    }

    #[test]
    fn this_workspace_can_be_loaded() {
        let workspace = Workspace::load().unwrap();
        assert!(workspace.has("stoker") && workspace.has("xtask"));
    }
}
