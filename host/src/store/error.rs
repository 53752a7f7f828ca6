//! What can go wrong below the list of operations. Expected refusals (unknown id, stale lease, conflict) are values
//! of each operation's own result, not errors.

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
    /// The store is closing.
    #[error("the store is closed")]
    Closed,
    /// A row that can't be read, a constraint that should not fail: a bug or a damaged file.
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
    /// Anything else.
    #[error("cannot open {path}: {message}")]
    Failed {
        /// The file or directory.
        path: String,
        /// What the system said.
        message: String,
    },
}

impl StoreError {
    /// A bug or a damaged file, described.
    pub(super) fn internal(message: impl std::fmt::Display) -> Self {
        StoreError::Internal(message.to_string())
    }
}

impl From<rusqlite::Error> for StoreError {
    /// The one place where `SQLite`'s codes are judged: want of disk is for waiting, all else is not expected.
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode;
        match error.sqlite_error_code() {
            Some(
                ErrorCode::DiskFull
                | ErrorCode::SystemIoFailure
                | ErrorCode::ReadOnly
                | ErrorCode::CannotOpen
                | ErrorCode::OutOfMemory
                | ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::OperationInterrupted,
            ) => StoreError::Unavailable(error.to_string()),
            _ => StoreError::Internal(error.to_string()),
        }
    }
}
