//! The event log's upkeep: one packed row per commit, kept for a time and up to a size.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, params};

use super::error::StoreError;

/// Rows removed by one prune.
const PRUNED_COMMITS_MAX: usize = 1_000;

const LAST_TOTAL: &str = "SELECT bytes_total FROM events ORDER BY commit_id DESC LIMIT 1";
/// Rows are removed from the oldest on, so that what is left is one piece: up to the last that is too old or too much,
/// whatever the ages of those before it seem to be.
const PRUNE: &str = "DELETE FROM events WHERE commit_id <=
    (SELECT max(commit_id) FROM (SELECT commit_id, stored_ms, bytes_total FROM events ORDER BY commit_id LIMIT ?3)
     WHERE stored_ms < ?1 OR bytes_total <= ?2)
    AND commit_id < (SELECT max(commit_id) FROM events)";

/// Removes what is too old, by the store's clock, or too much; `true` when more is left. The last row stays: numbering
/// goes on from it.
pub(super) fn prune_events(
    sql: &Connection,
    store_now_ms: i64,
    keep_age: Duration,
    keep_bytes: u64,
) -> Result<bool, StoreError> {
    let total: Option<i64> = sql.prepare_cached(LAST_TOTAL)?.query_row([], |row| row.get(0)).optional()?;
    let Some(total) = total else { return Ok(false) };
    let keep_ms = i64::try_from(keep_age.as_millis()).unwrap_or(i64::MAX);
    let oldest = store_now_ms.saturating_sub(keep_ms);
    let dispensable = total.saturating_sub(i64::try_from(keep_bytes).unwrap_or(i64::MAX));
    let pruned = sql.prepare_cached(PRUNE)?.execute(params![oldest, dispensable, PRUNED_COMMITS_MAX])?;
    Ok(pruned == PRUNED_COMMITS_MAX)
}
