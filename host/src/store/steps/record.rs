//! One step more of a job.

use rusqlite::{Connection, params};

use super::operations::{ReceiveEventResult, RecordStepResult};
use super::suspend::receive;
use crate::job::{JobId, Lease, Step, Timestamp};
use crate::store::catalog::ModuleVersionId;
use crate::store::draft::Draft;
use crate::store::emitted::next_event;
use crate::store::error::StoreError;
use crate::store::finish::held;
use crate::store::model::Holder;
use crate::store::rows::live_row;

// One that was asked for anew has the place it had.
const WRITE: &str =
    "INSERT INTO job_steps (job_id, step, type, name, occurrence, shape, correlation, result, execution, started_at,
        ended_at, until, after_failure)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)
    ON CONFLICT (job_id, step) DO UPDATE SET result = excluded.result, ended_at = excluded.ended_at, until = excluded.until";
const PIN: &str = "UPDATE live_jobs SET pinned_version = ?2 WHERE id = ?1 AND pinned_version IS NULL";

/// Records a step for an attempt, unless its lease is stale.
pub(super) fn record(
    sql: &Connection,
    draft: &mut Draft,
    holder: Holder,
    version: ModuleVersionId,
    step: &Step,
) -> Result<RecordStepResult, StoreError> {
    // Nothing is finished with it: it only names the lease.
    let lease = Lease::granted(holder.job, holder.host, holder.number, 0);
    let Some(held) = held(sql, draft, &lease)? else { return Ok(RecordStepResult::StaleLease) };
    let bytes = bytes_of(step);
    if let Err(quota) = draft.meter.admit_bytes(&draft.catalog, held.lane.tenant, bytes) {
        return Ok(RecordStepResult::OverQuota(quota));
    }
    write(sql, holder.job, version, step)?;
    draft.meter.stored(held.lane.tenant, holder.job, bytes);
    Ok(RecordStepResult::Recorded)
}

/// The rows of a step, and that its job stays on the version.
pub(super) fn write(sql: &Connection, job: JobId, version: ModuleVersionId, step: &Step) -> Result<(), StoreError> {
    let Step { index, asked, occurrence, result, execution, started_at, ended_at, until, after_failure } = step;
    sql.prepare_cached(WRITE)?.execute(params![
        job.to_bytes(),
        index,
        asked.step_type.code(),
        asked.name.as_str(),
        occurrence,
        asked.shape,
        asked.correlation,
        result.as_deref(),
        execution,
        started_at.as_ms(),
        ended_at.map(Timestamp::as_ms),
        until.map(Timestamp::as_ms),
        after_failure,
    ])?;
    sql.prepare_cached(PIN)?.execute(params![job.to_bytes(), version.0])?;
    Ok(())
}

fn bytes_of(step: &Step) -> i64 {
    i64::try_from(step.bytes()).unwrap_or(i64::MAX)
}

/// Records the event that a step waits for, if it has come, unless the attempt's lease is stale.
pub(super) fn receive_now(
    sql: &Connection,
    draft: &mut Draft,
    holder: Holder,
    version: ModuleVersionId,
    step: &Step,
) -> Result<ReceiveEventResult, StoreError> {
    let lease = Lease::granted(holder.job, holder.host, holder.number, 0);
    let Some(held) = held(sql, draft, &lease)? else { return Ok(ReceiveEventResult::StaleLease) };
    let created_at = live_row(sql, holder.job)?.map_or(draft.now, |row| row.created_at);
    let of = (held.lane.tenant, holder.job, created_at);
    let correlation = step.asked.correlation.as_deref().unwrap_or_default();
    let Some((event, data)) = next_event(sql, of, step.asked.name.as_str(), correlation)? else {
        return Ok(ReceiveEventResult::NotYet);
    };
    let bytes = i64::try_from(data.len()).unwrap_or(i64::MAX);
    if let Err(quota) = draft.meter.admit_bytes(&draft.catalog, of.0, bytes) {
        return Ok(ReceiveEventResult::OverQuota(quota));
    }
    let received = receive(sql, draft, (of.0, of.1), version, (step, event, &data))?;
    Ok(ReceiveEventResult::Received(received))
}
