//! Brings the database to the schema this binary knows. Forward only; one transaction per script.

use std::cmp::Ordering;
use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use super::error::OpenError;

/// In order; the number of a script is its place, from 1.
pub(super) const SCRIPTS: &[&str] = &[
    include_str!("../../../migrations/0001_foundation.sql"),
    include_str!("../../../migrations/0002_activated_at.sql"),
    include_str!("../../../migrations/0003_queues.sql"),
    include_str!("../../../migrations/0004_limits.sql"),
    include_str!("../../../migrations/0005_schedules.sql"),
    include_str!("../../../migrations/0006_dependencies.sql"),
    include_str!("../../../migrations/0007_expiry.sql"),
    include_str!("../../../migrations/0008_on_failed.sql"),
    include_str!("../../../migrations/0009_retention.sql"),
    include_str!("../../../migrations/0010_dead_letters.sql"),
    include_str!("../../../migrations/0011_unique.sql"),
    include_str!("../../../migrations/0012_operations.sql"),
    include_str!("../../../migrations/0013_key_answers.sql"),
    include_str!("../../../migrations/0014_identity.sql"),
    include_str!("../../../migrations/0015_tenants.sql"),
    include_str!("../../../migrations/0016_quotas.sql"),
    include_str!("../../../migrations/0017_secrets.sql"),
    include_str!("../../../migrations/0018_bounds_of_identity.sql"),
    include_str!("../../../migrations/0019_batches_are_bounded.sql"),
    include_str!("../../../migrations/0020_schedules_are_counted.sql"),
    include_str!("../../../migrations/0021_audit_bytes.sql"),
    include_str!("../../../migrations/0022_keys_are_counted.sql"),
    include_str!("../../../migrations/0023_lists_of_tenants.sql"),
    include_str!("../../../migrations/0024_steps.sql"),
    include_str!("../../../migrations/0025_notifications.sql"),
    include_str!("../../../migrations/0026_mail.sql"),
    include_str!("../../../migrations/0027_databases.sql"),
    include_str!("../../../migrations/0028_databases_made.sql"),
    include_str!("../../../migrations/0029_events_told.sql"),
];

/// The schema version this binary writes.
pub(super) fn known_version() -> i64 {
    i64::try_from(SCRIPTS.len()).unwrap_or(i64::MAX)
}

/// Runs the scripts the database has not seen.
pub(super) fn migrate(connection: &mut Connection, path: &Path) -> Result<(), OpenError> {
    migrate_to(connection, path, SCRIPTS)
}

/// Refuses what [`migrate`] would change.
pub(super) fn require_version(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    let fail = |error: rusqlite::Error| OpenError::sqlite(path, error);
    let found: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(fail)?;
    let (path, known) = (path.display().to_string(), known_version());
    match found.cmp(&known) {
        Ordering::Less => Err(OpenError::Older { path, found, known }),
        Ordering::Equal => Ok(()),
        Ordering::Greater => Err(OpenError::Newer { path, found, known }),
    }
}

/// The same with the first of the scripts only: what an earlier binary left.
pub(super) fn migrate_to(connection: &mut Connection, path: &Path, scripts: &[&str]) -> Result<(), OpenError> {
    let fail = |error: rusqlite::Error| OpenError::sqlite(path, error);
    let found: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(fail)?;
    if found > known_version() {
        return Err(OpenError::Newer { path: path.display().to_string(), found, known: known_version() });
    }
    let seen = usize::try_from(found).unwrap_or(0);
    for (index, script) in scripts.iter().enumerate().skip(seen) {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(fail)?;
        transaction.execute_batch(script).map_err(fail)?;
        transaction.pragma_update(None, "user_version", index + 1).map_err(fail)?;
        transaction.commit().map_err(fail)?;
    }
    Ok(())
}
