//! Events are kept for a time, for jobs that come to wait for them.

use std::time::Duration;

use rusqlite::{Connection, params};

use crate::store::catalog::TenantId;
use crate::store::draft::Draft;
use crate::store::error::StoreError;

/// How long.
const KEPT: Duration = Duration::from_hours(24);
/// Rows removed by one operation.
const PRUNED_MAX: usize = 500;

const PRUNE: &str = "DELETE FROM emitted_events WHERE id IN
        (SELECT id FROM emitted_events INDEXED BY emitted_events_at WHERE at < ?1 AND told_up_to IS NULL ORDER BY at LIMIT ?2)
    RETURNING tenant_id, counted_bytes";

/// Removes what is too old; `true` when more may be left.
pub(in crate::store) fn prune_emitted(sql: &Connection, draft: &mut Draft) -> Result<bool, StoreError> {
    let kept_ms = i64::try_from(KEPT.as_millis()).unwrap_or(i64::MAX);
    let before = draft.now.as_ms().saturating_sub(kept_ms);
    let removed: Vec<(i64, i64)> = {
        let mut statement = sql.prepare_cached(PRUNE)?;
        let rows = statement.query_map(params![before, PRUNED_MAX], |row| Ok((row.get(0)?, row.get(1)?)))?;
        rows.collect::<Result<_, _>>()?
    };
    for (tenant, bytes) in &removed {
        draft.meter.kept(TenantId(*tenant), -bytes);
    }
    Ok(removed.len() >= PRUNED_MAX)
}
