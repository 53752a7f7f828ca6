//! Whom a finished job must stay for: found out a page of its dependents at a time, since there may be any number of them.
//!
//! How far a look has come is remembered in memory, for whoever looks next: dependents before that place are known not to need
//! the job. What could make that untrue (one of them is opened again, a transaction is taken back) makes it forgotten; then
//! a look begins anew.

use rusqlite::{Connection, OptionalExtension, params};
use rustc_hash::FxHashMap;

use super::codec::state_from_word;
use super::dependencies::{has_cause, ties_of};
use super::draft::Draft;
use super::error::StoreError;
use crate::job::JobId;
use crate::job::dependency::holds_parents;

/// Dependents one look reads.
const LOOKED_AT_MAX: usize = 250;
/// Places remembered; past that all are forgotten.
const PLACES_MAX: usize = 1_000;
/// Dependents of a job that goes that are looked at for it.
const FREED_MAX: usize = 500;

const UNFINISHED: &str = "SELECT child_id, EXISTS (SELECT 1 FROM live_jobs WHERE id = child_id), NULL FROM dependencies
    WHERE parent_id = ?1 AND child_id >= ?2 ORDER BY child_id LIMIT ?3";
const ALL: &str = "SELECT child_id, EXISTS (SELECT 1 FROM live_jobs WHERE id = child_id),
        (SELECT state FROM finished_jobs WHERE id = child_id)
    FROM dependencies WHERE parent_id = ?1 AND child_id >= ?2 ORDER BY child_id LIMIT ?3";
const CAUSE: &str = "SELECT parent_id FROM dependencies WHERE child_id = ?1 AND standing BETWEEN 3 AND 5 LIMIT 1";
const IS_THERE: &str =
    "SELECT EXISTS (SELECT 1 FROM finished_jobs WHERE id = ?1) OR EXISTS (SELECT 1 FROM live_jobs WHERE id = ?1)";
const FIRST_DEPENDENTS: &str =
    "SELECT child_id, standing BETWEEN 3 AND 5 FROM dependencies WHERE parent_id = ?1 ORDER BY child_id LIMIT ?2";

/// Which dependents count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Need {
    /// Those that have not ended.
    Unfinished,
    /// Those that may be retried, too.
    Retriable,
}

/// What a look found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Needed {
    /// Nobody needs it.
    No,
    /// This one does.
    By(JobId),
    /// Nobody so far; there are more to look at.
    LookFurther,
}

/// How far looks have come: up to, not including, this dependent.
#[derive(Debug, Default)]
pub(super) struct Places(FxHashMap<(JobId, Need), JobId>);

impl Places {
    /// Nothing is known any more.
    pub(super) fn forget_all(&mut self) {
        self.0.clear();
    }

    fn forget(&mut self, job: JobId) {
        self.0.remove(&(job, Need::Unfinished));
        self.0.remove(&(job, Need::Retriable));
    }

    fn remember(&mut self, job: JobId, need: Need, place: JobId) {
        if self.0.len() >= PLACES_MAX {
            self.0.clear();
        }
        self.0.insert((job, need), place);
    }
}

/// Whether a finished job is needed by one that runs after it.
pub(super) fn needed(sql: &Connection, draft: &mut Draft, job: JobId, need: Need) -> Result<Needed, StoreError> {
    if !draft.ties.are_dependencies {
        return Ok(Needed::No);
    }
    let known = draft.ties.places.0.get(&(job, need)).copied();
    let from = known.map_or_else(Vec::new, |place| place.to_bytes().to_vec());
    let query = match need {
        Need::Unfinished => UNFINISHED,
        Need::Retriable => ALL,
    };
    let mut statement = sql.prepare_cached(query)?;
    let mut rows = statement.query(params![job.to_bytes(), from, LOOKED_AT_MAX + 1])?;
    let (mut looked_at, mut last) = (0, None);
    while let Some(row) = rows.next()? {
        let child = JobId::from_bytes(row.get(0)?);
        if looked_at == LOOKED_AT_MAX {
            draft.ties.places.remember(job, need, child);
            return Ok(Needed::LookFurther);
        }
        looked_at += 1;
        last = Some(child);
        let is_needed = row.get(1)?
            || match row.get_ref(2)?.as_str_or_null().map_err(StoreError::internal)? {
                None => false,
                Some(word) => {
                    let state = state_from_word(word)?;
                    // Mostly the state alone tells.
                    holds_parents(state, true) || (holds_parents(state, false) && !has_cause(sql, child)?)
                }
            };
        if is_needed {
            if looked_at > 1 {
                draft.ties.places.remember(job, need, child);
            }
            return Ok(Needed::By(child));
        }
    }
    // Whoever has come this far in steps need not begin anew; one that comes to run after it now has a higher id.
    if let (Some(_), Some(last)) = (known, last) {
        draft.ties.places.remember(job, need, last);
    }
    Ok(Needed::No)
}

/// Whether a job is to come back with another one that is still there.
pub(super) fn comes_back_with_another(sql: &Connection, draft: &Draft, job: JobId) -> Result<bool, StoreError> {
    if !draft.ties.are_dependencies {
        return Ok(false);
    }
    let cause: Option<[u8; 16]> =
        sql.prepare_cached(CAUSE)?.query_row([job.to_bytes()], |row| row.get(0)).optional()?;
    let Some(cause) = cause else { return Ok(false) };
    Ok(sql.prepare_cached(IS_THERE)?.query_row([cause], |row| row.get(0))?)
}

/// A job may be needed by others from now on, and may need those it runs after: it was opened again, or it has no cause any
/// more.
pub(super) fn look_anew(sql: &Connection, draft: &mut Draft, job: JobId) -> Result<(), StoreError> {
    if !draft.ties.places.0.is_empty() {
        draft.ties.places.forget(job);
        for tie in ties_of(sql, job)? {
            draft.ties.places.forget(tie.parent);
        }
    }
    Ok(())
}

/// A job goes: those that were to come back with it are looked at now, the first of them; the others when their own look is
/// due.
pub(super) fn job_goes(sql: &Connection, draft: &mut Draft, job: JobId) -> Result<(), StoreError> {
    if !draft.ties.are_dependencies {
        return Ok(());
    }
    draft.ties.places.forget(job);
    let now_ms = draft.clock.now_ms();
    let mut statement = sql.prepare_cached(FIRST_DEPENDENTS)?;
    let mut rows = statement.query(params![job.to_bytes(), FREED_MAX])?;
    while let Some(row) = rows.next()? {
        if row.get(1)? {
            draft.looks.add(now_ms, JobId::from_bytes(row.get(0)?));
        }
    }
    Ok(())
}
