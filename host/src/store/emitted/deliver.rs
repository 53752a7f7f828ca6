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
const WAITING: &str = "SELECT job_id, step FROM event_waits
    WHERE tenant_id = ?1 AND event_type = ?2 AND correlation = ?3 ORDER BY job_id LIMIT ?4";
const UNDELIVERED: &str =
    "SELECT id, tenant_id, event_type, correlation FROM emitted_events INDEXED BY emitted_events_undelivered
    WHERE undelivered = 1 ORDER BY id LIMIT 1";
const DELIVERED: &str = "UPDATE emitted_events SET undelivered = 0 WHERE id = ?1";

/// Jobs woken by one operation.
const WOKEN_JOBS_MAX: usize = 500;

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

/// Wakes jobs that wait for such an event; `false`: some are left.
pub(super) fn wake_some(
    sql: &Connection,
    draft: &mut Draft,
    tenant: TenantId,
    event_type: &str,
    correlation: &str,
) -> Result<bool, StoreError> {
    let waiting: Vec<([u8; 16], u32)> = {
        let mut statement = sql.prepare_cached(WAITING)?;
        let of = params![tenant.0, event_type, correlation, WOKEN_JOBS_MAX];
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
    Ok(waiting.len() < WOKEN_JOBS_MAX)
}

/// Goes on with an event that very many waited for; `true`: more is left.
pub(in crate::store) fn deliver_some(sql: &Connection, draft: &mut Draft) -> Result<bool, StoreError> {
    let left: Option<(i64, i64, String, String)> = sql
        .prepare_cached(UNDELIVERED)?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))
        .optional()?;
    let Some((id, tenant, event_type, correlation)) = left else { return Ok(false) };
    if wake_some(sql, draft, TenantId(tenant), &event_type, &correlation)? {
        sql.prepare_cached(DELIVERED)?.execute([id])?;
    }
    Ok(true)
}
