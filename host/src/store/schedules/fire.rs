//! The job of a slot; or, where it is to be the only one like it and another one is, what becomes of that one.

use rusqlite::{Connection, params};

use super::model::ScheduleId;
use super::rows::{StoredSchedule, payload_of};
use super::slots::Decided;
use crate::job::schedule::{Definition, SlotFate};
use crate::job::{EventType, Failure, FailureReason, JobId, JobState, OnConflict, QuotaExceeded, Timestamp};
use crate::store::catalog::QUEUES_MAX;
use crate::store::codec::{HistoryNote, append_history};
use crate::store::draft::Draft;
use crate::store::ending::{Ending, LeaseEnd, end_job};
use crate::store::enqueue::{Inserted, Placed, place_job};
use crate::store::error::StoreError;
use crate::store::model::{Conflict, NewJob};

const NOTE_SLOT: &str = "UPDATE live_jobs SET schedule_id = ?2, slot_at = ?3 WHERE id = ?1";
// One of an earlier slot that is changed to be that of this one. One that somebody enqueued has none.
const MOVE_SLOT: &str = "UPDATE live_jobs SET slot_at = ?3 WHERE id = ?1 AND schedule_id = ?2";

/// Writes the job of a slot. Where nobody serves the kind the job has `failed` at once: so it is seen where failed jobs are
/// looked for, and can be retried when somebody does.
pub(super) fn fire(
    sql: &Connection,
    draft: &mut Draft,
    schedule: &StoredSchedule,
    definition: &Definition,
    slot_at: Timestamp,
    is_triggered: bool,
) -> Result<Decided, StoreError> {
    let (tenant, id) = (schedule.row.tenant, schedule.row.id);
    let kind = draft.catalog.kinds.get(&schedule.kind).cloned();
    let is_served = kind.as_ref().is_some_and(|kind| kind.version.is_some());
    let settings = kind.map(|kind| kind.settings.clone()).unwrap_or_default();
    let mut spec = definition.job_of_slot(&settings);
    if draft.catalog.queue(tenant, &spec.queue).is_none() && draft.catalog.queues_left(tenant) == 0 {
        let detail =
            format!("its queue would be a new one, and there are {QUEUES_MAX} already, which is the most there may be");
        return Ok(Decided { slot_at, is_triggered, fate: SlotFate::Failed, job: None, detail: Some(detail) });
    }
    spec.payload = payload_of(sql, id)?;
    let payload_bytes = u64::try_from(spec.payload.len()).unwrap_or(u64::MAX);
    if let Err(QuotaExceeded { name, most, .. }) = draft.meter.admit(&draft.catalog, tenant, (1, payload_bytes), None) {
        let detail = Some(format!("the tenant may use {most} of its quota `{}`, which it does", name.as_str()));
        return Ok(Decided { slot_at, is_triggered, fate: SlotFate::Failed, job: None, detail });
    }
    let due = definition.plan.due_of(id.0, slot_at);
    spec.run_at = Some(due).filter(|due| is_served && !is_triggered && *due > draft.now);
    let unique = definition.unique.clone();
    if let Some(unique) = unique.as_ref().filter(|unique| is_served && unique.on_conflict == OnConflict::Debounce) {
        spec.run_at = Some(spec.run_at.unwrap_or(draft.now).plus(unique.delay));
    }
    spec.options = spec.options.expiring_from(spec.run_at.unwrap_or(draft.now));
    let (kind, checked_against) = (schedule.kind, schedule.checked_against);
    let job = NewJob { kind, checked_against, spec, idempotency: None, ties: None, unique };
    let (job, inserted) = match place_job(sql, draft, tenant, &job)? {
        Placed::New(job, inserted) => (job, inserted),
        Placed::Existing(conflict, other) => {
            let (fate, what) = match conflict {
                Conflict::Existing => (SlotFate::Existing, "it stands for this slot, too"),
                Conflict::Replaced => (SlotFate::Replaced, "it has what this slot's job would have had"),
                Conflict::Debounced => (SlotFate::Debounced, "it waits anew"),
                Conflict::Throttled => (SlotFate::Throttled, "its period is not over"),
            };
            if matches!(conflict, Conflict::Replaced | Conflict::Debounced) {
                sql.prepare_cached(MOVE_SLOT)?.execute(params![other.to_bytes(), id.0, slot_at.as_ms()])?;
            }
            let detail = Some(format!("unique: {other} is the only one like it; {what}"));
            return Ok(Decided { slot_at, is_triggered, fate, job: Some(other), detail });
        }
        Placed::Refused(other) => {
            let detail = Some(format!("unique: {other} is the only one like it; this slot has no job"));
            return Ok(Decided { slot_at, is_triggered, fate: SlotFate::Rejected, job: Some(other), detail });
        }
    };
    note_slot(sql, job, id, slot_at)?;
    let (mut fate, mut detail) = (SlotFate::Enqueued, None);
    if !is_served {
        let failure = unserved(schedule);
        fail(sql, draft, job, inserted, &failure)?;
        (fate, detail) = (SlotFate::Failed, Some(failure.message));
    }
    Ok(Decided { slot_at, is_triggered, fate, job: Some(job), detail })
}

fn note_slot(sql: &Connection, job: JobId, schedule: ScheduleId, slot_at: Timestamp) -> Result<(), StoreError> {
    sql.prepare_cached(NOTE_SLOT)?.execute(params![job.to_bytes(), schedule.0, slot_at.as_ms()])?;
    Ok(())
}

fn unserved(schedule: &StoredSchedule) -> Failure {
    let kind = &schedule.row.kind;
    let message = format!("no active module serves kind `{kind}`; deploy one that does, then retry the job");
    Failure::new(FailureReason::ModuleUnavailable, message)
}

fn fail(
    sql: &Connection,
    draft: &mut Draft,
    job: JobId,
    inserted: Inserted,
    failure: &Failure,
) -> Result<(), StoreError> {
    let state = JobState::Failed;
    let note = HistoryNote { at: draft.now, event_type: EventType::Failed, state, attempt: 0 };
    let ending = Ending {
        job,
        counted: inserted.counted,
        lease: LeaseEnd::None,
        from: inserted.state,
        state,
        finished_at: draft.now,
        attempt: 0,
        failure: Some(failure),
        execution: None,
        output: None,
        history: Some(append_history(None, note)?),
        progress: None,
    };
    end_job(sql, draft, ending)
}
