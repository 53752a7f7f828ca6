//! How many jobs run under each limit, what one more would meet, and where there may be room again.

use std::sync::Arc;

use rusqlite::Connection;
use rustc_hash::{FxHashMap, FxHashSet};

use super::permits::{Permits, settle_all};
use super::set::{Counted, has_same_paces, is_limited, limits_of, pace_of};
use super::waits::Waits;
use crate::job::{Admission, Bucket, KindPace, Pace, Rate, Timestamp};
use crate::store::catalog::{Catalog, KindId, QueueId, TenantId};
use crate::store::counters::Lane;
use crate::store::error::StoreError;
use crate::store::keys;
use crate::store::limit_of::{KeyId, LimitOf};
use crate::store::store_clock::StoreClock;

const LEASED: &str = "SELECT tenant_id, queue_id, kind_id, key_id FROM live_jobs INDEXED BY live_leased
    WHERE lease_host IS NOT NULL";

/// Keys whose kinds are remembered.
const KEYS_REMEMBERED_MAX: usize = 100_000;

/// What keeps a job from being begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) struct Obstacle {
    pub(in crate::store) limit: LimitOf,
    pub(in crate::store) admission: Admission,
}

/// What of the catalog is another one than at the last claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) enum Seen {
    /// Nothing.
    Same,
    /// Something that limits nothing.
    Changed,
    /// Limits.
    OtherPaces,
}

/// See the head of the folder. One per writer.
#[derive(Debug)]
pub(in crate::store) struct Paces {
    tenant: Pace,
    /// What the rest was made with.
    seen: Option<Arc<Catalog>>,
    /// Whether anything is limited in it.
    is_limited: bool,
    /// Leases under each limit of a number; `None`: to be counted.
    running: Option<FxHashMap<LimitOf, u32>>,
    permits: Permits,
    waits: Waits,
    /// Limits that may have room, or another job in turn, since they were last asked for.
    opened: FxHashSet<LimitOf>,
    kinds_of_keys: FxHashMap<KeyId, KindId>,
}

impl Paces {
    /// `tenant`: what limits a tenant that says nothing itself.
    pub(in crate::store) fn new(tenant: Pace) -> Self {
        Self {
            tenant,
            seen: None,
            is_limited: false,
            running: None,
            permits: Permits::default(),
            waits: Waits::default(),
            opened: FxHashSet::default(),
            kinds_of_keys: FxHashMap::default(),
        }
    }

    /// Nothing of it can be believed any more.
    pub(in crate::store) fn forget(&mut self) {
        *self = Self::new(self.tenant);
    }

    /// Whether a claim may find what the last one did not.
    pub(in crate::store) fn has_news(&self, catalog: &Arc<Catalog>, clock: &StoreClock) -> bool {
        // With another catalog the limits may be others.
        self.seen.as_ref().is_none_or(|seen| !Arc::ptr_eq(seen, catalog))
            || !self.opened.is_empty()
            || self.waits.has_due(clock.now_ns())
    }

    /// When the next permit comes that somebody waits for, by the wall clock.
    pub(in crate::store) fn next_permit(&self, clock: &StoreClock) -> Option<Timestamp> {
        self.waits.next(clock)
    }

    // ---- what happens to jobs ----

    /// A lease is given.
    pub(in crate::store) fn lease_given(
        &mut self,
        sql: &Connection,
        catalog: &Catalog,
        of: Counted,
        now_ns: i64,
    ) -> Result<(), StoreError> {
        if !self.is_limited {
            return Ok(());
        }
        let Some(kind) = pace_of(catalog, of.lane.kind) else { return Ok(()) };
        for (limit, pace) in limits_of(catalog, self.tenant, &kind, of).into_iter().flatten() {
            if pace.concurrency.is_some()
                && let Some(running) = self.running.as_mut()
            {
                *running.entry(limit).or_default() += 1;
            }
            if let Some(rate) = pace.rate {
                self.permits.take(sql, limit, rate, now_ns)?;
            }
        }
        Ok(())
    }

