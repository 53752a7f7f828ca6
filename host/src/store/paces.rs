//! The writer's memory of limits: how many jobs run under each, the permits that are left, and which of the limits under which
//! jobs are held may let some of them begin. See ADR 11.
//!
//! All of it can be read again from the leases and the held jobs, and is, whenever it may be wrong: at start, after something
//! was taken back, when limits change. With no limits anywhere nothing is counted and nothing is looked up.

use std::collections::BTreeSet;
use std::sync::Arc;

use rusqlite::{Connection, params};
use rustc_hash::{FxHashMap, FxHashSet};

use super::buckets;
use super::catalog::{Catalog, KindId, QueueId, TenantId};
use super::counters::Lane;
use super::draft::Place;
use super::error::StoreError;
use super::held;
use super::keys;
use super::limit_of::{KeyId, LimitOf};
use super::store_clock::StoreClock;
use crate::job::{Admission, Bucket, KindPace, Pace, Rate, Timestamp};

const LEASED: &str = "SELECT tenant_id, queue_id, kind_id, key_id FROM live_jobs INDEXED BY live_leased
    WHERE lease_host IS NOT NULL";

/// Limits under which held jobs are looked for by one claim.
const SCANNED_LIMITS_MAX: usize = 1_000;
/// Keys whose kinds are remembered.
const KEYS_REMEMBERED_MAX: usize = 100_000;
const NS_PER_MS: i64 = 1_000_000;

/// What a job is counted under.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counted {
    pub(super) lane: Lane,
    pub(super) key: Option<KeyId>,
}

/// What keeps a job from being begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Obstacle {
    pub(super) limit: LimitOf,
    pub(super) admission: Admission,
}

/// See the file's head. One per writer.
#[derive(Debug)]
pub(super) struct Paces {
    tenant: Pace,
    /// What the rest was made with.
    seen: Option<Arc<Catalog>>,
    /// Whether anything is limited in it.
    is_limited: bool,
    /// Leases under each limit of a number; `None`: to be counted.
    running: Option<FxHashMap<LimitOf, u32>>,
    /// As far as they were looked at. Those that are full need not be here.
    buckets: FxHashMap<LimitOf, Bucket>,
    changed_buckets: FxHashSet<LimitOf>,
    /// Limits of kinds and keys under which held jobs may begin, with the places before which none of them stands, queue by
    /// queue, where these are known.
    open: FxHashMap<LimitOf, Option<Vec<(QueueId, Place)>>>,
    kinds_of_keys: FxHashMap<KeyId, KindId>,
    /// Limits that have to wait for a permit, by the instant it comes, ns on the store's clock.
    asleep: BTreeSet<(i64, LimitOf)>,
    waits_anew: bool,
    /// Limits with held jobs from this code on were not looked at yet.
    unscanned: Option<i64>,
}

impl Paces {
    /// `tenant`: what limits every tenant.
    pub(super) fn new(tenant: Pace) -> Self {
        Self {
            tenant,
            seen: None,
            is_limited: false,
            running: None,
            buckets: FxHashMap::default(),
            changed_buckets: FxHashSet::default(),
            open: FxHashMap::default(),
            kinds_of_keys: FxHashMap::default(),
            asleep: BTreeSet::new(),
            waits_anew: false,
            unscanned: Some(i64::MIN),
        }
    }

    /// Nothing of it can be believed any more.
    pub(super) fn forget(&mut self) {
        *self = Self::new(self.tenant);
    }

    /// Whether there may be held jobs that can be claimed.
    pub(super) fn may_let_go(&self, catalog: &Arc<Catalog>, clock: &StoreClock) -> bool {
        // With another catalog the limits may be others.
        self.seen.as_ref().is_none_or(|seen| !Arc::ptr_eq(seen, catalog))
            || !self.open.is_empty()
            || self.unscanned.is_some()
            || self.asleep.first().is_some_and(|(at, _)| *at <= clock.now_ns())
    }

