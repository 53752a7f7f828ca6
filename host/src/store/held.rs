//! Jobs that are held: parked under the limit they wait for, outside the index claims go through. See ADR 11.

use rusqlite::{Connection, OptionalExtension};

use super::catalog::QueueId;
use super::draft::{Draft, Place};
use super::error::StoreError;
use super::limit_of::{KeyId, LimitOf};
use super::paces::Counted;
use crate::job::{Admission, KindPace, WaitingReason};

const NEXT_LIMIT: &str = "SELECT min(hold) FROM live_jobs INDEXED BY live_held WHERE hold IS NOT NULL AND hold >= ?1";
const NEXT_QUEUE: &str =
    "SELECT min(queue_id) FROM live_jobs INDEXED BY live_held WHERE hold IS NOT NULL AND hold = ?1 AND queue_id > ?2";
const HEAD: &str = "SELECT order_key, id FROM live_jobs INDEXED BY live_held
    WHERE hold IS NOT NULL AND hold = ?1 AND queue_id = ?2 ORDER BY order_key, id LIMIT 1";
const ANY: &str = "SELECT EXISTS(SELECT 1 FROM live_jobs INDEXED BY live_held WHERE hold IS NOT NULL AND hold = ?1)";
const IN_TURN: &str = "SELECT id, queue_id, order_key, hold, lease_host FROM live_jobs INDEXED BY live_in_turn
    WHERE key_id = ?1 AND key_id IS NOT NULL
        AND (state = 'ready' OR state = 'running' OR state = 'retrying' OR snoozed = 1)
    ORDER BY id LIMIT 1";

/// The limits under which jobs are held, from this code on, so many.
pub(super) fn limits_from(sql: &Connection, from: i64, limits_max: usize) -> Result<Vec<LimitOf>, StoreError> {
    let mut statement = sql.prepare_cached(NEXT_LIMIT)?;
    let (mut limits, mut from) = (Vec::new(), from);
    while limits.len() < limits_max {
        let Some(code) = statement.query_row([from], |row| row.get::<_, Option<i64>>(0))? else { break };
        limits.push(LimitOf::from_code(code));
        from = code + 1;
    }
    Ok(limits)
}

/// Where the jobs held under a limit begin, in each queue there are any of.
pub(super) fn heads(sql: &Connection, limit: LimitOf) -> Result<Vec<(QueueId, Place)>, StoreError> {
    let mut next = sql.prepare_cached(NEXT_QUEUE)?;
    let mut head = sql.prepare_cached(HEAD)?;
    let (mut heads, mut after) = (Vec::new(), i64::MIN);
    while let Some(queue) = next.query_row([limit.code(), after], |row| row.get::<_, Option<i64>>(0))? {
        let place = head.query_row([limit.code(), queue], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        heads.extend(place.map(|place| (QueueId(queue), place)));
        after = queue;
    }
    Ok(heads)
}

/// The first of a key's jobs in the order in which they were enqueued, of those whose time has come.
pub(super) struct InTurn {
    pub(super) queue: QueueId,
    pub(super) place: Place,
    /// For its turn: it may be held under another limit, too.
    pub(super) is_held: bool,
    pub(super) is_leased: bool,
}

pub(super) fn in_turn(sql: &Connection, key: KeyId) -> Result<Option<InTurn>, StoreError> {
    let mut statement = sql.prepare_cached(IN_TURN)?;
    let in_turn = statement.query_row([key.0], |row| {
        Ok(InTurn {
            queue: QueueId(row.get(1)?),
            place: (row.get(2)?, row.get(0)?),
            is_held: row.get::<_, Option<i64>>(3)? == Some(LimitOf::Key(key).code()),
            is_leased: row.get::<_, Option<i64>>(4)?.is_some(),
        })
    });
    Ok(in_turn.optional()?)
}

/// Why a job is held that meets this.
pub(super) fn reason(limit: LimitOf, admission: Admission) -> WaitingReason {
    match (admission, limit) {
        (Admission::From(_), _) => WaitingReason::RateLimited,
        (_, LimitOf::Kind(_)) => WaitingReason::KindConcurrency,
        (_, LimitOf::Key(_)) => WaitingReason::KeyConcurrency,
        (_, LimitOf::Queue(_)) => WaitingReason::QueueConcurrency,
        (_, LimitOf::Tenant(_)) => WaitingReason::TenantConcurrency,
    }
}

/// Under which limit a job that becomes ready is held from the start: one that holds others already. So those many that come
/// to a full limit are met by no claim at all.
pub(super) fn from_the_start(
    sql: &Connection,
    draft: &mut Draft,
    pace: &KindPace,
    of: Counted,
) -> Result<Option<(WaitingReason, LimitOf)>, StoreError> {
    if !pace.is_limited() {
        return Ok(None);
    }
    if let Some(key) = of.key.filter(|_| pace.is_fifo())
        && in_turn(sql, key)?.is_some()
    {
        return Ok(Some((WaitingReason::FifoKey, LimitOf::Key(key))));
    }
    let kind = pace.of_kind().is_limited().then_some((LimitOf::Kind(of.lane.kind), pace.of_kind()));
    let key = of.key.filter(|_| pace.of_key().is_limited()).map(|key| (LimitOf::Key(key), pace.of_key()));
    for (limit, pace) in kind.into_iter().chain(key) {
        let is_held: bool = sql.prepare_cached(ANY)?.query_row([limit.code()], |row| row.get(0))?;
        if is_held {
            let admission = if pace.concurrency.is_some() { Admission::Full } else { Admission::From(0) };
            draft.paces.came_to(limit);
            return Ok(Some((reason(limit, admission), limit)));
        }
    }
    Ok(None)
}