    /// A lease is gone, or its job has ended; `unused`: the guest was never entered, and what it took from the rates comes
    /// back. Called once the row says so.
    pub(in crate::store) fn lease_ended(
        &mut self,
        sql: &Connection,
        catalog: &Catalog,
        of: Counted,
        unused: bool,
    ) -> Result<(), StoreError> {
        // Before the first claim nobody has looked whether anything is limited.
        if !self.is_limited && self.seen.is_some() {
            return Ok(());
        }
        // It was counted by the limits there were at the last claim.
        let seen = self.seen.clone();
        let counted_by = seen.as_deref().unwrap_or(catalog);
        if !std::ptr::eq(counted_by, catalog)
            && let Some(kind) = pace_of(catalog, of.lane.kind)
        {
            let limits = limits_of(catalog, self.tenant, &kind, of).into_iter().flatten();
            self.opened.extend(limits.map(|(limit, _)| limit));
        }
        let Some(kind) = pace_of(counted_by, of.lane.kind) else { return Ok(()) };
        for (limit, pace) in limits_of(counted_by, self.tenant, &kind, of).into_iter().flatten() {
            if let Some(running) = self.running.as_mut()
                && let Some(count) = running.get_mut(&limit)
            {
                *count = count.saturating_sub(1);
                if *count == 0 {
                    running.remove(&limit);
                }
            }
            if unused && pace.rate.is_some() {
                self.permits.give_back(sql, limit)?;
            }
            self.opened.insert(limit);
        }
        Ok(())
    }

    /// A job without a lease ended, or left its place among those of its key: the next may be in turn.
    pub(in crate::store) fn left_line(&mut self, catalog: &Catalog, of: Counted) {
        if let Some(key) = of.key.filter(|_| pace_of(catalog, of.lane.kind).is_some_and(|pace| pace.is_fifo())) {
            self.opened.insert(LimitOf::Key(key));
        }
    }

    /// The rate a bucket is under; `None`: none any more.
    pub(in crate::store) fn rate_of(
        &mut self,
        sql: &Connection,
        catalog: &Catalog,
        limit: LimitOf,
    ) -> Result<Option<Rate>, StoreError> {
        Ok(match limit {
            LimitOf::Kind(kind) => pace_of(catalog, kind).and_then(|pace| pace.rate),
            LimitOf::Key(key) => {
                self.kind_of(sql, key)?.and_then(|kind| pace_of(catalog, kind)).and_then(|pace| pace.key_rate)
            }
            LimitOf::Queue(queue) => catalog.queue_settings.get(&queue).and_then(|settings| settings.pace.rate),
            LimitOf::Tenant(_) => self.tenant.rate,
        })
    }

    /// A bucket is full, and was forgotten on disk.
    pub(in crate::store) fn forget_bucket(&mut self, limit: LimitOf) {
        self.permits.forget(limit);
    }

    /// In the transaction that changes rates: what was taken until now is reckoned under those there were.
    pub(in crate::store) fn settle(
        &mut self,
        sql: &Connection,
        before: &Catalog,
        now: &Catalog,
        now_ns: i64,
    ) -> Result<(), StoreError> {
        if has_same_paces(before, now) {
            return Ok(());
        }
        self.flush(sql)?;
        settle_all(sql, before, now, now_ns)?;
        self.permits = Permits::default();
        Ok(())
    }

    /// What the claim took is written.
    pub(in crate::store) fn flush(&mut self, sql: &Connection) -> Result<(), StoreError> {
        self.permits.flush(sql)
    }

    // ---- what a claim asks ----

    /// Before a claim: what is remembered fits the limits there are.
    pub(in crate::store) fn prepare(&mut self, sql: &Connection, catalog: &Arc<Catalog>) -> Result<Seen, StoreError> {
        let mut found = Seen::Same;
        if self.seen.as_ref().is_none_or(|seen| !Arc::ptr_eq(seen, catalog)) {
            found = Seen::Changed;
            if self.seen.as_ref().is_none_or(|seen| !has_same_paces(seen, catalog)) {
                found = Seen::OtherPaces;
                self.flush(sql)?;
                self.forget();
                self.is_limited = self.tenant.is_limited() || is_limited(catalog);
            }
            self.seen = Some(Arc::clone(catalog));
        }
        if self.is_limited && self.running.is_none() {
            self.running = Some(self.count(sql, catalog)?);
        }
        Ok(found)
    }

