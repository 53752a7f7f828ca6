//! The writes that several operations share: moving a job to history, recording an execution, its log.

use rusqlite::{Connection, params};

use super::codec::{HistoryNote, StoredExecution, append_history, pack_execution, pack_failure, pack_log};
use super::error::StoreError;
use super::rows::FinishedRow;
use crate::job::{Failure, JobId, JobState, LogLine, Timestamp};

// OR FAIL: the default needs a journal of its own for each statement, and a failure rolls back the operation anyway.
const COPY_TO_HISTORY: &str = "INSERT OR FAIL INTO finished_jobs (id, tenant_id, kind_id, queue_id, state, priority, run_at, ready_at,
        created_at, finished_at, attempt, max_attempts, lease_number, checked_version, options, tags, history, progress,
        failure, execution, schedule_id, slot_at, pinned_version)
    SELECT id, tenant_id, kind_id, queue_id, ?2, priority, run_at, ready_at, created_at, ?3, ?4, max_attempts, lease_number,
        checked_version, options, tags, coalesce(?5, history), coalesce(?6, progress), ?7, ?8, schedule_id, slot_at,
        pinned_version
    FROM live_jobs WHERE id = ?1";
const NOTE_ON_ENDED: &str =
    "UPDATE finished_jobs SET history = coalesce(?2, history), failure = coalesce(?3, failure) WHERE id = ?1";
const DELETE_LIVE: &str = "DELETE FROM live_jobs WHERE id = ?1";
const INSERT_OUTPUT: &str = "INSERT INTO outputs (job_id, body) VALUES (?1, ?2)";
const INSERT_EXECUTION: &str = "INSERT INTO attempts (job_id, execution, body, failure) VALUES (?1, ?2, ?3, ?4)";
const INSERT_LOG: &str =
    "INSERT INTO attempt_logs (job_id, execution, attempt, dropped, lines) VALUES (?1, ?2, ?3, ?4, ?5)";
// By rows, not by lease numbers: a lease that was only given back leaves no row, and must not push one out. Where there
// are no more rows than are kept, the comparison is with NULL and deletes nothing.
const DELETE_EXECUTIONS: &str = "DELETE FROM attempts WHERE job_id = ?1 AND execution <=
    (SELECT execution FROM attempts WHERE job_id = ?1 ORDER BY execution DESC LIMIT 1 OFFSET ?2)";
const DELETE_LOGS: &str = "DELETE FROM attempt_logs WHERE job_id = ?1 AND execution <=
    (SELECT execution FROM attempt_logs WHERE job_id = ?1 ORDER BY execution DESC LIMIT 1 OFFSET ?2)
    RETURNING length(lines)";

/// Of one job so many executions are kept, the newest: a job may be retried and snoozed without end.
pub(super) const EXECUTIONS_KEPT_MAX: i64 = 1_000;
/// The same of their logs, which are larger.
pub(super) const LOGS_KEPT_MAX: i64 = 100;

/// The output that needs no row.
pub(super) const NULL_OUTPUT: &[u8] = b"null";

/// What history keeps of an end beside what the live row says.
pub(super) struct HistoryRow<'a> {
    pub(super) state: JobState,
    pub(super) finished_at: Timestamp,
    /// Attempts used in all.
    pub(super) attempt: u32,
    pub(super) failure: Option<&'a Failure>,
    /// The execution that ended it, if one did.
    pub(super) execution: Option<StoredExecution>,
    /// JSON text of a succeeded job.
    pub(super) output: Option<&'a [u8]>,
    /// Replaces the notes, where there are new ones.
    pub(super) history: Option<Vec<u8>>,
    /// Replaces what was reported, where there is more.
    pub(super) progress: Option<Vec<u8>>,
}

