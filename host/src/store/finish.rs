//! The end of an execution: state, output, receipt, log, counters and event in one operation, guarded by the lease.

use rusqlite::{Connection, OptionalExtension, params};

use super::catalog::{KindId, ModuleVersionId, QueueId, TenantId};
use super::codec::{HistoryNote, StoredExecution, append_history, pack_progress, state_from_word};
use super::counters::Lane;
use super::draft::Draft;
use super::effects::write_with_effects;
use super::emitted;
use super::ending::{Ending, LeaseEnd, cancelled_on_request, end_job, noted_as};
use super::error::StoreError;
use super::job_writes::{NULL_OUTPUT, record_execution, record_log};
use super::limit_of::KeyId;
use super::model::{AttemptOutcome, Finish, FinishResult, Next};
use super::paces::Counted;
use super::rows::{LiveRow, live_row};
use super::steps;
use crate::job::{EventType, Failure, JobId, JobState, Lease, Step, Timestamp, WaitingReason};

const HELD: &str = "SELECT tenant_id, kind_id, queue_id, state, attempt, priority, cancel_requested, suspect, key_id
    FROM live_jobs WHERE id = ?1 AND lease_number = ?2 AND lease_host = ?3";
const WAIT_AGAIN: &str = "UPDATE live_jobs SET state = ?2, run_at = ?3, order_key = ?4, attempt = ?5, snoozed = ?6 IS NOT NULL, suspension = ?6,
        lease_host = NULL, started_at = NULL, progress = NULL, suspect = 0, host_losses = 0
    WHERE id = ?1";
const READY_AGAIN: &str =
    "UPDATE live_jobs SET state = 'ready', lease_host = NULL, started_at = NULL, progress = NULL, ready_at = coalesce(?2, ready_at)
    WHERE id = ?1";

/// The job as its holder finds it.
pub(super) struct Held {
    pub(super) lane: Lane,
    pub(super) key: Option<KeyId>,
    pub(super) state: JobState,
    /// Attempts used before this execution.
    pub(super) attempt: u32,
    pub(super) priority: u8,
    pub(super) cancel_requested: bool,
    pub(super) suspect: bool,
}

impl Held {
    /// What it is counted under.
    pub(super) fn counted(&self) -> Counted {
        Counted { lane: self.lane, key: self.key }
    }

    /// Of a job known to be leased.
    pub(super) fn of(row: &LiveRow) -> Self {
        Self {
            lane: row.lane,
            key: row.key,
            state: row.state,
            attempt: row.attempt,
            priority: row.priority,
            cancel_requested: row.cancel_requested,
            suspect: row.suspect,
        }
    }
}

/// The job, if the lease is still its.
pub(super) fn held(sql: &Connection, draft: &Draft, lease: &Lease) -> Result<Option<Held>, StoreError> {
    let Some(host) = draft.hosts.get(&lease.host()) else { return Ok(None) };
    let mut statement = sql.prepare_cached(HELD)?;
    let row = statement
        .query_row(params![lease.job().to_bytes(), lease.number(), host], |row| {
            Ok((
                Lane { tenant: TenantId(row.get(0)?), kind: KindId(row.get(1)?), queue: QueueId(row.get(2)?) },
                row.get_ref(3)?.as_str().map(state_from_word)?,
                row.get(4)?,
                row.get(5)?,
                row.get(6)?,
                row.get(7)?,
                row.get::<_, Option<i64>>(8)?.map(KeyId),
            ))
        })
        .optional()?;
    let Some((lane, state, attempt, priority, cancel_requested, suspect, key)) = row else { return Ok(None) };
    Ok(Some(Held { lane, key, state: state?, attempt, priority, cancel_requested, suspect }))
}

/// Carries out a finish, or finds its lease stale and writes nothing.
pub(super) fn write_finish(sql: &Connection, draft: &mut Draft, finish: &Finish) -> Result<FinishResult, StoreError> {
    match &finish.effects {
        Some(effects) => write_with_effects(sql, draft, finish, effects),
        None => write_finish_as(sql, draft, finish, &finish.next),
    }
}

