//! A schedule is made, or what is in force of it replaced. What comes next follows at once.

use rusqlite::{Connection, params};

use super::bytes::{self, bytes_of, counted};
use super::cover::any_queued;
use super::model::{NewSchedule, PutScheduleResult, ScheduleId};
use super::rows::{StoredSchedule, by_name};
use crate::job::{QuotaExceeded, QuotaName, ScheduleName, Timestamp};
use crate::store::catalog::TenantId;
use crate::store::draft::Draft;
use crate::store::error::StoreError;

const COUNT: &str = "SELECT count(*) FROM schedules WHERE tenant_id = ?1";
const INSERT: &str = "INSERT INTO schedules (tenant_id, name, kind_id, definition, payload, checked_version, anchor_at,
        decided_until, next_at, paused, revision, created_at, updated_at)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7, ?8, ?9, 1, ?7, ?7) RETURNING id";
const REPLACE: &str =
    "UPDATE schedules SET kind_id = ?2, definition = ?3, payload = ?4, checked_version = ?5, anchor_at = ?6,
        decided_until = ?7, next_at = ?8, paused = ?9, fault = NULL, overridden = declared IS NOT NULL,
        revision = revision + 1, updated_at = ?10
    WHERE id = ?1";

/// Where a definition goes on from.
pub(super) struct Course {
    pub(super) anchor_at: Timestamp,
    pub(super) decided_until: Timestamp,
    pub(super) next_at: Option<Timestamp>,
}

/// Makes or replaces a schedule.
pub(super) fn put_schedule(
    sql: &Connection,
    draft: &mut Draft,
    tenant: TenantId,
    name: &ScheduleName,
    new: &NewSchedule,
) -> Result<PutScheduleResult, StoreError> {
    if !draft.is_registered(tenant, new.kind) {
        return Ok(PutScheduleResult::KindGone);
    }
    let known = by_name(sql, tenant, name)?;
    if known.is_none()
        && let Err(quota) = room(sql, draft, tenant)?
    {
        return Ok(PutScheduleResult::OverQuota(quota));
    }
    if let Err(quota) = bytes::room(sql, draft, tenant, known.as_ref(), new, 0)? {
        return Ok(PutScheduleResult::OverQuota(quota));
    }
    let course = course(known.as_ref(), new, draft.now)?;
    match &known {
        None => insert(sql, draft, tenant, name, new, &course).map(|_| ())?,
        Some(known) => replace(sql, draft, known, new, &course)?,
    }
    draft.schedules_changed = true;
    draft.runs_waited_for = any_queued(sql)?;
    Ok(if known.is_some() { PutScheduleResult::Replaced } else { PutScheduleResult::Created })
}

/// Whether the tenant may have one schedule more.
pub(super) fn room(sql: &Connection, draft: &Draft, tenant: TenantId) -> Result<Result<(), QuotaExceeded>, StoreError> {
    let used = u64::try_from(count(sql, tenant)?).unwrap_or(u64::MAX);
    let quotas = draft.meter.quotas(&draft.catalog, tenant);
    Ok(QuotaExceeded::check(&quotas, QuotaName::Schedules, used, 1))
}

pub(super) fn insert(
    sql: &Connection,
    draft: &mut Draft,
    tenant: TenantId,
    name: &ScheduleName,
    new: &NewSchedule,
    course: &Course,
) -> Result<ScheduleId, StoreError> {
    let id = sql.prepare_cached(INSERT)?.query_row(
        params![
            tenant.0,
            name.as_str(),
            new.kind.0,
            serde_json::to_string(&new.definition).map_err(StoreError::internal)?,
            &new.definition.job.payload[..],
            new.checked_against.map(|version| version.0),
            draft.now.as_ms(),
            course.next_at.map(Timestamp::as_ms),
            new.is_paused.unwrap_or(false),
        ],
        |row| row.get(0),
    )?;
    draft.meter.kept(tenant, bytes_of(sql, ScheduleId(id))?);
    Ok(ScheduleId(id))
}

/// What a module declares of it, if one does, counts as overridden.
pub(super) fn replace(
    sql: &Connection,
    draft: &mut Draft,
    known: &StoredSchedule,
    new: &NewSchedule,
    course: &Course,
) -> Result<(), StoreError> {
    let Course { anchor_at, decided_until, next_at } = course;
    let now = draft.now;
    counted(sql, draft, (known.row.tenant, known.row.id), || {
        sql.prepare_cached(REPLACE)?.execute(params![
            known.row.id.0,
            new.kind.0,
            serde_json::to_string(&new.definition).map_err(StoreError::internal)?,
            &new.definition.job.payload[..],
            new.checked_against.map(|version| version.0),
            anchor_at.as_ms(),
            decided_until.as_ms(),
            next_at.map(Timestamp::as_ms),
            new.is_paused.unwrap_or(known.row.is_paused),
            now.as_ms(),
        ])?;
        Ok(())
    })
}

/// How many a tenant has.
fn count(sql: &Connection, tenant: TenantId) -> Result<usize, StoreError> {
    Ok(sql.prepare_cached(COUNT)?.query_row([tenant.0], |row| row.get(0))?)
}

/// With other slots it goes on from now: what the old ones missed is left behind. With the same slots nothing is: who puts the
/// same again and again must not take from it what was missed. The mark never goes back.
pub(super) fn course(known: Option<&StoredSchedule>, new: &NewSchedule, now: Timestamp) -> Result<Course, StoreError> {
    let plan = &new.definition.plan;
    let same = known
        .filter(|known| known.row.definition.as_ref().is_some_and(|definition| definition.plan.has_slots_of(plan)));
    let (anchor_at, decided_until) = match (same, known) {
        (Some(same), _) => (same.row.anchor_at, same.row.decided_until),
        (None, Some(known)) => (now, known.row.decided_until.max(now)),
        (None, None) => (now, now),
    };
    let timing = plan.timing(anchor_at).map_err(StoreError::internal)?;
    Ok(Course { anchor_at, decided_until, next_at: timing.next_after(decided_until) })
}
