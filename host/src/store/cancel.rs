//! Somebody wishes a job to end. A waiting one is cancelled at once; a leased one when its holder lets go.

use rusqlite::{Connection, params};

use super::catalog::TenantId;
use super::codec::{HistoryNote, append_history};
use super::draft::Draft;
use super::ending::{Ending, LeaseEnd, cancelled_on_request, end_job};
use super::error::StoreError;
use super::model::{CancelResult, JobRow};
use super::rows::{AnyRow, LiveRow, any_row};
use crate::job::{EventType, Failure, JobId, JobState};

const REQUEST: &str = "UPDATE live_jobs SET cancel_requested = 1, history = ?2 WHERE id = ?1";

/// Ends a waiting job; asks the holder of a leased one to end it.
pub(super) fn cancel(
    sql: &Connection,
    draft: &mut Draft,
    tenant: TenantId,
    job: JobId,
) -> Result<CancelResult, StoreError> {
    let result = match any_row(sql, tenant, job)? {
        None => return Ok(CancelResult::NotFound),
        Some(AnyRow::Finished(row)) => CancelResult::AlreadyTerminal(Box::new(row.to_job_row(sql, &draft.catalog)?)),
        Some(AnyRow::Live(row)) if row.lease_host.is_some() => {
            request(sql, draft, &row)?;
            CancelResult::Requested(reread(sql, draft, tenant, job)?)
        }
        Some(AnyRow::Live(row)) => {
            cancel_unentered(sql, draft, &row)?;
            CancelResult::Cancelled(reread(sql, draft, tenant, job)?)
        }
    };
    Ok(result)
}

/// The job as it is after an action.
pub(super) fn reread(sql: &Connection, draft: &Draft, tenant: TenantId, job: JobId) -> Result<Box<JobRow>, StoreError> {
    let row =
        any_row(sql, tenant, job)?.ok_or_else(|| StoreError::internal("a job vanished in its own transaction"))?;
    Ok(Box::new(row.to_job_row(sql, &draft.catalog)?))
}

/// Asks the holder of a leased job to end it.
pub(super) fn request(sql: &Connection, draft: &mut Draft, row: &LiveRow) -> Result<(), StoreError> {
    if row.cancel_requested {
        return Ok(());
    }
    let event_type = EventType::CancelRequested;
    let note = HistoryNote { at: draft.now, event_type, state: row.state, attempt: row.attempt };
    let history = append_history(row.history.as_deref(), note)?;
    sql.prepare_cached(REQUEST)?.execute(params![row.id.to_bytes(), history])?;
    draft.event(event_type, row.id, row.lane, row.state, row.attempt);
    Ok(())
}

/// Ends a job whose guest was not entered, at once.
pub(super) fn cancel_unentered(sql: &Connection, draft: &mut Draft, row: &LiveRow) -> Result<(), StoreError> {
    cancel_unentered_as(sql, draft, row, EventType::Cancelled, &cancelled_on_request())
}

/// The same for another reason, which is told as another event.
pub(super) fn cancel_unentered_as(
    sql: &Connection,
    draft: &mut Draft,
    row: &LiveRow,
    event_type: EventType,
    failure: &Failure,
) -> Result<(), StoreError> {
    let state = JobState::Cancelled;
    let note = HistoryNote { at: draft.now, event_type, state, attempt: row.attempt };
    let ending = Ending {
        job: row.id,
        counted: row.counted(),
        lease: LeaseEnd::of(row.lease_host.is_some(), row.started_at.is_some()),
        from: row.state,
        state,
        finished_at: draft.now,
        attempt: row.attempt,
        failure: Some(failure),
        execution: None,
        output: None,
        history: Some(append_history(row.history.as_deref(), note)?),
        progress: None,
    };
    end_job(sql, draft, ending)
}
