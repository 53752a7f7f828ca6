//! Brings the database to the schema this binary knows. Forward only; one transaction per script.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use super::error::OpenError;

/// In order; the number of a script is its place, from 1.
const SCRIPTS: &[&str] = &[
    include_str!("../../../migrations/0001_foundation.sql"),
    include_str!("../../../migrations/0002_activated_at.sql"),
];

/// The schema version this binary writes.
pub(super) fn known_version() -> i64 {
    i64::try_from(SCRIPTS.len()).unwrap_or(i64::MAX)
}

/// Runs the scripts the database has not seen.
pub(super) fn migrate(connection: &mut Connection, path: &Path) -> Result<(), OpenError> {
    let fail = |error: rusqlite::Error| OpenError::sqlite(path, error);
    let found: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(fail)?;
    if found > known_version() {
        return Err(OpenError::Newer { path: path.display().to_string(), found, known: known_version() });
    }
    let seen = usize::try_from(found).unwrap_or(0);
    for (index, script) in SCRIPTS.iter().enumerate().skip(seen) {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(fail)?;
        transaction.execute_batch(script).map_err(fail)?;
        transaction.pragma_update(None, "user_version", index + 1).map_err(fail)?;
        transaction.commit().map_err(fail)?;
    }
    Ok(())
}
