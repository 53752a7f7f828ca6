//! New jobs, one at a time. The reply is sent after the commit that holds the job.

use std::time::Duration;

use rusqlite::{Connection, params};

use super::batches::{TieCheck, join, tie_refusal};
use super::cancel::reread;
use super::catalog::TenantId;
use super::codec::{HistoryNote, append_history};
use super::counters::Lane;
use super::dependencies::{Answers, bind};
use super::draft::Draft;
use super::error::StoreError;
use super::held;
use super::idempotency::{self, Known};
use super::keys;
use super::model::{Answer, Conflict, EnqueueResult, JobRow, NewJob};
use super::paces::Counted;
use super::revive::born_broken;
use super::unique::{self, Admission};
use crate::job::{BatchId, EventType, JobId, JobOptions, JobState, Parent, Timestamp, WaitingReason};

const INSERT_LIVE: &str =
    "INSERT INTO live_jobs (id, tenant_id, kind_id, queue_id, state, priority, order_key, run_at, ready_at,
        created_at, attempt, max_attempts, lease_number, checked_version, options, tags, history, key_id, parked, hold,
        expires_at)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8, ?9, 0, ?10, 0, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)";
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
            Known::Same(answers) => {
                if let Some((answer, row)) = idempotency::first_answer(sql, tenant, &answers)? {
                    let row = Box::new(row.to_job_row(sql, &draft.catalog)?);
                    return Ok(match answer {
                        Answer::Existing(conflict, _) => EnqueueResult::ReplayedExisting(conflict, row),
                        Answer::UniqueConflict(_) => EnqueueResult::ReplayedConflict(row),
                        Answer::Made(_) | Answer::Refused => EnqueueResult::Replayed(row),
                    });
                }
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
    if let Some(refusal) = tie_refusal(&TieCheck { sql, tenant }, job.ties.as_deref())? {
        return Ok(EnqueueResult::Untied(refusal));
    }
    let now_ns = draft.clock.now_ns();
    let payload_bytes = u64::try_from(job.spec.payload.len()).unwrap_or(u64::MAX);
    let key_bytes = job.idempotency.as_ref().map_or(0, |key| idempotency::remembered_bytes(key, 1));
    let wanted = (1, payload_bytes.saturating_add(key_bytes));
    if let Err(quota) = draft.meter.admit(&draft.catalog, tenant, wanted, Some(now_ns)) {
        return Ok(EnqueueResult::OverQuota(quota));
    }
    let placed = place_job(sql, draft, tenant, job)?;
    draft.meter.take_enqueues(&draft.catalog, tenant, 1, now_ns);
    if let Some(key) = &job.idempotency {
        idempotency::remember(sql, draft, tenant, key, &[placed.answer()])?;
    }
    match placed {
        // It may be blocked, or cancelled already.
        Placed::New(id, _) if job.ties.is_some() => Ok(EnqueueResult::Created(reread(sql, draft, tenant, id)?)),
        Placed::New(id, inserted) => Ok(EnqueueResult::Created(Box::new(created_row(draft, job, id, inserted)?))),
        Placed::Existing(conflict, id) => Ok(EnqueueResult::Existing(conflict, reread(sql, draft, tenant, id)?)),
        Placed::Refused(id) => Ok(EnqueueResult::UniqueConflict(reread(sql, draft, tenant, id)?)),
    }
}

/// What became of a job that may have to be the only one like it.
#[derive(Clone, Copy)]
pub(super) enum Placed {
    /// Written.
    New(JobId, Inserted),
    /// Not written; this was done to the only one like it.
    Existing(Conflict, JobId),
    /// Not written, and nothing was done to the only one like it.
    Refused(JobId),
}

impl Placed {
    /// What the key of its request is answered with from now on.
    pub(super) fn answer(&self) -> Answer {
        match *self {
            Placed::New(id, _) => Answer::Made(id),
            Placed::Existing(conflict, id) => Answer::Existing(conflict, id),
            Placed::Refused(id) => Answer::UniqueConflict(Some(id)),
        }
    }
}

/// Writes a job whose kind is known to be registered, unless another one is the only one like it.
pub(super) fn place_job(
    sql: &Connection,
    draft: &mut Draft,
    tenant: TenantId,
    job: &NewJob,
) -> Result<Placed, StoreError> {
    if let Some(unique) = &job.unique {
        match unique::admit(sql, draft, tenant, job, unique)? {
            Admission::Admitted => {}
            Admission::Existing(conflict, id) => return Ok(Placed::Existing(conflict, id)),
            Admission::Refused(id) => return Ok(Placed::Refused(id)),
        }
    }
    let (id, inserted) = insert_job(sql, draft, tenant, job)?;
    Ok(Placed::New(id, inserted))
}

/// What an insert decided about a job.
#[derive(Clone, Copy)]
pub(super) struct Inserted {
    pub(super) state: JobState,
    pub(super) counted: Counted,
    run_at: Timestamp,
    parked: Option<WaitingReason>,
}

/// What a job is tied to as it is written.
#[derive(Clone, Copy, Default)]
pub(super) struct Tied<'a> {
    /// Known to be the tenant's.
    pub(super) after: &'a [Parent],
    /// Known to take it.
    pub(super) batch: Option<BatchId>,
    /// In its workflow.
    pub(super) name: Option<&'a str>,
}

