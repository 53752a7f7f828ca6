//! Makes jobs ready whose time has come, and those ready again that were parked.

use rusqlite::{Connection, OptionalExtension, params};

use super::catalog::KindId;
use super::codec::{HistoryNote, append_history};
use super::draft::Draft;
use super::emitted;
use super::error::StoreError;
use super::model::Promoted;
use super::rows::{LiveRow, live_columns};
use super::steps;
use crate::job::{Digest, EventType, JobState, Timestamp};

/// Jobs promoted by one operation, whatever the caller asks for.
const PROMOTED_JOBS_MAX: usize = 10_000;
/// Jobs unparked by one operation.
const UNPARKED_JOBS_MAX: usize = 1_000;
/// Kinds with parked jobs looked at by one operation: of those that nobody serves there may be as many as tenants make.
pub(super) const UNPARKED_KINDS_MAX: usize = 256;

const DUE: &str = concat!(
    "SELECT ",
    live_columns!(),
    " FROM live_jobs INDEXED BY live_due WHERE state IN ('scheduled', 'retrying') AND run_at <= ?1 ORDER BY run_at, id LIMIT ?2"
);
const NEXT_DUE: &str = "SELECT min(run_at) FROM live_jobs INDEXED BY live_due WHERE state IN ('scheduled', 'retrying')";
const MAKE_READY: &str =
    "UPDATE live_jobs SET state = 'ready', ready_at = ?2, snoozed = 0, suspension = NULL, history = ?3
    WHERE id = ?1";
/// Kind by kind over the index: what it costs depends on kinds with parked jobs, not on how many kinds there are.
const NEXT_PARKED_KIND: &str = "SELECT kind_id FROM live_jobs INDEXED BY live_parked
    WHERE kind_id > ?1 AND parked IS NOT NULL AND hold IS NULL ORDER BY kind_id LIMIT 1";
const PARKED: &str = concat!(
    "SELECT ",
    live_columns!(),
    " FROM live_jobs INDEXED BY live_parked WHERE kind_id = ?1 AND parked IS NOT NULL AND hold IS NULL LIMIT ?2"
);
const UNPARK: &str = "UPDATE live_jobs SET parked = NULL WHERE id = ?1";

/// Makes at most `jobs_max` due jobs ready.
pub(super) fn promote_due(sql: &Connection, draft: &mut Draft, jobs_max: usize) -> Result<Promoted, StoreError> {
    let is_left = emitted::deliver_some(sql, draft)?;
    let timed_out = steps::time_out_waits(sql, draft, jobs_max.min(PROMOTED_JOBS_MAX))?;
    let due = read(sql, DUE, params![draft.now.as_ms(), jobs_max.min(PROMOTED_JOBS_MAX)])?;
    for job in &due {
        // A retry needs no note: the attempt that follows tells of it.
        let history = if job.state == JobState::Scheduled {
            let note =
                HistoryNote { at: draft.now, event_type: EventType::Due, state: JobState::Ready, attempt: job.attempt };
            Some(append_history(job.history.as_deref(), note)?)
        } else {
            job.history.clone()
        };
        // Queue wait counts from when it was due, however late it is noticed.
        sql.prepare_cached(MAKE_READY)?.execute(params![job.id.to_bytes(), job.run_at.as_ms(), history])?;
        draft.move_count(job.lane, job.state, JobState::Ready)?;
        draft.event(EventType::Due, job.id, job.lane, JobState::Ready, job.attempt);
        draft.made_ready(job.lane.queue);
    }
    let next_due: Option<i64> = sql.prepare_cached(NEXT_DUE)?.query_row([], |row| row.get(0))?;
    // A permit that comes is waited for like a time: whoever asks again at it is followed by a claim.
    let next_permit = draft.paces.next_permit(&draft.clock);
    let next_wake = steps::next_wake(sql)?;
    let next_due = next_due
        .map(Timestamp)
        .into_iter()
        .chain(next_permit)
        .chain(next_wake)
        .chain(is_left.then_some(draft.now))
        .min();
    Ok(Promoted { jobs: due.len() + timed_out, next_due })
}

/// Makes parked jobs claimable whose kinds are served, except by `absent` modules, of the kinds after one. Returns the kind after
/// which to go on; `None`: there are no more.
pub(super) fn unpark(
    sql: &Connection,
    draft: &mut Draft,
    absent: &[Digest],
    after: Option<KindId>,
) -> Result<Option<KindId>, StoreError> {
    let (mut left, mut after) = (UNPARKED_JOBS_MAX, after.unwrap_or(KindId(i64::MIN)));
    for _ in 0..UNPARKED_KINDS_MAX {
        let Some(kind) = next_parked_kind(sql, after.0)? else { return Ok(None) };
        let version = draft.catalog.kinds.get(&kind).and_then(|kind| kind.version.as_ref());
        if version.is_none_or(|version| absent.contains(&version.digest)) {
            after = kind;
            continue;
        }
        let parked = read(sql, PARKED, params![kind.0, left])?;
        left -= parked.len();
        for job in &parked {
            sql.prepare_cached(UNPARK)?.execute(params![job.id.to_bytes()])?;
            draft.made_ready(job.lane.queue);
            draft.suspects_waiting |= job.suspect;
        }
        if left == 0 {
            // It may have more.
            return Ok(Some(after));
        }
        after = kind;
    }
    Ok(Some(after))
}

fn next_parked_kind(sql: &Connection, after: i64) -> Result<Option<KindId>, StoreError> {
    let kind = sql.prepare_cached(NEXT_PARKED_KIND)?.query_row([after], |row| row.get(0)).optional()?;
    Ok(kind.map(KindId))
}

fn read(sql: &Connection, query: &str, parameters: &[&dyn rusqlite::ToSql]) -> Result<Vec<LiveRow>, StoreError> {
    let mut statement = sql.prepare_cached(query)?;
    let mut rows = statement.query(parameters)?;
    let mut jobs = Vec::new();
    while let Some(row) = rows.next()? {
        jobs.push(LiveRow::from_row(row)?);
    }
    Ok(jobs)
}
