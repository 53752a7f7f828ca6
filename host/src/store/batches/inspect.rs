//! Batches and workflows as people see them. Nothing is counted here: the rows have it.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::callbacks::kind_of;
use super::model::{BatchRow, CallbackRow, Closing, MemberRow, Membership};
use crate::job::workflow::WORKFLOW_JOBS_MAX;
use crate::job::{BatchId, JobId, Timestamp};
use crate::store::catalog::{Catalog, TenantId};
use crate::store::dependencies::parents_of;
use crate::store::error::StoreError;
use crate::store::in_line::{Depth, LimitFacts, Look};
use crate::store::job_list::listed;

macro_rules! columns {
    () => {
        "id, is_workflow, name, created_at, finished_at, closing, cancelled_until IS NOT NULL, total, succeeded, failed,
         cancelled, skipped, on_success, success_job, on_failure, failure_job, on_finish, finish_job"
    };
}

const ONE: &str = concat!("SELECT ", columns!(), " FROM batches WHERE id = ?1 AND tenant_id = ?2 AND is_workflow = ?3");
const PAGE: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM batches WHERE tenant_id = ?1 AND is_workflow = ?2 AND id < ?3 ORDER BY id DESC LIMIT ?4"
);
const MEMBERS: &str =
    "SELECT job_id, name FROM batch_jobs WHERE batch_id = ?1 AND job_id > ?2 ORDER BY job_id LIMIT ?3";
const MEMBERSHIP: &str = "SELECT batch_id, is_workflow, batch_jobs.name FROM batch_jobs
    JOIN batches ON batches.id = batch_jobs.batch_id WHERE job_id = ?1";

fn from_row(catalog: &Catalog, row: &Row<'_>) -> Result<BatchRow, StoreError> {
    let closing: u8 = row.get(5)?;
    let callback = |index: usize| -> Result<Option<CallbackRow>, StoreError> {
        let kept: Option<String> = row.get(index)?;
        let Some(kept) = kept else { return Ok(None) };
        let kind = kind_of(&kept)?;
        let name = catalog.kind_names.get(&kind).cloned();
        let kind = name.ok_or_else(|| StoreError::Internal(format!("a callback of {kind:?}, which is no kind")))?;
        let job: Option<[u8; 16]> = row.get(index + 1)?;
        Ok(Some(CallbackRow { kind, job: job.map(JobId::from_bytes) }))
    };
    Ok(BatchRow {
        id: BatchId::from_bytes(row.get(0)?),
        is_workflow: row.get(1)?,
        name: row.get(2)?,
        created_at: Timestamp(row.get(3)?),
        finished_at: row.get::<_, Option<i64>>(4)?.map(Timestamp),
        closing: Closing::from_code(closing)
            .ok_or_else(|| StoreError::Internal(format!("{closing} is no way to close a batch")))?,
        is_cancelling: row.get(6)?,
        total: row.get(7)?,
        succeeded: row.get(8)?,
        failed: row.get(9)?,
        cancelled: row.get(10)?,
        skipped: row.get(11)?,
        callbacks: [callback(12)?, callback(14)?, callback(16)?],
    })
}

/// One of a tenant's batches, or workflows.
pub(super) fn batch_row(
    sql: &Connection,
    catalog: &Catalog,
    tenant: TenantId,
    id: BatchId,
    is_workflow: bool,
) -> Result<Option<BatchRow>, StoreError> {
    let mut statement = sql.prepare_cached(ONE)?;
    let mut rows = statement.query(params![id.to_bytes(), tenant.0, is_workflow])?;
    rows.next()?.map(|row| from_row(catalog, row)).transpose()
}

/// The same, for those above the store.
pub(in crate::store) fn batch(
    sql: &Connection,
    catalog: &Catalog,
    tenant: TenantId,
    id: BatchId,
    is_workflow: bool,
) -> Result<Option<BatchRow>, StoreError> {
    batch_row(sql, catalog, tenant, id, is_workflow)
}

/// So many of a tenant's batches, or workflows, newest first, those older than `before`.
pub(in crate::store) fn batches(
    sql: &Connection,
    catalog: &Catalog,
    tenant: TenantId,
    is_workflow: bool,
    before: Option<BatchId>,
    limit: usize,
) -> Result<Vec<BatchRow>, StoreError> {
    let before = before.map_or([0xff; 16], BatchId::to_bytes);
    let mut statement = sql.prepare_cached(PAGE)?;
    let mut rows = statement.query(params![tenant.0, is_workflow, before, limit])?;
    let mut batches = Vec::new();
    while let Some(row) = rows.next()? {
        batches.push(from_row(catalog, row)?);
    }
    Ok(batches)
}

/// So many jobs of a batch in the order they were added, those after `after`; `None`: no such batch.
pub(in crate::store) fn jobs_of(
    sql: &Connection,
    catalog: &Catalog,
    limits: LimitFacts,
    tenant: TenantId,
    id: BatchId,
    after: Option<JobId>,
    limit: usize,
) -> Result<Option<Vec<MemberRow>>, StoreError> {
    if batch_row(sql, catalog, tenant, id, false)?.is_none() {
        return Ok(None);
    }
    members(sql, catalog, limits, tenant, id, after, limit).map(Some)
}

/// A workflow and all its jobs, parents before children, with what each waits for.
pub(in crate::store) fn graph(
    sql: &Connection,
    catalog: &Catalog,
    limits: LimitFacts,
    tenant: TenantId,
    id: BatchId,
) -> Result<Option<(BatchRow, Vec<MemberRow>)>, StoreError> {
    let Some(row) = batch_row(sql, catalog, tenant, id, true)? else { return Ok(None) };
    let members = members(sql, catalog, limits, tenant, id, None, WORKFLOW_JOBS_MAX)?;
    Ok(Some((row, members)))
}

fn members(
    sql: &Connection,
    catalog: &Catalog,
    limits: LimitFacts,
    tenant: TenantId,
    id: BatchId,
    after: Option<JobId>,
    limit: usize,
) -> Result<Vec<MemberRow>, StoreError> {
    let after = after.map_or([0; 16], JobId::to_bytes);
    let mut statement = sql.prepare_cached(MEMBERS)?;
    let mut rows = statement.query(params![id.to_bytes(), after, limit])?;
    let mut look = Look::new(sql, catalog, limits, Depth::Glance);
    let mut members = Vec::new();
    while let Some(row) = rows.next()? {
        let (job, name) = (JobId::from_bytes(row.get(0)?), row.get(1)?);
        let row = listed(sql, catalog, &mut look, tenant, job)?;
        let after = parents_of(sql, job)?;
        members.push(MemberRow { id: job, name, row, after });
    }
    Ok(members)
}

/// What a job is of.
pub(in crate::store) fn membership_of(sql: &Connection, job: JobId) -> Result<Option<Membership>, StoreError> {
    let mut statement = sql.prepare_cached(MEMBERSHIP)?;
    let found = statement.query_row([job.to_bytes()], |row| {
        Ok(Membership { batch: BatchId::from_bytes(row.get(0)?), is_workflow: row.get(1)?, name: row.get(2)? })
    });
    Ok(found.optional()?)
}
