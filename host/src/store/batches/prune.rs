//! Batches whose jobs are all gone are forgotten, a while after they were finished.

use rusqlite::{Connection, OptionalExtension, params};

use crate::store::draft::Draft;
use crate::store::error::StoreError;

/// How long a finished batch without jobs is kept, ms.
const KEEP_MS: i64 = 24 * 3_600 * 1_000;
/// Batches looked at by one operation.
const LOOKED_AT_MAX: usize = 500;

const LAST_LOOKED_AT: &str = "SELECT max(id) FROM (SELECT id FROM batches WHERE id > ?1 ORDER BY id LIMIT ?2)";
const DELETE: &str = "DELETE FROM batches WHERE id > ?1 AND id <= ?2 AND closing = 0 AND finished_at <= ?3
    AND NOT EXISTS (SELECT 1 FROM batch_jobs WHERE batch_id = batches.id)";

/// Forgets some; `true` when more are to be looked at.
pub(in crate::store) fn prune_batches(sql: &Connection, draft: &mut Draft) -> Result<bool, StoreError> {
    if !draft.ties.are_batches {
        return Ok(false);
    }
    let after = std::mem::take(&mut draft.ties.batches_looked_at);
    let last: Option<Vec<u8>> = sql
        .prepare_cached(LAST_LOOKED_AT)?
        .query_row(params![after, LOOKED_AT_MAX], |row| row.get(0))
        .optional()?
        .flatten();
    // Past the last one it begins anew with the next turn.
    let Some(last) = last else { return Ok(false) };
    let expired = draft.now.as_ms().saturating_sub(KEEP_MS);
    sql.prepare_cached(DELETE)?.execute(params![after, last, expired])?;
    draft.ties.batches_looked_at = last;
    Ok(true)
}
