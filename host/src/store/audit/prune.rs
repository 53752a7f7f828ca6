//! Forgets changes of long ago, and the oldest of a tenant that makes very many: the log is of all, and nobody's to fill.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, params};
use rustc_hash::FxHashMap;

use crate::job::Timestamp;
use crate::store::catalog::TenantId;
use crate::store::error::StoreError;

/// Rows removed by one operation.
const PRUNED_MAX: usize = 1_000;
/// Rows of one tenant removed at once where they are too long together.
const PRUNED_FEW: usize = 20;
/// What one tenant may have.
const OF_TENANT_MAX: Bounds = Bounds { rows: 200_000, bytes: 256 << 20 };

macro_rules! bytes {
    () => {
        "octet_length(who) + octet_length(action) + octet_length(object) + coalesce(octet_length(before), 0)
            + coalesce(octet_length(after), 0)"
    };
}

const PRUNE: &str = concat!(
    "DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE at < ?1 ORDER BY at LIMIT ?2) RETURNING tenant_id, ",
    bytes!()
);
const FULLEST: &str = "SELECT tenant_id, rows FROM audit_rows WHERE rows > ?1 OR bytes > ?2 LIMIT 1";
const PRUNE_TENANT: &str = concat!(
    "DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE tenant_id = ?1 ORDER BY id LIMIT ?2) RETURNING tenant_id, ",
    bytes!()
);
const UNCOUNT: &str = "UPDATE audit_rows SET rows = rows - ?2, bytes = bytes - ?3 WHERE tenant_id = ?1";
const FORGET: &str = "DELETE FROM audit_rows WHERE rows <= 0";

/// How much is kept.
#[derive(Clone, Copy)]
struct Bounds {
    rows: usize,
    /// Of texts.
    bytes: i64,
}

/// What is gone.
#[derive(Clone, Copy, Default)]
struct Removed {
    rows: usize,
    bytes: i64,
}

/// `true` when more is left.
pub(super) fn prune(sql: &Connection, now: Timestamp, keep: Duration) -> Result<bool, StoreError> {
    prune_beyond(sql, now, keep, OF_TENANT_MAX)
}

/// A row was written, with which the tenant has so many bytes: the oldest make room for it at once.
pub(super) fn make_room(sql: &Connection, tenant: TenantId, bytes: i64) -> Result<(), StoreError> {
    make_room_within(sql, tenant, bytes, OF_TENANT_MAX.bytes)
}

fn make_room_within(sql: &Connection, tenant: TenantId, mut bytes: i64, bytes_max: i64) -> Result<(), StoreError> {
    let mut pruned = 0;
    while bytes > bytes_max && pruned < PRUNED_MAX {
        let removed = remove(sql, PRUNE_TENANT, tenant.0, PRUNED_FEW)?;
        if removed.rows == 0 {
            break;
        }
        pruned += removed.rows;
        bytes -= removed.bytes;
    }
    Ok(())
}

