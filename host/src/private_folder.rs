//! Whether a folder, and what is in it, could only have been written by one user: looked at step by step, because whoever
//! can write to a folder above can exchange it. Owns the rules and what is wrong; what to do then is the caller's to say.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags, Stat, fstat, open, openat};
use rustix::io::Errno;

/// What others may do with what is the user's alone.
const OTHERS: u32 = 0o077;
/// What others may not do with a folder above it, unless only owners may rename and remove what is in it.
const OTHERS_WRITE: u32 = 0o022;
const STICKY: u32 = 0o1000;
const ROOT: u32 = 0;
/// Only to be looked at, and entered: a folder above need not be readable.
const STEP: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// What is wrong, and where.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    #[error("{} can't be used ({error})", path.display())]
    System { path: PathBuf, error: io::Error },
    #[error("{} belongs to another user (id {owner})", path.display())]
    Foreign { path: PathBuf, owner: u32 },
    #[error("other users can write to {}", path.display())]
    Writable { path: PathBuf },
    #[error("other users can get at {}", path.display())]
    Open { path: PathBuf },
    #[error("{} is no file of a cache", path.display())]
    NoFile { path: PathBuf },
}

impl Fault {
    pub(crate) fn system(path: &Path, error: impl Into<io::Error>) -> Fault {
        Fault::System { path: path.to_owned(), error: error.into() }
    }

    /// What it is about.
    pub(crate) fn path(&self) -> &Path {
        match self {
            Fault::System { path, .. }
            | Fault::Foreign { path, .. }
            | Fault::Writable { path }
            | Fault::Open { path }
            | Fault::NoFile { path } => path,
        }
    }
}

/// A folder nobody but `user` (and root) can exchange.
#[derive(Debug)]
pub(crate) struct Reached {
    path: PathBuf,
    directory: OwnedFd,
    found: Stat,
    user: u32,
}

/// Goes to the folder and looks at each one above it.
pub(crate) fn reach(folder: &Path, user: u32) -> Result<Reached, Fault> {
    let folder = std::fs::canonicalize(folder).map_err(|error| Fault::system(folder, error))?;
    let mut path = PathBuf::from("/");
    let looked = |path: &Path, opened: Result<OwnedFd, Errno>| {
        let directory = opened.map_err(|error| Fault::system(path, error))?;
        let found = fstat(&directory).map_err(|error| Fault::system(path, error))?;
        Ok((directory, found))
    };
    let (mut directory, mut found) = looked(&path, open(&path, STEP, Mode::empty()))?;
    for component in folder.components().filter(|component| matches!(component, Component::Normal(_))) {
        check_above(&path, &found, user)?;
        path.push(component);
        let opened = openat(&directory, component.as_os_str(), STEP, Mode::empty());
        (directory, found) = looked(&path, opened)?;
    }
    Ok(Reached { path, directory, found, user })
}

impl Reached {
    /// The path that was looked at, step by step: one without links.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Nobody else can even look into it.
    pub(crate) fn check_alone(&self) -> Result<(), Fault> {
        check_alone(&self.path, &self.found, self.user)
    }

    /// Nobody else can put anything into it.
    pub(crate) fn check_unwritten(&self) -> Result<(), Fault> {
        check_owner(&self.path, &self.found, self.user)?;
        if self.found.st_mode & OTHERS_WRITE != 0 {
            return Err(Fault::Writable { path: self.path.clone() });
        }
        Ok(())
    }

    /// What it must be to have something in it that is the user's.
    pub(crate) fn check_above(&self) -> Result<(), Fault> {
        check_above(&self.path, &self.found, self.user)
    }

    /// If there is a file of this name in it, nobody else can read or write that.
    pub(crate) fn check_secret(&self, name: &str) -> Result<(), Fault> {
        match self.file(name)? {
            Some((path, found)) => check_alone(&path, &found, self.user),
            None => Ok(()),
        }
    }

    /// If there is a file of this name in it, it is the user's.
    pub(crate) fn check_own(&self, name: &str) -> Result<(), Fault> {
        match self.file(name)? {
            Some((path, found)) => check_owner(&path, &found, self.user),
            None => Ok(()),
        }
    }

    /// Something else than a file is a fault, a link as well.
    fn file(&self, name: &str) -> Result<Option<(PathBuf, Stat)>, Fault> {
        let path = self.path.join(name);
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let found = match openat(&self.directory, name, flags, Mode::empty()) {
            Ok(file) => fstat(&file).map_err(|error| Fault::system(&path, error))?,
            Err(Errno::NOENT) => return Ok(None),
            Err(error) => return Err(Fault::system(&path, error)),
        };
        if FileType::from_raw_mode(found.st_mode) != FileType::RegularFile {
            return Err(Fault::NoFile { path });
        }
        Ok(Some((path, found)))
    }
}

fn check_above(path: &Path, found: &Stat, user: u32) -> Result<(), Fault> {
    if found.st_uid != ROOT {
        check_owner(path, found, user)?;
    }
    if found.st_mode & OTHERS_WRITE != 0 && found.st_mode & STICKY == 0 {
        return Err(Fault::Writable { path: path.to_owned() });
    }
    Ok(())
}

fn check_alone(path: &Path, found: &Stat, user: u32) -> Result<(), Fault> {
    check_owner(path, found, user)?;
    if found.st_mode & OTHERS != 0 {
        return Err(Fault::Open { path: path.to_owned() });
    }
    Ok(())
}

fn check_owner(path: &Path, found: &Stat, user: u32) -> Result<(), Fault> {
    if found.st_uid == user {
        return Ok(());
    }
    Err(Fault::Foreign { path: path.to_owned(), owner: found.st_uid })
}
