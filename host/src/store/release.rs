//! What a holder does with a lease short of finishing it: gives it back unused, shows that it runs, reports progress.

use rusqlite::{Connection, params};

use super::cancel::cancel_unentered;
use super::codec::pack_progress;
use super::draft::Draft;
use super::error::StoreError;
use super::finish::{held, make_ready_again};
use super::model::LeaseKey;
use super::rows::live_row;
use crate::job::{EventType, JobState, Lease, Progress, Timestamp, WaitingReason};

const MARK_RUNNING: &str = "UPDATE live_jobs SET state = 'running', started_at = ?3
    WHERE id = ?1 AND lease_number = ?2 AND state = 'ready' AND lease_host IS NOT NULL";
const HELD: &str =
    "SELECT EXISTS(SELECT 1 FROM live_jobs WHERE id = ?1 AND lease_number = ?2 AND lease_host IS NOT NULL)";
const PARK: &str = "UPDATE live_jobs SET parked = ?2 WHERE id = ?1";
const CLEAR_SUSPECT: &str =
    "UPDATE live_jobs SET suspect = 0 WHERE id = ?1 AND lease_number = ?2 AND lease_host IS NOT NULL";
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

/// Shows jobs as running. Gives those whose lease is stale.
pub(super) fn mark_running(
    sql: &Connection,
    draft: &mut Draft,
    jobs: &[(LeaseKey, Timestamp)],
) -> Result<Vec<LeaseKey>, StoreError> {
    let mut stale = Vec::new();
    for (lease @ (job, number), started_at) in jobs {
        let changed = sql.prepare_cached(MARK_RUNNING)?.execute(params![job.to_bytes(), number, started_at.as_ms()])?;
        if changed == 0 {
            let is_held: bool =
                sql.prepare_cached(HELD)?.query_row(params![job.to_bytes(), number], |row| row.get(0))?;
            if !is_held {
                stale.push(*lease);
            }
        } else if let Some(row) = live_row(sql, *job)? {
            draft.move_count(row.lane, JobState::Ready, JobState::Running)?;
            draft.event(EventType::Started, *job, row.lane, JobState::Running, row.attempt + 1);
        }
    }
    Ok(stale)
}

/// Takes a running job out of the suspects; hosts it has lost stay counted. `false`: the lease is stale.
pub(super) fn clear_suspect(sql: &Connection, (job, number): LeaseKey) -> Result<bool, StoreError> {
    Ok(sql.prepare_cached(CLEAR_SUSPECT)?.execute(params![job.to_bytes(), number])? == 1)
}

/// Keeps the last progress of running attempts. Gives those whose lease is stale.
pub(super) fn write_progress(sql: &Connection, progress: &[(LeaseKey, Progress)]) -> Result<Vec<LeaseKey>, StoreError> {
    let mut stale = Vec::new();
    for (lease @ (job, number), progress) in progress {
        let mut write = sql.prepare_cached(WRITE_PROGRESS)?;
        if write.execute(params![job.to_bytes(), number, pack_progress(progress)?])? == 0 {
            stale.push(*lease);
        }
    }
    Ok(stale)
}
