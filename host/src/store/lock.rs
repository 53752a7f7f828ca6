//! One process per data directory, for as long as the value lives.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::path::Path;

use rustix::fs::{FlockOperation, flock};

use super::error::OpenError;
use crate::regular_file;

/// Stands in the data directory; holds the owner's process id for people.
pub(super) const LOCK_FILE: &str = "stoker.lock";

/// The directory is ours until this is dropped. The kernel frees it when the process dies, however it dies.
#[derive(Debug)]
pub(super) struct DirectoryLock {
    _file: File,
}

impl DirectoryLock {
    /// Takes the lock or says who has it.
    pub(super) fn acquire(data_dir: &Path) -> Result<Self, OpenError> {
        let path = data_dir.join(LOCK_FILE);
        let fail = |error: std::io::Error| OpenError::system(&path, &error);
        let options = OpenOptions::new().create(true).truncate(false).read(true).write(true).clone();
        let mut file = regular_file::open_no_link(&path, &options).map_err(fail)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                let mut pid = String::new();
                // The id is a courtesy; the lock is what counts.
                let _unreadable = file.read_to_string(&mut pid);
                let pid = pid.trim().parse::<u32>().map(|pid| format!(" (pid {pid})")).unwrap_or_default();
                return Err(OpenError::Locked { path: data_dir.display().to_string(), pid });
            }
            Err(error) => return Err(fail(error.into())),
        }
        // A full disk must not keep a host from starting for want of a courtesy.
        let _unwritten =
            file.set_len(0).and_then(|()| file.rewind()).and_then(|()| writeln!(file, "{}", std::process::id()));
        Ok(Self { _file: file })
    }
}
