//! Concurrency keys: the text of a job's option becomes a short number, and numbers nobody needs any more are removed.

use rusqlite::{Connection, OptionalExtension, params};

use super::buckets;
use super::catalog::{KindId, TenantId};
use super::draft::Draft;
use super::error::StoreError;
use super::limit_of::{KeyId, LimitOf};

/// Buckets of one kind's keys settled when its rate changes; what is left is reckoned under the new rate.
const SETTLED_BUCKETS_MAX: usize = 10_000;
/// Keys, and buckets, looked at by one prune.
const PRUNED_KEYS_MAX: usize = 1_000;

const FIND: &str = "SELECT id FROM concurrency_keys WHERE kind_id = ?1 AND key = ?2";
const INSERT: &str = "INSERT INTO concurrency_keys (tenant_id, kind_id, key) VALUES (?1, ?2, ?3) RETURNING id";
const TEXT: &str = "SELECT key FROM concurrency_keys WHERE id = ?1";
const KIND: &str = "SELECT kind_id FROM concurrency_keys WHERE id = ?1";
const NEXT: &str = "SELECT id FROM concurrency_keys WHERE id > ?1 ORDER BY id LIMIT ?2";
const IN_USE: &str = "SELECT EXISTS(SELECT 1 FROM live_jobs INDEXED BY live_keyed WHERE key_id = ?1)";
const WITH_BUCKETS: &str = "SELECT concurrency_keys.id FROM concurrency_keys
    JOIN buckets ON buckets.limit_code = (concurrency_keys.id << 2 | 1) WHERE kind_id = ?1 LIMIT ?2";
const DELETE: &str = "DELETE FROM concurrency_keys WHERE id = ?1";

/// The key's number; the first job that names it makes one.
pub(super) fn key_id(sql: &Connection, tenant: TenantId, kind: KindId, key: &str) -> Result<KeyId, StoreError> {
    let found: Option<i64> = sql.prepare_cached(FIND)?.query_row(params![kind.0, key], |row| row.get(0)).optional()?;
    match found {
        Some(id) => Ok(KeyId(id)),
        None => Ok(KeyId(sql.prepare_cached(INSERT)?.query_row(params![tenant.0, kind.0, key], |row| row.get(0))?)),
    }
}

/// The key itself.
pub(super) fn key_text(sql: &Connection, key: KeyId) -> Result<Option<String>, StoreError> {
    Ok(sql.prepare_cached(TEXT)?.query_row([key.0], |row| row.get(0)).optional()?)
}

/// The keys of a kind some of whose permits are taken.
pub(super) fn with_buckets(sql: &Connection, kind: KindId) -> Result<Vec<KeyId>, StoreError> {
    let mut statement = sql.prepare_cached(WITH_BUCKETS)?;
    let keys = statement.query_map(params![kind.0, SETTLED_BUCKETS_MAX], |row| row.get(0).map(KeyId))?;
    Ok(keys.collect::<Result<_, _>>()?)
}

/// Whose key it is.
pub(super) fn kind_of(sql: &Connection, key: KeyId) -> Result<Option<KindId>, StoreError> {
    Ok(sql.prepare_cached(KIND)?.query_row([key.0], |row| row.get(0)).optional()?.map(KindId))
}

/// Forgets full buckets, and keys that no unfinished job has and whose buckets are full. Looks at so many of each from where the
/// last call ended; `true` when there are more behind.
pub(super) fn prune_keys(sql: &Connection, draft: &mut Draft) -> Result<bool, StoreError> {
    let more_buckets = prune_buckets(sql, draft)?;
    let ids = sql
        .prepare_cached(NEXT)?
        .query_map(params![draft.looked_at.key, PRUNED_KEYS_MAX], |row| row.get(0))?
        .collect::<Result<Vec<i64>, _>>()?;
    for &id in &ids {
        let in_use: bool = sql.prepare_cached(IN_USE)?.query_row([id], |row| row.get(0))?;
        if !in_use && buckets::read(sql, LimitOf::Key(KeyId(id)))?.is_none() {
            sql.prepare_cached(DELETE)?.execute([id])?;
        }
    }
    let more = ids.len() == PRUNED_KEYS_MAX;
    draft.looked_at.key = ids.last().copied().filter(|_| more).unwrap_or(0);
    Ok(more || more_buckets)
}

fn prune_buckets(sql: &Connection, draft: &mut Draft) -> Result<bool, StoreError> {
    let now_ns = draft.clock.now_ns();
    let found = buckets::after(sql, draft.looked_at.bucket, PRUNED_KEYS_MAX)?;
    for (limit, bucket) in &found {
        let rate = draft.paces.rate_of(sql, &draft.catalog, *limit)?;
        if rate.is_none_or(|rate| bucket.is_full(rate, now_ns)) {
            buckets::delete(sql, *limit)?;
            draft.paces.forget_bucket(*limit);
        }
    }
    let more = found.len() == PRUNED_KEYS_MAX;
    draft.looked_at.bucket = found.last().map(|(limit, _)| limit.code()).filter(|_| more).unwrap_or(0);
    Ok(more)
}

/// How far the pruning has come.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct LookedAt {
    key: i64,
    bucket: i64,
}
