//! Making tenants and setting them; the wish to delete one. What follows from that wish is in `removal.rs`.

use std::sync::Arc;

use rusqlite::{Connection, params};

use super::inspect::tenant as read_tenant;
use super::model::{ChangeTenantResult, CreateTenantResult, DeleteTenantResult, NewTenant, TenantChange, TenantRow};
use crate::job::quota::DAY_MS;
use crate::job::{Quotas, TenantSettings, TenantState, Timestamp};
use crate::store::catalog::{TENANTS_MAX, TenantEntry, TenantId};
use crate::store::draft::Draft;
use crate::store::error::StoreError;

/// A tenant may be deleted for so long after it was exported, ms.
const EXPORT_VALID_MS: i64 = DAY_MS;

const INSERT: &str = "INSERT INTO tenants (name, state, weight, quotas, settings, created_at, updated_at)
    VALUES (?1, 'active', ?2, ?3, ?4, ?5, ?5) RETURNING id";
const SET: &str =
    "UPDATE tenants SET state = ?2, weight = ?3, quotas = ?4, settings = ?5, updated_at = ?6 WHERE id = ?1";
const EXPORTED: &str = "UPDATE tenants SET exported_at = ?2 WHERE id = ?1";
const DELETE: &str = "UPDATE tenants SET state = 'deleting', deleting_since = ?2, updated_at = ?2 WHERE id = ?1";

/// Makes a tenant.
pub(in crate::store) fn create_tenant(
    sql: &Connection,
    draft: &mut Draft,
    new: &NewTenant,
) -> Result<CreateTenantResult, StoreError> {
    if draft.catalog.tenants.contains_key(&new.name) {
        return Ok(CreateTenantResult::Exists);
    }
    if draft.catalog.tenant_entries.len() >= TENANTS_MAX {
        return Ok(CreateTenantResult::TooMany);
    }
    let NewTenant { name, weight, quotas, settings } = new;
    let (quotas_text, settings_text) = texts(quotas, settings)?;
    let parameters = params![name.as_str(), weight, quotas_text, settings_text, draft.now.as_ms()];
    let id = TenantId(sql.prepare_cached(INSERT)?.query_row(parameters, |row| row.get(0))?);
    let entry = TenantEntry {
        id,
        name: name.clone(),
        state: TenantState::Active,
        weight: *weight,
        quotas: *quotas,
        settings: *settings,
        created_at: draft.now,
        updated_at: draft.now,
        exported_at: None,
        deleting_since: None,
    };
    Arc::make_mut(&mut draft.catalog).put_tenant(entry);
    Ok(match read_tenant(sql, &draft.catalog, id, None)? {
        Some(row) => CreateTenantResult::Created(Box::new(row)),
        None => return Err(StoreError::internal("a tenant vanished in its own transaction")),
    })
}

/// Changes what is set on a tenant. Its jobs feel it at the next claim.
pub(in crate::store) fn change_tenant(
    sql: &Connection,
    draft: &mut Draft,
    tenant: TenantId,
    change: &TenantChange,
) -> Result<ChangeTenantResult, StoreError> {
    let Some(current) = draft.catalog.tenant_entries.get(&tenant).cloned() else {
        return Ok(ChangeTenantResult::NotFound);
    };
    if current.state == TenantState::Deleting {
        return Ok(ChangeTenantResult::Deleting);
    }
    let TenantChange { weight, quotas, settings, state } = *change;
    let changed = TenantEntry {
        weight: weight.unwrap_or(current.weight),
        quotas: quotas.unwrap_or(current.quotas),
        settings: settings.unwrap_or(current.settings),
        state: state.unwrap_or(current.state),
        ..TenantEntry::clone(&current)
    };
    if changed != *current {
        let (quotas, settings) = texts(&changed.quotas, &changed.settings)?;
        let (state, now) = (changed.state.as_str(), draft.now.as_ms());
        sql.prepare_cached(SET)?.execute(params![tenant.0, state, changed.weight, quotas, settings, now])?;
        Arc::make_mut(&mut draft.catalog).put_tenant(TenantEntry { updated_at: draft.now, ..changed });
    }
    Ok(ChangeTenantResult::Changed(reread(sql, draft, tenant)?))
}

/// Notes that everything a tenant has was read to its end.
pub(in crate::store) fn note_export(sql: &Connection, draft: &mut Draft, tenant: TenantId) -> Result<(), StoreError> {
    let Some(current) = draft.catalog.tenant_entries.get(&tenant).cloned() else { return Ok(()) };
    sql.prepare_cached(EXPORTED)?.execute(params![tenant.0, draft.now.as_ms()])?;
    let exported_at = Some(draft.now);
    Arc::make_mut(&mut draft.catalog).put_tenant(TenantEntry { exported_at, ..TenantEntry::clone(&current) });
    Ok(())
}

/// From now on nothing of the tenant begins, nothing is taken for it, and upkeep removes what it has.
pub(in crate::store) fn delete_tenant(
    sql: &Connection,
    draft: &mut Draft,
    tenant: TenantId,
    without_export: bool,
) -> Result<DeleteTenantResult, StoreError> {
    let Some(current) = draft.catalog.tenant_entries.get(&tenant).cloned() else {
        return Ok(DeleteTenantResult::NotFound);
    };
    if tenant == TenantId::DEFAULT {
        return Ok(DeleteTenantResult::IsDefault);
    }
    if current.state == TenantState::Deleting {
        return Ok(DeleteTenantResult::Deleting(reread(sql, draft, tenant)?));
    }
    let is_exported = |at: Timestamp| draft.now.as_ms().saturating_sub(at.as_ms()) <= EXPORT_VALID_MS;
    if !without_export && !current.exported_at.is_some_and(is_exported) {
        return Ok(DeleteTenantResult::NotExported);
    }
    sql.prepare_cached(DELETE)?.execute(params![tenant.0, draft.now.as_ms()])?;
    Arc::make_mut(&mut draft.catalog).put_tenant(TenantEntry {
        state: TenantState::Deleting,
        deleting_since: Some(draft.now),
        updated_at: draft.now,
        ..TenantEntry::clone(&current)
    });
    Ok(DeleteTenantResult::Deleting(reread(sql, draft, tenant)?))
}

fn reread(sql: &Connection, draft: &Draft, tenant: TenantId) -> Result<Box<TenantRow>, StoreError> {
    let row = read_tenant(sql, &draft.catalog, tenant, None)?;
    row.map(Box::new).ok_or_else(|| StoreError::internal("a tenant vanished in its own transaction"))
}

fn texts(quotas: &Quotas, settings: &TenantSettings) -> Result<(String, String), StoreError> {
    let text = |written: serde_json::Result<String>| written.map_err(StoreError::internal);
    Ok((text(serde_json::to_string(quotas))?, text(serde_json::to_string(settings))?))
}
