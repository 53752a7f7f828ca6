//! What `SQLite` says, as a handler is told.

use rusqlite::ffi::{self, ErrorCode};

use super::bounds::{self, Bound};
use super::watch::Watch;
use crate::job::DatabaseError;
use crate::job::database::STATEMENT_TIME_MAX;
use crate::store::error::StoreError;

/// Codes that handlers tell apart; others are `SQLITE_ERROR`.
const NAMES: [(i32, &str); 17] = [
    (ffi::SQLITE_CONSTRAINT_CHECK, "SQLITE_CONSTRAINT_CHECK"),
    (ffi::SQLITE_CONSTRAINT_FOREIGNKEY, "SQLITE_CONSTRAINT_FOREIGNKEY"),
    (ffi::SQLITE_CONSTRAINT_NOTNULL, "SQLITE_CONSTRAINT_NOTNULL"),
    (ffi::SQLITE_CONSTRAINT_PRIMARYKEY, "SQLITE_CONSTRAINT_PRIMARYKEY"),
    (ffi::SQLITE_CONSTRAINT_ROWID, "SQLITE_CONSTRAINT_ROWID"),
    (ffi::SQLITE_CONSTRAINT_TRIGGER, "SQLITE_CONSTRAINT_TRIGGER"),
    (ffi::SQLITE_CONSTRAINT_UNIQUE, "SQLITE_CONSTRAINT_UNIQUE"),
    (ffi::SQLITE_CONSTRAINT_DATATYPE, "SQLITE_CONSTRAINT_DATATYPE"),
    (ffi::SQLITE_CONSTRAINT_VTAB, "SQLITE_CONSTRAINT_VTAB"),
    (ffi::SQLITE_CONSTRAINT, "SQLITE_CONSTRAINT"),
    (ffi::SQLITE_MISMATCH, "SQLITE_MISMATCH"),
    (ffi::SQLITE_TOOBIG, "SQLITE_TOOBIG"),
    (ffi::SQLITE_RANGE, "SQLITE_RANGE"),
    (ffi::SQLITE_SCHEMA, "SQLITE_SCHEMA"),
    (ffi::SQLITE_READONLY, "SQLITE_READONLY"),
    (ffi::SQLITE_CORRUPT_VTAB, "SQLITE_CORRUPT_VTAB"),
    (ffi::SQLITE_ERROR, "SQLITE_ERROR"),
];

/// Why a statement came to nothing.
pub(super) fn told(watch: &Watch, error: &rusqlite::Error) -> DatabaseError {
    if let Some(rule) = watch.refused() {
        return DatabaseError::Refused(rule);
    }
    let (code, message) = match error {
        rusqlite::Error::SqliteFailure(code, message) => (code, message.clone().unwrap_or_else(|| code.to_string())),
        rusqlite::Error::SqlInputError { error, msg, offset, .. } => (error, format!("{msg} (at byte {offset})")),
        other => return DatabaseError::Sql { code: "SQLITE_ERROR".to_owned(), message: other.to_string() },
    };
    match code.code {
        // It says so as well of a program that is longer than it may be.
        ErrorCode::OutOfMemory => DatabaseError::Refused(too_much_memory()),
        ErrorCode::DiskFull if bounds::refused() == Some(Bound::Temporary) => DatabaseError::Refused(format!(
            "rule `temporary space`: what a statement sorts, groups or compares may take {} MiB of temporary files; give it less \
             at a time, or an index to go by",
            bounds::TEMPORARY_MAX >> 20
        )),
        // A module of virtual tables says so of its own rows.
        ErrorCode::DatabaseCorrupt if code.extended_code == ffi::SQLITE_CORRUPT_VTAB => {
            DatabaseError::Sql { code: name_of(code.extended_code).to_owned(), message }
        }
        ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => {
            tracing::error!(%error, path = %watch.path().display(), "the file of a tenant's database is damaged");
            DatabaseError::Unavailable("the database's file is damaged; the host's log says which it is".to_owned())
        }
        ErrorCode::OperationInterrupted => interrupted(watch),
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => {
            DatabaseError::Busy("the database is locked; try again later".to_owned())
        }
        ErrorCode::DiskFull => DatabaseError::Quota(
            "the database can't grow: the tenant's databases hold as much as its quota `database_bytes` allows, or the disk \
             of the host is full; delete something, or ask for more"
                .to_owned(),
        ),
        ErrorCode::SystemIoFailure | ErrorCode::CannotOpen => {
            tracing::error!(%error, path = %watch.path().display(), "a tenant's database can't be used");
            DatabaseError::Unavailable("the database can't be used now; the host's log says more".to_owned())
        }
        _ => DatabaseError::Sql { code: name_of(code.extended_code).to_owned(), message },
    }
}

/// What is said of a statement that was broken off, or of a transaction that is not committed any more.
pub(super) fn interrupted(watch: &Watch) -> DatabaseError {
    DatabaseError::Interrupted(if watch.is_late() {
        let seconds = STATEMENT_TIME_MAX.as_secs();
        format!("a statement may take {seconds} s at most, and no longer than the attempt has left")
    } else {
        "the statement was interrupted".to_owned()
    })
}

impl From<StoreError> for DatabaseError {
    /// A handler's author can't do anything about the store: its own words are the log's.
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "a handler could not use its database");
        DatabaseError::Unavailable("the host's store can't be used now; the host's log says more".to_owned())
    }
}

/// What is said of a statement, or of tables, that would take more memory than they may.
pub(super) fn too_much_memory() -> String {
    format!(
        "rule `memory`: a statement may take {} MiB of memory, {} of them until it begins, and a database's tables and cache {} MiB \
         between statements; write a smaller statement, ask for fewer or smaller values at a time, or keep fewer tables",
        bounds::MEMORY_MAX >> 20,
        bounds::PREPARED_MAX >> 20,
        bounds::MEMORY_KEPT_MAX >> 20
    )
}

fn name_of(extended: i32) -> &'static str {
    let named = |code: i32| NAMES.iter().find(|(known, _)| *known == code).map(|(_, name)| *name);
    named(extended).or_else(|| named(extended & 0xff)).unwrap_or("SQLITE_ERROR")
}
