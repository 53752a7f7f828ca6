//! The lease of an attempt in a database: noted there by each transaction that writes for it, so that none of an older lease of the
//! same job writes any more. Old notes, of attempts and of steps, go here as well.

use rusqlite::{Connection, params};

use crate::job::{JobId, Timestamp};

/// How long results of steps are kept: no job sleeps longer at a time, and none is still going to ask that has not asked in this, ms.
const KEEP_STEPS_MS: i64 = 400 * 86_400_000;
/// How long leases are kept: far longer than can lie between the moment the store says that a lease is its job's and the transaction
/// that was begun upon it, ms.
const KEEP_ATTEMPTS_MS: i64 = 2 * 86_400_000;
/// Old notes removed by one transaction.
const PRUNED_MAX: usize = 8;

const NOTE: &str = "INSERT INTO main._stoker_attempts (job, lease, at) VALUES (?1, ?2, ?3)
    ON CONFLICT (job) DO UPDATE SET lease = excluded.lease, at = excluded.at WHERE excluded.lease >= lease";
const PRUNE_ATTEMPTS: &str = "DELETE FROM main._stoker_attempts
    WHERE job IN (SELECT job FROM main._stoker_attempts WHERE at < ?1 LIMIT ?2)";
const PRUNE_STEPS: &str = "DELETE FROM main._stoker_steps WHERE (job, name, occurrence) IN
    (SELECT job, name, occurrence FROM main._stoker_steps WHERE at < ?1 LIMIT ?2)";

/// Who writes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fence {
    pub(super) job: JobId,
    pub(super) lease: i64,
    pub(super) now: Timestamp,
}

/// Notes the lease. `false`: one that is newer has written already.
pub(super) fn pass(sql: &Connection, fence: Fence) -> rusqlite::Result<bool> {
    let Fence { job, lease, now } = fence;
    let noted = sql.prepare_cached(NOTE)?.execute(params![job.to_bytes(), lease, now.as_ms()])?;
    for (statement, keep) in [(PRUNE_ATTEMPTS, KEEP_ATTEMPTS_MS), (PRUNE_STEPS, KEEP_STEPS_MS)] {
        sql.prepare_cached(statement)?.execute(params![now.as_ms() - keep, PRUNED_MAX])?;
    }
    Ok(noted > 0)
}
