//! How the jobs of a batch that is cancelled as a whole hang together, so that its first jobs bring back the others: a job that is
//! cancelled is tied to one before it, of the same batch, that is cancelled, too, or is about to be.

use rusqlite::{Connection, params};

use crate::job::JobId;
use crate::job::dependency::ParentEnd;
use crate::store::dependencies::parent_end;
use crate::store::draft::Draft;
use crate::store::error::StoreError;

const PARENTS: &str = "SELECT dependencies.parent_id FROM dependencies
    JOIN batch_jobs AS own ON own.job_id = dependencies.child_id
    JOIN batch_jobs AS theirs ON theirs.job_id = dependencies.parent_id AND theirs.batch_id = own.batch_id
    WHERE dependencies.child_id = ?1 ORDER BY dependencies.place";
const HAS_BROKEN: &str = "SELECT EXISTS (SELECT 1 FROM dependencies WHERE child_id = ?1 AND standing = 3)";
const IS_BEING_CANCELLED: &str = "SELECT EXISTS (SELECT 1 FROM batch_jobs AS own
    JOIN batch_jobs AS theirs ON theirs.batch_id = own.batch_id
    JOIN batches ON batches.id = own.batch_id
    WHERE own.job_id = ?1 AND theirs.job_id = ?2 AND batches.cancelled_until IS NOT NULL)";

/// What a job of a batch hangs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) enum Whole {
    /// Nothing before it is at its end, or about to be, without success.
    Nothing,
    /// This one before it; one that has failed, or came to nothing because of others, only where there is none that is cancelled
    /// with it.
    On(JobId),
    /// One before it, this one, has not ended and is not to: somebody brought it back since the cancel.
    RunsAgain(JobId),
}

/// What a job that has not begun, or is cancelled, hangs on within its batch.
pub(in crate::store) fn tie_to_whole(sql: &Connection, draft: &Draft, job: JobId) -> Result<Whole, StoreError> {
    if !draft.ties.are_batches || !draft.ties.are_dependencies {
        return Ok(Whole::Nothing);
    }
    let mut statement = sql.prepare_cached(PARENTS)?;
    let mut rows = statement.query([job.to_bytes()])?;
    let (mut whole, mut closest) = (Whole::Nothing, 0);
    while let Some(row) = rows.next()? {
        let parent = JobId::from_bytes(row.get(0)?);
        match parent_end(sql, parent)? {
            Some(ParentEnd::Unfinished) => return Ok(Whole::RunsAgain(parent)),
            Some(end @ (ParentEnd::Ending | ParentEnd::Failed | ParentEnd::Cancelled | ParentEnd::NotNeeded)) => {
                let closeness = closeness(sql, parent, end)?;
                if closeness > closest {
                    (whole, closest) = (Whole::On(parent), closeness);
                }
            }
            Some(ParentEnd::Succeeded | ParentEnd::SucceededAnyway) | None => {}
        }
    }
    Ok(whole)
}

/// How sure it is that who comes back with this one comes back with the whole.
fn closeness(sql: &Connection, parent: JobId, end: ParentEnd) -> Result<u8, StoreError> {
    Ok(match end {
        ParentEnd::NotNeeded => 1,
        // Before the whole was, by itself or because of another one.
        ParentEnd::Failed => 2,
        ParentEnd::Cancelled if sql.prepare_cached(HAS_BROKEN)?.query_row([parent.to_bytes()], |row| row.get(0))? => 2,
        _ => 3,
    })
}

/// Whether a job is of a batch that is being cancelled, and so is this parent of it.
pub(in crate::store) fn ends_with_its_whole(
    sql: &Connection,
    draft: &Draft,
    job: JobId,
    parent: JobId,
) -> Result<bool, StoreError> {
    if !draft.ties.are_cancels {
        return Ok(false);
    }
    let is_such = params![job.to_bytes(), parent.to_bytes()];
    Ok(sql.prepare_cached(IS_BEING_CANCELLED)?.query_row(is_such, |row| row.get(0))?)
}
