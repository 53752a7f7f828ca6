//! What becomes of one job that waits for others, or was cancelled because of one: it is freed, cancelled, waits again, or is
//! cancelled because of another one from now on. Whether is decided in `job/dependency.rs`, when in `dependents.rs`.

use rusqlite::{Connection, params};

use super::batches::{self, Whole, tie_to_whole};
use super::cancel::cancel_unentered_as;
use super::codec::{HistoryNote, append_history};
use super::dependencies::{Tie, parent_end, stand, ties_of};
use super::dependents::{broken_by, recount, tell_dependents};
use super::draft::Draft;
use super::ending::{cancelled_on_request, cancelled_with};
use super::error::StoreError;
use super::job_writes::note_on_ended;
use super::needed;
use super::retry::reopen;
use super::rows::{LiveRow, finished_row, live_row, unpack_options};
use super::unique;
use crate::job::dependency::{Answer, ParentEnd, Standing, answer};
use crate::job::{EventType, Failure, FailureReason, JobId, JobState, Wanted};

const LET_GO: &str =
    "UPDATE live_jobs SET state = ?2, run_at = ?3, ready_at = ?3, order_key = ?4, history = ?5 WHERE id = ?1";

/// All it waited for happened.
pub(super) fn unblock(sql: &Connection, draft: &mut Draft, row: &LiveRow) -> Result<(), StoreError> {
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
    cancel_unentered_as(sql, draft, row, EventType::DependencyBroken, failure)
}

/// What it was cancelled for is undone: it waits again, and those cancelled because of it do, too. `false`: it can't, since
/// another one like it came meanwhile, and there is to be one, or its kind is gone; it says so, and stays as it is.
pub(super) fn revive(
    sql: &Connection,
    draft: &mut Draft,
    parent: JobId,
    child: JobId,
    was_skipped: bool,
) -> Result<bool, StoreError> {
    let Some(row) = finished_row(sql, child)? else { return Ok(true) };
    let obstacle = if draft.is_registered(row.lane.tenant, row.lane.kind) {
        unique::retake(sql, draft, &row)?.map(|other| format!("{other} is the only one like it now"))
    } else {
        Some("its kind no longer exists".to_owned())
    };
    if let Some(obstacle) = obstacle {
        let event_type = EventType::NotRevived;
        let note = HistoryNote { at: draft.now, event_type, state: row.state, attempt: row.attempt };
        // What has failed by itself goes on saying how.
        let failure = (row.state == JobState::Cancelled).then(|| kept_back(parent, &obstacle));
        note_on_ended(sql, &row, Some(note), failure.as_ref())?;
        draft.event(event_type, child, row.lane, row.state, row.attempt);
        return Ok(false);
    }
    let state = JobState::Blocked;
    reopen(sql, draft, &row, state, EventType::Blocked)?;
    draft.revive_queue(sql, row.lane)?;
    draft.move_count(row.lane, row.state, state)?;
    draft.event(EventType::Blocked, child, row.lane, state, 0);
    batches::job_reopened(sql, draft, child, row.state, was_skipped)?;
    tell_dependents(sql, draft, child)?;
    Ok(true)
}

fn kept_back(parent: JobId, obstacle: &str) -> Failure {
    let message = format!(
        "{parent}, which it was to run after, was brought back, and it was not: {obstacle}; the next retry of {parent} tries \
         again"
    );
    Failure::new(FailureReason::Cancelled, message).with_detail(parent.to_string())
}

/// It stays cancelled, because of another parent from now on, if one is in its way or was cancelled with it; else it merely
/// is cancelled.
pub(super) fn pass_on(
    sql: &Connection,
    draft: &mut Draft,
    child: JobId,
    until_now: Standing,
) -> Result<(), StoreError> {
    let mut not_needed = false;
    let failure = if let Some((Tie { parent, wanted, .. }, end)) = next_cause(sql, child)? {
        // One that is gone by now stands in the way of a job for its failure because it did not fail, of others because it did.
        let gone = if wanted == Wanted::Failed { ParentEnd::Succeeded } else { ParentEnd::Failed };
        not_needed = answer(wanted, end.unwrap_or(gone)) == Answer::Broken { not_needed: true };
        if end.is_some() || not_needed {
            stand(sql, parent, child, Standing::cause(not_needed))?;
            broken_by(parent, wanted, end.unwrap_or(gone))
        } else {
            needed::look_anew(sql, draft, child)?;
            broken_for_good(parent)
        }
    } else {
        match tie_to_whole(sql, draft, child)? {
            Whole::On(parent) => {
                stand(sql, parent, child, Standing::CancelledWith)?;
                cancelled_with(parent)
            }
            Whole::RunsAgain(parent) => {
                stand(sql, parent, child, Standing::CancelledWith)?;
                // It was told to others while this one was tied to another.
                tell_dependents(sql, draft, parent)?;
                cancelled_with(parent)
            }
            Whole::Nothing => {
                needed::look_anew(sql, draft, child)?;
                cancelled_on_request()
            }
        }
    };
    if let Some(row) = finished_row(sql, child)?.filter(|row| row.state == JobState::Cancelled) {
        note_on_ended(sql, &row, None, Some(&failure))?;
    }
    recount(sql, draft, child, until_now == Standing::NotNeeded, not_needed)
}

/// The first parent in a job's way, and how it stands; one that is gone only where there is no other.
fn next_cause(sql: &Connection, child: JobId) -> Result<Option<(Tie, Option<ParentEnd>)>, StoreError> {
    let mut gone = None;
    for tie in ties_of(sql, child)?.into_iter().filter(|tie| tie.standing == Standing::Broken) {
        match parent_end(sql, tie.parent)? {
            Some(end) => return Ok(Some((tie, Some(end)))),
            None => gone = gone.or(Some(tie)),
        }
    }
    Ok(gone.map(|tie| (tie, None)))
}

fn broken_for_good(parent: JobId) -> Failure {
    let message = format!(
        "{parent}, which it was to run after, did not succeed, and was removed; a retry of this very job runs it without that one"
    );
    Failure::new(FailureReason::Cancelled, message).with_detail(parent.to_string())
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
