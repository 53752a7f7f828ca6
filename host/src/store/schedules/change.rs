//! A schedule is paused, so that its slots are missed, or goes on.

use rusqlite::{Connection, params};

use super::rows::by_name;
use crate::job::ScheduleName;
use crate::store::catalog::TenantId;
use crate::store::draft::Draft;
use crate::store::error::StoreError;

const SET_PAUSED: &str = "UPDATE schedules SET paused = ?2, updated_at = ?3 WHERE id = ?1";
const FORGIVE: &str = "UPDATE schedules SET fault = NULL WHERE id = ?1";

/// `false`: there is none. What was missed meanwhile comes up when it goes on; what made it faulty is tried again.
pub(super) fn pause_schedule(
    sql: &Connection,
    draft: &mut Draft,
    tenant: TenantId,
    name: &ScheduleName,
    is_paused: bool,
) -> Result<bool, StoreError> {
    let Some(known) = by_name(sql, tenant, name)? else { return Ok(false) };
    if known.row.is_paused != is_paused {
        sql.prepare_cached(SET_PAUSED)?.execute(params![known.row.id.0, is_paused, draft.now.as_ms()])?;
    }
    if !is_paused && known.row.fault.is_some() {
        sql.prepare_cached(FORGIVE)?.execute([known.row.id.0])?;
    }
    draft.schedules_changed = true;
    Ok(true)
}
