//! How a ready job stands in line: which limit it waits for, how much of it is used, and by whom, and who comes first. Read when
//! somebody asks; for the jobs of a page each limit is looked at once, and nobody is counted.

use rusqlite::{Connection, Row, params};
use rustc_hash::FxHashMap;

use super::buckets;
use super::catalog::{Catalog, QueueId};
use super::claim::offset_in;
use super::error::StoreError;
use super::held;
use super::keys::key_text;
use super::limit_of::LimitOf;
use super::model::{BEHIND_COUNT_MAX, Behind, Hindrance, InLine, LimitName};
use super::order::Order;
use super::rows::LiveRow;
use crate::job::{Admission, JobId, JobState, KindPace, Pace, WaitingReason};

/// Jobs named that hold a limit.
const HOLDERS_NAMED_MAX: usize = 5;

const LEASED_OF_KIND: &str =
    "SELECT id FROM live_jobs INDEXED BY live_leased WHERE lease_host IS NOT NULL AND kind_id = ?1 ORDER BY id";
const LEASED_OF_KEY: &str =
    "SELECT id FROM live_jobs INDEXED BY live_leased WHERE lease_host IS NOT NULL AND key_id = ?1 ORDER BY id";
const LEASED_OF_QUEUE: &str =
    "SELECT id FROM live_jobs INDEXED BY live_leased WHERE lease_host IS NOT NULL AND queue_id = ?1 ORDER BY id";
const LEASED_OF_TENANT: &str =
    "SELECT id FROM live_jobs INDEXED BY live_leased WHERE lease_host IS NOT NULL AND tenant_id = ?1 ORDER BY id";
const HELD_BEFORE: &str = "SELECT count(*) FROM (SELECT 1 FROM live_jobs INDEXED BY live_held
    WHERE hold IS NOT NULL AND hold = ?1 AND queue_id = ?2 AND (order_key, id) < (?3, ?4) LIMIT ?5)";
const IN_TURN_BEFORE: &str = "SELECT count(*) FROM (SELECT 1 FROM live_jobs INDEXED BY live_in_turn
    WHERE key_id = ?1 AND key_id IS NOT NULL
        AND (state = 'ready' OR state = 'running' OR state = 'retrying' OR snoozed = 1)
        AND id < ?2 LIMIT ?3)";
const READY_BEFORE: &str = "SELECT count(*) FROM (SELECT 1 FROM live_jobs INDEXED BY live_ready
    WHERE queue_id = ?1 AND state = 'ready' AND lease_host IS NULL AND parked IS NULL AND suspect = 0
        AND (order_key, id) < (?2, ?3) LIMIT ?4)";

/// What is known beside the tables.
#[derive(Clone, Copy, Debug)]
pub(super) struct LimitFacts {
    pub(super) order: Order,
    pub(super) tenant_pace: Pace,
    /// On the store's clock.
    pub(super) now_ns: i64,
}

/// How far a look goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Depth {
    /// It counts who comes first.
    Counted,
    /// For one of many.
    Glance,
}

/// Looks at jobs of one moment.
pub(super) struct Look<'l> {
    sql: &'l Connection,
    catalog: &'l Catalog,
    facts: LimitFacts,
    depth: Depth,
    /// How limits stand that were looked at.
    known: FxHashMap<LimitOf, Stand>,
}

/// How a limit stands.
#[derive(Clone, Debug)]
struct Stand {
    running: u32,
    /// The first of those that run.
    holders: Vec<JobId>,
    admission: Admission,
}

impl<'l> Look<'l> {
    pub(super) fn new(sql: &'l Connection, catalog: &'l Catalog, facts: LimitFacts, depth: Depth) -> Self {
        Self { sql, catalog, facts, depth, known: FxHashMap::default() }
    }

    /// How a job stands; `None`: it is not ready, or somebody has it.
    pub(super) fn at(&mut self, job: &LiveRow) -> Result<Option<Box<InLine>>, StoreError> {
        if job.state != JobState::Ready || job.lease_host.is_some() {
            return Ok(None);
        }
        let hindrance = if job.parked.is_some() && job.hold.is_none() { None } else { self.hindrance(job)? };
        let behind = match (self.depth, &hindrance) {
            (Depth::Counted, _) => behind(self.sql, self.catalog, self.facts.order, job)?.map(Behind::Counted),
            (Depth::Glance, Some(_)) => None,
            (Depth::Glance, None) => self.is_behind_in_its_queue(job)?.map(Behind::Some),
        };
        Ok(Some(Box::new(InLine { hindrance, behind })))
    }

