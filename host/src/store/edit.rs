//! Changes a job that waits. A claimed one whose guest was not entered waits, too, and is taken back first.

use rusqlite::{Connection, params};

use super::cancel::reread;
use super::catalog::{QueueId, TenantId};
use super::codec::{HistoryNote, append_history};
use super::counters::Lane;
use super::draft::Draft;
use super::error::StoreError;
use super::model::{EditResult, JobEdit};
use super::rows::{AnyRow, LiveRow, any_row, unpack_options};
use super::steps;
use super::take_back::take_back;
use crate::job::{EventType, JobId, JobOptions, JobState, Timestamp};

// What it was parked for may no longer hold: the next claim finds out.
const UPDATE: &str = "UPDATE live_jobs SET queue_id = ?2, state = ?3, priority = ?4, order_key = ?5, run_at = ?6,
        ready_at = coalesce(?7, ready_at), max_attempts = ?8, options = ?9, tags = ?10, history = ?11, snoozed = ?12,
        suspension = CASE WHEN ?12 THEN suspension END, parked = NULL, hold = NULL, expires_at = ?13
    WHERE id = ?1";
const PAYLOAD_BYTES: &str = "SELECT length(body) FROM payloads WHERE job_id = ?1";
const SET_PAYLOAD: &str = "UPDATE payloads SET body = ?2 WHERE job_id = ?1";
const SET_CHECKED: &str = "UPDATE live_jobs SET checked_version = ?2 WHERE id = ?1";
const DELETE_TAG: &str = "DELETE FROM job_tags WHERE tenant_id = ?1 AND tag = ?2 AND job_id = ?3";
const INSERT_TAG: &str = "INSERT OR IGNORE INTO job_tags (tenant_id, tag, job_id) VALUES (?1, ?2, ?3)";

/// Changes a tenant's job, if it waits.
pub(super) fn edit(
    sql: &Connection,
    draft: &mut Draft,
    tenant: TenantId,
    job: JobId,
    edit: &JobEdit,
) -> Result<EditResult, StoreError> {
    let Some(row) = any_row(sql, tenant, job)? else { return Ok(EditResult::NotFound) };
    if let Some(queue) = &edit.queue
        && draft.catalog.queue(tenant, queue).is_none()
        && draft.catalog.queues_left(tenant) == 0
    {
        return Ok(EditResult::TooManyQueues);
    }
    let waiting = match &row {
        AnyRow::Live(row) => take_back(sql, draft, row)?,
        AnyRow::Finished(_) => None,
    };
    let Some(waiting) = waiting else {
        return Ok(EditResult::NotWaiting(Box::new(row.to_job_row(sql, &draft.catalog)?)));
    };
    let known = unpack_options(waiting.options.as_deref())?.expires_at;
    let (run_at, expires_at) = (edit.run_at.unwrap_or(waiting.run_at), edit.expires_at.unwrap_or(known));
    if (edit.run_at.is_some() || edit.expires_at.is_some())
        && let Some(expires_at) = expires_at
        && run_at >= expires_at
    {
        return Ok(EditResult::TooLate { run_at, expires_at });
    }
    if let Some((payload, _)) = &edit.payload {
        let more = bytes(payload.len()).saturating_sub(payload_bytes(sql, job)?);
        if let Err(quota) = draft.meter.admit_bytes(&draft.catalog, tenant, more) {
            return Ok(EditResult::OverQuota(quota));
        }
    }
    change(sql, draft, &waiting, edit)?;
    Ok(EditResult::Edited(reread(sql, draft, tenant, job)?))
}

