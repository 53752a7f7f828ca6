//! A run out of turn: at once, whatever else runs, and without a word about the slots to come.

use rusqlite::Connection;

use super::fire::fire;
use super::model::TriggerResult;
use super::rows::by_name;
use super::slots::{forget_old, is_known, remember};
use crate::job::{ScheduleName, Timestamp};
use crate::store::cancel::reread;
use crate::store::catalog::TenantId;
use crate::store::draft::Draft;
use crate::store::error::StoreError;
use crate::store::idempotency::{self, Known};
use crate::store::model::IdempotencyKey;
use crate::store::rows::any_row;

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
            Known::Same(jobs) => {
                if let Some(id) = jobs.first().copied().flatten()
                    && let Some(row) = any_row(sql, tenant, id)?
                {
                    return Ok(TriggerResult::Replayed(Box::new(row.to_job_row(sql, &draft.catalog)?)));
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
    // Two within a millisecond are two runs.
    let mut slot_at = draft.now;
    while is_known(sql, id, slot_at, true)? {
        slot_at = Timestamp(slot_at.as_ms() + 1);
    }
    let decided = fire(sql, draft, &schedule, &definition, slot_at, true)?;
    let Some(job) = decided.job else {
        return Ok(TriggerResult::Refused(decided.detail.unwrap_or_default()));
    };
    remember(sql, id, &decided, draft.now)?;
    forget_old(sql, id)?;
    if let Some(key) = key {
        idempotency::remember(sql, tenant, key, &[Some(job)], draft.now)?;
    }
    Ok(TriggerResult::Triggered(reread(sql, draft, tenant, job)?))
}
