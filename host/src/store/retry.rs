//! An operator brings a job back: failed and cancelled ones from history, retrying ones before their time.

use rusqlite::{Connection, params};

use super::cancel::reread;
use super::catalog::TenantId;
use super::codec::{HistoryNote, append_history};
use super::comeback::Parents;
use super::dependencies::is_not_needed;
use super::draft::Draft;
use super::error::StoreError;
use super::job_writes::forget_executions;
use super::keys;
use super::model::RetryResult;
use super::rows::{AnyRow, FinishedRow, LiveRow, any_row, unpack_options};
use super::{dead_letters, dependents, needed, unique};
use crate::job::dependency::Comeback;
use crate::job::{EventType, JobId, JobState, Timestamp};

const REOPEN: &str =
    "INSERT INTO live_jobs (id, tenant_id, kind_id, queue_id, state, priority, order_key, run_at, ready_at,
        created_at, attempt, max_attempts, lease_number, checked_version, options, tags, history, key_id, schedule_id,
        slot_at, expires_at, pinned_version)
    SELECT id, tenant_id, kind_id, queue_id, ?5, priority, ?2, ?3, ?3, created_at, 0, max_attempts, lease_number,
        checked_version, ?7, tags, ?4, ?6, schedule_id, slot_at, ?8, pinned_version
    FROM finished_jobs WHERE id = ?1";
const KEEP_EXECUTION: &str = "INSERT INTO attempts (job_id, execution, body, failure)
    SELECT id, lease_number, execution, failure FROM finished_jobs WHERE id = ?1 AND execution IS NOT NULL";
const DELETE_FINISHED: &str = "DELETE FROM finished_jobs WHERE id = ?1";
const HURRY: &str =
    "UPDATE live_jobs SET state = 'ready', run_at = ?2, ready_at = ?2, order_key = ?3, attempt = 0, history = ?4
    WHERE id = ?1";

/// Who wants a job to run again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked<'a> {
    /// An operator wants this very job.
    ForThis,
    /// It is one of many that are to run again, and so are these, which it runs after.
    ForMany(&'a [JobId]),
}

/// Makes the job ready, or blocked, as its parents have it now; its attempts count from 0 again.
pub(super) fn retry(
    sql: &Connection,
    draft: &mut Draft,
    tenant: TenantId,
    job: JobId,
    asked: Asked<'_>,
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
        AnyRow::Finished(row) => {
            if let Some(stays) = bring_back(sql, draft, row, asked)? {
                return Ok(stays);
            }
        }
        AnyRow::Live(row) => {
            hurry(sql, draft, row)?;
            draft.move_count(row.lane, state, JobState::Ready)?;
            draft.event(EventType::Reopened, job, row.lane, JobState::Ready, 0);
            draft.made_ready(row.lane.queue);
        }
    }
    Ok(RetryResult::Retried(reread(sql, draft, tenant, job)?))
}

/// Why it stays in history; `None`: it does not.
fn bring_back(
    sql: &Connection,
    draft: &mut Draft,
    row: &FinishedRow,
    asked: Asked<'_>,
) -> Result<Option<RetryResult>, StoreError> {
    let parents = Parents::asked(sql, draft, row, asked)?;
    let state = match parents.comeback {
        Comeback::Ready => JobState::Ready,
        Comeback::Blocked => JobState::Blocked,
        Comeback::With(place) => return parents.leave_with(sql, draft, row, place).map(Some),
        Comeback::Without(place) => return Ok(parents.parent(place).map(RetryResult::ComesNoMore)),
    };
    if let Some(other) = unique::retake(sql, draft, row)? {
        return Ok(Some(RetryResult::UniqueConflict(other)));
    }
    let was_skipped = row.state == JobState::Cancelled && is_not_needed(sql, draft, row.id)?;
    parents.stand(sql, row.id)?;
    reopen(sql, draft, row, state, EventType::Reopened)?;
    draft.revive_queue(sql, row.lane)?;
    draft.move_count(row.lane, row.state, state)?;
    draft.event(EventType::Reopened, row.id, row.lane, state, 0);
    if state == JobState::Ready {
        draft.made_ready(row.lane.queue);
    }
    dependents::job_reopened(sql, draft, row.id, row.state, was_skipped)?;
    Ok(None)
}

/// Moves a finished job back among the unfinished: ready at once, or blocked with the time it had.
pub(super) fn reopen(
    sql: &Connection,
    draft: &mut Draft,
    row: &FinishedRow,
    state: JobState,
    event_type: EventType,
) -> Result<(), StoreError> {
    let id = row.id.to_bytes();
    let key = match unpack_options(row.options.as_deref())?.concurrency_key {
        Some(key) => Some(keys::key_id(sql, row.lane.tenant, row.lane.kind, &key)?),
        None => None,
    };
    let run_at = if state == JobState::Blocked { row.run_at } else { draft.now };
    let order_key = draft.order.key(row.priority, run_at);
    let note = HistoryNote { at: draft.now, event_type, state, attempt: 0 };
    let history = append_history(row.history.as_deref(), note)?;
    let key = key.map(|key| key.0);
    let (options, expires_at) = options_left(draft, row)?;
    let expires_at = expires_at.map(Timestamp::as_ms);
    sql.prepare_cached(REOPEN)?.execute(params![
        id,
        order_key,
        run_at.as_ms(),
        history,
        state.as_str(),
        key,
        options,
        expires_at
    ])?;
    sql.prepare_cached(KEEP_EXECUTION)?.execute([id])?;
    forget_executions(sql, row.id, row.lease_number)?;
    sql.prepare_cached(DELETE_FINISHED)?.execute([id])?;
    if row.state == JobState::Failed {
        dead_letters::leave(sql, row.id)?;
    }
    needed::look_anew(sql, draft, row.id)
}

/// A time that has passed is not asked for again: who brings the job back wants it to run.
fn options_left(draft: &Draft, row: &FinishedRow) -> Result<(Option<String>, Option<Timestamp>), StoreError> {
    let mut options = unpack_options(row.options.as_deref())?;
    if options.is_too_late(draft.now) {
        options.expires_at = None;
        let left = (!options.is_empty()).then(|| serde_json::to_string(&options)).transpose();
        return Ok((left.map_err(StoreError::internal)?, None));
    }
    Ok((row.options.clone(), options.expires_at))
}

fn hurry(sql: &Connection, draft: &Draft, row: &LiveRow) -> Result<(), StoreError> {
    let order_key = draft.order.key(row.priority, draft.now);
    let note = HistoryNote { at: draft.now, event_type: EventType::Reopened, state: JobState::Ready, attempt: 0 };
    let history = append_history(row.history.as_deref(), note)?;
    sql.prepare_cached(HURRY)?.execute(params![row.id.to_bytes(), draft.now.as_ms(), order_key, history])?;
    Ok(())
}
