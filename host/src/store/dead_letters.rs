//! Failed jobs by what they have in common: kind, reason and words. Kept in the transaction in which a job fails, is brought
//! back or goes.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::catalog::{Catalog, KindId, TenantId};
use super::counters::Lane;
use super::error::StoreError;
use super::model::{DeadLetterFilter, DeadLetterGroup, DeadLetterPage};
use crate::job::dead_letter::{GroupId, pattern};
use crate::job::{Failure, FailureReason, JobId, KindName, Timestamp};

/// Groups of one page, whatever the caller asks for.
const PAGE_GROUPS_MAX: usize = 501;
/// Groups one page looks at.
const GROUPS_LOOKED_AT_MAX: usize = 10_000;

const ENTER: &str =
    "INSERT INTO dead_letter_groups (tenant_id, group_id, kind_id, reason, message, jobs, first_at, last_at)
    VALUES (?1, ?2, ?3, ?4, ?5, 1, ?6, ?6)
    ON CONFLICT (tenant_id, group_id) DO UPDATE SET jobs = jobs + 1, last_at = max(last_at, excluded.last_at)
    RETURNING number";
const ENTER_JOB: &str = "INSERT INTO dead_letters (job_id, group_number) VALUES (?1, ?2)";
const IS_ENTERED: &str = "SELECT EXISTS (SELECT 1 FROM dead_letters WHERE job_id = ?1)";
const IS_OF_GROUP: &str = "SELECT EXISTS (SELECT 1 FROM dead_letters JOIN dead_letter_groups ON number = group_number
    WHERE job_id = ?1 AND tenant_id = ?2 AND group_id = ?3)";
const LEAVE_JOB: &str = "DELETE FROM dead_letters WHERE job_id = ?1 RETURNING group_number";
const LEAVE: &str = "UPDATE dead_letter_groups SET jobs = jobs - 1 WHERE number = ?1 RETURNING jobs";
const DELETE_GROUP: &str = "DELETE FROM dead_letter_groups WHERE number = ?1";
const NUMBER: &str = "SELECT number FROM dead_letter_groups WHERE tenant_id = ?1 AND group_id = ?2";
// With the name as the table has it: a snapshot of the catalog may be older than what is read.
const ONE: &str = "SELECT number, group_id, kinds.name, reason, message, jobs, first_at, last_at
    FROM dead_letter_groups JOIN kinds ON kinds.id = kind_id
    WHERE dead_letter_groups.tenant_id = ?1 AND group_id = ?2";
const PAGE: &str = "SELECT number, group_id, kinds.name, reason, message, jobs, first_at, last_at
    FROM dead_letter_groups INDEXED BY dead_letter_groups_newest CROSS JOIN kinds ON kinds.id = kind_id
    WHERE dead_letter_groups.tenant_id = ?1 AND number < ?2 ORDER BY number DESC LIMIT ?3";
const NEWEST: &str = "SELECT max(job_id) FROM dead_letters INDEXED BY dead_letters_of_group WHERE group_number = ?1";
const OLDEST: &str = "SELECT min(job_id) FROM dead_letters INDEXED BY dead_letters_of_group WHERE group_number = ?1";

/// A job has failed for good.
pub(super) fn enter(
    sql: &Connection,
    catalog: &Catalog,
    job: JobId,
    lane: Lane,
    failure: &Failure,
    at: Timestamp,
) -> Result<(), StoreError> {
    let kind = kind_name(catalog, lane.kind)?;
    let message = pattern(&failure.message);
    let group = GroupId::of(kind, failure.reason, &message);
    let reason = failure.reason.code();
    let number: i64 = sql
        .prepare_cached(ENTER)?
        .query_row(params![lane.tenant.0, group.0, lane.kind.0, reason, message, at.as_ms()], |row| row.get(0))?;
    sql.prepare_cached(ENTER_JOB)?.execute(params![job.to_bytes(), number])?;
    Ok(())
}

/// The same of one that failed before this was kept.
pub(super) fn enter_late(
    sql: &Connection,
    catalog: &Catalog,
    job: JobId,
    lane: Lane,
    failure: &Failure,
    at: Timestamp,
) -> Result<(), StoreError> {
    if sql.prepare_cached(IS_ENTERED)?.query_row([job.to_bytes()], |row| row.get(0))? {
        return Ok(());
    }
    enter(sql, catalog, job, lane, failure, at)
}