    /// What of the limits stands in the way of a job now.
    fn hindrance(&mut self, job: &LiveRow) -> Result<Option<Hindrance>, StoreError> {
        let catalog = self.catalog;
        let kind = catalog.kinds.get(&job.lane.kind).map(|kind| kind.settings.pace).unwrap_or_default();
        let tenant = catalog.tenant_pace(self.facts.tenant_pace, job.lane.tenant);
        let queue = catalog.queue_settings.get(&job.lane.queue).map(|settings| settings.pace).unwrap_or_default();
        if let Some(found) = self.fifo(&kind, job)? {
            return Ok(Some(found));
        }
        let of_kind = Some((LimitOf::Kind(job.lane.kind), kind.of_kind()));
        let of_key = job.key.map(|key| (LimitOf::Key(key), kind.of_key()));
        // Under which it is held decides when it is looked at again, whatever else is full by then.
        let is_held_by_key = of_key.is_some_and(|(limit, _)| job.hold == Some(limit));
        let (first, second) = if is_held_by_key { (of_key, of_kind) } else { (of_kind, of_key) };
        let limits = [
            Some((LimitOf::Tenant(job.lane.tenant), tenant)),
            Some((LimitOf::Queue(job.lane.queue), queue)),
            first,
            second,
        ];
        for (limit, pace) in limits.into_iter().flatten().filter(|(_, pace)| pace.is_limited()) {
            let Stand { running, holders, admission } = self.stand(limit, pace)?;
            let permit_in_ms = match admission {
                Admission::Now => continue,
                Admission::From(at) => {
                    Some(u64::try_from(at.saturating_sub(self.facts.now_ns) / 1_000_000).unwrap_or(0))
                }
                Admission::Full => None,
            };
            let ahead = if job.hold == Some(limit) && self.depth == Depth::Counted {
                held_before(self.sql, catalog, self.facts.order, limit, job)?
            } else {
                None
            };
            let (reason, limit) = (held::reason(limit, admission), name(self.sql, catalog, limit)?);
            return Ok(Some(Hindrance { reason, limit, pace, running, holders, permit_in_ms, ahead }));
        }
        Ok(None)
    }

    fn stand(&mut self, limit: LimitOf, pace: Pace) -> Result<Stand, StoreError> {
        if let Some(known) = self.known.get(&limit) {
            return Ok(known.clone());
        }
        let mut holders = if pace.concurrency.is_some() { leased_under(self.sql, limit)? } else { Vec::new() };
        let running = u32::try_from(holders.len()).unwrap_or(u32::MAX);
        holders.truncate(HOLDERS_NAMED_MAX);
        let bucket = buckets::read(self.sql, limit)?.unwrap_or_default();
        let stand = Stand { running, holders, admission: pace.admits(running, bucket, self.facts.now_ns) };
        self.known.insert(limit, stand.clone());
        Ok(stand)
    }

    /// Jobs of the key that were enqueued before and have not ended.
    fn fifo(&self, kind: &KindPace, job: &LiveRow) -> Result<Option<Hindrance>, StoreError> {
        let Some(key) = job.key.filter(|_| kind.is_fifo()) else { return Ok(None) };
        let Some(first) = held::in_turn(self.sql, key)? else { return Ok(None) };
        let first = JobId::from_bytes(first.place.1);
        if first == job.id {
            return Ok(None);
        }
        let ahead = if self.depth == Depth::Counted {
            let mut statement = self.sql.prepare_cached(IN_TURN_BEFORE)?;
            Some(statement.query_row(params![key.0, job.id.to_bytes(), BEHIND_COUNT_MAX], |row| row.get(0))?)
        } else {
            None
        };
        Ok(Some(Hindrance {
            reason: WaitingReason::FifoKey,
            limit: name(self.sql, self.catalog, LimitOf::Key(key))?,
            pace: kind.of_key(),
            running: 1,
            holders: vec![first],
            permit_in_ms: None,
            ahead,
        }))
    }

