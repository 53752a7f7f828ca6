//! What a job has been through: executions and its history, derived from its columns, its executions and
//! the notes on the unusual.

use rusqlite::{Connection, params};
use rustc_hash::FxHashMap;

use super::catalog::{Catalog, TenantId};
use super::codec::{HistoryNote, StoredExecution, unpack_execution, unpack_failure, unpack_history};
use super::error::StoreError;
use super::job_writes::EXECUTIONS_KEPT_MAX;
use super::model::{AttemptOutcome, AttemptRow, HistoryEntry};
use super::rows::{AnyRow, any_row, module_name};
use super::steps::steps_of;
use crate::job::{EventType, Failure, JobId, JobState, Step, StepType, Timestamp};

const EXECUTIONS: &str =
    "SELECT execution, body, failure FROM attempts WHERE job_id = ?1 ORDER BY execution DESC LIMIT ?2";
struct Executed {
    number: i64,
    execution: StoredExecution,
    failure: Option<Failure>,
}

/// Executions in order; the newest ones when there are too many.
fn executions(sql: &Connection, row: &AnyRow, job: JobId) -> Result<Vec<Executed>, StoreError> {
    let mut statement = sql.prepare_cached(EXECUTIONS)?;
    let mut rows = statement.query(params![job.to_bytes(), EXECUTIONS_KEPT_MAX])?;
    let mut executions = Vec::new();
    while let Some(row) = rows.next()? {
        let failure: Option<Vec<u8>> = row.get(2)?;
        executions.push(Executed {
            number: row.get(0)?,
            execution: unpack_execution(&row.get::<_, Vec<u8>>(1)?)?,
            failure: failure.as_deref().map(unpack_failure).transpose()?,
        });
    }
    executions.reverse();
    if let AnyRow::Finished(row) = row
        && let Some(execution) = row.execution()?
    {
        let failure = row.failure.as_deref().map(unpack_failure).transpose()?;
        executions.push(Executed { number: row.lease_number, execution, failure });
    }
    Ok(executions)
}

/// Every execution of a tenant's job, in order.
pub(super) fn attempts(
    sql: &Connection,
    catalog: &Catalog,
    tenant: TenantId,
    job: JobId,
) -> Result<Option<Vec<AttemptRow>>, StoreError> {
    let Some(row) = any_row(sql, tenant, job)? else { return Ok(None) };
    let executed = executions(sql, &row, job)?;
    let attempt = |Executed { number, execution, failure }| AttemptRow {
        execution: number,
        attempt: execution.attempt,
        outcome: execution.outcome,
        error: failure,
        started_at: execution.started_at,
        finished_at: execution.finished_at,
        module: module_name(catalog, execution.version),
        receipt: execution.receipt,
        denied: execution.denied,
        host: execution.host,
    };
    Ok(Some(executed.into_iter().map(attempt).collect()))
}

/// The history of a tenant's job, in order.
pub(super) fn history(sql: &Connection, tenant: TenantId, job: JobId) -> Result<Option<Vec<HistoryEntry>>, StoreError> {
    let Some(row) = any_row(sql, tenant, job)? else { return Ok(None) };
    let (created_at, notes) = match &row {
        AnyRow::Live(row) => (row.created_at, &row.history),
        AnyRow::Finished(row) => (row.created_at, &row.history),
    };
    let notes = unpack_history(notes.as_deref())?;
    let mut entries = Vec::new();
    if notes.first().is_none_or(|note| note.event_type != EventType::Enqueued) {
        entries.push(entry(created_at, EventType::Enqueued, JobState::Ready, 0, None));
    }
    entries.extend(notes.iter().map(note_entry));
    let (pinned, attempt) = match &row {
        AnyRow::Live(row) => (row.pinned, row.attempt),
        AnyRow::Finished(row) => (row.pinned, row.attempt),
    };
    // Without one no step was ever recorded.
    let steps = if pinned.is_some() { steps_of(sql, job)? } else { Vec::new() };
    let mut attempts: FxHashMap<i64, u32> = FxHashMap::default();
    for executed in executions(sql, &row, job)? {
        attempts.insert(executed.number, executed.execution.attempt);
        push_execution(&mut entries, &executed, &steps);
    }
    for step in steps.iter().filter(|step| step.asked.step_type == StepType::Step) {
        let of_execution = attempts.get(&step.execution).copied().unwrap_or(attempt + 1);
        let at = step.ended_at.unwrap_or(step.started_at);
        let detail = Some(format!("`{}`", step.asked.name));
        entries.push(entry(at, EventType::StepRecorded, JobState::Running, of_execution, detail));
    }
    if let AnyRow::Live(row) = &row
        && let Some(started_at) = row.started_at
    {
        entries.push(entry(started_at, EventType::Started, row.state, row.attempt + 1, None));
    }
    // Stable: what happened within one millisecond stays in the order it was gathered in.
    // Only an execution that ended with its job's time comes before the note of that.
    entries.sort_by_key(|entry| (entry.at, entry.event_type == EventType::Expired));
    Ok(Some(entries))
}

