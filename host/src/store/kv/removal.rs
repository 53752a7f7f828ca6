//! What a tenant that goes has in its buckets, taken away in pieces.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use rusqlite::{Connection, params};

use super::usage;
use crate::store::catalog::TenantId;
use crate::store::draft::Draft;
use crate::store::error::StoreError;

const DELETE: &str = "DELETE FROM kv_entries WHERE id IN (SELECT id FROM kv_entries WHERE tenant_id = ?1 LIMIT ?2)
    RETURNING octet_length(bucket) + octet_length(key) + length(value)";
const DELETE_EXPIRED: &str =
    "DELETE FROM kv_entries WHERE id IN (SELECT id FROM kv_entries INDEXED BY kv_entries_expiry
        WHERE expires_ms IS NOT NULL AND expires_ms <= ?1 ORDER BY expires_ms LIMIT ?2)
    RETURNING tenant_id, octet_length(bucket) + octet_length(key) + length(value)";

/// Keys removed by one operation whose time is over.
const EXPIRED_MAX: usize = 500;

/// Removes keys whose time is over; `true` when more are left.
pub(super) fn remove_expired(sql: &Connection, draft: &mut Draft) -> Result<bool, StoreError> {
    let removed: Vec<(i64, u64)> = {
        let mut statement = sql.prepare_cached(DELETE_EXPIRED)?;
        let rows =
            statement.query_map(params![draft.clock.now_ms(), EXPIRED_MAX], |row| Ok((row.get(0)?, row.get(1)?)))?;
        rows.collect::<Result<_, _>>()?
    };
    let mut tallies: BTreeMap<i64, usage::Tally> = BTreeMap::new();
    for (tenant, bytes) in &removed {
        let tally = match tallies.entry(*tenant) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(usage::read(sql, TenantId(*tenant))?),
        };
        tally.take(*bytes);
    }
    for (tenant, tally) in tallies {
        tally.write(sql, TenantId(tenant))?;
    }
    Ok(removed.len() >= EXPIRED_MAX)
}

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
