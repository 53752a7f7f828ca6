//! One job with everything people ask of it at once.

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension};

use super::catalog::{Catalog, TenantId};
use super::error::StoreError;
use super::in_line::{Depth, LimitFacts, Look};
use super::job_writes::NULL_OUTPUT;
use super::mail::mails_of_job;
use super::model::{InLine, JobDetail, JobRow};
use super::on_failed;
use super::rows::{AnyRow, any_row};
use super::steps::steps_of;
use super::{batches, dependencies};
use crate::job::{JobId, JobState};

const PAYLOAD: &str = "SELECT body FROM payloads WHERE job_id = ?1";
const OUTPUT: &str = "SELECT body FROM outputs WHERE job_id = ?1";

/// A tenant's job.
pub(super) fn job_detail(
    sql: &Connection,
    catalog: &Catalog,
    limits: LimitFacts,
    tenant: TenantId,
    job: JobId,
) -> Result<Option<JobDetail>, StoreError> {
    let Some(row) = any_row(sql, tenant, job)? else { return Ok(None) };
    let payload =
        body(sql, PAYLOAD, job)?.ok_or_else(|| StoreError::Internal(format!("the payload of {job} is missing")))?;
    let (output, in_line) = match &row {
        AnyRow::Finished(row) if row.state == JobState::Succeeded => {
            (Some(body(sql, OUTPUT, job)?.unwrap_or(Bytes::from_static(NULL_OUTPUT))), None)
        }
        AnyRow::Live(row) => (None, Look::new(sql, catalog, limits, Depth::Counted).at(row)?),
        AnyRow::Finished(_) => (None, None),
    };
    let pinned = match &row {
        AnyRow::Live(row) => row.pinned,
        AnyRow::Finished(row) => row.pinned,
    };
    let steps = if pinned.is_some() { steps_of(sql, job)? } else { Vec::new() };
    // They come with its success; a job may have come back since.
    let mails = mails_of_job(sql, job)?;
    let after = dependencies::parents_of(sql, job)?;
    let membership = batches::membership_of(sql, job)?;
    let row = JobRow { in_line, ..row.to_job_row(sql, catalog)? };
    // Only what failed once can have caused others.
    let on_failed_jobs = if row.error.is_some() { on_failed::jobs_of(sql, job)? } else { Vec::new() };
    Ok(Some(JobDetail { row, payload, output, after, membership, steps, mails, on_failed_jobs }))
}

fn body(sql: &Connection, query: &str, job: JobId) -> Result<Option<Bytes>, StoreError> {
    let body: Option<Vec<u8>> = sql.prepare_cached(query)?.query_row([job.to_bytes()], |row| row.get(0)).optional()?;
    Ok(body.map(Bytes::from))
}

/// How a job stands in line, and nothing else of it.
pub(super) fn in_line(
    sql: &Connection,
    catalog: &Catalog,
    limits: LimitFacts,
    tenant: TenantId,
    job: JobId,
) -> Result<Option<Box<InLine>>, StoreError> {
    let Some(AnyRow::Live(row)) = any_row(sql, tenant, job)? else { return Ok(None) };
    Look::new(sql, catalog, limits, Depth::Counted).at(&row)
}