/// The same with this for what becomes of the job, and without effects.
pub(super) fn write_finish_as(
    sql: &Connection,
    draft: &mut Draft,
    finish: &Finish,
    next: &Next,
) -> Result<FinishResult, StoreError> {
    let Some(held) = held(sql, draft, &finish.lease)? else { return Ok(FinishResult::StaleLease) };
    if finish.started_at.is_some() {
        draft.shares.used(finish.lease.job(), &finish.receipt);
    }
    let state = match next {
        Next::Succeed(output) => end(sql, draft, finish, &held, JobState::Succeeded, None, Some(output))?,
        Next::Fail(failure) => end(sql, draft, finish, &held, JobState::Failed, Some(failure), None)?,
        Next::Cancel(failure) => end(sql, draft, finish, &held, JobState::Cancelled, Some(failure), None)?,
        Next::Retry(..) | Next::Suspend(_) | Next::Sleep(_) | Next::Await(_) | Next::Expire(..) | Next::GiveBack(_)
            if held.cancel_requested =>
        {
            end(sql, draft, finish, &held, JobState::Cancelled, Some(&cancelled_on_request()), None)?
        }
        Next::Retry(failure, until) => retry_later(sql, draft, finish, &held, failure, *until)?,
        Next::Suspend(until) => suspend(sql, draft, finish, &held, *until, WaitingReason::Snoozed)?,
        Next::Sleep(step) => sleep(sql, draft, finish, &held, step)?,
        Next::Await(step) => await_event(sql, draft, finish, &held, step)?,
        Next::Expire(ended_in, failure) => expire(sql, draft, finish, &held, ended_in.as_ref(), failure)?,
        Next::GiveBack(failure) => give_back(sql, draft, finish, &held, failure)?,
    };
    let log_bytes = record_log(
        sql,
        finish.lease.job(),
        finish.lease.number(),
        finish.lease.attempt(),
        &finish.log,
        finish.log_lines_dropped,
    )?;
    draft.meter.stored(held.lane.tenant, finish.lease.job(), -log_bytes.forgotten);
    if finish.started_at.is_some() {
        let kept = log_bytes.kept + output_bytes(next);
        let of = (held.lane.tenant, held.lane.kind);
        draft.meter.executed(of, finish.lease.job(), &finish.receipt, kept, draft.now);
    }
    Ok(FinishResult::Finished(state))
}

/// What is kept of an output.
fn output_bytes(next: &Next) -> usize {
    match next {
        Next::Succeed(output) if output != NULL_OUTPUT => output.len(),
        _ => 0,
    }
}

fn execution(finish: &Finish, outcome: AttemptOutcome, state_after: JobState) -> StoredExecution {
    StoredExecution {
        attempt: finish.lease.attempt(),
        outcome,
        state_after,
        started_at: finish.started_at,
        finished_at: finish.finished_at,
        version: finish.version,
        host: finish.lease.host(),
        receipt: finish.receipt,
        denied: finish.denied.clone(),
    }
}

/// Moves a held job to history.
fn end(
    sql: &Connection,
    draft: &mut Draft,
    finish: &Finish,
    held: &Held,
    state: JobState,
    failure: Option<&Failure>,
    output: Option<&[u8]>,
) -> Result<JobState, StoreError> {
    let job = finish.lease.job();
    let outcome = if state == JobState::Succeeded { AttemptOutcome::Succeeded } else { AttemptOutcome::Failed };
    // A cancel before the guest was entered made no attempt.
    let was_made = finish.started_at.is_some() || state != JobState::Cancelled;
    // No execution says then how the job ended: a note does.
    let history = if was_made {
        None
    } else {
        let known = live_row(sql, job)?.and_then(|row| row.history);
        let event_type = noted_as(state, failure);
        let note = HistoryNote { at: finish.finished_at, event_type, state, attempt: held.attempt };
        Some(append_history(known.as_deref(), note)?)
    };
    let ending = Ending {
        job,
        counted: held.counted(),
        lease: LeaseEnd::of(true, finish.started_at.is_some()),
        from: held.state,
        state,
        finished_at: finish.finished_at,
        attempt: if was_made { held.attempt + 1 } else { held.attempt },
        failure,
        execution: was_made.then(|| execution(finish, outcome, state)),
        output,
        history,
        progress: finish.progress.as_ref().map(pack_progress).transpose()?,
    };
    end_job(sql, draft, ending)?;
    Ok(state)
}

fn retry_later(
    sql: &Connection,
    draft: &mut Draft,
    finish: &Finish,
    held: &Held,
    failure: &Failure,
    until: Timestamp,
) -> Result<JobState, StoreError> {
    let state = JobState::Retrying;
    let (job, attempt) = (finish.lease.job(), held.attempt + 1);
    record_execution(
        sql,
        job,
        finish.lease.number(),
        &execution(finish, AttemptOutcome::Failed, state),
        Some(failure),
    )?;
    wait_again(sql, draft, job, held, (state, None), until, attempt)?;
    draft.event(EventType::Retrying, job, held.lane, state, attempt);
    Ok(state)
}

fn suspend(
    sql: &Connection,
    draft: &mut Draft,
    finish: &Finish,
    held: &Held,
    until: Timestamp,
    suspension: WaitingReason,
) -> Result<JobState, StoreError> {
    let (state, event_type) = match suspension {
        WaitingReason::Event => (JobState::Blocked, EventType::AwaitsEvent),
        WaitingReason::Sleeping => (JobState::Scheduled, EventType::Sleeping),
        _ => (JobState::Scheduled, EventType::Snoozed),
    };
    let job = finish.lease.job();
    if finish.started_at.is_some() {
        let execution = execution(finish, AttemptOutcome::Suspended, state);
        record_execution(sql, job, finish.lease.number(), &execution, None)?;
    }
    wait_again(sql, draft, job, held, (state, Some(suspension)), until, held.attempt)?;
    draft.event(event_type, job, held.lane, state, held.attempt);
    Ok(state)
}

/// Its version was running, or there would be no step.
fn version(finish: &Finish) -> Result<ModuleVersionId, StoreError> {
    finish.version.ok_or_else(|| StoreError::internal("a step of an execution that ran nothing"))
}

