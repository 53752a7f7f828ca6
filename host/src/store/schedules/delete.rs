//! A schedule is removed, with what is known of its slots. Its jobs stay.

use rusqlite::Connection;

use super::bytes::counted;
use super::cover::any_queued;
use super::declare::restore;
use super::model::{DeleteScheduleResult, ScheduleOrigin};
use super::rows::{StoredSchedule, by_name};
use crate::job::ScheduleName;
use crate::store::catalog::TenantId;
use crate::store::draft::Draft;
use crate::store::error::StoreError;

const DELETE_SLOTS: &str = "DELETE FROM schedule_slots WHERE schedule_id = ?1";
const DELETE: &str = "DELETE FROM schedules WHERE id = ?1";

/// Removes a schedule, or what was put in the place of one that a module declares.
pub(super) fn delete_schedule(
    sql: &Connection,
    draft: &mut Draft,
    tenant: TenantId,
    name: &ScheduleName,
) -> Result<DeleteScheduleResult, StoreError> {
    let Some(known) = by_name(sql, tenant, name)? else { return Ok(DeleteScheduleResult::NotFound) };
    match &known.row.origin {
        ScheduleOrigin::Operator => remove(sql, draft, &known).map(|()| DeleteScheduleResult::Deleted),
        ScheduleOrigin::Module { module, is_overridden: false } => Ok(DeleteScheduleResult::Declared(module.clone())),
        ScheduleOrigin::Module { is_overridden: true, .. } => {
            restore(sql, draft, &known).map(|()| DeleteScheduleResult::Restored)
        }
    }
}

pub(super) fn remove(sql: &Connection, draft: &mut Draft, known: &StoredSchedule) -> Result<(), StoreError> {
    let id = known.row.id;
    sql.prepare_cached(DELETE_SLOTS)?.execute([id.0])?;
    counted(sql, draft, (known.row.tenant, id), || {
        sql.prepare_cached(DELETE)?.execute([id.0])?;
        Ok(())
    })?;
    draft.schedules_changed = true;
    draft.runs_waited_for = any_queued(sql)?;
    Ok(())
}