fn prune_beyond(sql: &Connection, now: Timestamp, keep: Duration, of_tenant_max: Bounds) -> Result<bool, StoreError> {
    let keep_ms = i64::try_from(keep.as_millis()).unwrap_or(i64::MAX);
    let before = now.as_ms().saturating_sub(keep_ms);
    if remove(sql, PRUNE, before, PRUNED_MAX)?.rows == PRUNED_MAX {
        return Ok(true);
    }
    let Bounds { rows: rows_max, bytes: bytes_max } = of_tenant_max;
    let fullest: Option<(i64, usize)> = sql
        .prepare_cached(FULLEST)?
        .query_row(params![rows_max, bytes_max], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((tenant, rows)) = fullest else { return Ok(false) };
    let too_many = rows.saturating_sub(rows_max);
    let removed = remove(sql, PRUNE_TENANT, tenant, if too_many > 0 { too_many.min(PRUNED_MAX) } else { PRUNED_FEW })?;
    Ok(removed.rows > 0)
}

/// Removes rows, and counts them out.
fn remove(sql: &Connection, statement: &str, which: i64, most: usize) -> Result<Removed, StoreError> {
    let (mut removed, mut all) = (FxHashMap::<Option<i64>, Removed>::default(), Removed::default());
    let mut statement = sql.prepare_cached(statement)?;
    let mut rows = statement.query(params![which, most])?;
    while let Some(row) = rows.next()? {
        let bytes: i64 = row.get(1)?;
        for sum in [removed.entry(row.get(0)?).or_default(), &mut all] {
            sum.rows += 1;
            sum.bytes += bytes;
        }
    }
    for (tenant, Removed { rows, bytes }) in &removed {
        if let Some(tenant) = tenant {
            sql.prepare_cached(UNCOUNT)?.execute(params![tenant, rows, bytes])?;
        }
    }
    if !removed.is_empty() {
        sql.prepare_cached(FORGET)?.execute([])?;
    }
    Ok(all)
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
        assert!(crate::store::databases::bound_memory());
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
        let few = Bounds { rows: 3, bytes: i64::MAX };
        while prune_beyond(&sql, Timestamp(10), forever, few).unwrap() {}
        assert_eq!(count(&sql, "SELECT count(*) FROM audit WHERE tenant_id = 1"), 3);
        assert_eq!(count(&sql, "SELECT min(at) FROM audit WHERE tenant_id = 1"), 4, "the newest stay");
        assert_eq!(count(&sql, "SELECT count(*) FROM audit WHERE tenant_id = 2"), 2);
        assert_eq!(count(&sql, "SELECT count(*) FROM audit WHERE tenant_id IS NULL"), 9);
        assert_eq!(count(&sql, "SELECT rows FROM audit_rows WHERE tenant_id = 1"), 3);
        while prune_beyond(&sql, Timestamp(1_000), Duration::ZERO, few).unwrap() {}
        assert_eq!(count(&sql, "SELECT count(*) FROM audit") + count(&sql, "SELECT count(*) FROM audit_rows"), 0);
    }

    #[test]
    fn long_changes_make_room_for_each_other() {
        assert!(crate::store::databases::bound_memory());
        let mut sql = Connection::open_in_memory().unwrap();
        migrate(&mut sql, std::path::Path::new(":memory:")).unwrap();
        let row = "INSERT INTO audit (at, tenant_id, who, via, action, object, after) VALUES (1, ?1, 'w', 'api', 'a', 'o', ?2)";
        let count = "INSERT INTO audit_rows VALUES (?1, 1, 100)
            ON CONFLICT (tenant_id) DO UPDATE SET rows = rows + 1, bytes = bytes + 100 RETURNING bytes";
        let bytes_of = |tenant: i64| -> (i64, i64) {
            let query = concat!(
                "SELECT sum(",
                bytes!(),
                "), (SELECT bytes FROM audit_rows WHERE tenant_id = ?1)
                FROM audit WHERE tenant_id = ?1"
            );
            sql.query_row(query, [tenant], |row| Ok((row.get(0)?, row.get(1)?))).unwrap()
        };
        for _ in 0..100 {
            for tenant in [1, 2] {
                sql.execute(row, params![tenant, "x".repeat(97)]).unwrap();
                let bytes = sql.query_row(count, [tenant], |row| row.get(0)).unwrap();
                if tenant == 1 {
                    make_room_within(&sql, TenantId(tenant), bytes, 5_000).unwrap();
                    assert!(bytes_of(1).0 <= 5_000, "it holds at every moment");
                }
            }
        }
        assert_eq!(bytes_of(1).0, bytes_of(1).1);
        assert_eq!(bytes_of(2), (10_000, 10_000), "another tenant's stay");
        let bounds = Bounds { rows: usize::MAX >> 1, bytes: 4_000 };
        while prune_beyond(&sql, Timestamp(1), Duration::from_secs(1_000_000), bounds).unwrap() {}
        assert!(bytes_of(2).0 <= 4_000 && bytes_of(2).0 > 0, "{:?}", bytes_of(2));
        assert_eq!(bytes_of(2).0, bytes_of(2).1);
    }
}
