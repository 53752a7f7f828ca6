//! What can go wrong below the list of operations. Expected refusals (unknown id, stale lease, conflict) are values
//! of each operation's own result, not errors.

use std::path::Path;

use super::readers::READ_MS_MAX;

/// An operation could not be carried out. Nothing of it was written.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// The disk is full, read-only or failing; try again later.
    #[error("the store cannot write now: {0}")]
    Unavailable(String),
    /// The queue to the writer is full; try again later.
    #[error("the store is busy: {waiting_max} operations wait already")]
    Busy {
        /// The bound.
        waiting_max: usize,
    },
    /// A read took too long and was broken off.
    #[error("a read took longer than {ms_max} ms and was broken off")]
    ReadTooLong {
        /// The bound.
        ms_max: u64,
    },
    /// Something reads an old state for so long that the write-ahead log has reached its bound; try again later.
    #[error(
        "the write-ahead log has reached {bytes_max} bytes, because something (a backup?) still reads what was before it"
    )]
    LogFull {
        /// The bound.
        bytes_max: u64,
    },
    /// What was written may not be on disk although the system took it: the host must end, since nothing it would
    /// acknowledge from here on could be relied on.
    #[error(
        "the disk could not keep what was written ({0}); the host stops, and the next start makes sure of what is there"
    )]
    SyncFailed(String),
    /// A copy of the database would take the disk from the host.
    #[error(
        "the copy has {} MiB and the host needs {} MiB besides, but the disk has only {} MiB free",
        copy_bytes >> 20, left_bytes >> 20, free_bytes >> 20
    )]
    NoRoomForCopy {
        /// Of the copy.
        copy_bytes: u64,
        /// What has to be left.
        left_bytes: u64,
        /// What there is.
        free_bytes: u64,
    },
    /// The tenant in which something was to be done is being deleted, or is gone.
    #[error("the tenant is being deleted, or is gone")]
    TenantClosed,
    /// The store is closing.
    #[error("the store is closed")]
    Closed,
    /// The database file itself is damaged.
    #[error("the database is damaged ({0}): stop the host, keep the file, and restore a backup (`stoker backup`)")]
    Damaged(String),
    /// A row that can't be read, a constraint that should not fail: a bug.
    #[error("the store is damaged or has a bug: {0}")]
    Internal(String),
}

/// The data directory could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process uses it.
    #[error("{path} is in use by another stoker process{pid}; stop it, or choose another --data-dir")]
    Locked {
        /// The data directory.
        path: String,
        /// ` (pid 123)` when known.
        pid: String,
    },
    /// Written by a later version.
    #[error(
        "{path} was written by a newer stoker (schema {found}, this binary knows {known}); upgrade the binary or restore a backup"
    )]
    Newer {
        /// The database file.
        path: String,
        /// Schema version found.
        found: i64,
        /// Schema version known.
        known: i64,
    },
    /// There is no store, where one is needed.
    #[error("there is no {path}: no host has kept anything here; name a host's data directory with --data-dir")]
    Nothing {
        /// The database file.
        path: String,
    },
    /// Written by an earlier version, and to be left so.
    #[error(
        "{path} was written by an earlier stoker (schema {found}, this binary writes {known}); start a host of this version on it \
         first, or do this with the version that wrote it"
    )]
    Older {
        /// The database file.
        path: String,
        /// Schema version found.
        found: i64,
        /// Schema version known.
        known: i64,
    },
    /// A store was here, and its database is not.
    #[error(
        "{path} {what}, but {data_dir} held a store before ({traces}): it would start empty. Restore a backup into an empty \
         directory and start on that, or put the lost file back; to begin anew, move {data_dir} away"
    )]
    Lost {
        /// The database file.
        path: String,
        /// What is wrong with it.
        what: &'static str,
        /// The data directory.
        data_dir: String,
        /// Files that only a store leaves.
        traces: String,
    },
    /// A copy was put beside the log of another database, which would be played back over it.
    #[error(
        "{path} is a copy put beside {log}, which belongs to the database that was there before: together they would be \
         neither. Restore a backup into an empty directory and start on that"
    )]
    ForeignLog {
        /// The database file.
        path: String,
        /// The log.
        log: String,
    },
    /// Another store's database.
    #[error(
        "{path} is the database of another store than the one this directory is marked for. Put it into an empty \
         directory and start on that; or, if it is the one to go on with, delete {mark}"
    )]
    Foreign {
        /// The database file.
        path: String,
        /// The mark.
        mark: String,
    },
    /// Acknowledged commits are gone.
    #[error(
        "{path} ends at commit {found}, but commit {acknowledged} was acknowledged here: its -wal file was removed or cut, \
         or an older copy was put in its place. Put the lost file back; or, to go on without what is missing, delete {mark}"
    )]
    Behind {
        /// The database file.
        path: String,
        /// The mark.
        mark: String,
        /// The last commit in the database.
        found: i64,
        /// The last commit the mark knows of.
        acknowledged: i64,
    },
    /// Anything else.
    #[error("cannot open {path}: {message}")]
    Failed {
        /// The file or directory.
        path: String,
        /// What the system said.
        message: String,
    },
}

