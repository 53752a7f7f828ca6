//! New jobs, one at a time. The reply is sent after the commit that holds the job.

use rusqlite::{Connection, params};

use super::catalog::TenantId;
use super::codec::{HistoryNote, append_history};
use super::counters::Lane;
use super::draft::Draft;
use super::error::StoreError;
use super::idempotency::{self, Known};
use super::model::{EnqueueResult, JobRow, NewJob};
use super::rows::any_row;
use crate::job::{EventType, JobId, JobState};

const INSERT_LIVE: &str =
    "INSERT INTO live_jobs (id, tenant_id, kind_id, queue_id, state, priority, order_key, run_at, ready_at,
        created_at, attempt, max_attempts, lease_number, checked_version, options, tags, history)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8, ?9, 0, ?10, 0, ?11, ?12, ?13, ?14)";
const INSERT_PAYLOAD: &str = "INSERT INTO payloads (job_id, body) VALUES (?1, ?2)";
const INSERT_TAG: &str = "INSERT OR IGNORE INTO job_tags (tenant_id, tag, job_id) VALUES (?1, ?2, ?3)";

/// One job, unless its key came before.
pub(super) fn enqueue(
    sql: &Connection,
    draft: &mut Draft,
    tenant: TenantId,
    job: &NewJob,
) -> Result<EnqueueResult, StoreError> {
    if let Some(key) = &job.idempotency {
        match idempotency::known(sql, tenant, key, draft.now)? {
            Known::Other => return Ok(EnqueueResult::KeyConflict),
            Known::Same(jobs) => {
                let first = jobs.first().copied().flatten();
                if let Some(id) = first
                    && let Some(row) = any_row(sql, tenant, id)?
                {
                    return Ok(EnqueueResult::Replayed(Box::new(row.to_job_row(sql, &draft.catalog)?)));
                }
                // Deleted by an operator since: the key is free again.
            }
            Known::No => {}
        }
    }
    if !draft.is_registered(tenant, job.kind) {
        return Ok(EnqueueResult::KindGone);
    }
    if draft.catalog.queue(tenant, &job.spec.queue).is_none() && draft.catalog.queues_left(tenant) == 0 {
        return Ok(EnqueueResult::TooManyQueues);
    }
    let (id, row) = insert_job(sql, draft, tenant, job)?;
    if let Some(key) = &job.idempotency {
        idempotency::remember(sql, tenant, key, &[Some(id)], draft.now)?;
    }
    Ok(EnqueueResult::Created(Box::new(created_row(draft, job, id, row)?)))
}

/// What an insert decided about a job.
#[derive(Clone, Copy)]
pub(super) struct Inserted {
    state: JobState,
    lane: Lane,
    run_at: crate::job::Timestamp,
}

/// Writes a job whose kind is known to be registered.
pub(super) fn insert_job(
    sql: &Connection,
    draft: &mut Draft,
    tenant: TenantId,
    job: &NewJob,
) -> Result<(JobId, Inserted), StoreError> {
    let spec = &job.spec;
    let lane = Lane { tenant, kind: job.kind, queue: draft.queue(sql, tenant, &spec.queue)? };
    let id = draft.next_id();
    let run_at = spec.run_at.unwrap_or(draft.now);
    let state = if run_at > draft.now { JobState::Scheduled } else { JobState::Ready };
    let options = if spec.options.is_empty() {
        None
    } else {
        Some(serde_json::to_string(&spec.options).map_err(StoreError::internal)?)
    };
    let tags = if spec.tags.is_empty() {
        None
    } else {
        Some(serde_json::to_string(&spec.tags).map_err(StoreError::internal)?)
    };
    // That it began as scheduled can't be told from its columns once it ran.
    let history = match state {
        JobState::Scheduled => Some(append_history(
            None,
            HistoryNote { at: draft.now, event_type: EventType::Enqueued, state, attempt: 0 },
        )?),
        _ => None,
    };
    let bytes = id.to_bytes();
    sql.prepare_cached(INSERT_LIVE)?.execute(params![
        bytes,
        tenant.0,
        job.kind.0,
        lane.queue.0,
        state.as_str(),
        spec.priority,
        draft.order.key(spec.priority, run_at),
        run_at.as_ms(),
        draft.now.as_ms(),
        spec.max_attempts,
        job.checked_against.map(|version| version.0),
        options,
        tags,
        history,
    ])?;
    sql.prepare_cached(INSERT_PAYLOAD)?.execute(params![bytes, &spec.payload[..]])?;
    for tag in &spec.tags {
        sql.prepare_cached(INSERT_TAG)?.execute(params![tenant.0, tag, bytes])?;
    }
    match state {
        JobState::Scheduled => draft.made_due(run_at),
        _ => draft.made_ready(lane.queue),
    }
    draft.count(lane, state, 1);
    draft.event(EventType::Enqueued, id, lane, state, 0);
    Ok((id, Inserted { state, lane, run_at }))
}

/// The row as it was just written, without reading it again.
fn created_row(draft: &Draft, job: &NewJob, id: JobId, inserted: Inserted) -> Result<JobRow, StoreError> {
    let kind = draft
        .catalog
        .kinds
        .get(&job.kind)
        .ok_or_else(|| StoreError::internal("the kind vanished in its own transaction"))?;
    let queue = draft.catalog.queues.get(&inserted.lane.queue);
    Ok(JobRow {
        id,
        tenant: kind.tenant_name.clone(),
        kind: kind.name.clone(),
        queue: queue.cloned().ok_or_else(|| StoreError::internal("the queue vanished in its own transaction"))?,
        state: inserted.state,
        priority: job.spec.priority,
        attempt: 0,
        max_attempts: job.spec.max_attempts,
        run_at: inserted.run_at,
        created_at: draft.now,
        started_at: None,
        finished_at: None,
        module: kind.version.as_ref().map(|version| (version.module.clone(), version.digest)),
        error: None,
        progress: None,
        tags: job.spec.tags.clone(),
        options: job.spec.options.clone(),
        parked: None,
        snoozed: false,
        suspect: false,
        leased_by: None,
        cancel_requested: false,
        receipt: None,
    })
}
