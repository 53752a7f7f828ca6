//! Frees the leases of hosts that died. A job that was only claimed pays nothing. One whose guest had been entered is
//! a suspect from then on; three hosts lost while it ran as one, and it has failed.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, params};

use super::codec::{HistoryNote, StoredExecution, append_history};
use super::draft::Draft;
use super::ending::{Ending, LeaseEnd, cancelled_on_request, end_job, event_of};
use super::error::StoreError;
use super::job_writes::record_execution;
use super::model::{AttemptOutcome, Recovered};
use super::orphans::adopt_orphans;
use super::rows::{LiveRow, live_columns};
use crate::job::{EventType, Failure, FailureReason, HostId, JobState, Receipt, Timestamp};

/// Losses that count after which a job is kept from taking down more hosts.
pub(super) const HOST_LOSSES_MAX: u32 = 3;
/// Jobs freed by one operation; a host holds fewer, so this bounds only damage.
pub(super) const RECOVERED_JOBS_MAX: usize = 20_000;

const EXPIRED: &str = "SELECT number FROM hosts WHERE id <> ?1 AND heartbeat_ms < ?2";
const HOST_ID: &str = "SELECT id FROM hosts WHERE number = ?1";
const LEASED: &str = concat!(
    "SELECT ",
    live_columns!(),
    " FROM live_jobs INDEXED BY live_leased WHERE lease_host = ?1 ORDER BY order_key, id LIMIT ?2"
);
const FREE: &str =
    "UPDATE live_jobs SET state = 'ready', lease_host = NULL, started_at = NULL, progress = NULL, suspect = ?2,
    host_losses = ?3, ready_at = coalesce(?4, ready_at) WHERE id = ?1";
const DELETE_HOST: &str = "DELETE FROM hosts WHERE number = ?1";

/// Frees the leases of every host but `host` that has not been heard of for `lease_ttl`, and reports what was freed at
/// registration.
pub(super) fn recover_expired(
    sql: &Connection,
    draft: &mut Draft,
    host: HostId,
    lease_ttl: Duration,
) -> Result<Recovered, StoreError> {
    let ttl_ms = i64::try_from(lease_ttl.as_millis()).unwrap_or(i64::MAX);
    let oldest = draft.clock.now_ms().saturating_sub(ttl_ms);
    let mut numbers = sql
        .prepare_cached(EXPIRED)?
        .query_map(params![host.to_bytes(), oldest], |row| row.get(0))?
        .collect::<Result<Vec<i64>, _>>()?;
    numbers.extend(adopt_orphans(sql, draft)?);
    let mut recovered = recover_hosts(sql, draft, &numbers)?;
    if let Some(earlier) = draft.recovered.take() {
        recovered.hosts.extend(earlier.hosts);
        recovered.jobs += earlier.jobs;
        recovered.failed += earlier.failed;
    }
    Ok(recovered)
}

/// Frees the leases of these hosts and forgets them. Numbers of hosts that are gone already are skipped.
pub(super) fn recover_hosts(sql: &Connection, draft: &mut Draft, numbers: &[i64]) -> Result<Recovered, StoreError> {
    let mut recovered = Recovered::default();
    for &number in numbers {
        let id: Option<[u8; 16]> = sql.prepare_cached(HOST_ID)?.query_row([number], |row| row.get(0)).optional()?;
        let Some(host) = id.map(HostId::from_bytes) else { continue };
        let jobs = leased(sql, number)?;
        for job in &jobs {
            if recover_job(sql, draft, host, job)? == JobState::Failed {
                recovered.failed += 1;
            } else {
                recovered.jobs += 1;
            }
        }
        recovered.hosts.push(host);
        if jobs.len() < RECOVERED_JOBS_MAX {
            sql.prepare_cached(DELETE_HOST)?.execute([number])?;
            draft.hosts.remove(&host);
        }
    }
    Ok(recovered)
}

