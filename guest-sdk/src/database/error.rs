//! What can go wrong with a database.

use std::error::Error;
use std::fmt;

use crate::Failure;
use crate::text::joined;

/// Why a call came to nothing. With `?` it means "try again later", as any error does; [`Database::step`](super::Database::step) fails
/// for good where trying again is pointless.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DatabaseError {
    /// The kind is not granted the database: an operator has to.
    NotGranted,
    /// A rule does not allow it: which, in a sentence.
    Refused(String),
    /// The engine says no.
    Sql {
        /// `SQLITE_CONSTRAINT_UNIQUE`, or a SQLSTATE of `PostgreSQL`.
        code: String,
        /// Its words.
        message: String,
    },
    /// Others are at it; later it may be free.
    Busy(String),
    /// It holds as much as it may.
    Quota(String),
    /// The statement ran too long.
    Interrupted(String),
    /// It can't be reached now, and may be later.
    Unavailable(String),
    /// A value or a row is not what the handler takes it for.
    Mismatch(String),
}

impl DatabaseError {
    /// Whether the engine says that a row with such a value is there already.
    pub fn is_unique_violation(&self) -> bool {
        let codes = ["SQLITE_CONSTRAINT_UNIQUE", "SQLITE_CONSTRAINT_PRIMARYKEY", "SQLITE_CONSTRAINT_ROWID", "23505"];
        matches!(self, DatabaseError::Sql { code, .. } if codes.contains(&code.as_str()))
    }

    /// What a step that could not be begun or recorded ends the attempt with.
    pub(super) fn into_failure(self) -> Failure {
        match self {
            DatabaseError::Refused(_) | DatabaseError::Mismatch(_) => Failure::fatal(self.to_string()),
            other => Failure::from(other),
        }
    }
}

impl fmt::Display for DatabaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DatabaseError::NotGranted => f.write_str("the kind is not granted the database"),
            DatabaseError::Sql { code, message } => f.write_str(&joined(&[message, " (", code, ")"])),
            DatabaseError::Refused(sentence)
            | DatabaseError::Busy(sentence)
            | DatabaseError::Quota(sentence)
            | DatabaseError::Interrupted(sentence)
            | DatabaseError::Unavailable(sentence)
            | DatabaseError::Mismatch(sentence) => f.write_str(sentence),
        }
    }
}

impl Error for DatabaseError {}
