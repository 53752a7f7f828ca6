//! Which jobs are of a batch, and how many of them are where.

use rusqlite::{Connection, OptionalExtension, params};

use super::callbacks::follow;
use super::model::Closing;
use crate::job::{BatchId, JobId, JobState};
use crate::store::catalog::TenantId;
use crate::store::dependencies::{first_unknown, is_not_needed};
use crate::store::draft::Draft;
use crate::store::error::StoreError;
use crate::store::model::{JobTies, TieRefusal};
use crate::store::removal::By;

const OF_JOB: &str = "SELECT batch_id FROM batch_jobs WHERE job_id = ?1";
const JOIN: &str = "INSERT INTO batch_jobs (job_id, batch_id, name) VALUES (?1, ?2, ?3)";
const LEAVE: &str = "DELETE FROM batch_jobs WHERE job_id = ?1";
const IS_WORKFLOW: &str = "SELECT is_workflow FROM batches WHERE id = ?1";
const CLOSING: &str = "SELECT closing FROM batches WHERE id = ?1 AND tenant_id = ?2 AND is_workflow = 0";
const COUNT: &str = "UPDATE batches SET total = total + ?2, succeeded = succeeded + ?3, failed = failed + ?4,
    cancelled = cancelled + ?5, skipped = skipped + ?6 WHERE id = ?1";
const BEGIN_ANEW: &str = "UPDATE batches SET finished_at = NULL WHERE id = ?1 AND finished_at IS NOT NULL";

/// Where a job is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Share {
    Unfinished,
    Succeeded,
    Failed,
    Cancelled,
    Skipped,
}

impl Share {
    fn of(state: JobState, is_skipped: bool) -> Self {
        match state {
            JobState::Succeeded => Share::Succeeded,
            JobState::Failed => Share::Failed,
            JobState::Cancelled if is_skipped => Share::Skipped,
            JobState::Cancelled => Share::Cancelled,
            JobState::Scheduled | JobState::Blocked | JobState::Ready | JobState::Running | JobState::Retrying => {
                Share::Unfinished
            }
        }
    }
}

/// Looks at what jobs want to be tied to, before they are written.
pub(in crate::store) struct TieCheck<'a> {
    pub(in crate::store) sql: &'a Connection,
    pub(in crate::store) tenant: TenantId,
}

/// Why the job can't have these ties; `None`: it can.
pub(in crate::store) fn tie_refusal(
    check: &TieCheck<'_>,
    ties: Option<&JobTies>,
) -> Result<Option<TieRefusal>, StoreError> {
    let Some(JobTies { after, batch }) = ties else { return Ok(None) };
    if let Some(batch) = batch {
        let closing: Option<u8> = check
            .sql
            .prepare_cached(CLOSING)?
            .query_row(params![batch.to_bytes(), check.tenant.0], |row| row.get(0))
            .optional()?;
        match closing.map(Closing::from_code) {
            None => return Ok(Some(TieRefusal::UnknownBatch)),
            Some(Some(Closing::Closed)) => return Ok(Some(TieRefusal::BatchClosed)),
            Some(_) => {}
        }
    }
    Ok(first_unknown(check.sql, check.tenant, after)?.map(TieRefusal::UnknownParent))
}

/// Adds a new job, which has not ended, to a batch known to take it.
pub(in crate::store) fn join(
    sql: &Connection,
    draft: &mut Draft,
    batch: BatchId,
    job: JobId,
    name: Option<&str>,
) -> Result<(), StoreError> {
    draft.ties.are_batches = true;
    sql.prepare_cached(JOIN)?.execute(params![job.to_bytes(), batch.to_bytes(), name])?;
    sql.prepare_cached(COUNT)?.execute(params![batch.to_bytes(), 1, 0, 0, 0, 0])?;
    Ok(())
}

/// The job is removed; its batch still counts it. `true`: it leaves a gap in the graph of its workflow, which goes on showing
/// where it was.
pub(in crate::store) fn job_goes(sql: &Connection, draft: &Draft, job: JobId, by: By) -> Result<bool, StoreError> {
    let Some(batch) = batch_of(sql, draft, job)? else { return Ok(false) };
    if by == By::Hand && sql.prepare_cached(IS_WORKFLOW)?.query_row([batch.to_bytes()], |row| row.get(0))? {
        return Ok(true);
    }
    sql.prepare_cached(LEAVE)?.execute([job.to_bytes()])?;
    Ok(false)
}

/// A job has ended.
pub(in crate::store) fn job_ended(
    sql: &Connection,
    draft: &mut Draft,
    job: JobId,
    state: JobState,
) -> Result<(), StoreError> {
    let Some(batch) = batch_of(sql, draft, job)? else { return Ok(()) };
    let is_skipped = state == JobState::Cancelled && is_not_needed(sql, draft, job)?;
    move_count(sql, draft, batch, Share::Unfinished, Share::of(state, is_skipped))
}

/// A job that had ended has not any more.
pub(in crate::store) fn job_reopened(
    sql: &Connection,
    draft: &mut Draft,
    job: JobId,
    from: JobState,
    was_skipped: bool,
) -> Result<(), StoreError> {
    let Some(batch) = batch_of(sql, draft, job)? else { return Ok(()) };
    sql.prepare_cached(BEGIN_ANEW)?.execute([batch.to_bytes()])?;
    move_count(sql, draft, batch, Share::of(from, was_skipped), Share::Unfinished)
}

/// A cancelled job is cancelled for another reason now.
pub(in crate::store) fn recount_skipped(
    sql: &Connection,
    draft: &mut Draft,
    job: JobId,
    was_skipped: bool,
    is_skipped: bool,
) -> Result<(), StoreError> {
    if was_skipped == is_skipped {
        return Ok(());
    }
    let Some(batch) = batch_of(sql, draft, job)? else { return Ok(()) };
    let share = |skipped| Share::of(JobState::Cancelled, skipped);
    move_count(sql, draft, batch, share(was_skipped), share(is_skipped))
}

fn batch_of(sql: &Connection, draft: &Draft, job: JobId) -> Result<Option<BatchId>, StoreError> {
    if !draft.ties.are_batches {
        return Ok(None);
    }
    let batch: Option<[u8; 16]> =
        sql.prepare_cached(OF_JOB)?.query_row([job.to_bytes()], |row| row.get(0)).optional()?;
    Ok(batch.map(BatchId::from_bytes))
}

fn move_count(sql: &Connection, draft: &mut Draft, batch: BatchId, from: Share, to: Share) -> Result<(), StoreError> {
    let change = |share| i64::from(to == share) - i64::from(from == share);
    sql.prepare_cached(COUNT)?.execute(params![
        batch.to_bytes(),
        0,
        change(Share::Succeeded),
        change(Share::Failed),
        change(Share::Cancelled),
        change(Share::Skipped)
    ])?;
    follow(sql, draft, batch)
}
