//! Removes a finished job at an operator's wish, in pieces: it may have many executions and logs, and any number of jobs may run
//! after it.

use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::catalog::TenantId;
use super::draft::Draft;
use super::error::StoreError;
use super::model::DeleteResult;
use super::needed::{Need, Needed, needed};
use super::removal::{By, remove, remove_bulk};
use super::rows::{AnyRow, any_row};
use crate::job::{EventType, JobId};

/// After so long a piece ends.
const PIECE_TIME: Duration = Duration::from_millis(2);

/// What a piece has come to.
#[derive(Debug)]
pub(super) enum Deletion {
    /// All is done, or nothing is to be.
    Over(DeleteResult),
    /// There is more to do; the job is still there.
    Further,
}

/// A piece of a delete. Only terminal jobs can be deleted.
pub(super) fn delete(
    sql: &Connection,
    draft: &mut Draft,
    tenant: TenantId,
    job: JobId,
) -> Result<Deletion, StoreError> {
    let began = Instant::now();
    let row = match any_row(sql, tenant, job)? {
        None => return Ok(Deletion::Over(DeleteResult::NotFound)),
        Some(AnyRow::Live(row)) => return Ok(Deletion::Over(DeleteResult::WrongState(row.state))),
        Some(AnyRow::Finished(row)) => row,
    };
    loop {
        match needed(sql, draft, job, Need::Unfinished)? {
            Needed::No => break,
            Needed::By(child) => return Ok(Deletion::Over(DeleteResult::Needed(child))),
            Needed::LookFurther if began.elapsed() >= PIECE_TIME => return Ok(Deletion::Further),
            Needed::LookFurther => {}
        }
    }
    while !remove_bulk(sql, draft, &row)? {
        if began.elapsed() >= PIECE_TIME {
            return Ok(Deletion::Further);
        }
    }
    remove(sql, draft, &row, By::Hand)?;
    draft.event(EventType::Deleted, job, row.lane, row.state, row.attempt);
    Ok(Deletion::Over(DeleteResult::Deleted))
}
