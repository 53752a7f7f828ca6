//! Rotation: rows under earlier keys, found by their key and written anew where nobody has set them meanwhile.

use rusqlite::{Connection, Row, params};

use super::keys::forget_unused;
use super::model::{Resealed, Sealed, SecretsKeyId, StoredSecret};
use crate::store::catalog::TenantId;
use crate::store::error::StoreError;

/// Twice a range of the index: what is under no other key is not looked at.
const OTHERS: &str = "SELECT id, tenant_id, name, key_id, sealed FROM secrets WHERE key_id < ?1
    UNION ALL SELECT id, tenant_id, name, key_id, sealed FROM secrets WHERE key_id > ?1 LIMIT ?2";
const COUNT_OTHERS: &str = "SELECT count(*) FROM (SELECT 1 FROM secrets WHERE key_id < ?1
    UNION ALL SELECT 1 FROM secrets WHERE key_id > ?1 LIMIT ?2)";
/// Secrets counted at most: more are told as so many.
const COUNTED_MAX: usize = 100_000;
const RESEAL: &str = "UPDATE secrets SET key_id = ?2, sealed = ?3 WHERE id = ?1 AND key_id = ?4 AND sealed = ?5";

/// So many secrets that are not under this key.
pub(super) fn others(sql: &Connection, current: SecretsKeyId, limit: usize) -> Result<Vec<StoredSecret>, StoreError> {
    let mut statement = sql.prepare_cached(OTHERS)?;
    let rows = statement.query_map(params![current.0, limit], read)?;
    rows.map(|row| row.map_err(StoreError::from)?).collect()
}

/// How many secrets are not under this key, as far as they are counted.
pub(super) fn count_others(sql: &Connection, current: SecretsKeyId) -> Result<u64, StoreError> {
    Ok(sql.prepare_cached(COUNT_OTHERS)?.query_row(params![current.0, COUNTED_MAX], |row| row.get(0))?)
}

/// Writes them. The keys that nothing is under any more.
pub(super) fn reseal(
    sql: &Connection,
    current: SecretsKeyId,
    resealed: &[Resealed],
) -> Result<Vec<SecretsKeyId>, StoreError> {
    let mut statement = sql.prepare_cached(RESEAL)?;
    for Resealed { id, was, now } in resealed {
        statement.execute(params![id, now.key.0, now.bytes, was.key.0, was.bytes])?;
    }
    forget_unused(sql, current)
}

fn read(row: &Row<'_>) -> rusqlite::Result<Result<StoredSecret, StoreError>> {
    let name: String = row.get(2)?;
    let (id, tenant) = (row.get(0)?, TenantId(row.get(1)?));
    let sealed = Sealed { key: SecretsKeyId(row.get(3)?), bytes: row.get(4)? };
    Ok(name.parse().map(|name| StoredSecret { id, tenant, name, sealed }).map_err(StoreError::internal))
}
