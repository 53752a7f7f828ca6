//! A little room kept on the disk for the next start: `SQLite` can't even be read from without its index file, and on a
//! full disk that file could not be made. Given up when a store is opened, taken again once it is open, and when it is
//! closed.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

/// Stands in the data directory.
const RESERVE_FILE: &str = "stoker.reserve";
/// Enough for the index file of a log (32 KiB), a few commits, and blocks of the largest size in use.
const RESERVE_BYTES: usize = 256 << 10;

/// The room of one data directory.
#[derive(Debug)]
pub(super) struct Reserve(PathBuf);

impl Reserve {
    /// Gives the room to whoever needs it first, which is this start.
    pub(super) fn give_up(data_dir: &Path) -> Self {
        let path = data_dir.join(RESERVE_FILE);
        if let Err(error) = std::fs::remove_file(&path)
            && error.kind() != ErrorKind::NotFound
        {
            tracing::warn!(%error, file = RESERVE_FILE, "cannot give up the room kept for this start");
        }
        Self(path)
    }

    /// Takes it again, all of it or nothing: half a reserve would only make a full disk fuller.
    pub(super) fn take(&self) {
        // Not sparse: blocks that were never written are no room.
        let taken = OpenOptions::new()
            .create(true)
            .truncate(true)
            .write(true)
            .open(&self.0)
            .and_then(|mut file| file.write_all(&vec![0x55; RESERVE_BYTES]));
        if let Err(error) = taken {
            tracing::warn!(%error, file = RESERVE_FILE, "no room can be kept for the next start");
            // What could not be taken whole is given back; it may not even be there.
            let _given_back = std::fs::remove_file(&self.0);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn it_is_there_between_two_starts() {
        let dir = tempfile::tempdir().unwrap();
        let reserve = Reserve::give_up(dir.path());
        reserve.take();
        reserve.take();
        let file = dir.path().join(RESERVE_FILE);
        assert_eq!(file.metadata().unwrap().len(), RESERVE_BYTES as u64);
        let _reserve = Reserve::give_up(dir.path());
        assert!(!file.exists());
    }
}
