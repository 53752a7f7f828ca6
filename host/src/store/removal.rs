//! Takes a finished job out of the store, with all that belongs to it: asked for by an operator, or when its time is over.

use rusqlite::{Connection, params};

use super::draft::Draft;
use super::error::StoreError;
use super::job_writes::deleted_bytes;
use super::on_failed;
use super::retention::look_if_free;
use super::rows::FinishedRow;
use super::steps::DELETE_STEPS;
use super::{batches, dead_letters, dependencies, needed};
use crate::job::JobState;

const DELETES: [&str; 2] = ["DELETE FROM finished_jobs WHERE id = ?1", "DELETE FROM attempts WHERE job_id = ?1"];
/// What a job keeps that is counted.
pub(in crate::store) const DELETES_OF_BYTES: [&str; 3] = [
    "DELETE FROM payloads WHERE job_id = ?1 RETURNING length(body)",
    "DELETE FROM outputs WHERE job_id = ?1 RETURNING length(body)",
    "DELETE FROM attempt_logs WHERE job_id = ?1 RETURNING length(lines)",
];
// Nothing where there are no more than that: the comparison is with NULL.
const DELETE_SOME_LOGS: &str = "DELETE FROM attempt_logs WHERE job_id = ?1 AND execution <=
    (SELECT execution FROM attempt_logs WHERE job_id = ?1 ORDER BY execution LIMIT 1 OFFSET ?2)
    RETURNING length(lines)";
const DELETE_SOME_EXECUTIONS: &str = "DELETE FROM attempts WHERE job_id = ?1 AND execution <=
    (SELECT execution FROM attempts WHERE job_id = ?1 ORDER BY execution LIMIT 1 OFFSET ?2)";
const DELETE_TAG: &str = "DELETE FROM job_tags WHERE tenant_id = ?1 AND tag = ?2 AND job_id = ?3";

/// Logs taken away at once; they may be large.
const FEW_LOGS: i64 = 4;
/// Executions taken away at once.
const FEW_EXECUTIONS: i64 = 200;

/// Parents of a job that goes that are looked at for it; the others when their own look is due.
const FREED_PARENTS_MAX: usize = 10;

/// Who takes a job out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    /// An operator: a workflow goes on showing where it was.
    Hand,
    /// Its time is over.
    Age,
}

/// Takes away some of the logs and executions of a job that has many; `true` when only few are left.
pub(super) fn remove_bulk(sql: &Connection, draft: &mut Draft, row: &FinishedRow) -> Result<bool, StoreError> {
    // Without that many leases it can't have that many of either.
    if row.lease_number <= FEW_LOGS {
        return Ok(true);
    }
    let id = row.id.to_bytes();
    let log_bytes = deleted_bytes(sql, DELETE_SOME_LOGS, params![id, FEW_LOGS])?;
    if log_bytes > 0 {
        draft.meter.stored(row.lane.tenant, row.id, -log_bytes);
        return Ok(false);
    }
    Ok(sql.prepare_cached(DELETE_SOME_EXECUTIONS)?.execute(params![id, FEW_EXECUTIONS])? == 0)
}

/// Every row of the job, and what counted it.
pub(super) fn remove(sql: &Connection, draft: &mut Draft, row: &FinishedRow, by: By) -> Result<(), StoreError> {
    let id = row.id.to_bytes();
    for statement in DELETES {
        sql.prepare_cached(statement)?.execute([id])?;
    }
    for statement in DELETES_OF_BYTES {
        draft.meter.stored(row.lane.tenant, row.id, -deleted_bytes(sql, statement, [id])?);
    }
    if row.pinned.is_some() {
        draft.meter.stored(row.lane.tenant, row.id, -deleted_bytes(sql, DELETE_STEPS, [id])?);
    }
    let tags: Vec<String> = match &row.tags {
        Some(tags) => serde_json::from_str(tags).map_err(StoreError::internal)?,
        None => Vec::new(),
    };
    for tag in tags {
        sql.prepare_cached(DELETE_TAG)?.execute(params![row.lane.tenant.0, tag, id])?;
    }
    let parents = if draft.ties.are_dependencies { dependencies::ties_of(sql, row.id)? } else { Vec::new() };
    needed::job_goes(sql, draft, row.id)?;
    let leaves_a_gap = batches::job_goes(sql, draft, row.id, by)?;
    if draft.ties.are_dependencies && !leaves_a_gap {
        dependencies::forget(sql, row.id)?;
    }
    for tie in parents.into_iter().take(FREED_PARENTS_MAX) {
        look_if_free(sql, draft, tie.parent)?;
    }
    on_failed::unlink(sql, row)?;
    if row.state == JobState::Failed {
        dead_letters::leave(sql, row.id)?;
    }
    draft.count(row.lane, row.state, -1);
    Ok(())
}
