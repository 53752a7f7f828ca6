//! What modules declare: made, changed and removed in the transaction that activates a version. What an operator put in the
//! place of one stays in force; when that is deleted, what the module declares is again.

use rusqlite::{Connection, params};
use serde::{Deserialize, Serialize};

use super::bytes::{self, counted};
use super::cover::any_queued;
use super::delete::remove;
use super::model::{NewSchedule, ScheduleId, ScheduleOrigin};
use super::put::{course, insert, replace, room};
use super::rows::{StoredSchedule, by_name, read, schedule_columns};
use crate::job::schedule::Definition;
use crate::job::{KindDescription, ScheduleName};
use crate::store::catalog::TenantId;
use crate::store::draft::Draft;
use crate::store::error::StoreError;

const OF_MODULE: &str = concat!(schedule_columns!(), " WHERE schedules.module_id = ?1 ORDER BY schedules.id");
const DECLARE: &str = "UPDATE schedules SET module_id = ?2, declared = ?3, overridden = ?4 WHERE id = ?1";
const NO_LONGER_OVERRIDDEN: &str = "UPDATE schedules SET overridden = 0 WHERE id = ?1";
const DISOWN: &str = "UPDATE schedules SET module_id = NULL, declared = NULL, overridden = 0 WHERE id = ?1";

/// What a module declares, as it is kept beside what is in force.
#[derive(Serialize, Deserialize)]
struct Declared {
    definition: Definition,
    /// JSON text.
    payload: String,
}

impl Declared {
    fn of(definition: &Definition) -> Result<String, StoreError> {
        let payload = String::from_utf8(definition.job.payload.to_vec()).map_err(StoreError::internal)?;
        serde_json::to_string(&Self { definition: definition.clone(), payload }).map_err(StoreError::internal)
    }

    fn read(text: &str) -> Result<Definition, StoreError> {
        let Self { mut definition, payload } = serde_json::from_str(text).map_err(StoreError::internal)?;
        definition.job.payload = payload.into();
        Ok(definition)
    }
}

/// The module's schedules are those of these kinds from now on, and no others.
pub(in crate::store) fn declare_schedules(
    sql: &Connection,
    draft: &mut Draft,
    tenant: TenantId,
    module_id: i64,
    kinds: &[KindDescription],
) -> Result<(), StoreError> {
    let mut declared: Vec<(ScheduleName, Definition)> = Vec::new();
    for kind in kinds {
        let schedules = kind.settings.schedules.iter().flatten();
        declared.extend(schedules.filter_map(|schedule| {
            // Both were checked when the module was described.
            Some((schedule.full_name(&kind.name)?, schedule.definition(&kind.name)?))
        }));
    }
    for known in read(sql, OF_MODULE, params![module_id])? {
        if declared.iter().any(|(name, _)| *name == known.row.name) {
            continue;
        }
        match known.row.origin {
            // It is the operator's own from now on.
            ScheduleOrigin::Module { is_overridden: true, .. } => {
                counted(sql, draft, (tenant, known.row.id), || {
                    sql.prepare_cached(DISOWN)?.execute([known.row.id.0])?;
                    Ok(())
                })?;
            }
            ScheduleOrigin::Module { .. } | ScheduleOrigin::Operator => remove(sql, draft, &known)?,
        }
    }
    for (name, definition) in declared {
        declare(sql, draft, (tenant, module_id), &name, definition)?;
    }
    Ok(())
}

fn declare(
    sql: &Connection,
    draft: &mut Draft,
    (tenant, module_id): (TenantId, i64),
    name: &ScheduleName,
    definition: Definition,
) -> Result<(), StoreError> {
    let Some(kind) = draft.catalog.kind(tenant, &definition.kind).map(|kind| kind.id) else { return Ok(()) };
    let text = Declared::of(&definition)?;
    let new = NewSchedule { kind, definition, checked_against: None, is_paused: None };
    let known = by_name(sql, tenant, name)?;
    let Some(known) = known else {
        let room = room(sql, draft, tenant)?.and(bytes::room(sql, draft, tenant, None, &new, text.len())?);
        if let Err(quota) = room {
            let (quota, most) = (quota.name.as_str(), quota.most);
            tracing::warn!(schedule = %name, quota, most, "a module declares more schedules than its tenant may have; it is left out");
            return Ok(());
        }
        let course = course(None, &new, draft.now)?;
        let id = insert(sql, draft, tenant, name, &new, &course)?;
        note(sql, draft, (tenant, id), module_id, &text, false)?;
        return Ok(());
    };
    // One that is there follows its module: what that can declare is bounded by the size of modules.
    let is_operators = !matches!(known.row.origin, ScheduleOrigin::Module { is_overridden: false, .. });
    if !is_operators && known.declared.as_deref() != Some(&text) {
        let course = course(Some(&known), &new, draft.now)?;
        replace(sql, draft, &known, &new, &course)?;
    }
    note(sql, draft, (tenant, known.row.id), module_id, &text, is_operators)
}

fn note(
    sql: &Connection,
    draft: &mut Draft,
    (tenant, id): (TenantId, ScheduleId),
    module_id: i64,
    declared: &str,
    is_overridden: bool,
) -> Result<(), StoreError> {
    counted(sql, draft, (tenant, id), || {
        sql.prepare_cached(DECLARE)?.execute(params![id.0, module_id, declared, is_overridden])?;
        Ok(())
    })?;
    draft.schedules_changed = true;
    Ok(())
}

/// What the module declares is in force again.
pub(super) fn restore(sql: &Connection, draft: &mut Draft, known: &StoredSchedule) -> Result<(), StoreError> {
    let declared = known.declared.as_deref().ok_or_else(|| StoreError::internal("a module declares nothing"))?;
    let definition = Declared::read(declared)?;
    // The kind is the module's; were it gone, so would be what the module declares.
    let kind = draft.catalog.kind(known.row.tenant, &definition.kind).map_or(known.kind, |kind| kind.id);
    let new = NewSchedule { kind, definition, checked_against: None, is_paused: None };
    let course = course(Some(known), &new, draft.now)?;
    replace(sql, draft, known, &new, &course)?;
    sql.prepare_cached(NO_LONGER_OVERRIDDEN)?.execute([known.row.id.0])?;
    draft.schedules_changed = true;
    draft.runs_waited_for = any_queued(sql)?;
    Ok(())
}
