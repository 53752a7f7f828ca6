//! Events are written, and those who wait are woken.

use rusqlite::{Connection, params};

use super::deliver::{Awaited, BEFORE_ALL, put_off, wake_some};
use crate::job::{JobId, NewEvent};
use crate::store::catalog::TenantId;
use crate::store::draft::Draft;
use crate::store::error::StoreError;

const INSERT: &str = "INSERT INTO emitted_events (tenant_id, event_type, correlation, data, job_id, at, counted_bytes)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) RETURNING id";

/// What the row of an event takes beside what it holds, bytes: it, and its places in indexes.
const ROW_BYTES: usize = 128;

/// What an event takes.
pub(in crate::store) fn bytes_of(event: &NewEvent) -> i64 {
    let NewEvent { event_type, correlation, data } = event;
    i64::try_from(event_type.as_str().len() + correlation.len() + data.len() + ROW_BYTES).unwrap_or(i64::MAX)
}

/// Writes an event that came with the success of a job.
pub(in crate::store) fn emit(
    sql: &Connection,
    draft: &mut Draft,
    tenant: TenantId,
    job: JobId,
    event: &NewEvent,
) -> Result<(), StoreError> {
    let (bytes, now) = (bytes_of(event), draft.now.as_ms());
    let NewEvent { event_type, correlation, data } = event;
    let row = params![tenant.0, event_type.as_str(), correlation, &data[..], job.to_bytes(), now, bytes];
    let id: i64 = sql.prepare_cached(INSERT)?.query_row(row, |row| row.get(0))?;
    draft.meter.kept(tenant, bytes);
    let event = Awaited { tenant, event_type: event_type.as_str(), correlation };
    if let Some(told_up_to) = wake_some(sql, draft, event, BEFORE_ALL)? {
        put_off(sql, id, told_up_to)?;
        // Upkeep goes on with it.
        draft.made_due(draft.now);
    }
    Ok(())
}
