//! What a handler waits for that has let go of its slot, written with the end of its execution.

use bytes::Bytes;
use rusqlite::{Connection, params};

use super::record::write;
use crate::job::{JobId, Step, Timestamp};
use crate::store::catalog::{ModuleVersionId, TenantId};
use crate::store::draft::Draft;
use crate::store::error::StoreError;

const WAIT: &str = "INSERT OR REPLACE INTO event_waits (job_id, tenant_id, event_type, correlation, step, until)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
const NOTE_EVENT: &str = "UPDATE job_steps SET event = ?3 WHERE job_id = ?1 AND step = ?2";

/// Records a sleep.
pub(in crate::store) fn put_to_sleep(
    sql: &Connection,
    job: JobId,
    version: ModuleVersionId,
    step: &Step,
) -> Result<(), StoreError> {
    write(sql, job, version, step)
}

/// Records a wait for an event that has come already.
pub(in crate::store) fn receive(
    sql: &Connection,
    draft: &mut Draft,
    (tenant, job): (TenantId, JobId),
    version: ModuleVersionId,
    (step, event, data): (&Step, i64, &[u8]),
) -> Result<Step, StoreError> {
    let received = Step { result: Some(Bytes::copy_from_slice(data)), ended_at: Some(draft.now), ..step.clone() };
    write(sql, job, version, &received)?;
    sql.prepare_cached(NOTE_EVENT)?.execute(params![job.to_bytes(), step.index, event])?;
    draft.meter.stored(tenant, job, i64::try_from(data.len()).unwrap_or(i64::MAX));
    Ok(received)
}

/// Records a wait for an event. Gives until when at most.
pub(in crate::store) fn wait_for_event(
    sql: &Connection,
    (tenant, job): (TenantId, JobId),
    version: ModuleVersionId,
    step: &Step,
) -> Result<Timestamp, StoreError> {
    write(sql, job, version, step)?;
    let until = step.until.unwrap_or(Timestamp::MAX);
    let correlation = step.asked.correlation.as_deref().unwrap_or_default();
    sql.prepare_cached(WAIT)?.execute(params![
        job.to_bytes(),
        tenant.0,
        step.asked.name.as_str(),
        correlation,
        step.index,
        until.as_ms()
    ])?;
    Ok(until)
}
