//! What follows for the jobs that wait for another when that one ends, or is opened again. Each of them is told how its
//! parent stands now, which is decided in `job/dependency.rs` and is the same however often it is told; so what one
//! operation can't finish is noted, and upkeep goes on with it, after a restart too.

use rusqlite::{Connection, OptionalExtension, params};

use super::codec::{HistoryNote, append_history};
use super::dependencies::{parent_end, standing_of};
use super::draft::Draft;
use super::ending::{Ending, LeaseEnd, end_job};
use super::error::StoreError;
use super::retry::reopen;
use super::rows::{LiveRow, finished_row, live_row, unpack_options};
use super::{batches, dependencies, unique};
use crate::job::dependency::{self, Child, Others, ParentEnd, Standing, Step, Wanted, answer};
use crate::job::{EventType, Failure, FailureReason, JobId, JobState};

/// Dependents read at a time.
const PAGE_DEPENDENTS: usize = 100;

const DEPENDENTS: &str = "SELECT child_id, wanted, standing FROM dependencies
    WHERE parent_id = ?1 AND child_id > ?2 ORDER BY child_id LIMIT ?3";
const STAND: &str = "UPDATE dependencies SET standing = ?3 WHERE parent_id = ?1 AND child_id = ?2";
const OTHERS: &str = "SELECT
    EXISTS(SELECT 1 FROM dependencies WHERE child_id = ?2 AND standing = 0 AND parent_id <> ?1),
    EXISTS(SELECT 1 FROM dependencies WHERE child_id = ?2 AND standing = 2 AND parent_id <> ?1)";
const BROKEN: &str =
    "SELECT parent_id, wanted FROM dependencies WHERE child_id = ?1 AND standing = 2 ORDER BY place LIMIT 1";
const LET_GO: &str =
    "UPDATE live_jobs SET state = ?2, run_at = ?3, ready_at = ?3, order_key = ?4, history = ?5 WHERE id = ?1";
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

fn wanted_of(code: u8) -> Result<Wanted, StoreError> {
    Wanted::from_code(code).ok_or_else(|| StoreError::Internal(format!("{code} is no end a job can ask for")))
}

fn tell_one(
    sql: &Connection,
    draft: &mut Draft,
    parent: JobId,
    end: ParentEnd,
    dependent: &Dependent,
) -> Result<(), StoreError> {
    let Dependent { child, wanted, standing } = *dependent;
    let live = if standing.is_cause() { None } else { live_row(sql, child)? };
    let role = match &live {
        Some(row) if row.state == JobState::Blocked => Child::Blocked,
        None if standing.is_cause() => Child::CancelledForIt,
        _ => Child::Free,
    };
    let others = if role == Child::Free { Others::default() } else { others(sql, parent, child)? };
    let (now, step) = dependency::tell(role, answer(wanted, end), others);
    let was_skipped = standing == Standing::NotNeeded;
    if now != standing {
        sql.prepare_cached(STAND)?.execute(params![parent.to_bytes(), child.to_bytes(), now.code()])?;
    }
    match (step, live) {
        (Step::Unblock, Some(row)) => unblock(sql, draft, &row),
        (Step::Cancel, Some(row)) => cancel_dependent(sql, draft, &row, &broken_by(parent, wanted, end)),
        (Step::Revive, _) => revive(sql, draft, child, was_skipped),
        (Step::ReviveAndUnblock, _) => {
            revive(sql, draft, child, was_skipped)?;
            match live_row(sql, child)? {
                Some(row) => unblock(sql, draft, &row),
                None => Ok(()),
            }
        }
        (Step::PassOn, _) => pass_on(sql, draft, child, was_skipped),
        (Step::Stay, _) if role == Child::CancelledForIt && now != standing => {
            batches::recount_skipped(sql, draft, child, was_skipped, now == Standing::NotNeeded)?;
            // Whether it is needed may mean something to those after it, however far behind they stand.
            tell_dependents(sql, draft, child)
        }
        (Step::Stay, _) | (Step::Unblock | Step::Cancel, None) => Ok(()),
    }
}

fn others(sql: &Connection, parent: JobId, child: JobId) -> Result<Others, StoreError> {
    Ok(sql.prepare_cached(OTHERS)?.query_row(params![parent.to_bytes(), child.to_bytes()], |row| {
        Ok(Others { open: row.get(0)?, broken: row.get(1)? })
    })?)
}

/// What a job is told that will not run; the parent's id alone stands in the detail.
pub(super) fn broken_by(parent: JobId, wanted: Wanted, end: ParentEnd) -> Failure {
    let message = match (wanted, end) {
        (Wanted::Succeeded, ParentEnd::Failed) => {
            format!("{parent}, which it was to run after, did not succeed; a retry of that job brings this one back")
        }
        (Wanted::Failed, ParentEnd::Succeeded) => {
            format!("{parent} succeeded, and it was to run only if that failed: it is not needed")
        }
        _ => format!("{parent}, which it was to run after, is not needed, and neither is it"),
    };
    Failure::new(FailureReason::Cancelled, message).with_detail(parent.to_string())
}

