//! Who else uses a directory of artifacts. A host has its own, with the data directory's lock; runs without a host share
//! one: each holds a lock that others can hold as well, and only one that finds itself alone tidies up.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rustix::fs::{FlockOperation, flock};

use crate::regular_file;

/// Held by everybody who uses a shared directory.
pub const LOCK_FILE: &str = "artifacts.lock";

/// Compiled modules that stay in a directory many use, bytes.
pub const SHARED_BYTES_MAX: u64 = 512 << 20;

/// Who uses the directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArtifactUse {
    /// This process alone.
    Alone,
    /// Other processes as well.
    Shared {
        /// Cut to so much whenever somebody comes: the oldest artifacts go.
        bytes_max: u64,
    },
}

/// A place among those who use the directory, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    lock: Option<File>,
    is_alone: bool,
}

impl Place {
    /// Takes a place.
    pub(super) fn take(directory: &Path, artifact_use: ArtifactUse) -> io::Result<Place> {
        if artifact_use == ArtifactUse::Alone {
            return Ok(Place { lock: None, is_alone: true });
        }
        let options = OpenOptions::new().create(true).truncate(false).read(true).write(true).clone();
        let lock = regular_file::open(&directory.join(LOCK_FILE), &options)?;
        let is_alone = match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => true,
            Err(rustix::io::Errno::WOULDBLOCK) => {
                // Whoever is tidying up is done soon.
                flock(&lock, FlockOperation::LockShared)?;
                false
            }
            Err(error) => return Err(error.into()),
        };
        Ok(Place { lock: Some(lock), is_alone })
    }

    /// Whether nobody else uses the directory, until [`Self::let_others_in`].
    pub(super) fn is_alone(&self) -> bool {
        self.is_alone
    }

    /// Tidying up is done.
    pub(super) fn let_others_in(&mut self) -> io::Result<()> {
        self.is_alone = self.lock.is_none();
        self.lock.as_ref().map_or(Ok(()), |lock| Ok(flock(lock, FlockOperation::LockShared)?))
    }
}

/// Removes files with this extension, the oldest first, until the rest has at most so many bytes.
pub(super) fn cut_to(directory: &Path, extension: &str, bytes_max: u64) -> io::Result<()> {
    let mut files: Vec<(SystemTime, u64, PathBuf)> = Vec::new();
    for entry in fs::read_dir(directory)?.flatten() {
        let path = entry.path();
        if path.extension().is_some_and(|found| found == extension)
            && let Ok(metadata) = entry.metadata()
        {
            files.push((metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH), metadata.len(), path));
        }
    }
    files.sort();
    let mut bytes: u64 = files.iter().map(|(_, bytes, _)| bytes).sum();
    for (_, file_bytes, path) in files {
        if bytes <= bytes_max {
            break;
        }
        match fs::remove_file(path) {
            // Somebody else comes at this moment as well.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            removed => removed?,
        }
        bytes -= file_bytes;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_is_alone_and_only_until_it_lets_others_in() {
        let directory = tempfile::tempdir().expect("a directory");
        let shared = ArtifactUse::Shared { bytes_max: 1 };
        let mut first = Place::take(directory.path(), shared).expect("a place");
        assert!(first.is_alone());
        first.let_others_in().expect("lets in");
        assert!(!first.is_alone());
        let second = Place::take(directory.path(), shared).expect("a place");
        assert!(!second.is_alone());
        drop((first, second));
        assert!(Place::take(directory.path(), shared).expect("a place").is_alone());
    }

    #[test]
    fn the_oldest_go_first() {
        let directory = tempfile::tempdir().expect("a directory");
        for (name, age_s) in [("b.cwasm", 30), ("a.cwasm", 20), ("c.cwasm", 10), ("artifact.key", 90)] {
            let path = directory.path().join(name);
            fs::write(&path, [0; 10]).expect("writes");
            let file = File::options().write(true).open(path).expect("opens");
            file.set_modified(SystemTime::now() - std::time::Duration::from_secs(age_s)).expect("sets");
        }
        cut_to(directory.path(), "cwasm", 25).expect("cuts");
        let left = ["a.cwasm", "b.cwasm", "c.cwasm", "artifact.key"].map(|name| directory.path().join(name).exists());
        assert_eq!(left, [true, false, true, true]);
    }
}
