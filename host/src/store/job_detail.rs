//! One job with everything people ask of it at once.

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, params};

use super::catalog::{Catalog, TenantId};
use super::error::StoreError;
use super::hindrance::hindrance;
use super::job_writes::NULL_OUTPUT;
use super::model::{BEHIND_COUNT_MAX, JobDetail};
use super::on_failed;
use super::order::Order;
use super::rows::{AnyRow, LiveRow, any_row};
use super::{batches, dependencies};
use crate::job::{JobId, JobState, Pace};

const PAYLOAD: &str = "SELECT body FROM payloads WHERE job_id = ?1";
const OUTPUT: &str = "SELECT body FROM outputs WHERE job_id = ?1";
const BEFORE: &str = "SELECT count(*) FROM (SELECT 1 FROM live_jobs INDEXED BY live_ready
    WHERE queue_id = ?1 AND state = 'ready' AND lease_host IS NULL AND parked IS NULL AND suspect = 0
        AND (order_key, id) < (?2, ?3) LIMIT ?4)";

/// What is known beside the tables.
#[derive(Clone, Copy, Debug)]
pub(super) struct LimitFacts {
    pub(super) order: Order,
    pub(super) tenant_pace: Pace,
    /// On the store's clock.
    pub(super) now_ns: i64,
}

/// A tenant's job.
pub(super) fn job_detail(
    sql: &Connection,
    catalog: &Catalog,
    limits: &LimitFacts,
    tenant: TenantId,
    job: JobId,
) -> Result<Option<JobDetail>, StoreError> {
    let Some(row) = any_row(sql, tenant, job)? else { return Ok(None) };
    let payload =
        body(sql, PAYLOAD, job)?.ok_or_else(|| StoreError::Internal(format!("the payload of {job} is missing")))?;
    let (output, behind, hindrance) = match &row {
        AnyRow::Finished(row) if row.state == JobState::Succeeded => {
            (Some(body(sql, OUTPUT, job)?.unwrap_or(Bytes::from_static(NULL_OUTPUT))), None, None)
        }
        AnyRow::Live(row) => {
            let LimitFacts { order, tenant_pace, now_ns } = *limits;
            let hindrance = hindrance(sql, catalog, tenant_pace, order, now_ns, row)?;
            (None, behind(sql, catalog, order, row)?, hindrance)
        }
        AnyRow::Finished(_) => (None, None, None),
    };
    let after = dependencies::parents_of(sql, job)?;
    let membership = batches::membership_of(sql, job)?;
    let row = row.to_job_row(sql, catalog)?;
    // Only what failed once can have caused others.
    let on_failed_jobs = if row.error.is_some() { on_failed::jobs_of(sql, job)? } else { Vec::new() };
    Ok(Some(JobDetail { row, payload, output, behind, hindrance, after, membership, on_failed_jobs }))
}

fn body(sql: &Connection, query: &str, job: JobId) -> Result<Option<Bytes>, StoreError> {
    let body: Option<Vec<u8>> = sql.prepare_cached(query)?.query_row([job.to_bytes()], |row| row.get(0)).optional()?;
    Ok(body.map(Bytes::from))
}

/// How many claimable jobs of the tenant come before this one; `None` when it is not in line.
fn behind(sql: &Connection, catalog: &Catalog, order: Order, job: &LiveRow) -> Result<Option<u64>, StoreError> {
    let is_in_line = job.state == JobState::Ready && job.lease_host.is_none() && job.parked.is_none() && !job.suspect;
    if !is_in_line || catalog.is_paused(job.lane.queue) {
        return Ok(None);
    }
    let offset = |queue| catalog.queue_settings.get(queue).map_or(0, |settings| order.queue_offset(settings.priority));
    let key = job.order_key.saturating_add(offset(&job.lane.queue));
    let mut before = 0;
    for (queue, settings) in &catalog.queue_settings {
        // What a paused queue holds goes nowhere.
        if settings.tenant != job.lane.tenant || settings.is_paused {
            continue;
        }
        let left = BEHIND_COUNT_MAX.saturating_sub(before);
        if left == 0 {
            break;
        }
        let own_key = key - offset(queue);
        let count: u64 = sql
            .prepare_cached(BEFORE)?
            .query_row(params![queue.0, own_key, job.id.to_bytes(), left], |row| row.get(0))?;
        before += count;
    }
    Ok(Some(before))
}
