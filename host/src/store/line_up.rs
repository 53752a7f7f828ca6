//! Before a claim: the line is brought up to date with what happened since the last one. Each event is paid for once, and no
//! claim pays for more than a bounded number of them; what is left is done by the claims that follow at once.

use rusqlite::{Connection, OptionalExtension};

use super::catalog::QueueId;
use super::draft::{Draft, Place};
use super::error::StoreError;
use super::held::{self, Holding};
use super::limit_of::{KeyId, LimitOf};
use super::line::{Group, Source};
use super::paces::Seen;

/// Limits found, limits that opened, and sources looked up by one claim, each.
const LINED_UP_MAX: usize = 1_000;

const HEAD: &str = "SELECT order_key, id FROM live_jobs INDEXED BY live_ready
    WHERE queue_id = ?1 AND state = 'ready' AND lease_host IS NULL AND parked IS NULL AND suspect = 0
    ORDER BY order_key, id LIMIT 1";

/// `true`: more is left than one claim does.
pub(super) fn line_up(sql: &Connection, draft: &mut Draft, now_ns: i64) -> Result<bool, StoreError> {
    match draft.paces.prepare(sql, &draft.catalog, &draft.clock)? {
        Seen::Same => {}
        Seen::Changed => draft.line.rank_anew(&draft.catalog),
        Seen::OtherPaces => {
            draft.holding = Holding::unknown();
            draft.line.forget(&draft.catalog);
            draft.line.rank_anew(&draft.catalog);
        }
    }
    for limit in draft.holding.scan(sql, LINED_UP_MAX)? {
        draft.line.look_up(Source::Held(limit));
    }
    let opened = draft.paces.take_opened(now_ns, LINED_UP_MAX);
    for limit in &opened {
        opens(sql, draft, *limit)?;
    }
    for source in draft.line.take_unknown(LINED_UP_MAX) {
        look_up(sql, draft, source)?;
    }
    Ok(opened.len() >= LINED_UP_MAX || draft.holding.is_unscanned() || draft.line.has_unknown())
}

/// The limit may have room, or another one of its jobs may be in turn.
fn opens(sql: &Connection, draft: &mut Draft, limit: LimitOf) -> Result<(), StoreError> {
    draft.line.let_in(limit);
    let source = Source::Held(limit);
    match limit {
        // What is held under it has not moved; who is in turn has.
        LimitOf::Key(key)
            if draft.holding.may_hold(limit) && (!draft.line.has(source) || is_fifo(sql, draft, key)?) =>
        {
            draft.line.look_up(source);
        }
        LimitOf::Kind(_) if draft.holding.may_hold(limit) && !draft.line.has(source) => draft.line.look_up(source),
        // Their jobs are with those of their queues.
        LimitOf::Kind(_) | LimitOf::Key(_) | LimitOf::Queue(_) | LimitOf::Tenant(_) => {}
    }
    Ok(())
}

/// Whether the key's jobs take turns.
pub(super) fn is_fifo(sql: &Connection, draft: &mut Draft, key: KeyId) -> Result<bool, StoreError> {
    let kind = draft.paces.kind_of(sql, key)?.and_then(|kind| draft.catalog.kinds.get(&kind));
    Ok(kind.is_some_and(|kind| kind.settings.pace.is_fifo()))
}

/// Finds where a source begins.
fn look_up(sql: &Connection, draft: &mut Draft, source: Source) -> Result<(), StoreError> {
    let (kind, places) = match source {
        Source::Ready(queue) => (None, ready_head(sql, queue)?.into_iter().collect()),
        Source::Held(limit @ LimitOf::Kind(kind)) => (Some(kind), held_heads(sql, draft, limit)?),
        Source::Held(limit @ LimitOf::Key(key)) => {
            let places =
                if is_fifo(sql, draft, key)? { in_turn(sql, draft, key)? } else { held_heads(sql, draft, limit)? };
            (draft.paces.kind_of(sql, key)?, places)
        }
        // Nothing is held under them.
        Source::Held(LimitOf::Queue(_) | LimitOf::Tenant(_)) => (None, Vec::new()),
    };
    let places = places.into_iter().map(|(queue, place)| (Group { queue, kind }, place)).collect();
    draft.line.put(source, places);
    Ok(())
}

fn ready_head(sql: &Connection, queue: QueueId) -> Result<Option<(QueueId, Place)>, StoreError> {
    let mut statement = sql.prepare_cached(HEAD)?;
    let place = statement.query_row([queue.0], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    Ok(place.map(|place| (queue, place)))
}

fn held_heads(sql: &Connection, draft: &mut Draft, limit: LimitOf) -> Result<Vec<(QueueId, Place)>, StoreError> {
    let heads = held::heads(sql, limit)?;
    if heads.is_empty() {
        draft.holding.is_gone(limit);
    }
    Ok(heads)
}

/// The one job of a key that is in turn, if it is held and nobody has it.
fn in_turn(sql: &Connection, draft: &mut Draft, key: KeyId) -> Result<Vec<(QueueId, Place)>, StoreError> {
    let Some(next) = held::in_turn(sql, key)? else {
        // What is held is ready, and would stand in this line.
        draft.holding.is_gone(LimitOf::Key(key));
        return Ok(Vec::new());
    };
    let is_free = next.is_held && !next.is_leased;
    Ok(is_free.then_some((next.queue, next.place)).into_iter().collect())
}
