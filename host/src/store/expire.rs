//! Jobs that nobody entered in their time: cancelled, whatever they wait for. Those that are held are left to their holder,
//! which looks before it enters them; those that were entered go on.

use rusqlite::{Connection, params};

use super::codec::{HistoryNote, append_history};
use super::draft::Draft;
use super::ending::{Ending, LeaseEnd, end_job};
use super::error::StoreError;
use super::model::Expired;
use super::rows::{LiveRow, live_columns, live_row};
use crate::job::{EventType, JobState, Timestamp, expiry};

/// Jobs cancelled by one operation.
const EXPIRED_JOBS_MAX: usize = 500;

const TOO_LATE: &str = concat!(
    "SELECT ",
    live_columns!(),
    " FROM live_jobs INDEXED BY live_expiring
    WHERE expires_at IS NOT NULL AND expires_at <= ?1 AND lease_host IS NULL ORDER BY expires_at, id LIMIT ?2"
);
const NEXT_EXPIRY: &str = "SELECT min(expires_at) FROM live_jobs INDEXED BY live_expiring
    WHERE expires_at IS NOT NULL AND expires_at > ?1";

/// Cancels a bounded number of waiting jobs whose time has passed.
pub(super) fn expire_due(sql: &Connection, draft: &mut Draft) -> Result<Expired, StoreError> {
    let now = draft.now;
    let mut too_late = Vec::new();
    {
        let mut statement = sql.prepare_cached(TOO_LATE)?;
        let mut rows = statement.query(params![now.as_ms(), EXPIRED_JOBS_MAX])?;
        while let Some(row) = rows.next()? {
            too_late.push(LiveRow::from_row(row)?);
        }
    }
    let mut expired = 0;
    for job in &too_late {
        // The end of one may have been that of those after it.
        if let Some(job) = live_row(sql, job.id)? {
            expire(sql, draft, &job)?;
            expired += 1;
        }
    }
    let next: Option<i64> = sql.prepare_cached(NEXT_EXPIRY)?.query_row([now.as_ms()], |row| row.get(0))?;
    Ok(Expired { jobs: expired, more: too_late.len() >= EXPIRED_JOBS_MAX, next_expiry: next.map(Timestamp) })
}

fn expire(sql: &Connection, draft: &mut Draft, job: &LiveRow) -> Result<(), StoreError> {
    let state = JobState::Cancelled;
    let note = HistoryNote { at: draft.now, event_type: EventType::Expired, state, attempt: job.attempt };
    let failure = expiry::never_entered();
    let ending = Ending {
        job: job.id,
        counted: job.counted(),
        lease: LeaseEnd::of(job.lease_host.is_some(), job.started_at.is_some()),
        from: job.state,
        state,
        finished_at: draft.now,
        attempt: job.attempt,
        failure: Some(&failure),
        execution: None,
        output: None,
        history: Some(append_history(job.history.as_deref(), note)?),
        progress: None,
    };
    end_job(sql, draft, ending)
}
