//! A batch is cancelled as a whole, in steps: the first in the request's own transaction, the others by upkeep, which
//! finds out how far it has come.

use rusqlite::{Connection, OptionalExtension, params};

use super::callbacks::follow;
use super::inspect::batch_row;
use super::model::ChangeBatchResult;
use super::whole::{Whole, tie_to_whole};
use crate::job::dependency::Standing;
use crate::job::{BatchId, EventType, JobId, JobState};
use crate::store::cancel::{cancel_unentered, cancel_unentered_as, request};
use crate::store::catalog::TenantId;
use crate::store::dependencies::stand;
use crate::store::draft::Draft;
use crate::store::ending::cancelled_with;
use crate::store::error::StoreError;
use crate::store::rows::{LiveRow, live_row};

/// Jobs cancelled by one operation.
const CANCELLED_JOBS_MAX: usize = 100;

const BEGIN: &str = "UPDATE batches SET closing = 0, cancelled_until = x'' WHERE id = ?1 AND cancelled_until IS NULL";
const BEGUN: &str = "SELECT id, cancelled_until FROM batches INDEXED BY batches_cancelling
    WHERE cancelled_until IS NOT NULL AND (?1 IS NULL OR id = ?1) LIMIT 1";
const MEMBERS: &str = "SELECT job_id FROM batch_jobs WHERE batch_id = ?1 AND job_id > ?2 ORDER BY job_id LIMIT ?3";
const GO_ON: &str = "UPDATE batches SET cancelled_until = ?2 WHERE id = ?1";

/// Leases of jobs that are held, whose holders must end them.
type Held = Vec<(JobId, i64)>;

/// Takes no more jobs, and cancels those that have not ended. Idempotent.
pub(in crate::store) fn cancel_batch(
    sql: &Connection,
    draft: &mut Draft,
    tenant: TenantId,
    id: BatchId,
    is_workflow: bool,
) -> Result<ChangeBatchResult, StoreError> {
    let Some(row) = batch_row(sql, &draft.catalog, tenant, id, is_workflow)? else {
        return Ok(ChangeBatchResult::NotFound);
    };
    let mut held = Vec::new();
    if row.unfinished() > 0 || row.closing != super::model::Closing::Closed {
        draft.ties.are_cancels = true;
        sql.prepare_cached(BEGIN)?.execute([id.to_bytes()])?;
        step(sql, draft, Some(id), &mut held)?;
        follow(sql, draft, id)?;
    }
    let row = batch_row(sql, &draft.catalog, tenant, id, is_workflow)?;
    Ok(row.map_or(ChangeBatchResult::NotFound, |row| ChangeBatchResult::Changed { batch: Box::new(row), held }))
}

/// Goes on with what was begun: jobs that are held, and whether more is left.
pub(in crate::store) fn cancel_further(sql: &Connection, draft: &mut Draft) -> Result<(Held, bool), StoreError> {
    let mut held = Vec::new();
    step(sql, draft, None, &mut held)?;
    let more = sql.prepare_cached(BEGUN)?.exists([None::<[u8; 16]>])?;
    Ok((held, more))
}

fn step(sql: &Connection, draft: &mut Draft, only: Option<BatchId>, held: &mut Held) -> Result<(), StoreError> {
    let begun: Option<([u8; 16], Vec<u8>)> = sql
        .prepare_cached(BEGUN)?
        .query_row([only.map(BatchId::to_bytes)], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((batch, until)) = begun else { return Ok(()) };
    let jobs: Vec<[u8; 16]> = sql
        .prepare_cached(MEMBERS)?
        .query_map(params![batch, until, CANCELLED_JOBS_MAX], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    for job in &jobs {
        // What was cancelled because of an earlier one has ended by now.
        let Some(row) = live_row(sql, JobId::from_bytes(*job))? else { continue };
        if row.lease_host.is_some() {
            request(sql, draft, &row)?;
            held.push((row.id, row.lease_number));
        } else {
            end(sql, draft, &row)?;
        }
    }
    let is_done = jobs.len() < CANCELLED_JOBS_MAX;
    let until = if is_done { None } else { jobs.last() };
    sql.prepare_cached(GO_ON)?.execute(params![batch, until])?;
    draft.ties.is_left_over |= !is_done;
    Ok(())
}

/// Ends one that nobody holds. If it hangs on another one that is cancelled, too, it comes back with that one.
fn end(sql: &Connection, draft: &mut Draft, row: &LiveRow) -> Result<(), StoreError> {
    match tie_to_whole(sql, draft, row.id)? {
        // Brought back after it was cancelled, so that those after it are wanted as well.
        Whole::RunsAgain(_) if row.state == JobState::Blocked && row.suspension.is_none() => Ok(()),
        Whole::Nothing | Whole::RunsAgain(_) => cancel_unentered(sql, draft, row),
        Whole::On(parent) => {
            stand(sql, parent, row.id, Standing::CancelledWith)?;
            cancel_unentered_as(sql, draft, row, EventType::Cancelled, &cancelled_with(parent))
        }
    }
}
