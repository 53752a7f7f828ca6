//! Keys are made, shown without their secret, and revoked.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, Row, params};
use serde_json::{Value, json};

use super::model::{CreateKeyResult, CredentialHash, KEYS_MAX, KeyEntry, KeyRow, NewKey, RevokeKeyResult};
use super::sessions::end_sessions_of;
use crate::job::{KeyId, Role, Timestamp};
use crate::store::audit::{Entry, record};
use crate::store::catalog::{Catalog, TenantId};
use crate::store::draft::Draft;
use crate::store::error::StoreError;

const INSERT: &str =
    "INSERT INTO api_keys (id, tenant_id, name, role, prefix, hash, created_at, created_by, expires_at)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
const KEYED: &str = "UPDATE host_access SET keyed = 1";
const ONE: &str = "SELECT id, tenant_id, name, role, prefix, created_at, created_by, expires_at, last_used_at, hash
    FROM api_keys WHERE id = ?1";
const ALL: &str = "SELECT id, tenant_id, name, role, prefix, created_at, created_by, expires_at, last_used_at, hash
    FROM api_keys WHERE id < ?1 ORDER BY id DESC LIMIT ?2";
const OF_TENANT: &str =
    "SELECT id, tenant_id, name, role, prefix, created_at, created_by, expires_at, last_used_at, hash
    FROM api_keys WHERE tenant_id = ?3 AND id < ?1 ORDER BY id DESC LIMIT ?2";
const DELETE: &str = "DELETE FROM api_keys WHERE id = ?1";
const DELETE_OF_TENANT: &str = "DELETE FROM api_keys WHERE tenant_id = ?1";

/// Who is named where nobody asked: the host itself.
const NOBODY: &str = "host";

/// Writes a key, which can be used from the commit on.
pub(super) fn create(sql: &Connection, draft: &mut Draft, new: &NewKey) -> Result<CreateKeyResult, StoreError> {
    let known = &draft.catalog.credentials.keys;
    if !new.has_root && new.role != Role::Admin && !draft.catalog.credentials.has_admin(draft.now) {
        return Ok(CreateKeyResult::FirstMustBeAdmin);
    }
    if known.values().filter(|key| key.tenant == new.tenant).count() >= KEYS_MAX {
        return Ok(CreateKeyResult::TooMany);
    }
    let id = KeyId::from_u128(draft.next_id().as_u128());
    let created_by = draft.actor.as_ref().map_or(NOBODY, |actor| &actor.who).to_owned();
    sql.prepare_cached(INSERT)?.execute(params![
        id.to_bytes(),
        new.tenant.map(|tenant| tenant.0),
        new.name.as_str(),
        new.role.as_str(),
        new.prefix,
        new.hash,
        draft.now.as_ms(),
        created_by,
        new.expires_at.map(Timestamp::as_ms),
    ])?;
    let row = KeyRow {
        id,
        tenant: new.tenant.and_then(|tenant| draft.catalog.tenant_name(tenant).cloned()),
        name: new.name.clone(),
        role: new.role,
        prefix: new.prefix.clone(),
        created_at: draft.now,
        created_by,
        expires_at: new.expires_at,
        last_used_at: None,
    };
    note_keyed(sql, draft)?;
    let entry = Arc::new(KeyEntry::new(&row, new.tenant));
    draft.change_credentials(|credentials| credentials.keys.insert(new.hash, entry));
    let entry = Entry { tenant: new.tenant, action: "key.create", object: format!("key/{id}") };
    record(sql, draft, &entry, &None, &Some(facts(&row)))?;
    Ok(CreateKeyResult::Created(Box::new(row)))
}

/// From now on a credential is asked for, also when there is none any more.
pub(super) fn note_keyed(sql: &Connection, draft: &mut Draft) -> Result<(), StoreError> {
    if !draft.catalog.credentials.is_keyed {
        sql.prepare_cached(KEYED)?.execute([])?;
        draft.change_credentials(|credentials| credentials.is_keyed = true);
    }
    Ok(())
}

/// Removes a key that one may see who sees this tenant, or all.
pub(super) fn revoke(
    sql: &Connection,
    draft: &mut Draft,
    scope: Option<TenantId>,
    id: KeyId,
    has_root: bool,
) -> Result<RevokeKeyResult, StoreError> {
    let Some((row, tenant, hash)) = find(sql, &draft.catalog, scope, id)? else {
        return Ok(RevokeKeyResult::NotFound);
    };
    if row.role == Role::Admin && !has_root {
        let mut others = draft.catalog.credentials.keys.iter().filter(|(other, _)| **other != hash).map(|(_, key)| key);
        if !others.any(|key| key.role == Role::Admin && key.is_good(draft.now)) {
            return Ok(RevokeKeyResult::LastAdmin);
        }
    }
    sql.prepare_cached(DELETE)?.execute([id.to_bytes()])?;
    draft.change_credentials(|credentials| credentials.keys.remove(&hash));
    end_sessions_of(sql, draft, hash)?;
    let entry = Entry { tenant, action: "key.revoke", object: format!("key/{id}") };
    record(sql, draft, &entry, &Some(facts(&row)), &None)?;
    Ok(RevokeKeyResult::Revoked)
}

