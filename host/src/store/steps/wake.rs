//! Suspended jobs run again: what they waited for came, or its time is over.

use rusqlite::{Connection, OptionalExtension, params};

use crate::job::{EventType, JobId, JobState, Timestamp, WaitingReason};
use crate::store::codec::{HistoryNote, append_history};
use crate::store::draft::Draft;
use crate::store::error::StoreError;
use crate::store::rows::{LiveRow, live_row};

const OVERDUE: &str = "SELECT job_id, step FROM event_waits WHERE until <= ?1 ORDER BY until LIMIT ?2";
const NEXT: &str = "SELECT min(until) FROM event_waits";
const WAIT: &str = "SELECT step FROM event_waits WHERE job_id = ?1";
const END_WAIT: &str = "DELETE FROM event_waits WHERE job_id = ?1";
const END_STEP: &str = "UPDATE job_steps SET result = ?3, ended_at = ?4, event = ?5 WHERE job_id = ?1 AND step = ?2";
const MAKE_READY: &str =
    "UPDATE live_jobs SET state = 'ready', run_at = ?2, ready_at = ?2, order_key = ?3, snoozed = 0,
        suspension = NULL, history = ?4
    WHERE id = ?1";
// The last one: a job waits in one place.
const MOVE_STEP: &str = "UPDATE job_steps SET until = ?2 WHERE job_id = ?1 AND step =
    (SELECT max(step) FROM job_steps WHERE job_id = ?1)";

const MOVE_WAIT: &str = "UPDATE event_waits SET until = ?2 WHERE job_id = ?1";

/// What ended a wait.
#[derive(Clone, Copy, Debug)]
pub(in crate::store) enum Woken<'a> {
    /// This event came, with this data, JSON text.
    Event(i64, &'a [u8]),
    /// It did not come in time.
    TimedOut,
}

/// Ends the wait of a blocked job, which is ready from now on.
pub(in crate::store) fn wake(
    sql: &Connection,
    draft: &mut Draft,
    row: &LiveRow,
    step: u32,
    woken: Woken<'_>,
) -> Result<(), StoreError> {
    let id = row.id.to_bytes();
    let (result, event_type) = match woken {
        Woken::Event(event, data) => (Some((event, data)), EventType::EventReceived),
        Woken::TimedOut => (None, EventType::EventTimedOut),
    };
    sql.prepare_cached(END_WAIT)?.execute([id])?;
    let (event, data) = (result.map(|(event, _)| event), result.map(|(_, data)| data));
    sql.prepare_cached(END_STEP)?.execute(params![id, step, data, draft.now.as_ms(), event])?;
    let bytes = data.map_or(0, |data| i64::try_from(data.len()).unwrap_or(i64::MAX));
    draft.meter.stored(row.lane.tenant, row.id, bytes);
    let state = JobState::Ready;
    let note = HistoryNote { at: draft.now, event_type, state, attempt: row.attempt };
    let history = append_history(row.history.as_deref(), note)?;
    let order_key = draft.order.key(row.priority, draft.now);
    sql.prepare_cached(MAKE_READY)?.execute(params![id, draft.now.as_ms(), order_key, history])?;
    draft.move_count(row.lane, row.state, state)?;
    draft.event(event_type, row.id, row.lane, state, row.attempt);
    draft.made_ready(row.lane.queue);
    Ok(())
}

/// Ends waits whose time is over, so many at most.
pub(in crate::store) fn time_out_waits(
    sql: &Connection,
    draft: &mut Draft,
    jobs_max: usize,
) -> Result<usize, StoreError> {
    let overdue: Vec<([u8; 16], u32)> = {
        let mut statement = sql.prepare_cached(OVERDUE)?;
        let rows = statement.query_map(params![draft.now.as_ms(), jobs_max], |row| Ok((row.get(0)?, row.get(1)?)))?;
        rows.collect::<Result<_, _>>()?
    };
    for (id, step) in &overdue {
        match live_row(sql, JobId::from_bytes(*id))? {
            Some(row) => wake(sql, draft, &row, *step, Woken::TimedOut)?,
            None => drop(sql.prepare_cached(END_WAIT)?.execute([id])?),
        }
    }
    Ok(overdue.len())
}

/// When the next wait is over.
pub(in crate::store) fn next_wake(sql: &Connection) -> Result<Option<Timestamp>, StoreError> {
    let until: Option<i64> = sql.prepare_cached(NEXT)?.query_row([], |row| row.get(0))?;
    Ok(until.map(Timestamp))
}

/// Somebody says when the sleep of a job, or its wait for an event, is to be over.
pub(in crate::store) fn ends_at(sql: &Connection, row: &LiveRow, until: Timestamp) -> Result<(), StoreError> {
    let ends = params![row.id.to_bytes(), until.as_ms()];
    match row.suspension {
        Some(WaitingReason::Sleeping) => {
            sql.prepare_cached(MOVE_STEP)?.execute(ends)?;
        }
        Some(WaitingReason::Event) => {
            sql.prepare_cached(MOVE_STEP)?.execute(ends)?;
            sql.prepare_cached(MOVE_WAIT)?.execute(ends)?;
        }
        _ => {}
    }
    Ok(())
}

/// Ends the wait of a job at somebody's wish, as if its time were over.
pub(in crate::store) fn wake_by_hand(sql: &Connection, draft: &mut Draft, row: &LiveRow) -> Result<(), StoreError> {
    let step: Option<u32> = sql.prepare_cached(WAIT)?.query_row([row.id.to_bytes()], |row| row.get(0)).optional()?;
    let step = step.ok_or_else(|| StoreError::internal("a job waits for an event, and nothing says for which"))?;
    wake(sql, draft, row, step, Woken::TimedOut)
}
