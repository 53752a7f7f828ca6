//! Events are written, and those who wait are woken.

use rusqlite::{Connection, params};

use super::deliver::wake_some;
use crate::job::{JobId, NewEvent};
use crate::store::catalog::TenantId;
use crate::store::draft::Draft;
use crate::store::error::StoreError;

const INSERT: &str = "INSERT INTO emitted_events (tenant_id, event_type, correlation, data, job_id, at)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6) RETURNING id";
const LEAVE_OVER: &str = "UPDATE emitted_events SET undelivered = 1 WHERE id = ?1";

/// What an event takes.
pub(in crate::store) fn bytes_of(event: &NewEvent) -> i64 {
    let NewEvent { event_type, correlation, data } = event;
    i64::try_from(event_type.as_str().len() + correlation.len() + data.len()).unwrap_or(i64::MAX)
}

/// Writes an event that came with the success of a job.
pub(in crate::store) fn emit(
    sql: &Connection,
    draft: &mut Draft,
    tenant: TenantId,
    job: JobId,
    event: &NewEvent,
) -> Result<(), StoreError> {
    let NewEvent { event_type, correlation, data } = event;
    let row = params![tenant.0, event_type.as_str(), correlation, &data[..], job.to_bytes(), draft.now.as_ms()];
    let id: i64 = sql.prepare_cached(INSERT)?.query_row(row, |row| row.get(0))?;
    draft.meter.kept(tenant, bytes_of(event));
    if !wake_some(sql, draft, tenant, event_type.as_str(), correlation)? {
        sql.prepare_cached(LEAVE_OVER)?.execute([id])?;
        // Upkeep goes on with it.
        draft.made_due(draft.now);
    }
    Ok(())
}
