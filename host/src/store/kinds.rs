//! What the operator sets on a kind.

use rusqlite::{Connection, params};

use super::catalog::TenantId;
use super::draft::Draft;
use super::error::StoreError;
use super::model::ChangeSettingsResult;
use super::modules::reload;
use crate::job::{KindName, KindSettings};

const SET: &str = "UPDATE kinds SET operator_settings = ?3 WHERE tenant_id = ?1 AND name = ?2 AND registered";

/// Replaces the operator's settings where they are still those `expected`.
pub(super) fn change_kind_settings(
    sql: &Connection,
    draft: &mut Draft,
    tenant: TenantId,
    kind: &KindName,
    expected: &KindSettings,
    settings: &KindSettings,
) -> Result<ChangeSettingsResult, StoreError> {
    // With all that was carried out before in this transaction.
    let Some(entry) = draft.catalog.kind(tenant, kind) else { return Ok(ChangeSettingsResult::NotFound) };
    if entry.operator_settings != *expected {
        return Ok(ChangeSettingsResult::Changed);
    }
    let changed = set_kind_settings(sql, draft, tenant, kind, settings)?;
    Ok(if changed { ChangeSettingsResult::Done } else { ChangeSettingsResult::NotFound })
}

/// Replaces the operator's settings; `false`: no such kind.
pub(super) fn set_kind_settings(
    sql: &Connection,
    draft: &mut Draft,
    tenant: TenantId,
    kind: &KindName,
    settings: &KindSettings,
) -> Result<bool, StoreError> {
    let text = serde_json::to_string(settings).map_err(StoreError::internal)?;
    let changed = sql.prepare_cached(SET)?.execute(params![tenant.0, kind.as_str(), text])? > 0;
    if changed {
        reload(sql, draft)?;
    }
    Ok(changed)
}
