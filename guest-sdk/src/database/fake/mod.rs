//! Databases of a fake host: real `SQLite`, in memory, for as long as it lives, set up and bounded as a real host does with its files.
//! Behind the feature `testing-database`: who tests no handler with a database compiles none.

#[cfg(feature = "testing-database")]
mod connection;
#[cfg(feature = "testing-database")]
mod rules;
#[cfg(feature = "testing-database")]
mod session;
#[cfg(feature = "testing-database")]
mod statement;
#[cfg(all(test, feature = "testing-database"))]
#[allow(clippy::unwrap_used)]
mod tests;
#[cfg(not(feature = "testing-database"))]
mod without;

use std::sync::Arc;

use super::{DatabaseError, Rows, Value};
use crate::Context;
use crate::steps::Begun;
use crate::testing::bounds::DATABASE_BYTES;
use crate::testing::texts::is_database_name;

#[cfg(feature = "testing-database")]
pub(super) use session::Database;
#[cfg(not(feature = "testing-database"))]
pub(super) use without::Database;

/// Every database that was opened.
#[derive(Debug)]
pub(crate) struct Databases {
    /// Of all of them together.
    pub(crate) bytes_max: u64,
    #[cfg(feature = "testing-database")]
    known: std::collections::BTreeMap<String, session::Session>,
}

impl Default for Databases {
    fn default() -> Self {
        Self {
            bytes_max: DATABASE_BYTES,
            #[cfg(feature = "testing-database")]
            known: std::collections::BTreeMap::new(),
        }
    }
}

type Said<T> = Result<T, DatabaseError>;

pub(super) fn open(context: &Context, name: &str) -> Said<Database> {
    let host = Arc::clone(context.recorder());
    if !host.lock().grants.allows_database(name) {
        return Err(DatabaseError::NotGranted);
    }
    if !is_database_name(name) {
        return Err(refused(
            "a database's name must be 1 to 64 characters of a-z, 0-9, `-` and `_`, starting with a letter or digit",
        ));
    }
    Database::open(host, name)
}

fn refused(sentence: impl Into<String>) -> DatabaseError {
    DatabaseError::Refused(sentence.into())
}
