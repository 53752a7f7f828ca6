//! Removes a finished job at an operator's wish.

use rusqlite::Connection;

use super::catalog::TenantId;
use super::dependencies::unfinished_dependent;
use super::draft::Draft;
use super::error::StoreError;
use super::model::DeleteResult;
use super::removal::remove;
use super::rows::{AnyRow, any_row};
use crate::job::{EventType, JobId};

/// Only terminal jobs can be deleted.
pub(super) fn delete(
    sql: &Connection,
    draft: &mut Draft,
    tenant: TenantId,
    job: JobId,
) -> Result<DeleteResult, StoreError> {
    let row = match any_row(sql, tenant, job)? {
        None => return Ok(DeleteResult::NotFound),
        Some(AnyRow::Live(row)) => return Ok(DeleteResult::WrongState(row.state)),
        Some(AnyRow::Finished(row)) => row,
    };
    if let Some(child) = unfinished_dependent(sql, draft, job)? {
        return Ok(DeleteResult::Needed(child));
    }
    remove(sql, draft, &row)?;
    draft.event(EventType::Deleted, job, row.lane, row.state, row.attempt);
    Ok(DeleteResult::Deleted)
}
