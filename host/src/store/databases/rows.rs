//! The rows of databases in the store itself: which there are, and where.

use rusqlite::{Connection, OptionalExtension, Row, params};
use serde_json::{Value, json};

use super::model::{DatabasePlace, DatabaseRow, PutDatabaseResult};
use crate::job::database::Engine;
use crate::job::{DatabaseName, QuotaExceeded, QuotaName, Quotas, Timestamp};
use crate::store::catalog::TenantId;
use crate::store::error::StoreError;
use crate::store::model::Holder;

const FIND: &str =
    "SELECT name, engine, url_secret, addresses, created_at FROM databases WHERE tenant_id = ?1 AND name = ?2";
const PAGE: &str = "SELECT name, engine, url_secret, addresses, created_at FROM databases
    WHERE tenant_id = ?1 AND (?2 IS NULL OR name > ?2) ORDER BY name LIMIT ?3";
const COUNT: &str = "SELECT count(*) FROM databases WHERE tenant_id = ?1";
const ANY: &str = "SELECT 1 FROM databases WHERE tenant_id = ?1 LIMIT 1";
const INSERT: &str = "INSERT INTO databases (tenant_id, name, engine, url_secret, addresses, created_at)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
const CHANGE: &str = "UPDATE databases SET url_secret = ?3, addresses = ?4 WHERE tenant_id = ?1 AND name = ?2";
const DELETE: &str = "DELETE FROM databases WHERE tenant_id = ?1 AND name = ?2";
const MADE: &str = "SELECT made FROM databases WHERE tenant_id = ?1 AND name = ?2 AND engine = 'sqlite'";
const NOTE_MADE: &str = "UPDATE databases SET made = ?3 WHERE tenant_id = ?1 AND name = ?2 AND made <> ?3";
const HOLDS: &str = "SELECT 1 FROM live_jobs JOIN hosts ON hosts.number = live_jobs.lease_host
    WHERE live_jobs.id = ?1 AND live_jobs.lease_number = ?2 AND hosts.id = ?3 AND live_jobs.tenant_id = ?4";

/// Whether an attempt's lease still is its job's, and the job the tenant's.
pub(super) fn holds(sql: &Connection, tenant: TenantId, holder: Holder) -> Result<bool, StoreError> {
    let Holder { job, host, number } = holder;
    let held = params![job.to_bytes(), number, host.to_bytes(), tenant.0];
    Ok(sql.prepare_cached(HOLDS)?.query_row(held, |_| Ok(())).optional()?.is_some())
}

/// Whether the file of a database was made; `None`: there is none that is a file.
pub(super) fn was_made(sql: &Connection, tenant: TenantId, name: &DatabaseName) -> Result<Option<bool>, StoreError> {
    Ok(sql.prepare_cached(MADE)?.query_row(params![tenant.0, name.as_str()], |row| row.get(0)).optional()?)
}

/// Notes whether the file of a database was made.
pub(super) fn note_made(
    sql: &Connection,
    tenant: TenantId,
    name: &DatabaseName,
    is_made: bool,
) -> Result<(), StoreError> {
    sql.prepare_cached(NOTE_MADE)?.execute(params![tenant.0, name.as_str(), is_made])?;
    Ok(())
}

/// One database.
pub(super) fn find(sql: &Connection, tenant: TenantId, name: &DatabaseName) -> Result<Option<DatabaseRow>, StoreError> {
    sql.prepare_cached(FIND)?.query_row(params![tenant.0, name.as_str()], read).optional()?.transpose()
}

/// So many of a tenant's databases by name, after a name.
pub(super) fn page(
    sql: &Connection,
    tenant: TenantId,
    after: Option<&DatabaseName>,
    limit: usize,
) -> Result<Vec<DatabaseRow>, StoreError> {
    let mut statement = sql.prepare_cached(PAGE)?;
    let rows = statement.query_map(params![tenant.0, after.map(DatabaseName::as_str), limit], read)?;
    rows.map(|row| row.map_err(StoreError::from)?).collect()
}

