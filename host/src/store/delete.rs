//! Removes a finished job and all that belongs to it.

use rusqlite::{Connection, params};

use super::catalog::TenantId;
use super::draft::Draft;
use super::error::StoreError;
use super::model::DeleteResult;
use super::rows::{AnyRow, any_row};
use crate::job::{EventType, JobId};

const DELETES: [&str; 5] = [
    "DELETE FROM finished_jobs WHERE id = ?1",
    "DELETE FROM payloads WHERE job_id = ?1",
    "DELETE FROM outputs WHERE job_id = ?1",
    "DELETE FROM attempts WHERE job_id = ?1",
    "DELETE FROM attempt_logs WHERE job_id = ?1",
];
const DELETE_TAG: &str = "DELETE FROM job_tags WHERE tenant_id = ?1 AND tag = ?2 AND job_id = ?3";

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
    for statement in DELETES {
        sql.prepare_cached(statement)?.execute([job.to_bytes()])?;
    }
    let tags: Vec<String> = match &row.tags {
        Some(tags) => serde_json::from_str(tags).map_err(StoreError::internal)?,
        None => Vec::new(),
    };
    for tag in tags {
        sql.prepare_cached(DELETE_TAG)?.execute(params![tenant.0, tag, job.to_bytes()])?;
    }
    draft.count(row.lane, row.state, -1);
    draft.event(EventType::Deleted, job, row.lane, row.state, row.attempt);
    Ok(DeleteResult::Deleted)
}
