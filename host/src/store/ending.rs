//! The one place where a job ends for good, whoever ended it: a finish, a cancel, the death of its host. What follows from
//! an end happens here, in its transaction.

use rusqlite::Connection;

use super::batches;
use super::codec::StoredExecution;
use super::dead_letters;
use super::dependents::tell_dependents;
use super::draft::Draft;
use super::error::StoreError;
use super::job_writes::{HistoryRow, move_to_history};
use super::on_failed::{self, Failed};
use super::paces::Counted;
use super::retention::note_end;
use super::schedules::run_ends;
use super::steps::forget_wait;
use crate::job::{EventType, Failure, FailureReason, JobId, JobState, Timestamp};

/// Whether an end takes a lease with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LeaseEnd {
    /// Nobody held the job.
    None,
    /// Its guest had not been entered.
    Unused,
    /// Its guest had been entered.
    Used,
}

impl LeaseEnd {
    /// Of a job that is held, or not, and whose guest was entered, or not.
    pub(super) fn of(is_leased: bool, was_entered: bool) -> Self {
        match (is_leased, was_entered) {
            (false, _) => LeaseEnd::None,
            (true, false) => LeaseEnd::Unused,
            (true, true) => LeaseEnd::Used,
        }
    }
}

/// A live job at its end.
pub(super) struct Ending<'a> {
    pub(super) job: JobId,
    pub(super) counted: Counted,
    pub(super) lease: LeaseEnd,
    /// What it was until now.
    pub(super) from: JobState,
    /// Terminal.
    pub(super) state: JobState,
    pub(super) finished_at: Timestamp,
    /// Attempts used in all.
    pub(super) attempt: u32,
    pub(super) failure: Option<&'a Failure>,
    /// The execution that ended it, if one did.
    pub(super) execution: Option<StoredExecution>,
    /// JSON text of a succeeded job.
    pub(super) output: Option<&'a [u8]>,
    /// Replaces the notes, where there are new ones.
    pub(super) history: Option<Vec<u8>>,
    /// Replaces what was reported, where there is more.
    pub(super) progress: Option<Vec<u8>>,
}

/// Moves the job to history, counts it and tells of it.
pub(super) fn end_job(sql: &Connection, draft: &mut Draft, ending: Ending<'_>) -> Result<(), StoreError> {
    let Ending {
        job,
        counted,
        lease,
        from,
        state,
        finished_at,
        attempt,
        failure,
        execution,
        output,
        history,
        progress,
    } = ending;
    run_ends(sql, draft, job)?;
    if from == JobState::Blocked {
        forget_wait(sql, job)?;
    }
    let row = HistoryRow { state, finished_at, attempt, failure, execution, output, history, progress };
    let lane = counted.lane;
    move_to_history(sql, job, &row)?;
    draft.move_count(lane, from, state)?;
    draft.event(event_of(state), job, lane, state, attempt);
    match lease {
        LeaseEnd::None => draft.paces.left_line(&draft.catalog, counted),
        LeaseEnd::Unused => {
            draft.shares.unused(job);
            draft.paces.lease_ended(sql, &draft.catalog, counted, true)?;
        }
        LeaseEnd::Used => {
            draft.shares.lost(job);
            draft.paces.lease_ended(sql, &draft.catalog, counted, false)?;
        }
    }
    note_end(draft, job, lane, state);
    if let (JobState::Failed, Some(failure)) = (state, failure) {
        dead_letters::enter(sql, &draft.catalog, job, lane, failure, finished_at)?;
        on_failed::follow(sql, draft, &Failed { job, lane, attempt, failure, at: finished_at })?;
    }
    batches::job_ended(sql, draft, job, state)?;
    tell_dependents(sql, draft, job)
}

/// What the event is called that leaves a job in a terminal state.
pub(super) fn event_of(state: JobState) -> EventType {
    match state {
        JobState::Succeeded => EventType::Succeeded,
        JobState::Cancelled => EventType::Cancelled,
        _ => EventType::Failed,
    }
}

/// What it is called in the job's own history, where no execution says how the job ended.
pub(super) fn noted_as(state: JobState, failure: Option<&Failure>) -> EventType {
    match failure {
        Some(failure) if failure.reason == FailureReason::DeadlineExpired => EventType::Expired,
        _ => event_of(state),
    }
}

/// The same of a whole of which the job is a part that hangs on this one. The detail holds that one's id alone.
pub(super) fn cancelled_with(parent: JobId) -> Failure {
    let message = format!("cancelled with the whole; a retry of {parent}, which it was to run after, brings it back");
    Failure::new(FailureReason::Cancelled, message).with_detail(parent.to_string())
}

/// What a job says that is left to come back with this one, which is to run again. The detail holds that one's id alone.
pub(super) fn comes_with(parent: JobId) -> Failure {
    let message = format!("it runs after {parent}, which is to run again; a retry of that job brings this one back");
    Failure::new(FailureReason::Cancelled, message).with_detail(parent.to_string())
}

/// What somebody's wish to cancel is recorded as.
pub(super) fn cancelled_on_request() -> Failure {
    Failure::new(FailureReason::Cancelled, "cancelled on request")
}
