//! Where `stoker run` and the host of `stoker dev` keep compiled modules for the next time: a folder of the user's alone, else
//! one that goes with the process. Compiled modules are native code: none is taken from where another user could have put it,
//! be it by exchanging a folder above, and none from a project, which may be anybody's.

use std::path::{Path, PathBuf};

use anyhow::Context;
use rustix::fs::{Access, access};
use tempfile::TempDir;

use super::terminal::{line, remark};
use crate::private_folder::{Fault, reach};
use crate::sandbox::{ARTIFACT_KEY_FILE, ARTIFACT_LOCK_FILE};

/// Below the user's cache directory.
const FOLDER: &str = "stoker/run";

/// An artifact directory.
#[derive(Debug)]
pub(in crate::cli) enum RunCache {
    Kept(PathBuf),
    /// Removed when dropped.
    Temporary(TempDir),
}

impl RunCache {
    pub(in crate::cli) fn path(&self) -> &Path {
        match self {
            RunCache::Kept(path) => path,
            RunCache::Temporary(directory) => directory.path(),
        }
    }
}

/// The user's folder, if there can be one; where not, it is said why.
pub(in crate::cli) fn open_cache() -> anyhow::Result<RunCache> {
    let user = rustix::process::geteuid().as_raw();
    let private = match user_folder() {
        Some(folder) => make_private(&folder, user).map_err(|fault| format!("{fault}: {}", advice(&fault))),
        None => Err("there is no folder for them: set HOME or XDG_CACHE_HOME".to_owned()),
    };
    match private {
        Ok(path) => return Ok(RunCache::Kept(path)),
        Err(reason) => remark(&line(&format!("note: compiled modules are not kept for the next run: {reason}"))),
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

/// Makes the folder, or sees that it is `user`'s alone, with what vouches for the code in it, and that nobody else can
/// exchange it. Gives the path that was looked at.
fn make_private(folder: &Path, user: u32) -> Result<PathBuf, Fault> {
    use std::os::unix::fs::DirBuilderExt;
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(|error| Fault::system(folder, error))?;
    let reached = reach(folder, user)?;
    reached.check_alone()?;
    access(reached.path(), Access::WRITE_OK).map_err(|error| Fault::system(reached.path(), error))?;
    // Who knew the key could vouch for any code, and it may be older than the folder's mode.
    reached.check_secret(ARTIFACT_KEY_FILE)?;
    reached.check_own(ARTIFACT_LOCK_FILE)?;
    Ok(reached.path().to_owned())
}

fn advice(fault: &Fault) -> String {
    let own = "set XDG_CACHE_HOME to a folder of your own";
    let path = fault.path().display();
    match fault {
        Fault::System { .. } => format!("make it writable, or {own}"),
        Fault::Foreign { .. } => own.to_owned(),
        Fault::Writable { .. } => format!("`chmod go-w {path}`, or {own}"),
        Fault::Open { .. } | Fault::NoFile { .. } => format!("`rm -r {path}`, and the next run makes it anew"),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn make(path: &Path) -> Result<PathBuf, String> {
        make_private(path, rustix::process::geteuid().as_raw()).map_err(|fault| format!("{fault}: {}", advice(&fault)))
    }

    fn set_mode(path: &Path, mode: u32) {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_folder_others_could_get_at_is_not_used() {
        let directory = tempfile::tempdir().unwrap();
        let above = directory.path().join("a");
        let path = above.join("b");
        assert_eq!(make(&path).unwrap(), std::fs::canonicalize(&path).unwrap());
        make(&path).unwrap();
        for (changed, mode, said) in [
            (&path, 0o777, "rm -r"),
            (&path, 0o750, "rm -r"),
            (&path, 0o701, "rm -r"),
            (&above, 0o770, "chmod go-w"),
            (&above, 0o702, "chmod go-w"),
        ] {
            set_mode(changed, mode);
            let refused = make(&path).unwrap_err();
            assert!(refused.contains(said) && refused.contains(&*changed.to_string_lossy()), "{mode:o}: {refused}");
            set_mode(changed, 0o700);
            make(&path).unwrap();
        }
        // Everybody can write here, and nobody can touch what is another's.
        set_mode(&above, 0o1777);
        make(&path).unwrap();
        let nobody = 65_534;
        let refused = make_private(&path, nobody).unwrap_err().to_string();
        assert!(refused.contains("belongs to another user"), "{refused}");
    }

    #[test]
    fn a_link_is_followed_once_and_what_it_leads_to_is_looked_at() {
        let directory = tempfile::tempdir().unwrap();
        let (target, link) = (directory.path().join("target"), directory.path().join("link"));
        std::fs::create_dir(&target).unwrap();
        symlink(&target, &link).unwrap();
        assert_eq!(make(&link.join("b")).unwrap(), std::fs::canonicalize(&target).unwrap().join("b"));
        set_mode(&target, 0o777);
        assert!(make(&link.join("b")).unwrap_err().contains("chmod go-w"));
    }

    #[test]
    fn a_key_others_could_know_is_not_used() {
        let directory = tempfile::tempdir().unwrap();
        let path = make(&directory.path().join("b")).unwrap();
        let key = path.join(ARTIFACT_KEY_FILE);
        std::fs::write(&key, "k").unwrap();
        set_mode(&key, 0o644);
        assert!(make(&path).unwrap_err().contains(ARTIFACT_KEY_FILE));
        set_mode(&key, 0o600);
        make(&path).unwrap();
        std::fs::rename(&key, path.join("elsewhere")).unwrap();
        symlink("elsewhere", &key).unwrap();
        assert!(make(&path).unwrap_err().contains("is no file of a cache"));
    }
    #[test]
    fn a_lock_that_is_no_file_is_not_opened() {
        let directory = tempfile::tempdir().unwrap();
        let path = make(&directory.path().join("b")).unwrap();
        let lock = path.join(ARTIFACT_LOCK_FILE);
        for plant in [
            |lock: &Path| rustix::fs::mkfifoat(rustix::fs::CWD, lock, rustix::fs::Mode::RUSR).unwrap(),
            |lock: &Path| std::fs::create_dir(lock).unwrap(),
            |lock: &Path| symlink("artifact.key", lock).unwrap(),
        ] {
            plant(&lock);
            let refused = make(&path).unwrap_err();
            let expected = format!("{lock} is no file of a cache: `rm -r {lock}`", lock = lock.display());
            assert!(refused.starts_with(&expected), "{refused}");
            if lock.is_dir() { std::fs::remove_dir(&lock) } else { std::fs::remove_file(&lock) }.unwrap();
        }
        // As earlier runs have made it.
        std::fs::write(&lock, "").unwrap();
        set_mode(&lock, 0o644);
        make(&path).unwrap();
    }
}
