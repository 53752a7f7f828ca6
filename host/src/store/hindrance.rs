//! Which limit a ready job waits for, how much of it is used, and by whom: read for one job, when somebody asks.

use rusqlite::{Connection, Row, params};

use super::buckets;
use super::catalog::Catalog;
use super::claim::offset_in;
use super::error::StoreError;
use super::held;
use super::keys::key_text;
use super::limit_of::LimitOf;
use super::model::{BEHIND_COUNT_MAX, Hindrance, LimitName};
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

/// What of the limits stands in the way of a job now; `None`: nothing, or it is not ready.
pub(super) fn hindrance(
    sql: &Connection,
    catalog: &Catalog,
    tenant: Pace,
    order: Order,
    now_ns: i64,
    job: &LiveRow,
) -> Result<Option<Hindrance>, StoreError> {
    if job.state != JobState::Ready || job.lease_host.is_some() || (job.parked.is_some() && job.hold.is_none()) {
        return Ok(None);
    }
    let kind = catalog.kinds.get(&job.lane.kind).map(|kind| kind.settings.pace).unwrap_or_default();
    let queue = catalog.queue_settings.get(&job.lane.queue).map(|settings| settings.pace).unwrap_or_default();
    if let Some(found) = fifo(sql, catalog, &kind, job)? {
        return Ok(Some(found));
    }
    let of_key = job.key.map(|key| (LimitOf::Key(key), kind.of_key()));
    let limits = [
        Some((LimitOf::Tenant(job.lane.tenant), tenant)),
        Some((LimitOf::Queue(job.lane.queue), queue)),
        Some((LimitOf::Kind(job.lane.kind), kind.of_kind())),
        of_key,
    ];
    for (limit, pace) in limits.into_iter().flatten().filter(|(_, pace)| pace.is_limited()) {
        let holders = if pace.concurrency.is_some() { leased_under(sql, limit)? } else { Vec::new() };
        let running = u32::try_from(holders.len()).unwrap_or(u32::MAX);
        let bucket = buckets::read(sql, limit)?.unwrap_or_default();
        let admission = pace.admits(running, bucket, now_ns);
        if admission == Admission::Now {
            continue;
        }
        let permit_in_ms = match admission {
            Admission::From(at) => Some(u64::try_from(at.saturating_sub(now_ns) / 1_000_000).unwrap_or(0)),
            Admission::Now | Admission::Full => None,
        };
        let ahead = if job.hold == Some(limit) { held_before(sql, catalog, order, limit, job)? } else { None };
        return Ok(Some(Hindrance {
            reason: held::reason(limit, admission),
            limit: name(sql, catalog, limit)?,
            pace,
            running,
            holders: holders.into_iter().take(HOLDERS_NAMED_MAX).collect(),
            permit_in_ms,
            ahead,
        }));
    }
    Ok(None)
}

/// Jobs of the key that were enqueued before and have not ended.
fn fifo(sql: &Connection, catalog: &Catalog, kind: &KindPace, job: &LiveRow) -> Result<Option<Hindrance>, StoreError> {
    let Some(key) = job.key.filter(|_| kind.is_fifo()) else { return Ok(None) };
    let Some(first) = held::in_turn(sql, key)? else { return Ok(None) };
    let first = JobId::from_bytes(first.place.1);
    if first == job.id {
        return Ok(None);
    }
    let ahead = sql
        .prepare_cached(IN_TURN_BEFORE)?
        .query_row(params![key.0, job.id.to_bytes(), BEHIND_COUNT_MAX], |row| row.get(0))?;
    Ok(Some(Hindrance {
        reason: WaitingReason::FifoKey,
        limit: name(sql, catalog, LimitOf::Key(key))?,
        pace: kind.of_key(),
        running: 1,
        holders: vec![first],
        permit_in_ms: None,
        ahead: Some(ahead),
    }))
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