/// Changes a job that waits and that nobody holds.
pub(super) fn change(sql: &Connection, draft: &mut Draft, row: &LiveRow, edit: &JobEdit) -> Result<(), StoreError> {
    let JobEdit { payload, run_at, delay_ms, expires_at, queue, priority, max_attempts, tags, retry, limits } = edit;
    let id = row.id.to_bytes();
    let queue_id = match queue {
        Some(name) => draft.queue(sql, row.lane.tenant, name)?,
        None => row.lane.queue,
    };
    let run_at_after = run_at.unwrap_or(row.run_at);
    let state = match run_at {
        None => row.state,
        // It is not for a time to say when others have ended.
        Some(_) if row.state == JobState::Blocked => JobState::Blocked,
        Some(at) if *at > draft.now => JobState::Scheduled,
        Some(_) => JobState::Ready,
    };
    let priority = priority.unwrap_or(row.priority);
    let known: JobOptions = unpack_options(row.options.as_deref())?;
    // What it was set to as a length of time is no longer so.
    let expires_in_ms = known.expires_in_ms.filter(|_| expires_at.is_none());
    let expires_at = expires_at.unwrap_or(known.expires_at);
    let options = JobOptions {
        expires_at,
        expires_in_ms,
        delay_ms: if row.state == JobState::Blocked && run_at.is_some() { *delay_ms } else { known.delay_ms },
        retry: retry.clone().or_else(|| known.retry.clone()),
        limits: known.limits.overlaid_by(limits),
        ..known
    };
    let options = (!options.is_empty()).then(|| serde_json::to_string(&options)).transpose();
    let tags_after = match tags {
        Some(tags) if tags.is_empty() => None,
        Some(tags) => Some(serde_json::to_string(tags).map_err(StoreError::internal)?),
        None => row.tags.clone(),
    };
    let stays_suspended = row.snoozed && (run_at.is_none() || state == JobState::Blocked);
    if let Some(at) = run_at {
        steps::ends_at(sql, row, *at)?;
    }
    let note = HistoryNote { at: draft.now, event_type: EventType::Edited, state, attempt: row.attempt };
    let became_ready = (state == JobState::Ready && row.state != state).then(|| draft.now.as_ms());
    let changed = sql.prepare_cached(UPDATE)?.execute(params![
        id,
        queue_id.0,
        state.as_str(),
        priority,
        draft.order.key(priority, run_at_after),
        run_at_after.as_ms(),
        became_ready,
        max_attempts.unwrap_or(row.max_attempts),
        options.map_err(StoreError::internal)?,
        tags_after,
        append_history(row.history.as_deref(), note)?,
        stays_suspended,
        expires_at.map(Timestamp::as_ms),
    ])?;
    if changed != 1 {
        return Err(StoreError::internal("a job vanished while it was changed"));
    }
    if let Some((body, checked_against)) = payload {
        let more = bytes(body.len()).saturating_sub(payload_bytes(sql, row.id)?);
        sql.prepare_cached(SET_PAYLOAD)?.execute(params![id, &body[..]])?;
        draft.meter.stored(row.lane.tenant, row.id, more);
        sql.prepare_cached(SET_CHECKED)?.execute(params![id, checked_against.map(|version| version.0)])?;
    }
    if let Some(tags) = tags {
        relabel(sql, row, tags)?;
    }
    // Where it was in turn, another one may be.
    draft.paces.left_line(&draft.catalog, row.counted());
    recount(draft, row, queue_id, state, run_at_after)
}

fn payload_bytes(sql: &Connection, job: JobId) -> Result<i64, StoreError> {
    Ok(sql.prepare_cached(PAYLOAD_BYTES)?.query_row([job.to_bytes()], |row| row.get(0))?)
}

fn bytes(length: usize) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}

fn relabel(sql: &Connection, row: &LiveRow, tags: &[String]) -> Result<(), StoreError> {
    let (tenant, id) = (row.lane.tenant.0, row.id.to_bytes());
    let old: Vec<String> = match &row.tags {
        Some(tags) => serde_json::from_str(tags).map_err(StoreError::internal)?,
        None => Vec::new(),
    };
    for tag in old {
        sql.prepare_cached(DELETE_TAG)?.execute(params![tenant, tag, id])?;
    }
    for tag in tags {
        sql.prepare_cached(INSERT_TAG)?.execute(params![tenant, tag, id])?;
    }
    Ok(())
}

/// Counts the job where it is now, tells of it, and lets it be claimed or promoted.
fn recount(
    draft: &mut Draft,
    row: &LiveRow,
    queue: QueueId,
    state: JobState,
    run_at: Timestamp,
) -> Result<(), StoreError> {
    let lane = Lane { queue, ..row.lane };
    if state != row.state {
        draft.move_count(row.lane, row.state, state)?;
    }
    if queue != row.lane.queue {
        draft.count(row.lane, state, -1);
        draft.count(lane, state, 1);
    }
    match state {
        JobState::Ready => draft.made_ready(queue),
        // Of one that is blocked the wait for an event may be over sooner.
        JobState::Scheduled | JobState::Retrying | JobState::Blocked => draft.made_due(run_at),
        _ => {}
    }
    draft.suspects_waiting |= row.suspect;
    draft.event(EventType::Edited, row.id, lane, state, row.attempt);
    Ok(())
}
