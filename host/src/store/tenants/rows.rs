//! Rows of tenants, read into the catalog's entries.

use rusqlite::{Connection, Row};
use serde::de::DeserializeOwned;

use crate::job::{TenantState, Timestamp};
use crate::store::catalog::{TenantEntry, TenantId};
use crate::store::error::StoreError;

const ALL: &str =
    "SELECT id, name, state, weight, quotas, settings, created_at, updated_at, exported_at, deleting_since
    FROM tenants";

/// Every tenant there is.
pub(in crate::store) fn load_tenants(sql: &Connection) -> Result<Vec<TenantEntry>, StoreError> {
    let mut statement = sql.prepare_cached(ALL)?;
    let mut rows = statement.query([])?;
    let mut tenants = Vec::new();
    while let Some(row) = rows.next()? {
        tenants.push(from_row(row)?);
    }
    Ok(tenants)
}

fn from_row(row: &Row<'_>) -> Result<TenantEntry, StoreError> {
    let (name, state): (String, String) = (row.get(1)?, row.get(2)?);
    Ok(TenantEntry {
        id: TenantId(row.get(0)?),
        name: name.parse().map_err(StoreError::internal)?,
        state: TenantState::from_word(&state).ok_or_else(|| StoreError::internal("a tenant in an unknown state"))?,
        weight: row.get(3)?,
        quotas: json(row, 4)?,
        settings: json(row, 5)?,
        created_at: Timestamp(row.get(6)?),
        updated_at: Timestamp(row.get(7)?),
        exported_at: row.get::<_, Option<i64>>(8)?.map(Timestamp),
        deleting_since: row.get::<_, Option<i64>>(9)?.map(Timestamp),
    })
}

fn json<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> Result<T, StoreError> {
    serde_json::from_str(row.get_ref(column)?.as_str().map_err(StoreError::internal)?).map_err(StoreError::internal)
}