/// Ends the keys of a tenant that goes, and their sessions.
pub(in crate::store) fn revoke_all_of(sql: &Connection, draft: &mut Draft, tenant: TenantId) -> Result<(), StoreError> {
    let known = &draft.catalog.credentials.keys;
    let hashes: Vec<CredentialHash> =
        known.iter().filter(|(_, key)| key.tenant == Some(tenant)).map(|(hash, _)| *hash).collect();
    sql.prepare_cached(DELETE_OF_TENANT)?.execute([tenant.0])?;
    for hash in hashes {
        draft.change_credentials(|credentials| credentials.keys.remove(&hash));
        end_sessions_of(sql, draft, hash)?;
    }
    Ok(())
}

/// One that may be seen.
pub(super) fn key(
    sql: &Connection,
    catalog: &Catalog,
    scope: Option<TenantId>,
    id: KeyId,
) -> Result<Option<KeyRow>, StoreError> {
    Ok(find(sql, catalog, scope, id)?.map(|(row, ..)| row))
}

/// Those that may be seen, newest first, older than one.
pub(super) fn keys(
    sql: &Connection,
    catalog: &Catalog,
    scope: Option<TenantId>,
    before: Option<KeyId>,
    limit: usize,
) -> Result<Vec<KeyRow>, StoreError> {
    let before = before.map_or([0xff; 16], KeyId::to_bytes);
    let mut statement = sql.prepare_cached(if scope.is_some() { OF_TENANT } else { ALL })?;
    let mut rows = match scope {
        Some(tenant) => statement.query(params![before, limit, tenant.0])?,
        None => statement.query(params![before, limit])?,
    };
    let mut page = Vec::new();
    while let Some(row) = rows.next()? {
        page.push(seen(row, catalog)?);
    }
    Ok(page)
}

fn find(
    sql: &Connection,
    catalog: &Catalog,
    scope: Option<TenantId>,
    id: KeyId,
) -> Result<Option<(KeyRow, Option<TenantId>, CredentialHash)>, StoreError> {
    let found = sql.prepare_cached(ONE)?.query_row([id.to_bytes()], |row| Ok(read_whole(row, catalog))).optional()?;
    let found = found.transpose()?;
    Ok(found.filter(|(_, tenant, _)| scope.is_none() || *tenant == scope))
}

fn read_whole(row: &Row<'_>, catalog: &Catalog) -> Result<(KeyRow, Option<TenantId>, CredentialHash), StoreError> {
    Ok((seen(row, catalog)?, tenant_of(row)?, row.get(9)?))
}

/// With its last use, which the database may not know yet.
fn seen(row: &Row<'_>, catalog: &Catalog) -> Result<KeyRow, StoreError> {
    let hash: CredentialHash = row.get(9)?;
    let known = catalog.credentials.keys.get(&hash).and_then(|entry| entry.used_at());
    let mut key = key_row(row, catalog)?;
    key.last_used_at = key.last_used_at.max(known);
    Ok(key)
}

pub(super) fn tenant_of(row: &Row<'_>) -> Result<Option<TenantId>, StoreError> {
    Ok(row.get::<_, Option<i64>>(1)?.map(TenantId))
}

pub(super) fn key_row(row: &Row<'_>, catalog: &Catalog) -> Result<KeyRow, StoreError> {
    let (name, role): (String, String) = (row.get(2)?, row.get(3)?);
    Ok(KeyRow {
        id: KeyId::from_bytes(row.get(0)?),
        tenant: tenant_of(row)?.and_then(|tenant| catalog.tenant_name(tenant).cloned()),
        name: name.parse().map_err(StoreError::internal)?,
        role: role.parse().map_err(StoreError::internal)?,
        prefix: row.get(4)?,
        created_at: Timestamp(row.get(5)?),
        created_by: row.get(6)?,
        expires_at: row.get::<_, Option<i64>>(7)?.map(Timestamp),
        last_used_at: row.get::<_, Option<i64>>(8)?.map(Timestamp),
    })
}

fn facts(row: &KeyRow) -> Value {
    json!({
        "name": row.name,
        "role": row.role.as_str(),
        "prefix": row.prefix,
        "expires_at": row.expires_at.map(Timestamp::as_ms),
    })
}
