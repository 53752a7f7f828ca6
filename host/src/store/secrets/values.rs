//! One tenant's secrets: set, told about, removed. What is read of them for an attempt is ciphertext.

use rusqlite::{Connection, OptionalExtension, Row, params};
use serde_json::{Value, json};

use super::model::{Sealed, SecretRow, SecretsKeyId, SetSecretResult};
use crate::job::{QuotaExceeded, QuotaName, Quotas, SecretName, Timestamp};
use crate::store::catalog::TenantId;
use crate::store::error::StoreError;

const REPLACE: &str = "UPDATE secrets SET key_id = ?3, sealed = ?4, version = version + 1, updated_at = ?5
    WHERE tenant_id = ?1 AND name = ?2 RETURNING name, version, key_id, created_at, updated_at";
const COUNT: &str = "SELECT count(*) FROM secrets WHERE tenant_id = ?1";
const INSERT: &str = "INSERT INTO secrets (tenant_id, name, key_id, sealed, version, created_at, updated_at)
    VALUES (?1, ?2, ?3, ?4, 1, ?5, ?5) RETURNING name, version, key_id, created_at, updated_at";
const SEALED: &str = "SELECT key_id, sealed FROM secrets WHERE tenant_id = ?1 AND name = ?2";
const FACTS: &str = "SELECT version, updated_at FROM secrets WHERE tenant_id = ?1 AND name = ?2";
const PAGE: &str = "SELECT name, version, key_id, created_at, updated_at FROM secrets
    WHERE tenant_id = ?1 AND (?2 IS NULL OR name > ?2) ORDER BY name LIMIT ?3";
const DELETE: &str = "DELETE FROM secrets WHERE tenant_id = ?1 AND name = ?2";

/// Sets a secret.
pub(super) fn set(
    sql: &Connection,
    (now, quotas): (Timestamp, &Quotas),
    tenant: TenantId,
    name: &SecretName,
    sealed: &Sealed,
) -> Result<SetSecretResult, StoreError> {
    let values = params![tenant.0, name.as_str(), sealed.key.0, sealed.bytes, now.as_ms()];
    let replaced = sql.prepare_cached(REPLACE)?.query_row(values, read).optional()?;
    if let Some(row) = replaced {
        return Ok(SetSecretResult::Replaced(row?));
    }
    // As many rows of one index as the quota allows.
    let count: u64 = sql.prepare_cached(COUNT)?.query_row([tenant.0], |row| row.get(0))?;
    if let Err(exceeded) = QuotaExceeded::check(quotas, QuotaName::Secrets, count, 1) {
        return Ok(SetSecretResult::OverQuota(exceeded));
    }
    Ok(SetSecretResult::Created(sql.prepare_cached(INSERT)?.query_row(values, read)??))
}

/// What a secret's value is sealed in.
pub(super) fn sealed(sql: &Connection, tenant: TenantId, name: &SecretName) -> Result<Option<Sealed>, StoreError> {
    let row = |row: &Row<'_>| Ok(Sealed { key: SecretsKeyId(row.get(0)?), bytes: row.get(1)? });
    Ok(sql.prepare_cached(SEALED)?.query_row(params![tenant.0, name.as_str()], row).optional()?)
}

/// So many of a tenant's secrets by name, after a name.
pub(super) fn page(
    sql: &Connection,
    tenant: TenantId,
    after: Option<&SecretName>,
    limit: usize,
) -> Result<Vec<SecretRow>, StoreError> {
    let mut statement = sql.prepare_cached(PAGE)?;
    let rows = statement.query_map(params![tenant.0, after.map(SecretName::as_str), limit], read)?;
    rows.map(|row| row.map_err(StoreError::from)?).collect()
}

/// Removes a secret. `false`: there was none.
pub(super) fn delete(sql: &Connection, tenant: TenantId, name: &SecretName) -> Result<bool, StoreError> {
    Ok(sql.prepare_cached(DELETE)?.execute(params![tenant.0, name.as_str()])? > 0)
}

/// What the audit log says of a secret.
pub(in crate::store) fn secret_facts(
    sql: &Connection,
    tenant: TenantId,
    name: &SecretName,
) -> Result<Option<Value>, StoreError> {
    let facts = |row: &Row<'_>| Ok(json!({"version": row.get::<_, u64>(0)?, "updated_at": row.get::<_, i64>(1)?}));
    Ok(sql.prepare_cached(FACTS)?.query_row(params![tenant.0, name.as_str()], facts).optional()?)
}

fn read(row: &Row<'_>) -> rusqlite::Result<Result<SecretRow, StoreError>> {
    let name: String = row.get(0)?;
    let (version, key) = (row.get(1)?, SecretsKeyId(row.get(2)?));
    let (created_at, updated_at) = (Timestamp(row.get(3)?), Timestamp(row.get(4)?));
    let named = |name| SecretRow { name, version, key, created_at, updated_at };
    Ok(name.parse().map(named).map_err(StoreError::internal))
}
