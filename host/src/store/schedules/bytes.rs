//! What the row of a schedule keeps: its payload and definition, and what its module declares. Counted in what the tenant stores.

use rusqlite::{Connection, OptionalExtension};

use super::model::{NewSchedule, ScheduleId};
use super::rows::StoredSchedule;
use crate::job::QuotaExceeded;
use crate::store::catalog::TenantId;
use crate::store::draft::Draft;
use crate::store::error::StoreError;

const BYTES: &str = "SELECT length(payload) + octet_length(definition) + coalesce(octet_length(declared), 0)
    FROM schedules WHERE id = ?1";

/// Whether the tenant may keep what a new schedule, or one in the place of a known one, comes to. `declared`: what the row of a
/// new one keeps besides.
pub(super) fn room(
    sql: &Connection,
    draft: &Draft,
    tenant: TenantId,
    known: Option<&StoredSchedule>,
    new: &NewSchedule,
    declared: usize,
) -> Result<Result<(), QuotaExceeded>, StoreError> {
    let definition = serde_json::to_string(&new.definition).map_err(StoreError::internal)?;
    let declared = known.and_then(|known| known.declared.as_ref()).map_or(declared, String::len);
    let after = new.definition.job.payload.len() + definition.len() + declared;
    let before = known.map_or(Ok(0), |known| bytes_of(sql, known.row.id))?;
    let more = i64::try_from(after).unwrap_or(i64::MAX).saturating_sub(before);
    Ok(draft.meter.admit_bytes(&draft.catalog, tenant, more))
}

/// Changes the row of a schedule, and counts by how much it has grown.
pub(super) fn counted(
    sql: &Connection,
    draft: &mut Draft,
    (tenant, id): (TenantId, ScheduleId),
    change: impl FnOnce() -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let before = bytes_of(sql, id)?;
    change()?;
    draft.meter.kept(tenant, bytes_of(sql, id)? - before);
    Ok(())
}

/// 0: there is none.
pub(super) fn bytes_of(sql: &Connection, id: ScheduleId) -> Result<i64, StoreError> {
    Ok(sql.prepare_cached(BYTES)?.query_row([id.0], |row| row.get(0)).optional()?.unwrap_or(0))
}