/// A failed job is brought back, or goes.
pub(super) fn leave(sql: &Connection, job: JobId) -> Result<(), StoreError> {
    let number: Option<i64> =
        sql.prepare_cached(LEAVE_JOB)?.query_row([job.to_bytes()], |row| row.get(0)).optional()?;
    let Some(number) = number else { return Ok(()) };
    let left: i64 = sql.prepare_cached(LEAVE)?.query_row([number], |row| row.get(0))?;
    if left <= 0 {
        sql.prepare_cached(DELETE_GROUP)?.execute([number])?;
    }
    Ok(())
}

/// The short name of a tenant's group; `None`: nothing of it is left.
pub(super) fn number(sql: &Connection, tenant: TenantId, group: GroupId) -> Result<Option<i64>, StoreError> {
    Ok(sql.prepare_cached(NUMBER)?.query_row(params![tenant.0, group.0], |row| row.get(0)).optional()?)
}

/// Whether a job is a dead letter of this group.
pub(super) fn is_of_group(sql: &Connection, tenant: TenantId, job: JobId, group: GroupId) -> Result<bool, StoreError> {
    Ok(sql.prepare_cached(IS_OF_GROUP)?.query_row(params![job.to_bytes(), tenant.0, group.0], |row| row.get(0))?)
}

/// One of a tenant's groups.
pub(super) fn group(sql: &Connection, tenant: TenantId, group: GroupId) -> Result<Option<DeadLetterGroup>, StoreError> {
    let mut statement = sql.prepare_cached(ONE)?;
    let mut rows = statement.query(params![tenant.0, group.0])?;
    rows.next()?.map(|row| read(sql, row)).transpose()
}

/// A tenant's groups, the youngest first, below a number.
pub(super) fn groups(
    sql: &Connection,
    tenant: TenantId,
    filter: &DeadLetterFilter,
    limit: usize,
    below: Option<i64>,
) -> Result<DeadLetterPage, StoreError> {
    let limit = limit.min(PAGE_GROUPS_MAX);
    let mut statement = sql.prepare_cached(PAGE)?;
    let mut rows = statement.query(params![tenant.0, below.unwrap_or(i64::MAX), GROUPS_LOOKED_AT_MAX])?;
    let mut page = DeadLetterPage { items: Vec::new(), next: None };
    let (mut looked_at, mut last) = (0, None);
    while let Some(row) = rows.next()? {
        let number: i64 = row.get(0)?;
        let matches = filter.reason.map_or(Ok(true), |reason| row.get(3).map(|code: u8| code == reason.code()))?
            && match &filter.kind {
                Some(kind) => row.get_ref(2)?.as_str().map_err(StoreError::internal)? == kind.as_str(),
                None => true,
            };
        if matches {
            if page.items.len() == limit {
                // Another one there is: the page ends with the last one given.
                page.next = last;
                return Ok(page);
            }
            page.items.push(read(sql, row)?);
        }
        last = Some(number);
        looked_at += 1;
    }
    if looked_at == GROUPS_LOOKED_AT_MAX {
        page.next = last;
    }
    Ok(page)
}

fn read(sql: &Connection, row: &Row<'_>) -> Result<DeadLetterGroup, StoreError> {
    let number: i64 = row.get(0)?;
    let (kind, code): (String, u8) = (row.get(2)?, row.get(3)?);
    let edge = |query| -> Result<JobId, StoreError> {
        Ok(JobId::from_bytes(sql.prepare_cached(query)?.query_row([number], |row| row.get(0))?))
    };
    Ok(DeadLetterGroup {
        id: GroupId(row.get(1)?),
        kind: kind.parse().map_err(StoreError::internal)?,
        reason: FailureReason::from_code(code)
            .ok_or_else(|| StoreError::Internal(format!("{code} is no reason of a failure")))?,
        message: row.get(4)?,
        jobs: u64::try_from(row.get::<_, i64>(5)?).unwrap_or(0),
        first_failed_at: Timestamp(row.get(6)?),
        last_failed_at: Timestamp(row.get(7)?),
        oldest_job: edge(OLDEST)?,
        newest_job: edge(NEWEST)?,
    })
}

fn kind_name(catalog: &Catalog, kind: KindId) -> Result<&KindName, StoreError> {
    catalog.kind_names.get(&kind).ok_or_else(|| StoreError::internal("a failure of an unknown kind"))
}
