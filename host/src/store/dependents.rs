//! What follows for the jobs that wait for another when that one ends, or is opened again. Each of them is told how its
//! parent stands now, which is decided in `job/dependency.rs` and is the same however often it is told; so what one
//! operation can't finish is noted, and upkeep goes on with it, after a restart too.

use rusqlite::{Connection, OptionalExtension, params};

use super::codec::unpack_history;
use super::dependencies::{parent_end, stand, standing_of, wanted_of};
use super::draft::Draft;
use super::ending::cancelled_with;
use super::error::StoreError;
use super::revive::{cancel_dependent, pass_on, revive, unblock};
use super::rows::{finished_row, live_row};
use super::{batches, cancel};
use crate::job::dependency::{self, Others, ParentEnd, Standing, Step, Wanted};
use crate::job::{EventType, Failure, FailureReason, JobId, JobState};

/// Dependents read at a time.
const PAGE_DEPENDENTS: usize = 100;

const DEPENDENTS: &str = "SELECT child_id, wanted, standing FROM dependencies
    WHERE parent_id = ?1 AND child_id > ?2 ORDER BY child_id LIMIT ?3";
const OTHERS: &str = "SELECT
    EXISTS(SELECT 1 FROM dependencies WHERE child_id = ?2 AND standing = 0 AND parent_id <> ?1),
    EXISTS(SELECT 1 FROM dependencies WHERE child_id = ?2 AND standing = 2 AND parent_id <> ?1)";
const NOTE: &str = "INSERT INTO unsettled_jobs (job_id, told_until) VALUES (?1, ?2)
    ON CONFLICT (job_id) DO UPDATE SET told_until = excluded.told_until";
const NOTED: &str = "SELECT job_id, told_until FROM unsettled_jobs LIMIT 1";
const SETTLED: &str = "DELETE FROM unsettled_jobs WHERE job_id = ?1";

/// A job ended or was opened again: those that wait for it are told, as many as one operation may.
pub(super) fn tell_dependents(sql: &Connection, draft: &mut Draft, job: JobId) -> Result<(), StoreError> {
    if !draft.ties.are_dependencies {
        return Ok(());
    }
    draft.ties.untold.push_back(job);
    // What ends while others are told is told in its turn: depth costs no stack.
    if draft.ties.is_telling {
        return Ok(());
    }
    draft.ties.is_telling = true;
    let mut result = Ok(());
    while result.is_ok()
        && let Some(job) = draft.ties.untold.pop_front()
    {
        result = tell_from(sql, draft, job, &[]);
    }
    draft.ties.is_telling = false;
    result
}