impl OpenError {
    /// This file could not be used, for this reason.
    pub(super) fn failed(path: &Path, reason: impl std::fmt::Display) -> Self {
        OpenError::Failed { path: path.display().to_string(), message: reason.to_string() }
    }

    /// What `SQLite` said of this file.
    pub(super) fn sqlite(path: &Path, error: rusqlite::Error) -> Self {
        if error.sqlite_error_code() == Some(rusqlite::ErrorCode::OutOfMemory) {
            return Self::failed(path, "out of memory; raise the limit on virtual memory (ulimit -v)");
        }
        Self::store(path, StoreError::from(error))
    }

    /// What the store said of this file.
    pub(super) fn store(path: &Path, error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(message) => Self::failed(
                path,
                format_args!(
                    "{message} (is the disk full? a start needs some 100 KiB, and more for a new or older store)"
                ),
            ),
            error => Self::failed(path, error),
        }
    }

    /// What the system said of this file of the data directory.
    pub(super) fn system(path: &Path, error: &std::io::Error) -> Self {
        use std::io::ErrorKind;
        match error.kind() {
            ErrorKind::ReadOnlyFilesystem | ErrorKind::PermissionDenied => {
                Self::failed(path, format_args!("{error}; a host must be able to write to its data directory"))
            }
            _ => Self::failed(path, error),
        }
    }
}

impl StoreError {
    /// Whether nothing more may be written after it: what the disk did not keep, or no longer gives back, would only become more.
    pub(super) fn ends_the_store(&self) -> bool {
        matches!(self, StoreError::SyncFailed(_) | StoreError::Damaged(_))
    }

    /// Whether it is a matter of all there is to be written, and not of one operation.
    pub(super) fn is_the_disks(&self) -> bool {
        matches!(self, StoreError::Unavailable(_)) || self.ends_the_store()
    }

    /// A bug, described.
    pub(super) fn internal(message: impl std::fmt::Display) -> Self {
        StoreError::Internal(message.to_string())
    }
}

impl From<rusqlite::Error> for StoreError {
    /// The one place where `SQLite`'s codes are judged: want of disk is for waiting, a damaged file for a backup, all else is not
    /// expected.
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode;
        if error.sqlite_extended_error_code().is_some_and(is_failed_sync) {
            return StoreError::SyncFailed(error.to_string());
        }
        match error.sqlite_error_code() {
            Some(
                ErrorCode::DiskFull
                | ErrorCode::SystemIoFailure
                | ErrorCode::ReadOnly
                | ErrorCode::CannotOpen
                | ErrorCode::OutOfMemory
                | ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked,
            ) => StoreError::Unavailable(error.to_string()),
            // Only reads have a deadline.
            Some(ErrorCode::OperationInterrupted) => StoreError::ReadTooLong { ms_max: READ_MS_MAX },
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => StoreError::Damaged(error.to_string()),
            _ => StoreError::Internal(error.to_string()),
        }
    }
}

/// Whether this is a failed fsync. The system then forgets what it could not write, and says so only once.
fn is_failed_sync(extended_code: std::os::raw::c_int) -> bool {
    use rusqlite::ffi::{SQLITE_IOERR_DIR_FSYNC, SQLITE_IOERR_FSYNC};
    matches!(extended_code, SQLITE_IOERR_FSYNC | SQLITE_IOERR_DIR_FSYNC)
}
