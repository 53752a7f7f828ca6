//! Why a call to a database came to nothing, as the handler is told.

/// Every sentence is for whoever wrote the handler.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DatabaseError {
    /// A rule does not allow it; the sentence names the rule.
    #[error("{0}")]
    Refused(String),
    /// The engine says no: a constraint, a missing table, a mistake in the statement.
    #[error("{message} ({code})")]
    Sql {
        /// `SQLITE_CONSTRAINT_UNIQUE`; a SQLSTATE of `PostgreSQL`.
        code: String,
        /// The engine's words.
        message: String,
    },
    /// Others are at it; later it may be free.
    #[error("{0}")]
    Busy(String),
    /// It holds as much as it may.
    #[error("{0}")]
    Quota(String),
    /// The statement ran too long, or the attempt was ended.
    #[error("{0}")]
    Interrupted(String),
    /// It can't be reached now, and may be later.
    #[error("{0}")]
    Unavailable(String),
    /// The attempt's lease is not its job's any more: nothing was written, and the guest is to be ended.
    #[error("the job was given to another execution")]
    StaleLease,
}

impl DatabaseError {
    /// One of [`DatabaseError::Refused`].
    pub fn refused(sentence: impl Into<String>) -> Self {
        DatabaseError::Refused(sentence.into())
    }

    /// The same, said of a migration.
    #[must_use]
    pub fn of_script(self, number: u32) -> Self {
        match self {
            DatabaseError::Refused(rule) => DatabaseError::Refused(format!("migration {number}: {rule}")),
            DatabaseError::Sql { code, message } => {
                DatabaseError::Sql { code, message: format!("migration {number}: {message}") }
            }
            other => other,
        }
    }
}