    /// `None`: it is not in line.
    fn is_behind_in_its_queue(&self, job: &LiveRow) -> Result<Option<bool>, StoreError> {
        if !is_in_line(self.catalog, job) {
            return Ok(None);
        }
        let before = ready_before(self.sql, job.lane.queue, job.order_key, job.id, 1)?;
        Ok(Some(before > 0))
    }
}

fn is_in_line(catalog: &Catalog, job: &LiveRow) -> bool {
    job.state == JobState::Ready
        && job.lease_host.is_none()
        && job.parked.is_none()
        && !job.suspect
        && !catalog.is_paused(job.lane.queue)
        && catalog.is_active(job.lane.tenant)
}

/// How many claimable jobs of the tenant come before this one, counted up to a bound; `None` when it is not in line.
fn behind(sql: &Connection, catalog: &Catalog, order: Order, job: &LiveRow) -> Result<Option<u64>, StoreError> {
    if !is_in_line(catalog, job) {
        return Ok(None);
    }
    let offset = |queue| catalog.queue_settings.get(queue).map_or(0, |settings| order.queue_offset(settings.priority));
    let key = job.order_key.saturating_add(offset(&job.lane.queue));
    let mut before = 0;
    for (queue, settings) in &catalog.queue_settings {
        // What a paused queue holds goes nowhere.
        if settings.tenant != job.lane.tenant || settings.is_paused {
            continue;
        }
        let left = BEHIND_COUNT_MAX.saturating_sub(before);
        if left == 0 {
            break;
        }
        before += ready_before(sql, *queue, key - offset(queue), job.id, left)?;
    }
    Ok(Some(before))
}

/// Claimable jobs of a queue before this place, counted up to `most`.
fn ready_before(sql: &Connection, queue: QueueId, key: i64, job: JobId, most: u64) -> Result<u64, StoreError> {
    let mut statement = sql.prepare_cached(READY_BEFORE)?;
    Ok(statement.query_row(params![queue.0, key, job.to_bytes(), most], |row| row.get(0))?)
}

fn leased_under(sql: &Connection, limit: LimitOf) -> Result<Vec<JobId>, StoreError> {
    let (statement, id) = match limit {
        LimitOf::Kind(kind) => (LEASED_OF_KIND, kind.0),
        LimitOf::Key(key) => (LEASED_OF_KEY, key.0),
        LimitOf::Queue(queue) => (LEASED_OF_QUEUE, queue.0),
        LimitOf::Tenant(tenant) => (LEASED_OF_TENANT, tenant.0),
    };
    let mut statement = sql.prepare_cached(statement)?;
    let id_of = |row: &Row<'_>| row.get(0).map(JobId::from_bytes);
    let leased = statement.query_map([id], id_of)?.collect::<Result<_, _>>()?;
    Ok(leased)
}

/// How many that are held under the same limit come first, over all queues, counted up to a bound.
fn held_before(
    sql: &Connection,
    catalog: &Catalog,
    order: Order,
    limit: LimitOf,
    job: &LiveRow,
) -> Result<Option<u64>, StoreError> {
    let mut before = 0;
    for (queue, _) in held::heads(sql, limit)? {
        if queue != job.lane.queue && catalog.is_paused(queue) {
            continue;
        }
        let left = BEHIND_COUNT_MAX.saturating_sub(before);
        // Queues differ in priority, too; that shifts all of a queue's places by the same amount.
        let offset = |queue| offset_in(catalog, order, queue);
        let key = job.order_key.saturating_add(offset(job.lane.queue) - offset(queue));
        let count: u64 = sql
            .prepare_cached(HELD_BEFORE)?
            .query_row(params![limit.code(), queue.0, key, job.id.to_bytes(), left], |row| row.get(0))?;
        before += count;
    }
    Ok(Some(before))
}

fn name(sql: &Connection, catalog: &Catalog, limit: LimitOf) -> Result<LimitName, StoreError> {
    Ok(match limit {
        LimitOf::Kind(_) => LimitName::Kind,
        LimitOf::Key(key) => LimitName::Key(key_text(sql, key)?.unwrap_or_default()),
        LimitOf::Queue(_) => LimitName::Queue,
        LimitOf::Tenant(tenant) => LimitName::Tenant(catalog.tenant_name(tenant).cloned()),
    })
}
