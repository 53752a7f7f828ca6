//! Goes through history once after it was changed how long jobs are kept, a page at a time, and notes which are to be looked
//! at sooner now. (Those that are kept longer are found to be when the moment comes that was noted at their end.)
//! It also goes through what was there before any of this was noted, dead letters included. How far it has come is kept: a restart goes on there.

use rusqlite::{Connection, OptionalExtension, params};

use super::codec::unpack_failure;
use super::dead_letters;
use super::draft::Draft;
use super::error::StoreError;
use super::retention::{InForce, Stay, by_itself};
use super::rows::{FinishedRow, finished_columns};
use crate::job::JobState;

/// Jobs looked at by one operation.
const SWEPT_JOBS_MAX: usize = 500;

const READ: &str = "SELECT in_force, before, swept_to FROM sweep";
const BEGIN: &str = "INSERT INTO sweep (one, in_force, before, swept_to) VALUES (1, ?1, ?2, x'')
    ON CONFLICT (one) DO UPDATE SET in_force = excluded.in_force, before = excluded.before, swept_to = excluded.swept_to";
const SWEPT: &str = "UPDATE sweep SET swept_to = ?1";
const PAGE: &str = concat!("SELECT ", finished_columns!(), " FROM finished_jobs WHERE id > ?1 ORDER BY id LIMIT ?2");

/// One page; `true` when there are more.
pub(super) fn sweep_history(sql: &Connection, draft: &mut Draft) -> Result<bool, StoreError> {
    let now = InForce::now(draft);
    let known: Option<(String, Option<String>, Option<Vec<u8>>)> =
        sql.prepare_cached(READ)?.query_row([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).optional()?;
    let (before, from) = match known {
        Some((in_force, before, swept_to)) if read(&in_force)? == now => match swept_to {
            None => return Ok(false),
            Some(swept_to) => (before, swept_to),
        },
        known => {
            // What was not gone through to its end is not known to be noted.
            let before = known.and_then(|(in_force, _, swept_to)| swept_to.is_none().then_some(in_force));
            let text = serde_json::to_string(&now).map_err(StoreError::internal)?;
            sql.prepare_cached(BEGIN)?.execute(params![text, before])?;
            (before, Vec::new())
        }
    };
    let before = before.as_deref().map(read).transpose()?;
    let page = page(sql, &from)?;
    for row in &page {
        if before.is_none() && row.state == JobState::Failed {
            enter_late(sql, draft, row)?;
        }
        let may_be_of_batch = draft.ties.are_batches;
        if before.as_ref().is_some_and(|before| !now.may_be_shorter(before, row, may_be_of_batch)) {
            continue;
        }
        // Who else needs it is found out by the look.
        let left_ms = match by_itself(draft, row)? {
            Stay::Forever => continue,
            Stay::Over | Stay::LookFurther => 0,
            Stay::LongerMs(left_ms) => left_ms,
        };
        let due_ms = draft.clock.now_ms().saturating_add(left_ms);
        draft.looks.add(due_ms, row.id);
    }
    let swept_to = page.last().filter(|_| page.len() >= SWEPT_JOBS_MAX).map(|row| row.id.to_bytes());
    sql.prepare_cached(SWEPT)?.execute([swept_to])?;
    Ok(swept_to.is_some())
}

fn enter_late(sql: &Connection, draft: &Draft, row: &FinishedRow) -> Result<(), StoreError> {
    let Some(failure) = row.failure.as_deref().map(unpack_failure).transpose()? else { return Ok(()) };
    dead_letters::enter_late(sql, &draft.catalog, row.id, row.lane, &failure, row.finished_at)
}

fn read(text: &str) -> Result<InForce, StoreError> {
    serde_json::from_str(text).map_err(StoreError::internal)
}

fn page(sql: &Connection, after: &[u8]) -> Result<Vec<FinishedRow>, StoreError> {
    let mut statement = sql.prepare_cached(PAGE)?;
    let mut rows = statement.query(params![after, SWEPT_JOBS_MAX])?;
    let mut page = Vec::new();
    while let Some(row) = rows.next()? {
        page.push(FinishedRow::from_row(row)?);
    }
    Ok(page)
}
