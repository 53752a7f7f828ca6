//! Where `stoker run` keeps compiled modules for the next time: a folder of the user's alone, else one that goes with the
//! process. Compiled modules are native code: none is taken from where another user could have put it, be it by exchanging
//! a folder above.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};

use anyhow::Context;
use rustix::fs::{Access, FileType, Mode, OFlags, Stat, access, fstat, open, openat};
use rustix::io::Errno;
use tempfile::TempDir;

use super::terminal::{line, remark};
use crate::sandbox::ARTIFACT_KEY_FILE;

/// Below the user's cache directory.
const FOLDER: &str = "stoker/run";
/// What others may do with what is the user's alone.
const OTHERS: u32 = 0o077;
/// What others may not do with a folder above it, unless only owners may rename and remove what is in it.
const OTHERS_WRITE: u32 = 0o022;
const STICKY: u32 = 0o1000;
const ROOT: u32 = 0;

/// An artifact directory.
pub(super) enum RunCache {
    Kept(PathBuf),
    /// Removed when dropped.
    Temporary(TempDir),
}

/// Why nothing can be kept in the user's folder, and what to do.
#[derive(Debug, thiserror::Error)]
enum Unfit {
    #[error("there is no folder for them: set HOME or XDG_CACHE_HOME")]
    Nowhere,
    #[error("{} can't be used ({error}): make it writable, or set XDG_CACHE_HOME to a folder of your own", path.display())]
    System { path: PathBuf, error: io::Error },
    #[error("{} belongs to another user (id {owner}): set XDG_CACHE_HOME to a folder of your own", path.display())]
    Foreign { path: PathBuf, owner: u32 },
    #[error("other users can write to {path}: `chmod go-w {path}`, or set XDG_CACHE_HOME to a folder of your own", path = path.display())]
    Writable { path: PathBuf },
    #[error("other users can get at {path}: `rm -r {path}`, and the next run makes it anew", path = path.display())]
    Open { path: PathBuf },
    #[error("{path} is no file of a cache: `rm -r {path}`, and the next run makes it anew", path = path.display())]
    NoFile { path: PathBuf },
}

impl RunCache {
    pub(super) fn path(&self) -> &Path {
        match self {
            RunCache::Kept(path) => path,
            RunCache::Temporary(directory) => directory.path(),
        }
    }
}

/// The user's folder, if there can be one; where not, it is said why.
pub(super) fn open_cache() -> anyhow::Result<RunCache> {
    let user = rustix::process::geteuid().as_raw();
    match user_folder().ok_or(Unfit::Nowhere).and_then(|folder| make_private(&folder, user)) {
        Ok(path) => return Ok(RunCache::Kept(path)),
        Err(unfit) => remark(&line(&format!("note: compiled modules are not kept for the next run: {unfit}"))),
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

/// Makes the folder, or sees that it is `user`'s alone, with the key in it, and that nobody else can exchange it. Gives the
/// path that was looked at, step by step: one without links.
fn make_private(folder: &Path, user: u32) -> Result<PathBuf, Unfit> {
    use std::os::unix::fs::DirBuilderExt;
    let system = |path: &Path, error: io::Error| Unfit::System { path: path.to_owned(), error };
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
    let folder = made.and_then(|()| std::fs::canonicalize(folder)).map_err(|error| system(folder, error))?;
    // Only to be looked at, and entered: a folder above need not be readable.
    let step = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut path = PathBuf::from("/");
    let fails = |path: &Path, error: Errno| system(path, error.into());
    let mut directory: OwnedFd = open(&path, step, Mode::empty()).map_err(|error| fails(&path, error))?;
    for component in folder.components().filter(|component| matches!(component, Component::Normal(_))) {
        check_above(&path, &fstat(&directory).map_err(|error| fails(&path, error))?, user)?;
        path.push(component);
        directory =
            openat(&directory, component.as_os_str(), step, Mode::empty()).map_err(|error| fails(&path, error))?;
    }
    check_ours(&path, &fstat(&directory).map_err(|error| fails(&path, error))?, user)?;
    access(&path, Access::WRITE_OK).map_err(|error| fails(&path, error))?;
    // Who knew the key could vouch for any code, and it may be older than the folder's mode.
    let key = path.join(ARTIFACT_KEY_FILE);
    match openat(&directory, ARTIFACT_KEY_FILE, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty()) {
        Ok(found) => {
            let found = fstat(&found).map_err(|error| fails(&key, error))?;
            if FileType::from_raw_mode(found.st_mode) != FileType::RegularFile {
                return Err(Unfit::NoFile { path: key });
            }
            check_ours(&key, &found, user)?;
        }
        Err(Errno::NOENT) => {}
        Err(error) => return Err(fails(&key, error)),
    }
    Ok(path)
}

fn check_above(path: &Path, found: &Stat, user: u32) -> Result<(), Unfit> {
    let path = path.to_owned();
    if found.st_uid != ROOT && found.st_uid != user {
        Err(Unfit::Foreign { path, owner: found.st_uid })
    } else if found.st_mode & OTHERS_WRITE != 0 && found.st_mode & STICKY == 0 {
        Err(Unfit::Writable { path })
    } else {
        Ok(())
    }
}

fn check_ours(path: &Path, found: &Stat, user: u32) -> Result<(), Unfit> {
    let path = path.to_owned();
    if found.st_uid != user {
        Err(Unfit::Foreign { path, owner: found.st_uid })
    } else if found.st_mode & OTHERS != 0 {
        Err(Unfit::Open { path })
    } else {
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn make(path: &Path) -> Result<PathBuf, String> {
        make_private(path, rustix::process::geteuid().as_raw()).map_err(|unfit| unfit.to_string())
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
}
