//! Which event a job is to be given, and the waking of those who wait.

use rusqlite::{Connection, OptionalExtension, params};

use crate::job::{JobId, Timestamp};
use crate::store::catalog::TenantId;
use crate::store::draft::Draft;
use crate::store::error::StoreError;
use crate::store::rows::live_row;
use crate::store::steps::{Woken, forget_wait, wake};

// Of those of before its last one it was given them, or they came before it did.
const NEXT: &str = "SELECT id, data FROM emitted_events
    WHERE tenant_id = ?1 AND event_type = ?2 AND correlation = ?3 AND at >= ?4
        AND id > coalesce((SELECT max(event) FROM job_steps WHERE job_id = ?5 AND name = ?2 AND correlation = ?3), 0)
    ORDER BY id LIMIT 1";
const WAITING: &str = "SELECT job_id, step FROM event_waits INDEXED BY event_waits_of_event
    WHERE tenant_id = ?1 AND event_type = ?2 AND correlation = ?3 AND job_id > ?4 ORDER BY job_id LIMIT ?5";
// Of one tenant after the other.
const PUT_OFF: &str = "SELECT id, tenant_id, event_type, correlation, told_up_to
    FROM emitted_events INDEXED BY emitted_events_untold
    WHERE told_up_to IS NOT NULL AND tenant_id > ?1 ORDER BY tenant_id, id LIMIT 1";
const TOLD: &str = "UPDATE emitted_events SET told_up_to = ?2 WHERE id = ?1";

/// Jobs looked at by one operation.
const WAITING_JOBS_MAX: usize = 500;
/// Where the jobs that wait for an event begin.
pub(super) const BEFORE_ALL: [u8; 16] = [0; 16];

/// What jobs wait for.
#[derive(Clone, Copy)]
pub(super) struct Awaited<'a> {
    pub(super) tenant: TenantId,
    pub(super) event_type: &'a str,
    pub(super) correlation: &'a str,
}

/// The event a job that was enqueued then is given next.
pub(in crate::store) fn next_event(
    sql: &Connection,
    (tenant, job, created_at): (TenantId, JobId, Timestamp),
    event_type: &str,
    correlation: &str,
) -> Result<Option<(i64, Vec<u8>)>, StoreError> {
    let of = params![tenant.0, event_type, correlation, created_at.as_ms(), job.to_bytes()];
    Ok(sql.prepare_cached(NEXT)?.query_row(of, |row| Ok((row.get(0)?, row.get(1)?))).optional()?)
}

/// Wakes those of the jobs after one that wait for such an event; gives up to which of them, where more are left. Whoever comes to
/// wait meanwhile has looked for what came before: nobody has to go back for those.
pub(super) fn wake_some(
    sql: &Connection,
    draft: &mut Draft,
    event: Awaited<'_>,
    after: [u8; 16],
) -> Result<Option<[u8; 16]>, StoreError> {
    let Awaited { tenant, event_type, correlation } = event;
    let waiting: Vec<([u8; 16], u32)> = {
        let mut statement = sql.prepare_cached(WAITING)?;
        let of = params![tenant.0, event_type, correlation, after, WAITING_JOBS_MAX];
        let rows = statement.query_map(of, |row| Ok((row.get(0)?, row.get(1)?)))?;
        rows.collect::<Result<_, _>>()?
    };
    for (id, step) in &waiting {
        let job = JobId::from_bytes(*id);
        let Some(row) = live_row(sql, job)? else {
            forget_wait(sql, job)?;
            continue;
        };
        if let Some((event, data)) = next_event(sql, (tenant, job, row.created_at), event_type, correlation)? {
            wake(sql, draft, &row, *step, Woken::Event(event, &data))?;
        }
    }
    Ok(waiting.last().filter(|_| waiting.len() == WAITING_JOBS_MAX).map(|(id, _)| *id))
}

/// Upkeep goes on with an event from there.
pub(super) fn put_off(sql: &Connection, id: i64, told_up_to: [u8; 16]) -> Result<(), StoreError> {
    sql.prepare_cached(TOLD)?.execute(params![id, Some(told_up_to)])?;
    Ok(())
}

/// Goes on with an event that very many waited for, of the tenant whose turn it is; `true`: more may be left.
pub(in crate::store) fn deliver_some(sql: &Connection, draft: &mut Draft) -> Result<bool, StoreError> {
    let of_next = match put_off_after(sql, draft.told_last.0)? {
        None => put_off_after(sql, i64::MIN)?,
        found => found,
    };
    let Some(PutOff { id, tenant, event_type, correlation, told_up_to }) = of_next else { return Ok(false) };
    let event = Awaited { tenant, event_type: &event_type, correlation: &correlation };
    let told_up_to = wake_some(sql, draft, event, told_up_to)?;
    sql.prepare_cached(TOLD)?.execute(params![id, told_up_to])?;
    draft.told_last = tenant;
    Ok(true)
}

struct PutOff {
    id: i64,
    tenant: TenantId,
    event_type: String,
    correlation: String,
    told_up_to: [u8; 16],
}

fn put_off_after(sql: &Connection, tenant: i64) -> Result<Option<PutOff>, StoreError> {
    let read = |row: &rusqlite::Row<'_>| {
        Ok(PutOff {
            id: row.get(0)?,
            tenant: TenantId(row.get(1)?),
            event_type: row.get(2)?,
            correlation: row.get(3)?,
            told_up_to: row.get(4)?,
        })
    };
    Ok(sql.prepare_cached(PUT_OFF)?.query_row([tenant], read).optional()?)
}
