//! Keys and values, read.

use std::time::Duration;

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde_json::{Value, json};

use super::model::{KvBuckets, KvKeyRow};
use crate::job::kv::KV_BATCH_BYTES_MAX;
use crate::job::{BucketName, KvKey, KvValue, Timestamp};
use crate::store::catalog::TenantId;
use crate::store::error::StoreError;

const VALUE: &str = "SELECT value, version, updated_at, expires_ms - ?4 FROM kv_entries
    WHERE tenant_id = ?1 AND bucket = ?2 AND key = ?3 AND (expires_ms IS NULL OR expires_ms > ?4)";
const PAGE: &str = "SELECT key, length(value), version, updated_at, expires_ms - ?7 FROM kv_entries
    WHERE tenant_id = ?1 AND bucket = ?2 AND key > ?3 AND (?4 IS NULL OR key < ?4) AND key >= ?5
        AND (expires_ms IS NULL OR expires_ms > ?7)
    ORDER BY key LIMIT ?6";
/// One look into the index, however large the bucket before it is.
const NEXT_BUCKET: &str = "SELECT bucket FROM kv_entries WHERE tenant_id = ?1 AND bucket > ?2 ORDER BY bucket LIMIT 1";

/// A key's value. `now_ms`: by the store's clock.
pub(super) fn value(
    sql: &Connection,
    tenant: TenantId,
    bucket: &BucketName,
    key: &KvKey,
    now_ms: i64,
) -> Result<Option<KvValue>, StoreError> {
    let read = |row: &Row<'_>| {
        let value: Vec<u8> = row.get(0)?;
        let (updated_at, ttl) = (Timestamp(row.get(2)?), ttl(row.get(3)?));
        Ok(KvValue { value: Bytes::from(value), version: row.get(1)?, updated_at, ttl })
    };
    let key = params![tenant.0, bucket.as_str(), key.as_str(), now_ms];
    Ok(sql.prepare_cached(VALUE)?.query_row(key, read).optional()?)
}

/// What the audit log says of a key.
pub(in crate::store) fn kv_facts(
    sql: &Connection,
    tenant: TenantId,
    bucket: &BucketName,
    key: &KvKey,
    now_ms: i64,
) -> Result<Option<Value>, StoreError> {
    let known = value(sql, tenant, bucket, key, now_ms)?;
    Ok(known.map(|known| json!({"size_bytes": known.value.len(), "version": known.version})))
}

/// The values of several keys, in their order; `None`: together they are larger than one operation may be.
pub(super) fn values(
    sql: &Connection,
    tenant: TenantId,
    bucket: &BucketName,
    keys: &[KvKey],
    now_ms: i64,
) -> Result<Option<Vec<Option<KvValue>>>, StoreError> {
    let mut found = Vec::with_capacity(keys.len());
    let mut bytes = 0;
    for key in keys {
        let value = value(sql, tenant, bucket, key, now_ms)?;
        bytes += value.as_ref().map_or(0, |value| value.value.len());
        if bytes > KV_BATCH_BYTES_MAX {
            return Ok(None);
        }
        found.push(value);
    }
    Ok(Some(found))
}

/// So many of a bucket's keys in their order, after a key, of those that begin with a prefix.
pub(super) fn page(
    sql: &Connection,
    tenant: TenantId,
    bucket: &BucketName,
    prefix: &str,
    after: Option<&KvKey>,
    (limit, now_ms): (usize, i64),
) -> Result<Vec<KvKeyRow>, StoreError> {
    let mut statement = sql.prepare_cached(PAGE)?;
    let after = after.map_or("", KvKey::as_str);
    let range = params![tenant.0, bucket.as_str(), after, past(prefix), prefix, limit, now_ms];
    let rows = statement.query_map(range, |row| {
        Ok((row.get::<_, String>(0)?, row.get(1)?, row.get(2)?, Timestamp(row.get(3)?), ttl(row.get(4)?)))
    })?;
    let read = |row: rusqlite::Result<(String, u64, u64, Timestamp, Option<Duration>)>| {
        let (key, size_bytes, version, updated_at, ttl) = row?;
        Ok(KvKeyRow { key: key.parse().map_err(StoreError::internal)?, size_bytes, version, updated_at, ttl })
    };
    rows.map(read).collect()
}

/// What is left of the time of a key that has one.
fn ttl(left_ms: Option<i64>) -> Option<Duration> {
    left_ms.map(|left_ms| Duration::from_millis(u64::try_from(left_ms).unwrap_or(0)))
}

/// The first text past all that begin with the prefix, as the index orders texts: by their bytes. `None`: there is none.
fn past(prefix: &str) -> Option<String> {
    let mut characters: Vec<char> = prefix.chars().collect();
    while let Some(last) = characters.pop() {
        // The surrogates are no characters: past U+D7FF comes U+E000.
        let next = if last == '\u{d7ff}' { Some('\u{e000}') } else { char::from_u32(u32::from(last) + 1) };
        if let Some(next) = next {
            characters.push(next);
            return Some(characters.into_iter().collect());
        }
    }
    None
}

/// So many of a tenant's buckets by name, after a name. A bucket is there while a key is in it.
pub(super) fn buckets(
    sql: &Connection,
    tenant: TenantId,
    after: Option<&BucketName>,
    limit: usize,
) -> Result<KvBuckets, StoreError> {
    let mut statement = sql.prepare_cached(NEXT_BUCKET)?;
    let mut found: KvBuckets = Vec::new();
    while found.len() < limit {
        let last = found.last().or(after).map_or("", BucketName::as_str);
        let next: Option<String> = statement.query_row(params![tenant.0, last], |row| row.get(0)).optional()?;
        let Some(next) = next else { break };
        found.push(next.parse().map_err(StoreError::internal)?);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_past_a_prefix() {
        for (prefix, expected) in [
            ("", None),
            ("a", Some("b")),
            ("user/", Some("user0")),
            ("a\u{d7ff}", Some("a\u{e000}")),
            ("a\u{10ffff}", Some("b")),
            ("\u{10ffff}", None),
        ] {
            let past = past(prefix);
            assert_eq!(past.as_deref(), expected, "{prefix:?}");
            assert!(past.is_none_or(|past| past.as_bytes() > format!("{prefix}\u{10ffff}").as_bytes()));
        }
    }
}