/// What a host holds.
pub(super) fn leased(sql: &Connection, number: i64) -> Result<Vec<LiveRow>, StoreError> {
    let mut statement = sql.prepare_cached(LEASED)?;
    let mut rows = statement.query(params![number, RECOVERED_JOBS_MAX])?;
    let mut jobs = Vec::new();
    while let Some(row) = rows.next()? {
        jobs.push(LiveRow::from_row(row)?);
    }
    Ok(jobs)
}

/// What the death of its host makes of one job.
fn recover_job(sql: &Connection, draft: &mut Draft, host: HostId, job: &LiveRow) -> Result<JobState, StoreError> {
    let noted = draft.lost_entries.get(&(job.id, job.lease_number));
    let entered_at = job.started_at.or(noted.map(|entry| entry.entered_at));
    let ended = noted.is_some_and(|entry| entry.ended);
    // An attempt that came to its end cleared its job, if only in memory.
    let host_losses = if ended { 0 } else { job.host_losses + u32::from(entered_at.is_some() && job.suspect) };
    let suspect = !ended && (job.suspect || entered_at.is_some());
    let how = if ended { "before the outcome of this attempt was written" } else { "while it ran this attempt" };
    let lost = Failure::new(FailureReason::HostLost, format!("the host died {how}"));
    let state = if job.cancel_requested {
        JobState::Cancelled
    } else if host_losses >= HOST_LOSSES_MAX {
        JobState::Failed
    } else {
        JobState::Ready
    };
    let execution = entered_at.map(|started_at| lost_execution(draft, host, job, started_at, state));
    match state {
        JobState::Ready => {
            if let Some(execution) = &execution {
                record_execution(sql, job.id, job.lease_number, execution, Some(&lost))?;
                draft.event(EventType::Recovered, job.id, job.lane, state, job.attempt);
            }
            let ready_at = entered_at.map(|_| draft.now.as_ms());
            sql.prepare_cached(FREE)?.execute(params![job.id.to_bytes(), suspect, host_losses, ready_at])?;
            draft.suspects_waiting |= suspect;
            draft.made_ready(job.lane.queue);
            draft.move_count(job.lane, job.state, state)?;
            draft.paces.lease_ended(sql, &draft.catalog, job.counted(), entered_at.is_none())?;
        }
        JobState::Cancelled => end(sql, draft, job, state, execution, &cancelled_on_request())?,
        _ => {
            let message = format!("{HOST_LOSSES_MAX} hosts died while this job ran alone among the suspects");
            let failure = Failure::new(FailureReason::HostLost, message);
            end(sql, draft, job, state, execution, &failure)?;
        }
    }
    Ok(state)
}

fn lost_execution(
    draft: &Draft,
    host: HostId,
    job: &LiveRow,
    started_at: Timestamp,
    state_after: JobState,
) -> StoredExecution {
    StoredExecution {
        attempt: job.attempt + 1,
        outcome: AttemptOutcome::Lost,
        state_after,
        started_at: Some(started_at),
        finished_at: draft.now,
        // What it ran died with its host; the version that would run it is the best guess and no proof.
        version: None,
        host,
        receipt: Receipt::default(),
        denied: Vec::new(),
    }
}

fn end(
    sql: &Connection,
    draft: &mut Draft,
    job: &LiveRow,
    state: JobState,
    execution: Option<StoredExecution>,
    failure: &Failure,
) -> Result<(), StoreError> {
    let was_entered = execution.is_some();
    // With an execution the history is derived from it.
    let history = if execution.is_some() {
        None
    } else {
        let note = HistoryNote { at: draft.now, event_type: event_of(state), state, attempt: job.attempt };
        Some(append_history(job.history.as_deref(), note)?)
    };
    let ending = Ending {
        job: job.id,
        counted: job.counted(),
        lease: LeaseEnd::of(true, was_entered),
        from: job.state,
        state,
        finished_at: draft.now,
        attempt: job.attempt,
        failure: Some(failure),
        execution,
        output: None,
        history,
        progress: None,
    };
    end_job(sql, draft, ending)
}