/// Writes a job whose kind is known to be registered, and whose ties are known to be possible. If it is to be the only one like
/// it, it is from now on, whoever was.
pub(super) fn insert_job(
    sql: &Connection,
    draft: &mut Draft,
    tenant: TenantId,
    job: &NewJob,
) -> Result<(JobId, Inserted), StoreError> {
    let tied =
        job.ties.as_ref().map_or_else(Tied::default, |ties| Tied { after: &ties.after, batch: ties.batch, name: None });
    insert_tied(sql, draft, tenant, job, &tied)
}

/// The same with other ties than its own.
pub(super) fn insert_tied(
    sql: &Connection,
    draft: &mut Draft,
    tenant: TenantId,
    job: &NewJob,
    tied: &Tied<'_>,
) -> Result<(JobId, Inserted), StoreError> {
    let Tied { after, batch, name } = *tied;
    let answers = if after.is_empty() { None } else { Some(Answers::of(sql, after)?) };
    let spec = &job.spec;
    let lane = Lane { tenant, kind: job.kind, queue: draft.queue(sql, tenant, &spec.queue)? };
    let key = match &spec.options.concurrency_key {
        Some(key) => Some(keys::key_id(sql, tenant, job.kind, key)?),
        None => None,
    };
    let id = draft.next_id();
    let blocked = answers.as_ref().filter(|answers| !answers.are_all_met());
    let run_at = match (spec.run_at, spec.options.delay_ms) {
        (Some(run_at), _) => run_at,
        // What it waits for has happened already: its delay begins now.
        (None, Some(delay_ms)) if blocked.is_none() => draft.now.plus(Duration::from_millis(delay_ms)),
        (None, _) => draft.now,
    };
    let state = match blocked {
        Some(_) => JobState::Blocked,
        None if run_at > draft.now => JobState::Scheduled,
        None => JobState::Ready,
    };
    let identity = job.unique.as_ref().map(|unique| unique.held(draft.now));
    let options = if spec.options.is_empty() && after.is_empty() && identity.is_none() {
        None
    } else {
        let has_parents = !after.is_empty();
        Some(serde_json::to_string(&JobOptions { has_parents, unique: identity.clone(), ..spec.options.clone() }))
    };
    let options = options.transpose().map_err(StoreError::internal)?;
    let tags = if spec.tags.is_empty() {
        None
    } else {
        Some(serde_json::to_string(&spec.tags).map_err(StoreError::internal)?)
    };
    // That it began as scheduled, or blocked, can't be told from its columns once it ran.
    let history = match state {
        JobState::Scheduled | JobState::Blocked => Some(append_history(
            None,
            HistoryNote { at: draft.now, event_type: EventType::Enqueued, state, attempt: 0 },
        )?),
        _ => None,
    };
    let held = match draft.catalog.kinds.get(&job.kind).map(|kind| kind.settings.pace) {
        Some(pace) if state == JobState::Ready => held::from_the_start(sql, draft, &pace, Counted { lane, key })?,
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
        key.map(|key| key.0),
        held.map(|(reason, _)| reason.code()),
        held.map(|(_, limit)| limit.code()),
        spec.options.expires_at.map(Timestamp::as_ms),
    ])?;
    sql.prepare_cached(INSERT_PAYLOAD)?.execute(params![bytes, &spec.payload[..]])?;
    for tag in &spec.tags {
        sql.prepare_cached(INSERT_TAG)?.execute(params![tenant.0, tag, bytes])?;
    }
    if let Some(identity) = &identity {
        unique::take(sql, tenant, id, identity, draft.now)?;
    }
    match state {
        JobState::Blocked => {}
        JobState::Scheduled => draft.made_due(run_at),
        _ if held.is_some() => {}
        _ => draft.made_ready(lane.queue),
    }
    draft.count(lane, state, 1);
    draft.meter.enqueued(tenant, job.kind, spec.payload.len(), draft.now);
    draft.event(EventType::Enqueued, id, lane, state, 0);
    if let Some(batch) = batch {
        join(sql, draft, batch, id, name)?;
    }
    if let Some(answers) = answers {
        bind(sql, draft, id, after, &answers)?;
        if let Some((index, _)) = answers.broken()
            && let Some(parent) = after.get(index)
        {
            born_broken(sql, draft, id, parent)?;
        }
    }
    Ok((id, Inserted { state, counted: Counted { lane, key }, run_at, parked: held.map(|(reason, _)| reason) }))
}

/// The row as it was just written, without reading it again.
fn created_row(draft: &Draft, job: &NewJob, id: JobId, inserted: Inserted) -> Result<JobRow, StoreError> {
    let kind = draft
        .catalog
        .kinds
        .get(&job.kind)
        .ok_or_else(|| StoreError::internal("the kind vanished in its own transaction"))?;
    let queue = draft.catalog.queues.get(&inserted.counted.lane.queue);
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
        parked: inserted.parked,
        snoozed: false,
        is_pinned: false,
        suspension: None,
        suspect: false,
        leased_by: None,
        cancel_requested: false,
        receipt: None,
        slot: None,
        in_line: None,
    })
}
