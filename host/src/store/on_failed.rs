//! What follows a failure: the job that its kind, or the job itself, asked for, written in the transaction that writes
//! `failed`. Owns the link between the two.

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, params};

use super::catalog::TenantId;
use super::counters::Lane;
use super::draft::Draft;
use super::enqueue::insert_job;
use super::error::StoreError;
use super::model::{NewJob, ON_FAILED_JOBS_SHOWN_MAX};
use super::modules::reload;
use super::rows::{FinishedRow, unpack_options};
use crate::job::on_failed::{FailedJob, ON_FAILED_CHAIN_MAX};
use crate::job::{CausedBy, Failure, JobId, JobOptions, JobState, KindName, OnFailed, Timestamp};

const OPTIONS: &str = "SELECT options FROM finished_jobs WHERE id = ?1";
const PAYLOAD: &str = "SELECT body FROM payloads WHERE job_id = ?1";
const LINK: &str = "INSERT INTO caused_jobs (cause, job_id) VALUES (?1, ?2)";
const LINKED: &str = "SELECT job_id FROM caused_jobs WHERE cause = ?1 ORDER BY job_id DESC LIMIT ?2";
const UNLINK_CAUSE: &str = "DELETE FROM caused_jobs WHERE cause = ?1";
const UNLINK: &str = "DELETE FROM caused_jobs WHERE cause = ?1 AND job_id = ?2";
// Nobody serves it now; its jobs wait for somebody who does.
const KEEP_KIND: &str = "INSERT INTO kinds (tenant_id, name, module_id, registered) VALUES (?1, ?2, NULL, 1)
    ON CONFLICT (tenant_id, name) DO UPDATE SET registered = 1";

/// A job that has failed for good, in history by now.
pub(super) struct Failed<'a> {
    pub(super) job: JobId,
    pub(super) lane: Lane,
    pub(super) attempt: u32,
    pub(super) failure: &'a Failure,
    pub(super) at: Timestamp,
}

/// Enqueues what is to follow the failure, if anything is.
pub(super) fn follow(sql: &Connection, draft: &mut Draft, failed: &Failed<'_>) -> Result<(), StoreError> {
    let options: Option<String> =
        sql.prepare_cached(OPTIONS)?.query_row([failed.job.to_bytes()], |row| row.get(0)).optional()?.flatten();
    let JobOptions { on_failed: own, caused_by, .. } = unpack_options(options.as_deref())?;
    let of_kind = || draft.catalog.kinds.get(&failed.lane.kind).and_then(|kind| kind.settings.on_failed.clone());
    let Some(on_failed) = own.or_else(of_kind) else { return Ok(()) };
    let Some(cause) = CausedBy::failure_of(failed.job, caused_by) else {
        let (job, kind) = (failed.job, &on_failed.kind);
        tracing::warn!(%job, %kind, "nothing follows this failure: {ON_FAILED_CHAIN_MAX} failures in a row led to it");
        return Ok(());
    };
    let follower = follower(sql, draft, failed, &on_failed, cause)?;
    let (id, _) = insert_job(sql, draft, failed.lane.tenant, &follower)?;
    sql.prepare_cached(LINK)?.execute(params![failed.job.to_bytes(), id.to_bytes()])?;
    Ok(())
}

fn follower(
    sql: &Connection,
    draft: &mut Draft,
    failed: &Failed<'_>,
    on_failed: &OnFailed,
    cause: CausedBy,
) -> Result<NewJob, StoreError> {
    let Failed { job, lane, attempt, failure, at: failed_at } = *failed;
    let unknown = || StoreError::internal("a job of an unknown kind or queue");
    let own_kind = draft.catalog.kind_names.get(&lane.kind).cloned().ok_or_else(unknown)?;
    let own_queue = draft.catalog.queues.get(&lane.queue).cloned().ok_or_else(unknown)?;
    let payload: Vec<u8> = sql.prepare_cached(PAYLOAD)?.query_row([job.to_bytes()], |row| row.get(0))?;
    let told = FailedJob { job, kind: &own_kind, queue: &own_queue, attempt, payload: &payload, failure, failed_at };
    let told = Bytes::from(told.to_payload().map_err(StoreError::internal)?);
    keep_kind(sql, draft, lane.tenant, &on_failed.kind)?;
    let kind = draft.catalog.kind(lane.tenant, &on_failed.kind).ok_or_else(unknown)?;
    let mut follower = NewJob::of_kind(kind, told);
    let spec = &mut follower.spec;
    if let Some(queue) = &on_failed.queue {
        spec.queue = queue.clone();
    }
    if draft.catalog.queue(lane.tenant, &spec.queue).is_none() && draft.catalog.queues_left(lane.tenant) == 0 {
        // It must not be lost for want of a queue of its own.
        spec.queue = own_queue;
    }
    if let Some(priority) = on_failed.priority {
        spec.priority = priority;
    }
    spec.options.caused_by = Some(cause);
    Ok(follower)
}

/// The kind may have gone since it was named, or never have come.
fn keep_kind(sql: &Connection, draft: &mut Draft, tenant: TenantId, kind: &KindName) -> Result<(), StoreError> {
    if draft.catalog.kind(tenant, kind).is_some() {
        return Ok(());
    }
    sql.prepare_cached(KEEP_KIND)?.execute(params![tenant.0, kind.as_str()])?;
    reload(sql, draft)
}

/// The newest jobs made for the failures of this one.
pub(super) fn jobs_of(sql: &Connection, job: JobId) -> Result<Vec<JobId>, StoreError> {
    let mut statement = sql.prepare_cached(LINKED)?;
    let rows = statement
        .query_map(params![job.to_bytes(), ON_FAILED_JOBS_SHOWN_MAX], |row| row.get(0).map(JobId::from_bytes))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Forgets the links of a job that goes. Only what has failed causes others: by an execution, or, as a job whose kind nobody
/// served, without one, and then somebody brought it back, which its notes say.
pub(super) fn unlink(sql: &Connection, row: &FinishedRow) -> Result<(), StoreError> {
    let id = row.id.to_bytes();
    if row.state != JobState::Succeeded || row.lease_number > 1 || row.history.is_some() {
        sql.prepare_cached(UNLINK_CAUSE)?.execute([id])?;
    }
    if let Some(cause) = unpack_options(row.options.as_deref())?.caused_by {
        sql.prepare_cached(UNLINK)?.execute(params![cause.job.to_bytes(), id])?;
    }
    Ok(())
}
