//! Jobs that are held: parked under the limit they wait for, outside the index claims go through. See ADR 11.

use rusqlite::{Connection, OptionalExtension};
use rustc_hash::FxHashSet;

use super::catalog::QueueId;
use super::draft::{Draft, Place};
use super::error::StoreError;
use super::limit_of::{KeyId, LimitOf};
use super::line::Source;
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

/// Under which limits jobs may be held: under no others. Found out piece by piece after a start.
#[derive(Debug)]
pub(super) struct Holding {
    limits: FxHashSet<LimitOf>,
    /// Those from this code on were not looked for yet.
    unscanned: Option<i64>,
}

impl Holding {
    /// Nothing is known.
    pub(super) fn unknown() -> Self {
        Self { limits: FxHashSet::default(), unscanned: Some(i64::MIN) }
    }

    /// Whether there may be jobs held under the limit.
    pub(super) fn may_hold(&self, limit: LimitOf) -> bool {
        self.limits.contains(&limit) || self.unscanned.is_some_and(|from| limit.code() >= from)
    }

    /// A job is held under the limit.
    pub(super) fn comes_to(&mut self, limit: LimitOf) {
        self.limits.insert(limit);
    }

    /// No job is held under the limit.
    pub(super) fn is_gone(&mut self, limit: LimitOf) {
        self.limits.remove(&limit);
    }

    /// Whether there is something left to be found out.
    pub(super) fn is_unscanned(&self) -> bool {
        self.unscanned.is_some()
    }

    /// Finds out more, so many limits in one piece.
    pub(super) fn scan(&mut self, sql: &Connection, limits_max: usize) -> Result<Vec<LimitOf>, StoreError> {
        let mut found = Vec::new();
        let mut statement = sql.prepare_cached(NEXT_LIMIT)?;
        while found.len() < limits_max
            && let Some(from) = self.unscanned
        {
            let code: Option<i64> = statement.query_row([from], |row| row.get(0))?;
            found.extend(code.map(LimitOf::from_code));
            self.unscanned = code.map(|code| code + 1);
        }
        self.limits.extend(&found);
        Ok(found)
    }
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
        draft.holding.comes_to(LimitOf::Key(key));
        return Ok(Some((WaitingReason::FifoKey, LimitOf::Key(key))));
    }
    let kind = pace.of_kind().is_limited().then_some((LimitOf::Kind(of.lane.kind), pace.of_kind()));
    let key = of.key.filter(|_| pace.of_key().is_limited()).map(|key| (LimitOf::Key(key), pace.of_key()));
    for (limit, pace) in kind.into_iter().chain(key) {
        let is_held =
            draft.holding.may_hold(limit) && sql.prepare_cached(ANY)?.query_row([limit.code()], |row| row.get(0))?;
        if is_held {
            let admission = if pace.concurrency.is_some() { Admission::Full } else { Admission::From(0) };
            draft.holding.comes_to(limit);
            // It may come before those that were there.
            draft.line.look_up_again(Source::Held(limit));
            return Ok(Some((reason(limit, admission), limit)));
        }
    }
    Ok(None)
}