/// All it waited for happened.
fn unblock(sql: &Connection, draft: &mut Draft, row: &LiveRow) -> Result<(), StoreError> {
    let delay = unpack_options(row.options.as_deref())?.delay_ms.map(std::time::Duration::from_millis);
    let run_at = delay.map_or_else(|| row.run_at.max(draft.now), |delay| draft.now.plus(delay));
    let state = if run_at > draft.now { JobState::Scheduled } else { JobState::Ready };
    let note = HistoryNote { at: draft.now, event_type: EventType::Unblocked, state, attempt: row.attempt };
    let history = append_history(row.history.as_deref(), note)?;
    let order_key = draft.order.key(row.priority, run_at);
    sql.prepare_cached(LET_GO)?.execute(params![
        row.id.to_bytes(),
        state.as_str(),
        run_at.as_ms(),
        order_key,
        history
    ])?;
    draft.move_count(row.lane, JobState::Blocked, state)?;
    draft.event(EventType::Unblocked, row.id, row.lane, state, row.attempt);
    if state == JobState::Scheduled {
        draft.made_due(run_at);
    } else {
        draft.made_ready(row.lane.queue);
    }
    Ok(())
}

/// What it waited for will not happen.
pub(super) fn cancel_dependent(
    sql: &Connection,
    draft: &mut Draft,
    row: &LiveRow,
    failure: &Failure,
) -> Result<(), StoreError> {
    let state = JobState::Cancelled;
    let note = HistoryNote { at: draft.now, event_type: EventType::DependencyBroken, state, attempt: row.attempt };
    let ending = Ending {
        job: row.id,
        counted: row.counted(),
        lease: LeaseEnd::of(row.lease_host.is_some(), row.started_at.is_some()),
        from: row.state,
        state,
        finished_at: draft.now,
        attempt: row.attempt,
        failure: Some(failure),
        execution: None,
        output: None,
        history: Some(append_history(row.history.as_deref(), note)?),
        progress: None,
    };
    end_job(sql, draft, ending)
}

/// What it was cancelled for is undone: it waits again, and those cancelled because of it do, too.
fn revive(sql: &Connection, draft: &mut Draft, child: JobId, was_skipped: bool) -> Result<(), StoreError> {
    let Some(row) = finished_row(sql, child)? else { return Ok(()) };
    // Another one like it came meanwhile: there is to be one.
    if unique::retake(sql, draft, &row)?.is_some() {
        return Ok(());
    }
    let state = JobState::Blocked;
    reopen(sql, draft, &row, state, EventType::Blocked)?;
    draft.revive_queue(sql, row.lane)?;
    draft.move_count(row.lane, row.state, state)?;
    draft.event(EventType::Blocked, child, row.lane, state, 0);
    batches::job_reopened(sql, draft, child, row.state, was_skipped)?;
    tell_dependents(sql, draft, child)
}

/// It stays cancelled, because of another parent from now on.
fn pass_on(sql: &Connection, draft: &mut Draft, child: JobId, was_skipped: bool) -> Result<(), StoreError> {
    let next: Option<([u8; 16], u8)> =
        sql.prepare_cached(BROKEN)?.query_row([child.to_bytes()], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    let Some((parent, wanted)) = next else { return Ok(()) };
    let (parent, wanted) = (JobId::from_bytes(parent), wanted_of(wanted)?);
    // One that is gone by now stands in the way of a job for its failure because it did not fail, of others because it did.
    let gone = if wanted == Wanted::Failed { ParentEnd::Succeeded } else { ParentEnd::Failed };
    let end = parent_end(sql, parent)?.unwrap_or(gone);
    let not_needed = answer(wanted, end) == dependency::Answer::Broken { not_needed: true };
    let standing = Standing::cause(not_needed);
    sql.prepare_cached(STAND)?.execute(params![parent.to_bytes(), child.to_bytes(), standing.code()])?;
    batches::recount_skipped(sql, draft, child, was_skipped, not_needed)?;
    // Whether it is needed may mean something to those after it.
    if was_skipped == not_needed { Ok(()) } else { tell_dependents(sql, draft, child) }
}

/// A job with parents was born cancelled: those that will come to wait for it ask for its state themselves.
pub(super) fn born_broken(
    sql: &Connection,
    draft: &mut Draft,
    child: JobId,
    parent: &crate::job::Parent,
) -> Result<(), StoreError> {
    let row = live_row(sql, child)?.ok_or_else(|| StoreError::internal("a new job vanished in its own operation"))?;
    let end = parent_end(sql, parent.job)?.unwrap_or(ParentEnd::Failed);
    cancel_dependent(sql, draft, &row, &broken_by(parent.job, parent.wanted, end))
}

/// A job was opened again by an operator: it has nothing to do with those it was cancelled for any more, and those
/// cancelled because of it wait again.
pub(super) fn job_reopened(sql: &Connection, draft: &mut Draft, job: JobId, from: JobState) -> Result<(), StoreError> {
    let was_skipped = from == JobState::Cancelled && dependencies::is_not_needed(sql, draft, job)?;
    dependencies::release_child(sql, draft, job)?;
    batches::job_reopened(sql, draft, job, from, was_skipped)?;
    tell_dependents(sql, draft, job)
}
