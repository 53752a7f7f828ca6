//! What a tenant that goes has in its buckets, taken away in pieces.

use rusqlite::{Connection, params};

use super::usage;
use crate::store::catalog::TenantId;
use crate::store::error::StoreError;

const DELETE: &str = "DELETE FROM kv_entries WHERE id IN (SELECT id FROM kv_entries WHERE tenant_id = ?1 LIMIT ?2)
    RETURNING octet_length(bucket) + octet_length(key) + length(value)";

/// Removes so many entries at most; how many there were.
pub(in crate::store) fn remove_some(
    sql: &Connection,
    tenant: TenantId,
    entries_max: usize,
) -> Result<usize, StoreError> {
    let mut tally = usage::read(sql, tenant)?;
    let mut statement = sql.prepare_cached(DELETE)?;
    let mut rows = statement.query(params![tenant.0, entries_max])?;
    let mut removed = 0;
    while let Some(row) = rows.next()? {
        tally.take(row.get(0)?);
        removed += 1;
    }
    if removed > 0 {
        tally.write(sql, tenant)?;
    }
    Ok(removed)
}
