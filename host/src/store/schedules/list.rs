//! Schedules as people see them.

use rusqlite::{Connection, params};

use super::model::{ScheduleDetail, ScheduleSummary};
use super::rows::{by_name, payload_of, read, schedule_columns};
use super::slots::latest;
use crate::job::ScheduleName;
use crate::job::schedule::SLOTS_KEPT_MAX;
use crate::store::catalog::TenantId;
use crate::store::error::StoreError;

const PAGE: &str = concat!(
    schedule_columns!(),
    " WHERE schedules.tenant_id = ?1 AND (?2 IS NULL OR schedules.name > ?2) ORDER BY schedules.name LIMIT ?3"
);

/// So many of a tenant's schedules by name, after a name.
pub(super) fn schedules(
    sql: &Connection,
    tenant: TenantId,
    after: Option<&ScheduleName>,
    limit: usize,
) -> Result<Vec<ScheduleSummary>, StoreError> {
    let page = read(sql, PAGE, params![tenant.0, after.map(ScheduleName::as_str), limit])?;
    let with_last = |schedule: super::rows::StoredSchedule| {
        let last_slot = latest(sql, schedule.row.id, 1)?.pop();
        Ok(ScheduleSummary { row: schedule.row, last_slot })
    };
    page.into_iter().map(with_last).collect()
}

/// One of a tenant's schedules.
pub(super) fn schedule(
    sql: &Connection,
    tenant: TenantId,
    name: &ScheduleName,
) -> Result<Option<ScheduleDetail>, StoreError> {
    let Some(known) = by_name(sql, tenant, name)? else { return Ok(None) };
    let id = known.row.id;
    Ok(Some(ScheduleDetail { row: known.row, payload: payload_of(sql, id)?, slots: latest(sql, id, SLOTS_KEPT_MAX)? }))
}
