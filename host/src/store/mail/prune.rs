//! Mails that are over are kept for a time. What is queued, or kept because there is no server, never goes by its age.

use std::time::Duration;

use rusqlite::{Connection, params};

use super::act::remove;
use crate::job::MailId;
use crate::store::catalog::TenantId;
use crate::store::draft::Draft;
use crate::store::error::StoreError;

/// Mails removed by one operation.
const PRUNED_MAX: usize = 200;

const OLD: &str = "SELECT id, tenant_id, state FROM mails INDEXED BY mails_ended
    WHERE ended_at IS NOT NULL AND ended_at < ?1 ORDER BY ended_at LIMIT ?2";

/// Removes what was over so long ago; `true` when more may be left.
pub(super) fn prune(sql: &Connection, draft: &mut Draft, keep: Duration) -> Result<bool, StoreError> {
    let keep_ms = i64::try_from(keep.as_millis()).unwrap_or(i64::MAX);
    let before = draft.now.as_ms().saturating_sub(keep_ms);
    let old: Vec<([u8; 16], i64, String)> = {
        let mut statement = sql.prepare_cached(OLD)?;
        let rows =
            statement.query_map(params![before, PRUNED_MAX], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        rows.collect::<Result<_, _>>()?
    };
    for (id, tenant, state) in &old {
        let state = state.parse().map_err(StoreError::internal)?;
        remove(sql, draft, (TenantId(*tenant), state), MailId::from_bytes(*id))?;
    }
    Ok(old.len() >= PRUNED_MAX)
}
