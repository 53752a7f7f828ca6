//! Where `stoker run` keeps compiled modules for the next time: a folder of the user's alone, else one that goes with the
//! process. Compiled modules are native code: none is taken from a folder that others can write to.

use std::path::{Path, PathBuf};

use anyhow::Context;
use tempfile::TempDir;

/// Below the user's cache directory.
const FOLDER: &str = "stoker/run";

/// An artifact directory.
pub(super) enum RunCache {
    Kept(PathBuf),
    /// Removed when dropped.
    Temporary(TempDir),
}

impl RunCache {
    pub(super) fn path(&self) -> &Path {
        match self {
            RunCache::Kept(path) => path,
            RunCache::Temporary(directory) => directory.path(),
        }
    }
}

/// The user's folder, if there can be one.
pub(super) fn open() -> anyhow::Result<RunCache> {
    if let Some(path) = user_folder().filter(|path| make_private(path).is_ok()) {
        return Ok(RunCache::Kept(path));
    }
    let directory = tempfile::Builder::new().prefix("stoker-run-").tempdir();
    Ok(RunCache::Temporary(
        directory.context("cannot make a temporary folder for the compiled module; is the disk full?")?,
    ))
}

fn user_folder() -> Option<PathBuf> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let cache = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")))?;
    Some(cache.join(FOLDER))
}

/// Makes the folder, or sees that it is ours and that nobody else writes to it.
fn make_private(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::{DirBuilderExt, MetadataExt};
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    let metadata = std::fs::symlink_metadata(path)?;
    let is_private =
        metadata.is_dir() && metadata.uid() == rustix::process::geteuid().as_raw() && metadata.mode() & 0o022 == 0;
    let writable = rustix::fs::access(path, rustix::fs::Access::WRITE_OK).is_ok();
    if is_private && writable { Ok(()) } else { Err(std::io::ErrorKind::PermissionDenied.into()) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_folder_others_can_write_to_is_not_used() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a/b");
        make_private(&path).unwrap();
        make_private(&path).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o777)).unwrap();
        make_private(&path).unwrap_err();
        let link = directory.path().join("link");
        std::os::unix::fs::symlink(directory.path(), &link).unwrap();
        make_private(&link).unwrap_err();
    }
}
