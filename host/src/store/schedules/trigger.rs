//! A run out of turn: at once, whatever else runs, and without a word about the slots to come.

use rusqlite::Connection;
use serde_json::json;

use super::fire::fire;
use super::model::TriggerResult;
use super::rows::{by_name, payload_bytes};
use super::slots::{forget_old, is_known, remember};
use crate::job::schedule::SlotFate;
use crate::job::{ScheduleName, Timestamp};
use crate::store::audit::{Entry, record};
use crate::store::cancel::reread;
use crate::store::catalog::TenantId;
use crate::store::draft::Draft;
use crate::store::error::StoreError;
use crate::store::idempotency::{self, Known};
use crate::store::model::{Answer, Conflict, IdempotencyKey};

/// Writes a job of the schedule now, unless the key came before.
pub(super) fn trigger_schedule(
    sql: &Connection,
    draft: &mut Draft,
    tenant: TenantId,
    name: &ScheduleName,
    key: Option<&IdempotencyKey>,
) -> Result<TriggerResult, StoreError> {
    if let Some(key) = key {
        match idempotency::known(sql, tenant, key, draft.now)? {
            Known::Other => return Ok(TriggerResult::KeyConflict),
            Known::Same(answers) => {
                if let Some((answer, row)) = idempotency::first_answer(sql, tenant, &answers)? {
                    let row = Box::new(row.to_job_row(sql, &draft.catalog)?);
                    return Ok(match answer {
                        Answer::Existing(conflict, _) => TriggerResult::Existing { conflict, row, is_replayed: true },
                        Answer::UniqueConflict(_) => TriggerResult::UniqueConflict { row, is_replayed: true },
                        Answer::Made(_) | Answer::Refused => TriggerResult::Replayed(row),
                    });
                }
            }
            Known::No => {}
        }
    }
    let Some(schedule) = by_name(sql, tenant, name)? else { return Ok(TriggerResult::NotFound) };
    let Some(definition) = schedule.row.definition.clone() else {
        return Ok(TriggerResult::Refused("what was put can't be read any more; put the schedule anew".to_owned()));
    };
    let id = schedule.row.id;
    // Somebody asks for it, and may ask again: other than a slot it counts for the rate.
    let key_bytes = key.map_or(0, |key| idempotency::remembered_bytes(key, 1));
    let (wanted, now_ns) = ((1, payload_bytes(sql, id)?.saturating_add(key_bytes)), draft.clock.now_ns());
    if let Err(quota) = draft.meter.admit(&draft.catalog, tenant, wanted, Some(now_ns)) {
        return Ok(TriggerResult::OverQuota(quota));
    }
    // Two within a millisecond are two runs.
    let mut slot_at = draft.now;
    while is_known(sql, id, slot_at, true)? {
        slot_at = Timestamp(slot_at.as_ms() + 1);
    }
    let decided = fire(sql, draft, &schedule, &definition, slot_at, true)?;
    let Some(job) = decided.job else {
        return Ok(TriggerResult::Refused(decided.detail.unwrap_or_default()));
    };
    draft.meter.take_enqueues(&draft.catalog, tenant, 1, now_ns);
    remember(sql, id, &decided, draft.now)?;
    forget_old(sql, id)?;
    let answer = match decided.fate {
        SlotFate::Existing => Answer::Existing(Conflict::Existing, job),
        SlotFate::Replaced => Answer::Existing(Conflict::Replaced, job),
        SlotFate::Debounced => Answer::Existing(Conflict::Debounced, job),
        SlotFate::Throttled => Answer::Existing(Conflict::Throttled, job),
        SlotFate::Rejected => Answer::UniqueConflict(Some(job)),
        SlotFate::Enqueued | SlotFate::Failed | SlotFate::Missed | SlotFate::Overlapped | SlotFate::Queued => {
            Answer::Made(job)
        }
    };
    if let Some(key) = key {
        idempotency::remember(sql, draft, tenant, key, &[answer])?;
    }
    let entry = Entry { tenant: Some(tenant), action: "schedule.trigger", object: format!("schedule/{name}") };
    record(sql, draft, &entry, &None, &Some(json!({"job": job})))?;
    let row = reread(sql, draft, tenant, job)?;
    Ok(match answer {
        Answer::Existing(conflict, _) => TriggerResult::Existing { conflict, row, is_replayed: false },
        Answer::UniqueConflict(_) => TriggerResult::UniqueConflict { row, is_replayed: false },
        Answer::Made(_) | Answer::Refused => TriggerResult::Triggered(row),
    })
}
