//! An operator brings a job back: failed and cancelled ones from history, retrying ones before their time.

use rusqlite::{Connection, params};

use super::cancel::reread;
use super::catalog::TenantId;
use super::codec::{HistoryNote, append_history};
use super::draft::Draft;
use super::error::StoreError;
use super::job_writes::forget_executions;
use super::model::RetryResult;
use super::rows::{AnyRow, FinishedRow, LiveRow, any_row};
use crate::job::{EventType, JobId, JobState};

const REOPEN: &str =
    "INSERT INTO live_jobs (id, tenant_id, kind_id, queue_id, state, priority, order_key, run_at, ready_at,
        created_at, attempt, max_attempts, lease_number, checked_version, options, tags, history)
    SELECT id, tenant_id, kind_id, queue_id, 'ready', priority, ?2, ?3, ?3, created_at, 0, max_attempts, lease_number,
        checked_version, options, tags, ?4
    FROM finished_jobs WHERE id = ?1";
const KEEP_EXECUTION: &str = "INSERT INTO attempts (job_id, execution, body, failure)
    SELECT id, lease_number, execution, failure FROM finished_jobs WHERE id = ?1 AND execution IS NOT NULL";
const DELETE_FINISHED: &str = "DELETE FROM finished_jobs WHERE id = ?1";
const HURRY: &str =
    "UPDATE live_jobs SET state = 'ready', run_at = ?2, ready_at = ?2, order_key = ?3, attempt = 0, history = ?4
    WHERE id = ?1";

/// Makes the job ready; its attempts count from 0 again.
pub(super) fn retry(
    sql: &Connection,
    draft: &mut Draft,
    tenant: TenantId,
    job: JobId,
) -> Result<RetryResult, StoreError> {
    let Some(row) = any_row(sql, tenant, job)? else { return Ok(RetryResult::NotFound) };
    let state = match &row {
        AnyRow::Live(row) => row.state,
        AnyRow::Finished(row) => row.state,
    };
    if !matches!(state, JobState::Failed | JobState::Cancelled | JobState::Retrying) {
        return Ok(RetryResult::WrongState(Box::new(row.to_job_row(sql, &draft.catalog)?)));
    }
    if !draft.is_registered(tenant, row.lane().kind) {
        return Ok(RetryResult::KindGone);
    }
    match &row {
        AnyRow::Finished(row) => reopen(sql, draft, row)?,
        AnyRow::Live(row) => hurry(sql, draft, row)?,
    }
    let lane = row.lane();
    draft.move_count(lane, state, JobState::Ready)?;
    draft.event(EventType::Reopened, job, lane, JobState::Ready, 0);
    draft.made_ready(lane.queue);
    Ok(RetryResult::Retried(reread(sql, draft, tenant, job)?))
}

fn note(draft: &Draft, history: Option<&[u8]>) -> Result<Vec<u8>, StoreError> {
    let note = HistoryNote { at: draft.now, event_type: EventType::Reopened, state: JobState::Ready, attempt: 0 };
    append_history(history, note)
}

fn reopen(sql: &Connection, draft: &Draft, row: &FinishedRow) -> Result<(), StoreError> {
    let id = row.id.to_bytes();
    let order_key = draft.order.key(row.priority, draft.now);
    let history = note(draft, row.history.as_deref())?;
    sql.prepare_cached(REOPEN)?.execute(params![id, order_key, draft.now.as_ms(), history])?;
    sql.prepare_cached(KEEP_EXECUTION)?.execute([id])?;
    forget_executions(sql, row.id, row.lease_number)?;
    sql.prepare_cached(DELETE_FINISHED)?.execute([id])?;
    Ok(())
}

fn hurry(sql: &Connection, draft: &Draft, row: &LiveRow) -> Result<(), StoreError> {
    let order_key = draft.order.key(row.priority, draft.now);
    let history = note(draft, row.history.as_deref())?;
    sql.prepare_cached(HURRY)?.execute(params![row.id.to_bytes(), draft.now.as_ms(), order_key, history])?;
    Ok(())
}
