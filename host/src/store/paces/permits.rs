//! The buckets of all rates, as far as they were looked at, and what is to be written of them.

use rusqlite::Connection;
use rustc_hash::{FxHashMap, FxHashSet};

use super::set::pace_of;
use crate::job::{Bucket, Rate};
use crate::store::buckets;
use crate::store::catalog::Catalog;
use crate::store::error::StoreError;
use crate::store::keys;
use crate::store::limit_of::LimitOf;

/// Buckets remembered; of more only those are kept that are still to be written.
const BUCKETS_REMEMBERED_MAX: usize = 100_000;

/// See the file's head.
#[derive(Debug, Default)]
pub(super) struct Permits {
    /// Those that are full need not be here.
    buckets: FxHashMap<LimitOf, Bucket>,
    /// Not written yet.
    changed: FxHashSet<LimitOf>,
}

impl Permits {
    /// The limit's bucket.
    pub(super) fn bucket(&mut self, sql: &Connection, limit: LimitOf) -> Result<Bucket, StoreError> {
        if let Some(bucket) = self.buckets.get(&limit) {
            return Ok(*bucket);
        }
        let bucket = buckets::read(sql, limit)?.unwrap_or_default();
        if self.buckets.len() >= BUCKETS_REMEMBERED_MAX {
            self.buckets.retain(|limit, _| self.changed.contains(limit));
        }
        self.buckets.insert(limit, bucket);
        Ok(bucket)
    }

    /// One permit is taken. Written with the others by `flush`.
    pub(super) fn take(&mut self, sql: &Connection, limit: LimitOf, rate: Rate, now_ns: i64) -> Result<(), StoreError> {
        let bucket = self.bucket(sql, limit)?.take(rate, now_ns, 1);
        self.buckets.insert(limit, bucket);
        self.changed.insert(limit);
        Ok(())
    }

    /// One permit comes back unused.
    pub(super) fn give_back(&mut self, sql: &Connection, limit: LimitOf) -> Result<(), StoreError> {
        let bucket = self.bucket(sql, limit)?.give_back(1);
        self.buckets.insert(limit, bucket);
        buckets::write(sql, limit, bucket)
    }

    /// A bucket is full, and was forgotten on disk.
    pub(super) fn forget(&mut self, limit: LimitOf) {
        self.buckets.remove(&limit);
    }

    /// What was taken is written.
    pub(super) fn flush(&mut self, sql: &Connection) -> Result<(), StoreError> {
        for limit in self.changed.drain() {
            if let Some(bucket) = self.buckets.get(&limit) {
                buckets::write(sql, limit, *bucket)?;
            }
        }
        Ok(())
    }
}

/// Reckons what was taken under rates that are others now, or none.
pub(super) fn settle_all(sql: &Connection, seen: &Catalog, now: &Catalog, now_ns: i64) -> Result<(), StoreError> {
    for (id, kind) in &seen.kinds {
        let (before, after) = (kind.settings.pace, pace_of(now, *id).unwrap_or_default());
        settle(sql, LimitOf::Kind(*id), before.rate, after.rate, now_ns)?;
        if before.key_rate.is_some() && before.key_rate != after.key_rate {
            for key in keys::with_buckets(sql, *id)? {
                settle(sql, LimitOf::Key(key), before.key_rate, after.key_rate, now_ns)?;
            }
        }
    }
    for (id, settings) in &seen.queue_settings {
        let after = now.queue_settings.get(id).and_then(|settings| settings.pace.rate);
        settle(sql, LimitOf::Queue(*id), settings.pace.rate, after, now_ns)?;
    }
    Ok(())
}

/// A bucket whose rate is another one now. Without any it is forgotten: a rate that is set later begins with a full one.
fn settle(
    sql: &Connection,
    limit: LimitOf,
    before: Option<Rate>,
    after: Option<Rate>,
    now_ns: i64,
) -> Result<(), StoreError> {
    let Some(rate) = before.filter(|_| before != after) else { return Ok(()) };
    let Some(bucket) = buckets::read(sql, limit)? else { return Ok(()) };
    let settled = bucket.settled(rate, now_ns);
    if after.is_none() || settled.missing_millionths == 0 {
        buckets::delete(sql, limit)
    } else {
        buckets::write(sql, limit, settled)
    }
}
