//! A change of a bucket, whole or not at all.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, params};

use super::entries::value;
use super::lease::may_write;
use super::model::KvWriter;
use super::usage::{self, Tally};
use crate::job::{BucketName, KvChange, KvChanged, KvKey, KvValue, QuotaName, Timestamp};
use crate::store::catalog::TenantId;
use crate::store::draft::Draft;
use crate::store::error::StoreError;

const SIZE: &str = "SELECT length(value) FROM kv_entries WHERE tenant_id = ?1 AND bucket = ?2 AND key = ?3";
const PUT: &str = "INSERT INTO kv_entries (tenant_id, bucket, key, value, version, updated_at, expires_ms)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
    ON CONFLICT (tenant_id, bucket, key) DO UPDATE SET value = excluded.value, version = excluded.version,
        updated_at = excluded.updated_at, expires_ms = excluded.expires_ms";
const DELETE: &str = "DELETE FROM kv_entries WHERE tenant_id = ?1 AND bucket = ?2 AND key = ?3
    RETURNING length(value), expires_ms IS NULL OR expires_ms > ?4";

/// Carries out a change.
pub(super) fn change(
    sql: &Connection,
    draft: &Draft,
    tenant: TenantId,
    writer: KvWriter,
    bucket: &BucketName,
    change: &KvChange,
) -> Result<KvChanged, StoreError> {
    if !may_write(sql, draft, tenant, writer)? {
        return Ok(KvChanged::StaleLease);
    }
    let bytes_max = draft.meter.quotas(&draft.catalog, tenant).most(QuotaName::KvBytes).unwrap_or(u64::MAX);
    let now_ms = draft.clock.now_ms();
    let place = Place { sql, tenant, bucket, bytes_max, now: draft.now, now_ms };
    match change {
        KvChange::Set(entries) => {
            let last: BTreeMap<&KvKey, &Bytes> = entries.iter().map(|(key, value)| (key, value)).collect();
            place.put(&last, None)
        }
        KvChange::SetFor { key, value, ttl } => place.put(&BTreeMap::from([(key, value)]), Some(*ttl)),
        KvChange::Delete(keys) => place.delete(&keys.iter().collect()),
        KvChange::Increment { key, delta } => {
            let known = value(sql, tenant, bucket, key, now_ms)?;
            let number = known.as_ref().map_or(Some(0), KvValue::number);
            let Some(sum) = number.and_then(|number| number.checked_add(*delta)) else {
                return Ok(KvChanged::NoNumber);
            };
            let ttl = known.and_then(|known| known.ttl);
            Ok(match place.put(&BTreeMap::from([(key, &Bytes::from(sum.to_string()))]), ttl)? {
                KvChanged::Done { .. } => KvChanged::Number(sum),
                refused => refused,
            })
        }
        KvChange::Swap { key, expected, value: new } => {
            let known = value(sql, tenant, bucket, key, now_ms)?;
            if known.as_ref().map(|known| known.version) != *expected {
                return Ok(KvChanged::Other(known));
            }
            place.put(&BTreeMap::from([(key, new)]), known.and_then(|known| known.ttl))
        }
    }
}

/// Where something is changed.
struct Place<'a> {
    sql: &'a Connection,
    tenant: TenantId,
    bucket: &'a BucketName,
    /// Of all buckets of the tenant.
    bytes_max: u64,
    now: Timestamp,
    /// By the store's clock.
    now_ms: i64,
}

impl Place<'_> {
    /// What a key and its value take.
    fn cost(&self, key: &KvKey, value_bytes: u64) -> u64 {
        let named = self.bucket.as_str().len() + key.as_str().len();
        u64::try_from(named).unwrap_or(u64::MAX).saturating_add(value_bytes)
    }

    fn size(&self, key: &KvKey) -> Result<Option<u64>, StoreError> {
        let key = params![self.tenant.0, self.bucket.as_str(), key.as_str()];
        Ok(self.sql.prepare_cached(SIZE)?.query_row(key, |row| row.get(0)).optional()?)
    }

    /// For so long, or until it is changed.
    fn put(&self, entries: &BTreeMap<&KvKey, &Bytes>, ttl: Option<Duration>) -> Result<KvChanged, StoreError> {
        let expires_ms = ttl.map(|ttl| self.now_ms.saturating_add(i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX)));
        let mut tally = usage::read(self.sql, self.tenant)?;
        let mut keys = 0;
        // All of it is counted before any of it is written.
        for (key, value) in entries {
            let before = self.size(key)?.map(|bytes| self.cost(key, bytes));
            keys += usize::from(before.is_none());
            let bytes = self.cost(key, u64::try_from(value.len()).unwrap_or(u64::MAX));
            if let Err(quota) = tally.put(bytes, before, self.bytes_max) {
                return Ok(KvChanged::Full(quota));
            }
        }
        for (key, value) in entries {
            self.write(&mut tally, key, value, expires_ms)?;
        }
        tally.write(self.sql, self.tenant)?;
        Ok(KvChanged::Done { keys })
    }

    fn write(&self, tally: &mut Tally, key: &KvKey, value: &Bytes, expires_ms: Option<i64>) -> Result<(), StoreError> {
        let version = tally.next_version();
        let (bucket, at) = (self.bucket.as_str(), self.now.as_ms());
        let entry = params![self.tenant.0, bucket, key.as_str(), &value[..], version, at, expires_ms];
        self.sql.prepare_cached(PUT)?.execute(entry)?;
        Ok(())
    }

    fn delete(&self, keys: &BTreeSet<&KvKey>) -> Result<KvChanged, StoreError> {
        let mut tally = usage::read(self.sql, self.tenant)?;
        let (mut removed, mut any_gone) = (0, false);
        for key in keys {
            let place = params![self.tenant.0, self.bucket.as_str(), key.as_str(), self.now_ms];
            let gone: Option<(u64, bool)> =
                self.sql.prepare_cached(DELETE)?.query_row(place, |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
            if let Some((bytes, was_there)) = gone {
                tally.take(self.cost(key, bytes));
                any_gone = true;
                removed += usize::from(was_there);
            }
        }
        if any_gone {
            tally.write(self.sql, self.tenant)?;
        }
        Ok(KvChanged::Done { keys: removed })
    }
}