/// Goes on with what operations have left; `true` when more is left.
pub(super) fn settle(sql: &Connection, draft: &mut Draft) -> Result<bool, StoreError> {
    loop {
        let noted: Option<([u8; 16], Vec<u8>)> =
            sql.prepare_cached(NOTED)?.query_row([], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        let Some((job, told_until)) = noted else { return Ok(false) };
        let job = JobId::from_bytes(job);
        draft.ties.is_telling = true;
        let told = tell_from(sql, draft, job, &told_until);
        draft.ties.is_telling = false;
        told?;
        while let Some(next) = draft.ties.untold.pop_front() {
            tell_dependents(sql, draft, next)?;
        }
        if draft.ties.told_left == 0 {
            return Ok(true);
        }
    }
}

/// One that waits.
struct Dependent {
    child: JobId,
    wanted: Wanted,
    standing: Standing,
}

/// Tells the dependents after `told_until`, and notes where it stopped, if it had to.
fn tell_from(sql: &Connection, draft: &mut Draft, job: JobId, told_until: &[u8]) -> Result<(), StoreError> {
    let mut told_until = told_until.to_vec();
    let mut page = dependents(sql, job, &told_until)?;
    if page.is_empty() {
        return forget_note(sql, draft, job);
    }
    let Some(end) = parent_end(sql, job)? else { return forget_note(sql, draft, job) };
    loop {
        let is_last = page.len() < PAGE_DEPENDENTS;
        for dependent in page {
            if draft.ties.told_left == 0 {
                sql.prepare_cached(NOTE)?.execute(params![job.to_bytes(), told_until])?;
                draft.ties.are_notes = true;
                draft.ties.is_left_over = true;
                return Ok(());
            }
            draft.ties.told_left -= 1;
            tell_one(sql, draft, job, end, &dependent)?;
            told_until = dependent.child.to_bytes().to_vec();
        }
        if is_last {
            return forget_note(sql, draft, job);
        }
        page = dependents(sql, job, &told_until)?;
    }
}

/// All are told; a note of an earlier change of the same job is out of date as well.
fn forget_note(sql: &Connection, draft: &Draft, job: JobId) -> Result<(), StoreError> {
    if draft.ties.are_notes {
        sql.prepare_cached(SETTLED)?.execute([job.to_bytes()])?;
    }
    Ok(())
}

fn dependents(sql: &Connection, job: JobId, told_until: &[u8]) -> Result<Vec<Dependent>, StoreError> {
    let mut statement = sql.prepare_cached(DEPENDENTS)?;
    let mut rows = statement.query(params![job.to_bytes(), told_until, PAGE_DEPENDENTS])?;
    let mut dependents = Vec::new();
    while let Some(row) = rows.next()? {
        let (wanted, standing): (u8, u8) = (row.get(1)?, row.get(2)?);
        dependents.push(Dependent {
            child: JobId::from_bytes(row.get(0)?),
            wanted: wanted_of(wanted)?,
            standing: standing_of(standing)?,
        });
    }
    Ok(dependents)
}

fn tell_one(
    sql: &Connection,
    draft: &mut Draft,
    parent: JobId,
    end: ParentEnd,
    dependent: &Dependent,
) -> Result<(), StoreError> {
    let Dependent { child, wanted, standing } = *dependent;
    let waiting = if standing.is_cause() { None } else { live_row(sql, child)? };
    // One that waits for an event has begun: it waits for no job any more.
    let waiting = waiting.filter(|row| row.state == JobState::Blocked && row.suspension.is_none());
    let end = match (standing, end) {
        (Standing::CancelledWith, ParentEnd::Succeeded) if was_asked_to_end(sql, parent)? => ParentEnd::SucceededAnyway,
        _ => end,
    };
    let is_concerned = waiting.is_some() || standing.is_cause();
    let others = if is_concerned { others(sql, parent, child)? } else { Others::default() };
    let (now, step) = dependency::tell(waiting.is_some(), standing, wanted, end, others);
    let was_skipped = standing == Standing::NotNeeded;
    if let (Step::Unblock, Some(row)) = (step, &waiting)
        && batches::ends_with_its_whole(sql, draft, child, parent)?
        && (end != ParentEnd::Succeeded || was_asked_to_end(sql, parent)?)
    {
        // The cancel of the whole has not come to it yet: it is not to begin before it does.
        stand(sql, parent, child, Standing::CancelledWith)?;
        return cancel::cancel_unentered_as(sql, draft, row, EventType::Cancelled, &cancelled_with(parent));
    }
    if matches!(step, Step::Revive | Step::ReviveAndUnblock) {
        // One that can't come back stays as it is, cancelled because of this parent.
        if revive(sql, draft, parent, child, was_skipped)? {
            stand(sql, parent, child, now)?;
            if step == Step::ReviveAndUnblock
                && let Some(row) = live_row(sql, child)?
            {
                unblock(sql, draft, &row)?;
            }
        }
        return Ok(());
    }
    if now != standing {
        stand(sql, parent, child, now)?;
    }
    match (step, waiting) {
        (Step::Unblock, Some(row)) => unblock(sql, draft, &row),
        (Step::Cancel, Some(row)) => cancel_dependent(sql, draft, &row, &broken_by(parent, wanted, end)),
        (Step::PassOn, _) => pass_on(sql, draft, child, standing),
        _ if standing.is_cause() => recount(sql, draft, child, was_skipped, now == Standing::NotNeeded),
        _ => Ok(()),
    }
}

/// Whether a job is needed may mean something to its batch, and to those after it.
pub(super) fn recount(
    sql: &Connection,
    draft: &mut Draft,
    job: JobId,
    was_skipped: bool,
    is_skipped: bool,
) -> Result<(), StoreError> {
    if was_skipped == is_skipped {
        return Ok(());
    }
    // One that has failed by itself has, whatever it would be for.
    if finished_row(sql, job)?.is_none_or(|row| row.state != JobState::Cancelled) {
        return Ok(());
    }
    batches::recount_skipped(sql, draft, job, was_skipped, is_skipped)?;
    tell_dependents(sql, draft, job)
}

/// Whether a job that has ended was asked to since it was last brought back.
fn was_asked_to_end(sql: &Connection, job: JobId) -> Result<bool, StoreError> {
    let Some(row) = finished_row(sql, job)? else { return Ok(false) };
    let notes = unpack_history(row.history.as_deref())?;
    let last = notes.iter().rev().find_map(|note| match note.event_type {
        EventType::CancelRequested => Some(true),
        EventType::Reopened | EventType::Blocked => Some(false),
        _ => None,
    });
    Ok(last == Some(true))
}

fn others(sql: &Connection, parent: JobId, child: JobId) -> Result<Others, StoreError> {
    Ok(sql.prepare_cached(OTHERS)?.query_row(params![parent.to_bytes(), child.to_bytes()], |row| {
        Ok(Others { open: row.get(0)?, broken: row.get(1)? })
    })?)
}

/// What a job is told that will not run; the parent's id alone stands in the detail.
pub(super) fn broken_by(parent: JobId, wanted: Wanted, end: ParentEnd) -> Failure {
    let message = match (wanted, end) {
        (Wanted::Succeeded, ParentEnd::Failed | ParentEnd::Cancelled) => {
            format!("{parent}, which it was to run after, did not succeed; a retry of that job brings this one back")
        }
        (Wanted::Failed, ParentEnd::Succeeded | ParentEnd::SucceededAnyway) => {
            format!("{parent} succeeded, and it was to run only if that failed: it is not needed")
        }
        _ => format!("{parent}, which it was to run after, is not needed, and neither is it"),
    };
    Failure::new(FailureReason::Cancelled, message).with_detail(parent.to_string())
}

/// A job was opened again by an operator; those that were to come back with it do.
pub(super) fn job_reopened(
    sql: &Connection,
    draft: &mut Draft,
    job: JobId,
    from: JobState,
    was_skipped: bool,
) -> Result<(), StoreError> {
    batches::job_reopened(sql, draft, job, from, was_skipped)?;
    tell_dependents(sql, draft, job)
}
