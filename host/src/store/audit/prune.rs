//! Forgets changes of long ago.

use std::time::Duration;

use rusqlite::{Connection, params};

use crate::job::Timestamp;
use crate::store::error::StoreError;

/// Rows removed by one operation.
const PRUNED_MAX: usize = 1_000;

const PRUNE: &str = "DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE at < ?1 ORDER BY at LIMIT ?2)";

/// `true` when more is left.
pub(super) fn prune(sql: &Connection, now: Timestamp, keep: Duration) -> Result<bool, StoreError> {
    let keep_ms = i64::try_from(keep.as_millis()).unwrap_or(i64::MAX);
    let before = now.as_ms().saturating_sub(keep_ms);
    Ok(sql.prepare_cached(PRUNE)?.execute(params![before, PRUNED_MAX])? == PRUNED_MAX)
}