    /// Some of the limits that may have room, or another job in turn, since they were last asked for.
    pub(in crate::store) fn take_opened(&mut self, now_ns: i64, limits_max: usize) -> Vec<LimitOf> {
        let mut opened: Vec<LimitOf> = self.opened.iter().take(limits_max).copied().collect();
        for limit in &opened {
            self.opened.remove(limit);
        }
        opened.extend(self.waits.take_due(now_ns, limits_max.saturating_sub(opened.len())));
        opened
    }

    /// Somebody met this obstacle, and waits until it is gone.
    pub(in crate::store) fn wait(&mut self, Obstacle { limit, admission }: Obstacle) {
        if let Admission::From(at) = admission {
            self.waits.wait(limit, at);
        }
    }

    /// Whether since the last call something began to wait for its permit.
    pub(in crate::store) fn waits_anew(&mut self) -> bool {
        self.waits.waits_anew()
    }

    /// What the whole queue waits for.
    pub(in crate::store) fn queue_obstacle(
        &mut self,
        sql: &Connection,
        catalog: &Catalog,
        queue: QueueId,
        now_ns: i64,
    ) -> Result<Option<Obstacle>, StoreError> {
        if !self.is_limited {
            return Ok(None);
        }
        let Some(settings) = catalog.queue_settings.get(&queue) else { return Ok(None) };
        let pace = catalog.tenant_pace(self.tenant, settings.tenant);
        let tenant = self.obstacle(sql, LimitOf::Tenant(settings.tenant), pace, now_ns)?;
        match tenant {
            None => self.obstacle(sql, LimitOf::Queue(queue), settings.pace, now_ns),
            found => Ok(found),
        }
    }

    /// What all jobs of the kind wait for.
    pub(in crate::store) fn kind_obstacle(
        &mut self,
        sql: &Connection,
        pace: &KindPace,
        kind: KindId,
        now_ns: i64,
    ) -> Result<Option<Obstacle>, StoreError> {
        self.obstacle(sql, LimitOf::Kind(kind), pace.of_kind(), now_ns)
    }

    /// What all jobs of the key wait for.
    pub(in crate::store) fn key_obstacle(
        &mut self,
        sql: &Connection,
        pace: &KindPace,
        key: KeyId,
        now_ns: i64,
    ) -> Result<Option<Obstacle>, StoreError> {
        self.obstacle(sql, LimitOf::Key(key), pace.of_key(), now_ns)
    }

    fn obstacle(
        &mut self,
        sql: &Connection,
        limit: LimitOf,
        pace: Pace,
        now_ns: i64,
    ) -> Result<Option<Obstacle>, StoreError> {
        if !pace.is_limited() {
            return Ok(None);
        }
        let running = self.running.as_ref().and_then(|running| running.get(&limit)).copied().unwrap_or(0);
        let bucket = match pace.rate {
            Some(_) => self.permits.bucket(sql, limit)?,
            None => Bucket::default(),
        };
        Ok(match pace.admits(running, bucket, now_ns) {
            Admission::Now => None,
            admission => Some(Obstacle { limit, admission }),
        })
    }

    /// Whose key it is; `None`: there is no such key.
    pub(in crate::store) fn kind_of(&mut self, sql: &Connection, key: KeyId) -> Result<Option<KindId>, StoreError> {
        if let Some(kind) = self.kinds_of_keys.get(&key) {
            return Ok(Some(*kind));
        }
        let kind = keys::kind_of(sql, key)?;
        if self.kinds_of_keys.len() >= KEYS_REMEMBERED_MAX {
            self.kinds_of_keys.clear();
        }
        self.kinds_of_keys.extend(kind.map(|kind| (key, kind)));
        Ok(kind)
    }

    fn count(&self, sql: &Connection, catalog: &Catalog) -> Result<FxHashMap<LimitOf, u32>, StoreError> {
        let mut running: FxHashMap<LimitOf, u32> = FxHashMap::default();
        let mut statement = sql.prepare_cached(LEASED)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let lane = Lane { tenant: TenantId(row.get(0)?), queue: QueueId(row.get(1)?), kind: KindId(row.get(2)?) };
            let of = Counted { lane, key: row.get::<_, Option<i64>>(3)?.map(KeyId) };
            let Some(kind) = pace_of(catalog, lane.kind) else { continue };
            for (limit, pace) in limits_of(catalog, self.tenant, &kind, of).into_iter().flatten() {
                if pace.concurrency.is_some() {
                    *running.entry(limit).or_default() += 1;
                }
            }
        }
        Ok(running)
    }
}
