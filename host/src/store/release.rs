//! What a holder does with a lease short of finishing it: gives it back unused, shows that it runs, reports progress.

use rusqlite::{Connection, params};

use super::cancel::cancel_unentered;
use super::codec::pack_progress;
use super::draft::Draft;
use super::error::StoreError;
use super::finish::{held, make_ready_again};
use super::rows::live_row;
use crate::job::{EventType, JobId, JobState, Lease, Progress, Timestamp, WaitingReason};

const MARK_RUNNING: &str = "UPDATE live_jobs SET state = 'running', started_at = ?3
    WHERE id = ?1 AND lease_number = ?2 AND state = 'ready' AND lease_host IS NOT NULL";
const PARK: &str = "UPDATE live_jobs SET parked = ?2 WHERE id = ?1";
const WRITE_PROGRESS: &str =
    "UPDATE live_jobs SET progress = ?3 WHERE id = ?1 AND lease_number = ?2 AND lease_host IS NOT NULL";

/// Gives back claimed jobs whose guests were not entered, at no cost. Stale leases are skipped.
/// With a reason they are parked under it.
pub(super) fn release(
    sql: &Connection,
    draft: &mut Draft,
    leases: &[Lease],
    parked: Option<WaitingReason>,
) -> Result<(), StoreError> {
    for lease in leases {
        let job = lease.job();
        let Some(held) = held(sql, draft, lease)? else { continue };
        if held.cancel_requested {
            // The cancel that waited for this lease is carried out.
            if let Some(row) = live_row(sql, job)? {
                cancel_unentered(sql, draft, &row)?;
            }
        } else {
            make_ready_again(sql, draft, job, &held, None)?;
            if let Some(reason) = parked {
                sql.prepare_cached(PARK)?.execute(params![job.to_bytes(), reason.code()])?;
            }
        }
    }
    Ok(())
}

/// Shows jobs as running. Stale ones are skipped.
pub(super) fn mark_running(
    sql: &Connection,
    draft: &mut Draft,
    jobs: &[(JobId, i64, Timestamp)],
) -> Result<(), StoreError> {
    for (job, number, started_at) in jobs {
        let changed = sql.prepare_cached(MARK_RUNNING)?.execute(params![job.to_bytes(), number, started_at.as_ms()])?;
        if changed == 1
            && let Some(row) = live_row(sql, *job)?
        {
            draft.move_count(row.lane, JobState::Ready, JobState::Running)?;
            draft.event(EventType::Started, *job, row.lane, JobState::Running, row.attempt + 1);
        }
    }
    Ok(())
}

/// Keeps the last progress of running attempts. Stale ones are ignored.
pub(super) fn write_progress(sql: &Connection, progress: &[(JobId, i64, Progress)]) -> Result<(), StoreError> {
    for (job, number, progress) in progress {
        sql.prepare_cached(WRITE_PROGRESS)?.execute(params![job.to_bytes(), number, pack_progress(progress)?])?;
    }
    Ok(())
}
