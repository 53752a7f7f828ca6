//! Jobs that nobody entered in their time: cancelled, whatever they wait for. Those that are held are left to their holder,
//! which looks before it enters them; those that were entered go on.

use rusqlite::{Connection, params};

use super::cancel::cancel_unentered_as;
use super::draft::Draft;
use super::error::StoreError;
use super::model::Expired;
use super::rows::{LiveRow, live_columns, live_row};
use crate::job::{EventType, Timestamp, expiry};

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
    cancel_unentered_as(sql, draft, job, EventType::Expired, &expiry::never_entered())
}
