//! Forgets changes of long ago, and the oldest of a tenant that makes very many: the log is of all, and nobody's to fill.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, params};
use rustc_hash::FxHashMap;

use crate::job::Timestamp;
use crate::store::error::StoreError;

/// Rows removed by one operation.
const PRUNED_MAX: usize = 1_000;
/// Rows of one tenant.
const ROWS_OF_TENANT_MAX: usize = 200_000;

const PRUNE: &str = "DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE at < ?1 ORDER BY at LIMIT ?2)
    RETURNING tenant_id";
const FULLEST: &str = "SELECT tenant_id, rows FROM audit_rows WHERE rows > ?1 LIMIT 1";
const PRUNE_TENANT: &str = "DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE tenant_id = ?1 ORDER BY id LIMIT ?2) RETURNING tenant_id";
const UNCOUNT: &str = "UPDATE audit_rows SET rows = rows - ?2 WHERE tenant_id = ?1";
const FORGET: &str = "DELETE FROM audit_rows WHERE rows <= 0";

/// `true` when more is left.
pub(super) fn prune(sql: &Connection, now: Timestamp, keep: Duration) -> Result<bool, StoreError> {
    prune_beyond(sql, now, keep, ROWS_OF_TENANT_MAX)
}

fn prune_beyond(sql: &Connection, now: Timestamp, keep: Duration, of_tenant_max: usize) -> Result<bool, StoreError> {
    let keep_ms = i64::try_from(keep.as_millis()).unwrap_or(i64::MAX);
    let before = now.as_ms().saturating_sub(keep_ms);
    if remove(sql, PRUNE, before, PRUNED_MAX)? == PRUNED_MAX {
        return Ok(true);
    }
    let fullest: Option<(i64, usize)> =
        sql.prepare_cached(FULLEST)?.query_row([of_tenant_max], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    let Some((tenant, rows)) = fullest else { return Ok(false) };
    remove(sql, PRUNE_TENANT, tenant, (rows - of_tenant_max).min(PRUNED_MAX))?;
    Ok(true)
}

/// Removes rows, and counts them out.
fn remove(sql: &Connection, statement: &str, which: i64, most: usize) -> Result<usize, StoreError> {
    let mut removed: FxHashMap<Option<i64>, usize> = FxHashMap::default();
    let mut statement = sql.prepare_cached(statement)?;
    let mut rows = statement.query(params![which, most])?;
    while let Some(row) = rows.next()? {
        *removed.entry(row.get(0)?).or_default() += 1;
    }
    for (tenant, rows) in &removed {
        if let Some(tenant) = tenant {
            sql.prepare_cached(UNCOUNT)?.execute(params![tenant, rows])?;
        }
    }
    if !removed.is_empty() {
        sql.prepare_cached(FORGET)?.execute([])?;
    }
    Ok(removed.values().sum())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::store::migrate::migrate;

    fn count(sql: &Connection, statement: &str) -> i64 {
        sql.query_row(statement, [], |row| row.get(0)).unwrap()
    }

    #[test]
    fn a_tenant_that_changes_much_forgets_its_own_changes() {
        let mut sql = Connection::open_in_memory().unwrap();
        migrate(&mut sql, std::path::Path::new(":memory:")).unwrap();
        for (tenant, rows) in [(Some(1), 7), (Some(2), 2), (None, 9)] {
            for at in 0..rows {
                let row = params![at, tenant];
                sql.execute(
                    "INSERT INTO audit (at, tenant_id, who, via, action, object) VALUES (?1, ?2, 'w', 'api', 'a', 'o')",
                    row,
                )
                .unwrap();
            }
            if let Some(tenant) = tenant {
                sql.execute("INSERT INTO audit_rows (tenant_id, rows) VALUES (?1, ?2)", params![tenant, rows]).unwrap();
            }
        }
        let forever = Duration::from_secs(1_000_000);
        while prune_beyond(&sql, Timestamp(10), forever, 3).unwrap() {}
        assert_eq!(count(&sql, "SELECT count(*) FROM audit WHERE tenant_id = 1"), 3);
        assert_eq!(count(&sql, "SELECT min(at) FROM audit WHERE tenant_id = 1"), 4, "the newest stay");
        assert_eq!(count(&sql, "SELECT count(*) FROM audit WHERE tenant_id = 2"), 2);
        assert_eq!(count(&sql, "SELECT count(*) FROM audit WHERE tenant_id IS NULL"), 9);
        assert_eq!(count(&sql, "SELECT rows FROM audit_rows WHERE tenant_id = 1"), 3);
        while prune_beyond(&sql, Timestamp(1_000), Duration::ZERO, 3).unwrap() {}
        assert_eq!(count(&sql, "SELECT count(*) FROM audit") + count(&sql, "SELECT count(*) FROM audit_rows"), 0);
    }
}
