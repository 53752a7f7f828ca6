//! Callers' own names for their requests: the same key and request within a day is the same job.

use rusqlite::{Connection, OptionalExtension, params};

use super::catalog::TenantId;
use super::error::StoreError;
use super::model::IdempotencyKey;
use super::rows::any_row;
use crate::job::{JobId, Timestamp};

/// How long a key is remembered, ms.
pub(super) const KEY_KEEP_MS: i64 = 24 * 3_600 * 1_000;
/// Keys forgotten by one prune.
const PRUNED_KEYS_MAX: usize = 1_000;

const FIND: &str =
    "SELECT request_hash, jobs FROM idempotency_keys WHERE tenant_id = ?1 AND key = ?2 AND expires_at > ?3";
const REMEMBER: &str =
    "INSERT INTO idempotency_keys (tenant_id, key, request_hash, jobs, expires_at) VALUES (?1, ?2, ?3, ?4, ?5)
    ON CONFLICT (tenant_id, key) DO UPDATE
    SET request_hash = excluded.request_hash, jobs = excluded.jobs, expires_at = excluded.expires_at";
const PRUNE: &str = "DELETE FROM idempotency_keys WHERE (tenant_id, key) IN
    (SELECT tenant_id, key FROM idempotency_keys WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2)";

/// What is known of a key.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// Nothing.
    No,
    /// It named the same request, which made these jobs.
    Same(Vec<Option<JobId>>),
    /// It named another request.
    Other,
}

/// Looks a key up.
pub(super) fn known(
    sql: &Connection,
    tenant: TenantId,
    key: &IdempotencyKey,
    now: Timestamp,
) -> Result<Known, StoreError> {
    let found: Option<([u8; 32], Vec<u8>)> = sql
        .prepare_cached(FIND)?
        .query_row(params![tenant.0, key.key, now.as_ms()], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    Ok(match found {
        None => Known::No,
        Some((hash, _)) if hash != key.request_hash => Known::Other,
        Some((_, jobs)) => Known::Same(unpack_jobs(&jobs)),
    })
}

/// The job each of these keys named with the same request; `None` where none did, or the job is gone.
pub(super) fn replayed_jobs(
    sql: &Connection,
    tenant: TenantId,
    keys: &[IdempotencyKey],
    now: Timestamp,
) -> Result<Vec<Option<JobId>>, StoreError> {
    let find = |key| {
        let jobs = replayed_batch(sql, tenant, key, now)?;
        let Some(job) = jobs.and_then(|jobs| jobs.first().copied().flatten()) else { return Ok(None) };
        Ok(any_row(sql, tenant, job)?.map(|_| job))
    };
    keys.iter().map(find).collect()
}

/// The jobs this key named with the same request.
pub(super) fn replayed_batch(
    sql: &Connection,
    tenant: TenantId,
    key: &IdempotencyKey,
    now: Timestamp,
) -> Result<Option<Vec<Option<JobId>>>, StoreError> {
    Ok(match known(sql, tenant, key, now)? {
        Known::Same(jobs) => Some(jobs),
        Known::No | Known::Other => None,
    })
}

/// Binds a key to the jobs its request made.
pub(super) fn remember(
    sql: &Connection,
    tenant: TenantId,
    key: &IdempotencyKey,
    jobs: &[Option<JobId>],
    now: Timestamp,
) -> Result<(), StoreError> {
    let jobs: Vec<u8> = jobs.iter().flat_map(|job| job.map_or([0; 16], JobId::to_bytes)).collect();
    let expires_at = now.as_ms().saturating_add(KEY_KEEP_MS);
    sql.prepare_cached(REMEMBER)?.execute(params![tenant.0, key.key, key.request_hash, jobs, expires_at])?;
    Ok(())
}

fn unpack_jobs(bytes: &[u8]) -> Vec<Option<JobId>> {
    bytes.as_chunks::<16>().0.iter().map(|id| (*id != [0; 16]).then(|| JobId::from_bytes(*id))).collect()
}

/// Forgets expired keys; `true` when more are left.
pub(super) fn prune_keys(sql: &Connection, now: Timestamp) -> Result<bool, StoreError> {
    Ok(sql.prepare_cached(PRUNE)?.execute(params![now.as_ms(), PRUNED_KEYS_MAX])? == PRUNED_KEYS_MAX)
}