    /// When the next permit comes that somebody waits for, by the wall clock.
    pub(super) fn next_permit(&self, clock: &StoreClock) -> Option<Timestamp> {
        // Of those that have come somebody knows; they are taken when there is a slot.
        let now_ns = clock.now_ns();
        let (at, _) = self.asleep.range((now_ns + 1, LimitOf::Kind(KindId(i64::MIN)))..).next()?;
        // Up to the next whole millisecond: a moment too early would be in vain.
        let wait_ms = at.saturating_sub(now_ns).div_euclid(NS_PER_MS) + 1;
        Some(Timestamp(clock.now().as_ms().saturating_add(wait_ms)))
    }

    // ---- what happens to jobs ----

    /// A lease is gone, or its job has ended; `unused`: the guest was never entered, and what it took from the rates comes
    /// back. Called once the row says so.
    pub(super) fn lease_ended(
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
        let Some(kind) = pace_of(catalog, of.lane.kind) else { return Ok(()) };
        for (limit, pace) in limits_of(catalog, self.tenant, &kind, of).into_iter().flatten() {
            if let Some(running) = self.running.as_mut()
                && let Some(count) = running.get_mut(&limit)
            {
                *count = count.saturating_sub(1);
                if *count == 0 {
                    running.remove(&limit);
                }
            }
            if unused && pace.rate.is_some() {
                let bucket = self.bucket(sql, limit)?.give_back(1);
                self.buckets.insert(limit, bucket);
                buckets::write(sql, limit, bucket)?;
            }
            match limit {
                LimitOf::Kind(_) => self.open(limit),
                // Another one may be in turn.
                LimitOf::Key(_) => drop(self.open.insert(limit, None)),
                LimitOf::Queue(_) | LimitOf::Tenant(_) => {}
            }
        }
        Ok(())
    }

    /// A job without a lease ended, or left its place among those of its key: the next may be in turn.
    pub(super) fn left_line(&mut self, catalog: &Catalog, of: Counted) {
        if let Some(key) = of.key.filter(|_| pace_of(catalog, of.lane.kind).is_some_and(|pace| pace.is_fifo())) {
            self.open.insert(LimitOf::Key(key), None);
        }
    }

    /// A job is held under this limit that was not.
    pub(super) fn came_to(&mut self, limit: LimitOf) {
        if let Some(places) = self.open.get_mut(&limit) {
            *places = None;
        }
    }

    fn open(&mut self, limit: LimitOf) {
        // The places that are known stay: what was held has not moved. The one of a key whose jobs take turns does.
        self.open.entry(limit).or_insert(None);
    }