fn entry(at: Timestamp, event_type: EventType, state: JobState, attempt: u32, detail: Option<String>) -> HistoryEntry {
    HistoryEntry { at, event_type, state, attempt, detail }
}

fn note_entry(note: &HistoryNote) -> HistoryEntry {
    let detail = match note.event_type {
        EventType::Cancelled | EventType::CancelRequested => Some("on request"),
        EventType::Unblocked => Some("what it waited for happened"),
        EventType::EventReceived => Some("the event came that its handler waited for"),
        EventType::EventTimedOut => Some("the event did not come in time that its handler waited for"),
        EventType::Blocked => Some("it waits for other jobs again"),
        EventType::DependencyBroken => Some("a job it was to run after did not end as it asked"),
        EventType::Expired => Some("its `expires_at` passed, or its next execution would have come after it"),
        EventType::NotRevived => Some(
            "it could not be brought back; its error says why, and the next retry of what it waits for tries again",
        ),
        EventType::Reopened if note.state == JobState::Blocked => {
            Some("by an operator; it waits for other jobs, and attempts count from 0 again")
        }
        EventType::Reopened => Some("by an operator; attempts count from 0 again"),
        _ => None,
    };
    entry(note.at, note.event_type, note.state, note.attempt, detail.map(str::to_owned))
}

fn push_execution(entries: &mut Vec<HistoryEntry>, executed: &Executed, steps: &[Step]) {
    let StoredExecution { attempt, outcome, state_after, started_at, finished_at, .. } = executed.execution;
    if let Some(started_at) = started_at {
        entries.push(entry(started_at, EventType::Started, JobState::Running, attempt, None));
    }
    let event_type = match (outcome, state_after) {
        (_, JobState::Succeeded) => EventType::Succeeded,
        (_, JobState::Cancelled) => EventType::Cancelled,
        (_, JobState::Failed) => EventType::Failed,
        (AttemptOutcome::Lost, _) => EventType::Recovered,
        (AttemptOutcome::GivenBack, _) => EventType::GivenBack,
        (AttemptOutcome::Suspended, JobState::Blocked) => EventType::AwaitsEvent,
        (AttemptOutcome::Suspended, _) if ends_in_sleep(steps, executed.number) => EventType::Sleeping,
        (AttemptOutcome::Suspended, _) => EventType::Snoozed,
        (AttemptOutcome::Succeeded | AttemptOutcome::Failed, _) => EventType::Retrying,
    };
    let failure = executed.failure.as_ref().map(|failure| format!("{}: {}", failure.reason, failure.message));
    let awaited = || steps.iter().find(|step| step.execution == executed.number && step.until.is_some());
    let detail = failure.or_else(|| awaited().map(|step| format!("`{}`", step.asked.name)));
    entries.push(entry(finished_at, event_type, state_after, attempt, detail));
}

fn ends_in_sleep(steps: &[Step], execution: i64) -> bool {
    steps.iter().any(|step| step.execution == execution && step.asked.step_type == StepType::Sleep)
}