fn sleep(
    sql: &Connection,
    draft: &mut Draft,
    finish: &Finish,
    held: &Held,
    step: &Step,
) -> Result<JobState, StoreError> {
    steps::put_to_sleep(sql, finish.lease.job(), version(finish)?, step)?;
    suspend(sql, draft, finish, held, step.until.unwrap_or(draft.now), WaitingReason::Sleeping)
}

fn await_event(
    sql: &Connection,
    draft: &mut Draft,
    finish: &Finish,
    held: &Held,
    step: &Step,
) -> Result<JobState, StoreError> {
    let of = (held.lane.tenant, finish.lease.job());
    let correlation = step.asked.correlation.as_deref().unwrap_or_default();
    let created_at = live_row(sql, of.1)?.map_or(draft.now, |row| row.created_at);
    // It may have come since the handler asked.
    if let Some((event, data)) =
        emitted::next_event(sql, (of.0, of.1, created_at), step.asked.name.as_str(), correlation)?
    {
        steps::receive(sql, draft, of, version(finish)?, (step, event, &data))?;
        return suspend(sql, draft, finish, held, draft.now, WaitingReason::Snoozed);
    }
    let until = steps::wait_for_event(sql, of, version(finish)?, step)?;
    suspend(sql, draft, finish, held, until, WaitingReason::Event)
}

/// Ends a job that would have to wait past its time. Its last execution stands among the others, with what it ended in.
fn expire(
    sql: &Connection,
    draft: &mut Draft,
    finish: &Finish,
    held: &Held,
    ended_in: Option<&Failure>,
    failure: &Failure,
) -> Result<JobState, StoreError> {
    let state = JobState::Cancelled;
    let (outcome, state_after) = match ended_in {
        Some(_) => (AttemptOutcome::Failed, JobState::Retrying),
        None => (AttemptOutcome::Suspended, JobState::Scheduled),
    };
    let job = finish.lease.job();
    record_execution(sql, job, finish.lease.number(), &execution(finish, outcome, state_after), ended_in)?;
    let attempt = held.attempt + u32::from(ended_in.is_some());
    let known = live_row(sql, job)?.and_then(|row| row.history);
    let note = HistoryNote { at: finish.finished_at, event_type: EventType::Expired, state, attempt };
    let ending = Ending {
        job,
        counted: held.counted(),
        lease: LeaseEnd::of(true, finish.started_at.is_some()),
        from: held.state,
        state,
        finished_at: finish.finished_at,
        attempt,
        failure: Some(failure),
        execution: None,
        output: None,
        history: Some(append_history(known.as_deref(), note)?),
        progress: finish.progress.as_ref().map(pack_progress).transpose()?,
    };
    end_job(sql, draft, ending)?;
    Ok(state)
}

fn wait_again(
    sql: &Connection,
    draft: &mut Draft,
    job: JobId,
    held: &Held,
    (state, suspension): (JobState, Option<WaitingReason>),
    until: Timestamp,
    attempt: u32,
) -> Result<(), StoreError> {
    let order_key = draft.order.key(held.priority, until);
    sql.prepare_cached(WAIT_AGAIN)?.execute(params![
        job.to_bytes(),
        state.as_str(),
        until.as_ms(),
        order_key,
        attempt,
        suspension.map(WaitingReason::code)
    ])?;
    draft.move_count(held.lane, held.state, state)?;
    draft.made_due(until);
    draft.paces.lease_ended(sql, &draft.catalog, held.counted(), false)
}

fn give_back(
    sql: &Connection,
    draft: &mut Draft,
    finish: &Finish,
    held: &Held,
    failure: &Failure,
) -> Result<JobState, StoreError> {
    let state = JobState::Ready;
    let job = finish.lease.job();
    if finish.started_at.is_some() {
        let execution = execution(finish, AttemptOutcome::GivenBack, state);
        record_execution(sql, job, finish.lease.number(), &execution, Some(failure))?;
    }
    if finish.started_at.is_some() || held.state == JobState::Running {
        draft.event(EventType::GivenBack, job, held.lane, state, held.attempt);
    }
    // An entered guest used up the wait before it; the next wait begins now.
    let ready_at = finish.started_at.map(|_| draft.now);
    make_ready_again(sql, draft, job, held, ready_at)?;
    Ok(state)
}

/// Frees a held job at no cost.
pub(super) fn make_ready_again(
    sql: &Connection,
    draft: &mut Draft,
    job: JobId,
    held: &Held,
    ready_at: Option<Timestamp>,
) -> Result<(), StoreError> {
    sql.prepare_cached(READY_AGAIN)?.execute(params![job.to_bytes(), ready_at.map(Timestamp::as_ms)])?;
    draft.move_count(held.lane, held.state, JobState::Ready)?;
    draft.made_ready(held.lane.queue);
    draft.shares.unused(job);
    if held.suspect {
        draft.suspects_waiting = true;
    }
    draft.paces.lease_ended(sql, &draft.catalog, held.counted(), ready_at.is_none())
}