    /// A lease is given.
    pub(super) fn lease_given(
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
                let bucket = self.bucket(sql, limit)?.take(rate, now_ns, 1);
                self.buckets.insert(limit, bucket);
                self.changed_buckets.insert(limit);
            }
        }
        Ok(())
    }

    /// The rate a bucket is under; `None`: none any more.
    pub(super) fn rate_of(
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
    pub(super) fn forget_bucket(&mut self, limit: LimitOf) {
        self.buckets.remove(&limit);
    }

    /// What the claim took is written.
    pub(super) fn flush(&mut self, sql: &Connection) -> Result<(), StoreError> {
        for limit in self.changed_buckets.drain() {
            if let Some(bucket) = self.buckets.get(&limit) {
                buckets::write(sql, limit, *bucket)?;
            }
        }
        Ok(())
    }

    // ---- what a claim asks ----

    /// Before a claim: what is remembered fits the limits there are.
    pub(super) fn prepare(
        &mut self,
        sql: &Connection,
        catalog: &Arc<Catalog>,
        clock: &StoreClock,
    ) -> Result<(), StoreError> {
        if self.seen.as_ref().is_none_or(|seen| !Arc::ptr_eq(seen, catalog)) {
            let is_same = self.seen.as_ref().is_some_and(|seen| has_same_paces(seen, catalog));
            if !is_same {
                if let Some(seen) = self.seen.take() {
                    self.settle_buckets(sql, &seen, catalog, clock.now_ns())?;
                }
                self.forget();
                self.is_limited = self.tenant.is_limited() || is_limited(catalog);
            }
            self.seen = Some(Arc::clone(catalog));
        }
        if self.is_limited && self.running.is_none() {
            self.running = Some(self.count(sql, catalog)?);
        }
        if let Some(from) = self.unscanned {
            let found = held::limits_from(sql, from, SCANNED_LIMITS_MAX)?;
            self.unscanned = found.last().map(|limit| limit.code() + 1).filter(|_| found.len() == SCANNED_LIMITS_MAX);
            for limit in found {
                self.open(limit);
            }
        }
        let now_ns = clock.now_ns();
        while let Some(&(at, limit)) = self.asleep.first().filter(|(at, _)| *at <= now_ns) {
            self.asleep.remove(&(at, limit));
            self.open(limit);
        }
        Ok(())
    }

    /// What was taken under rates that are others now, or none.
    fn settle_buckets(
        &mut self,
        sql: &Connection,
        seen: &Catalog,
        now: &Catalog,
        now_ns: i64,
    ) -> Result<(), StoreError> {
        self.flush(sql)?;
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

    /// Limits under which held jobs may begin.
    pub(super) fn open_limits(&self) -> Vec<LimitOf> {
        self.open.keys().copied().collect()
    }

    /// Where the jobs begin that are held under an open limit, in each of their queues, and whether it is one in turn: alone.
    /// None: it is open no more.
    pub(super) fn places(
        &mut self,
        sql: &Connection,
        catalog: &Catalog,
        limit: LimitOf,
        now_ns: i64,
    ) -> Result<Vec<(QueueId, Place, bool)>, StoreError> {
        let pace = match limit {
            LimitOf::Kind(kind) => pace_of(catalog, kind).unwrap_or_default().of_kind(),
            LimitOf::Key(key) => match self.kind_of(sql, key)?.and_then(|kind| pace_of(catalog, kind)) {
                Some(pace) if pace.is_fifo() => return self.place_in_turn(sql, key),
                pace => pace.unwrap_or_default().of_key(),
            },
            // Their queues are looked at anyway.
            LimitOf::Queue(_) | LimitOf::Tenant(_) => {
                self.open.remove(&limit);
                return Ok(Vec::new());
            }
        };
        if let Some(Obstacle { admission, .. }) = self.first_obstacle(sql, [(limit, pace)], now_ns)? {
            self.close(limit, admission);
            return Ok(Vec::new());
        }
        if let Some(Some(places)) = self.open.get(&limit) {
            return Ok(places.iter().map(|(queue, place)| (*queue, *place, false)).collect());
        }
        let places = held::heads(sql, limit)?;
        if places.is_empty() {
            self.open.remove(&limit);
            return Ok(Vec::new());
        }
        let found = places.iter().map(|(queue, place)| (*queue, *place, false)).collect();
        self.open.insert(limit, Some(places));
        Ok(found)
    }

    /// The one job of a key that is in turn, if it is held and nobody has it.
    fn place_in_turn(&mut self, sql: &Connection, key: KeyId) -> Result<Vec<(QueueId, Place, bool)>, StoreError> {
        // Whether it still is in turn is asked again when it is met.
        if let Some(Some(known)) = self.open.get(&LimitOf::Key(key)) {
            return Ok(known.iter().map(|(queue, place)| (*queue, *place, true)).collect());
        }
        let next = held::in_turn(sql, key)?;
        if let Some(next) = next.filter(|next| next.is_held && !next.is_leased) {
            self.open.insert(LimitOf::Key(key), Some(vec![(next.queue, next.place)]));
            return Ok(vec![(next.queue, next.place, true)]);
        }
        self.open.remove(&LimitOf::Key(key));
        Ok(Vec::new())
    }

    fn kind_of(&mut self, sql: &Connection, key: KeyId) -> Result<Option<KindId>, StoreError> {
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

    /// A claim went through the jobs of a queue held under a limit: the next one stands there, or there is none.
    pub(super) fn moved(&mut self, limit: LimitOf, queue: QueueId, place: Option<Place>) {
        let Some(Some(places)) = self.open.get_mut(&limit) else { return };
        places.retain_mut(|(of, known)| *of != queue || place.inspect(|place| *known = *place).is_some());
        if places.is_empty() {
            self.open.remove(&limit);
        }
    }

    /// Nothing more can begin under this limit for now.
    pub(super) fn close(&mut self, limit: LimitOf, admission: Admission) {
        self.open.remove(&limit);
        if let Admission::From(at) = admission {
            self.waits_anew |= self.asleep.insert((at, limit));
        }
    }

    /// Whether since the last call something began to wait for its permit.
    pub(super) fn waits_anew(&mut self) -> bool {
        std::mem::take(&mut self.waits_anew)
    }

    /// What the whole queue waits for.
    pub(super) fn queue_obstacle(
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
        let lane = [(LimitOf::Tenant(settings.tenant), self.tenant), (LimitOf::Queue(queue), settings.pace)];
        self.first_obstacle(sql, lane, now_ns)
    }

    /// What the job waits for beside its queue.
    pub(super) fn job_obstacle(
        &mut self,
        sql: &Connection,
        kind: &KindPace,
        of: Counted,
        now_ns: i64,
    ) -> Result<Option<Obstacle>, StoreError> {
        if !kind.is_limited() {
            return Ok(None);
        }
        let of_kind = (LimitOf::Kind(of.lane.kind), kind.of_kind());
        let of_key = of.key.map(|key| (LimitOf::Key(key), kind.of_key()));
        self.first_obstacle(sql, std::iter::once(of_kind).chain(of_key), now_ns)
    }

    fn first_obstacle(
        &mut self,
        sql: &Connection,
        limits: impl IntoIterator<Item = (LimitOf, Pace)>,
        now_ns: i64,
    ) -> Result<Option<Obstacle>, StoreError> {
        for (limit, pace) in limits {
            if !pace.is_limited() {
                continue;
            }
            let running = self.running.as_ref().and_then(|running| running.get(&limit)).copied().unwrap_or(0);
            let bucket = match pace.rate {
                Some(_) => self.bucket(sql, limit)?,
                None => Bucket::default(),
            };
            match pace.admits(running, bucket, now_ns) {
                Admission::Now => {}
                admission => return Ok(Some(Obstacle { limit, admission })),
            }
        }
        Ok(None)
    }

    fn bucket(&mut self, sql: &Connection, limit: LimitOf) -> Result<Bucket, StoreError> {
        if let Some(bucket) = self.buckets.get(&limit) {
            return Ok(*bucket);
        }
        let bucket = buckets::read(sql, limit)?.unwrap_or_default();
        self.buckets.insert(limit, bucket);
        Ok(bucket)
    }

    fn count(&self, sql: &Connection, catalog: &Catalog) -> Result<FxHashMap<LimitOf, u32>, StoreError> {
        let mut running: FxHashMap<LimitOf, u32> = FxHashMap::default();
        let mut statement = sql.prepare_cached(LEASED)?;
        let mut rows = statement.query(params![])?;
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

fn pace_of(catalog: &Catalog, kind: KindId) -> Option<KindPace> {
    catalog.kinds.get(&kind).map(|kind| kind.settings.pace)
}

type Limits = [Option<(LimitOf, Pace)>; 4];

/// Everything that limits a job, with what is set on it.
fn limits_of(catalog: &Catalog, tenant: Pace, kind: &KindPace, Counted { lane, key }: Counted) -> Limits {
    let queue = catalog.queue_settings.get(&lane.queue).map(|settings| settings.pace).unwrap_or_default();
    [
        Some((LimitOf::Tenant(lane.tenant), tenant)),
        Some((LimitOf::Queue(lane.queue), queue)),
        Some((LimitOf::Kind(lane.kind), kind.of_kind())),
        key.map(|key| (LimitOf::Key(key), kind.of_key())),
    ]
    .map(|limit| limit.filter(|(_, pace)| pace.is_limited()))
}

fn is_limited(catalog: &Catalog) -> bool {
    catalog.kinds.values().any(|kind| kind.settings.pace.is_limited())
        || catalog.queue_settings.values().any(|settings| settings.pace.is_limited())
}

fn has_same_paces(seen: &Catalog, now: &Catalog) -> bool {
    let kinds = now.kinds.iter().all(|(id, kind)| pace_of(seen, *id).unwrap_or_default() == kind.settings.pace);
    let gone = seen.kinds.iter().all(|(id, kind)| now.kinds.contains_key(id) || !kind.settings.pace.is_limited());
    let pace = |catalog: &Catalog, id: &QueueId| {
        catalog.queue_settings.get(id).map(|settings| settings.pace).unwrap_or_default()
    };
    let queues = now.queue_settings.iter().all(|(id, settings)| pace(seen, id) == settings.pace);
    let removed = seen.queue_settings.iter().all(|(id, settings)| pace(now, id) == settings.pace);
    kinds && gone && queues && removed
}