/// Whether a tenant has any.
pub(in crate::store) fn has_databases(sql: &Connection, tenant: TenantId) -> Result<bool, StoreError> {
    Ok(sql.prepare_cached(ANY)?.query_row([tenant.0], |_| Ok(())).optional()?.is_some())
}

/// Has a database be there, and where it says.
pub(super) fn put(
    sql: &Connection,
    (now, quotas): (Timestamp, &Quotas),
    tenant: TenantId,
    name: &DatabaseName,
    place: &DatabasePlace,
) -> Result<PutDatabaseResult, StoreError> {
    let (secret, addresses) = match place {
        DatabasePlace::Sqlite => (None, "[]".to_owned()),
        DatabasePlace::Postgres { url_secret, addresses } => {
            (Some(url_secret.as_str()), serde_json::to_string(addresses).map_err(StoreError::internal)?)
        }
    };
    if let Some(known) = find(sql, tenant, name)? {
        if known.place.engine() != place.engine() {
            return Ok(PutDatabaseResult::Other(known.place.engine()));
        }
        if known.place != *place {
            sql.prepare_cached(CHANGE)?.execute(params![tenant.0, name.as_str(), secret, addresses])?;
        }
        return Ok(PutDatabaseResult::There(DatabaseRow { place: place.clone(), ..known }));
    }
    // As many rows of one index as the quota allows.
    let count: u64 = sql.prepare_cached(COUNT)?.query_row([tenant.0], |row| row.get(0))?;
    if let Err(exceeded) = QuotaExceeded::check(quotas, QuotaName::Databases, count, 1) {
        return Ok(PutDatabaseResult::OverQuota(exceeded));
    }
    let engine = place.engine().as_str();
    sql.prepare_cached(INSERT)?.execute(params![tenant.0, name.as_str(), engine, secret, addresses, now.as_ms()])?;
    Ok(PutDatabaseResult::Created(DatabaseRow { name: name.clone(), place: place.clone(), created_at: now }))
}

/// Removes the row. `false`: there was none.
pub(super) fn delete(sql: &Connection, tenant: TenantId, name: &DatabaseName) -> Result<bool, StoreError> {
    Ok(sql.prepare_cached(DELETE)?.execute(params![tenant.0, name.as_str()])? > 0)
}

/// What the audit log says of a database.
pub(in crate::store) fn database_facts(
    sql: &Connection,
    tenant: TenantId,
    name: &DatabaseName,
) -> Result<Option<Value>, StoreError> {
    Ok(find(sql, tenant, name)?.map(|row| match row.place {
        DatabasePlace::Sqlite => json!({"engine": "sqlite"}),
        DatabasePlace::Postgres { url_secret, addresses } => {
            json!({"engine": "postgres", "url_secret": url_secret, "addresses": addresses})
        }
    }))
}

fn read(row: &Row<'_>) -> rusqlite::Result<Result<DatabaseRow, StoreError>> {
    let (name, engine): (String, String) = (row.get(0)?, row.get(1)?);
    let (secret, addresses): (Option<String>, String) = (row.get(2)?, row.get(3)?);
    let created_at = Timestamp(row.get(4)?);
    Ok(parsed(&name, &engine, secret, &addresses).map(|(name, place)| DatabaseRow { name, place, created_at }))
}

fn parsed(
    name: &str,
    engine: &str,
    secret: Option<String>,
    addresses: &str,
) -> Result<(DatabaseName, DatabasePlace), StoreError> {
    let name = name.parse().map_err(StoreError::internal)?;
    let place = match (Engine::from_word(engine), secret) {
        (Some(Engine::Sqlite), _) => DatabasePlace::Sqlite,
        (Some(Engine::Postgres), Some(secret)) => DatabasePlace::Postgres {
            url_secret: secret.parse().map_err(StoreError::internal)?,
            addresses: serde_json::from_str(addresses).map_err(StoreError::internal)?,
        },
        (Some(Engine::Postgres), None) | (None, _) => {
            return Err(StoreError::internal(format!("the row of database {name} makes no sense")));
        }
    };
    Ok((name, place))
}