/// Moves a live job's row to history; `ending.rs` is who does the rest.
pub(super) fn move_to_history(sql: &Connection, job: JobId, row: &HistoryRow<'_>) -> Result<(), StoreError> {
    let HistoryRow { state, finished_at, attempt, failure, execution, output, history, progress } = row;
    let id = job.to_bytes();
    let failure = failure.map(pack_failure).transpose()?;
    let execution = execution.as_ref().map(pack_execution).transpose()?;
    sql.prepare_cached(COPY_TO_HISTORY)?.execute(params![
        id,
        state.as_str(),
        finished_at.as_ms(),
        attempt,
        history,
        progress,
        failure,
        execution
    ])?;
    sql.prepare_cached(DELETE_LIVE)?.execute(params![id])?;
    if let Some(output) = output.filter(|output| *output != NULL_OUTPUT) {
        sql.prepare_cached(INSERT_OUTPUT)?.execute(params![id, output])?;
    }
    Ok(())
}

/// Adds a note to the history of a job that has ended, and replaces what it says about its end.
pub(super) fn note_on_ended(
    sql: &Connection,
    row: &FinishedRow,
    note: Option<HistoryNote>,
    failure: Option<&Failure>,
) -> Result<(), StoreError> {
    let history = note.map(|note| append_history(row.history.as_deref(), note)).transpose()?;
    let failure = failure.map(pack_failure).transpose()?;
    sql.prepare_cached(NOTE_ON_ENDED)?.execute(params![row.id.to_bytes(), history, failure])?;
    Ok(())
}

/// Records an execution after which the job goes on.
pub(super) fn record_execution(
    sql: &Connection,
    job: JobId,
    number: i64,
    execution: &StoredExecution,
    failure: Option<&Failure>,
) -> Result<(), StoreError> {
    let failure = failure.map(pack_failure).transpose()?;
    let body = pack_execution(execution)?;
    sql.prepare_cached(INSERT_EXECUTION)?.execute(params![job.to_bytes(), number, body, failure])?;
    forget_executions(sql, job, number)
}

/// Forgets the oldest executions once there are too many. Mostly it is one row; under a low lease number there can't be
/// so many, and nothing is looked up.
pub(super) fn forget_executions(sql: &Connection, job: JobId, newest: i64) -> Result<(), StoreError> {
    if newest > EXECUTIONS_KEPT_MAX {
        sql.prepare_cached(DELETE_EXECUTIONS)?.execute(params![job.to_bytes(), EXECUTIONS_KEPT_MAX])?;
    }
    Ok(())
}

/// What a log came to take, and what those took that went for it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct LogBytes {
    pub(super) kept: usize,
    pub(super) forgotten: i64,
}

/// Runs a statement that deletes rows and returns the length of each; gives the sum.
pub(super) fn deleted_bytes(
    sql: &Connection,
    statement: &str,
    parameters: impl rusqlite::Params,
) -> Result<i64, StoreError> {
    let mut statement = sql.prepare_cached(statement)?;
    let lengths = statement.query_map(parameters, |row| row.get::<_, i64>(0))?;
    let mut sum = 0;
    for length in lengths {
        sum += length?;
    }
    Ok(sum)
}

/// Keeps an execution's log; nothing is written when there is none.
pub(super) fn record_log(
    sql: &Connection,
    job: JobId,
    number: i64,
    attempt: u32,
    lines: &[LogLine],
    dropped: u64,
) -> Result<LogBytes, StoreError> {
    if lines.is_empty() && dropped == 0 {
        return Ok(LogBytes::default());
    }
    let dropped = i64::try_from(dropped).unwrap_or(i64::MAX);
    let packed = pack_log(lines)?;
    sql.prepare_cached(INSERT_LOG)?.execute(params![job.to_bytes(), number, attempt, dropped, packed])?;
    let mut forgotten = 0;
    if number > LOGS_KEPT_MAX {
        forgotten = deleted_bytes(sql, DELETE_LOGS, params![job.to_bytes(), LOGS_KEPT_MAX])?;
    }
    Ok(LogBytes { kept: packed.len(), forgotten })
}
