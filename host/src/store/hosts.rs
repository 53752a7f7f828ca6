//! The processes that run jobs: their rows, heartbeats and ends.

use std::time::Duration;

use rusqlite::{Connection, params};

use super::cancel::cancel_unentered;
use super::codec::StoredExecution;
use super::draft::Draft;
use super::error::StoreError;
use super::finish::{Held, make_ready_again};
use super::job_writes::record_execution;
use super::model::{AttemptOutcome, Heartbeat, HostRow};
use super::orphans::adopt_orphans;
use super::recover::{RECOVERED_JOBS_MAX, leased, recover_hosts};
use super::rows::LiveRow;
use crate::job::{EventType, Failure, FailureReason, HostId, JobId, JobState, Receipt, Timestamp};

const INSERT: &str = "INSERT INTO hosts (id, started_at, heartbeat_ms, version, slots) VALUES (?1, ?2, ?3, ?4, ?5)
    ON CONFLICT (id) DO UPDATE SET heartbeat_ms = excluded.heartbeat_ms RETURNING number";
const BEAT: &str = "UPDATE hosts SET heartbeat_ms = ?2 WHERE id = ?1";
const CANCEL_REQUESTED: &str =
    "SELECT id, lease_number FROM live_jobs INDEXED BY live_leased WHERE lease_host = ?1 AND cancel_requested = 1";
const DELETE: &str = "DELETE FROM hosts WHERE id = ?1";
const LIST: &str = "SELECT id, started_at, version, slots, heartbeat_ms FROM hosts ORDER BY number";

/// A new process. Whoever was registered when the data directory was opened is dead, since the directory's lock is
/// ours: their leases are freed here, before anything can be claimed.
pub(super) fn register(
    sql: &Connection,
    draft: &mut Draft,
    id: HostId,
    slots: u32,
    version: &str,
) -> Result<(), StoreError> {
    let mut dead = draft.dead_hosts.clone();
    dead.extend(adopt_orphans(sql, draft)?);
    let recovered = recover_hosts(sql, draft, &dead)?;
    if !recovered.hosts.is_empty() {
        draft.recovered = Some(recovered);
    }
    let heartbeat = draft.clock.now_ms();
    let number = sql
        .prepare_cached(INSERT)?
        .query_row(params![id.to_bytes(), draft.now.as_ms(), heartbeat, version, slots], |row| row.get(0))?;
    draft.hosts.insert(id, number);
    draft.clock.save(sql)
}

/// The process lives: one row renews all its leases.
pub(super) fn heartbeat(sql: &Connection, draft: &mut Draft, host: HostId) -> Result<Heartbeat, StoreError> {
    let registered = sql.prepare_cached(BEAT)?.execute(params![host.to_bytes(), draft.clock.now_ms()])? == 1;
    draft.clock.save(sql)?;
    let Some(number) = draft.hosts.get(&host) else { return Ok(Heartbeat { registered, ..Heartbeat::default() }) };
    let mut statement = sql.prepare_cached(CANCEL_REQUESTED)?;
    let leases = statement.query_map([number], |row| Ok((JobId::from_bytes(row.get(0)?), row.get(1)?)))?;
    Ok(Heartbeat { registered, cancel_requested: leases.collect::<Result<_, _>>()? })
}

/// The process has ended in good order. What it still holds (a guest that would not end, an outcome that could not be
/// written) is given back at no cost: once the row is gone nobody would look for those leases.
pub(super) fn retire(sql: &Connection, draft: &mut Draft, host: HostId) -> Result<(), StoreError> {
    let Some(&number) = draft.hosts.get(&host) else { return Ok(()) };
    let jobs = leased(sql, number)?;
    for job in &jobs {
        if let Some(started_at) = job.started_at {
            record_unfinished(sql, draft, host, job, started_at)?;
        }
        if job.cancel_requested {
            cancel_unentered(sql, draft, job)?;
        } else {
            let ready_at = job.started_at.map(|_| draft.now);
            make_ready_again(sql, draft, job.id, &Held::of(job), ready_at)?;
        }
    }
    if jobs.len() < RECOVERED_JOBS_MAX {
        sql.prepare_cached(DELETE)?.execute(params![host.to_bytes()])?;
        draft.hosts.remove(&host);
    }
    Ok(())
}

/// The job's history shows that its guest had been entered.
fn record_unfinished(
    sql: &Connection,
    draft: &mut Draft,
    host: HostId,
    job: &LiveRow,
    started_at: Timestamp,
) -> Result<(), StoreError> {
    let execution = StoredExecution {
        attempt: job.attempt + 1,
        outcome: AttemptOutcome::GivenBack,
        state_after: JobState::Ready,
        started_at: Some(started_at),
        finished_at: draft.now,
        version: None,
        host,
        receipt: Receipt::default(),
        denied: Vec::new(),
    };
    let failure = Failure::new(FailureReason::Shutdown, "the host stopped before this execution's end was written");
    record_execution(sql, job.id, job.lease_number, &execution, Some(&failure))?;
    draft.event(EventType::GivenBack, job.id, job.lane, JobState::Ready, job.attempt);
    Ok(())
}

/// All registered processes.
pub(super) fn hosts(sql: &Connection, store_now_ms: i64) -> Result<Vec<HostRow>, StoreError> {
    let mut statement = sql.prepare_cached(LIST)?;
    let rows = statement.query_map([], |row| {
        let age_ms = store_now_ms.saturating_sub(row.get::<_, i64>(4)?);
        Ok(HostRow {
            id: HostId::from_bytes(row.get(0)?),
            started_at: Timestamp(row.get(1)?),
            version: row.get(2)?,
            slots: row.get(3)?,
            heartbeat_age: Duration::from_millis(u64::try_from(age_ms).unwrap_or(0)),
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}
