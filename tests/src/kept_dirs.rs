//! Folders below the target directory that tests keep from one run to the next: what takes long to make is made once,
//! whichever test comes first.

use std::path::PathBuf;

use crate::child::target_dir;

/// New projects, and the target directory all of them are built into: dependencies compile once.
pub fn scaffold_dir() -> PathBuf {
    target_dir().join("scaffold")
}

/// For `XDG_CACHE_HOME`: modules that `stoker run` has compiled. A stranger's are in the home directory, where a test has
/// no business.
pub fn cache_dir() -> PathBuf {
    target_dir().join("test-cache")
}
