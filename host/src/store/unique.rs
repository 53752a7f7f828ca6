//! Who has which identity. A row says who had it last and on which terms; whether it still counts is found out when the next
//! job of that identity comes, so that no end of a job writes here. What follows is decided by `job::unique`.

use rusqlite::{Connection, OptionalExtension, params};

use super::catalog::TenantId;
use super::draft::Draft;
use super::edit::change;
use super::error::StoreError;
use super::model::{Conflict, JobEdit, NewJob};
use super::rows::{AnyRow, FinishedRow, any_row, unpack_options};
use super::take_back::{can_be_taken_back, seen_state, take_back};
use crate::job::unique::{Action, Held, Holder, Identity, Scope, decide};
use crate::job::{JobId, JobState, OnConflict, Timestamp, Unique};

/// Rows looked at by one prune.
const PRUNED_ROWS_MAX: usize = 500;
/// A row is first looked at after so long, then after as long again as it has been there, ms.
const FIRST_LOOK_MS: i64 = 60_000;
/// And at least so often, ms.
const LOOK_MS_MAX: i64 = 24 * 3_600 * 1_000;

const FIND: &str = "SELECT job_id, first_at, scope, expires_at FROM unique_jobs WHERE tenant_id = ?1 AND identity = ?2";
const TAKE: &str = "INSERT INTO unique_jobs (tenant_id, identity, job_id, first_at, scope, expires_at, look_at)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
    ON CONFLICT (tenant_id, identity) DO UPDATE SET job_id = excluded.job_id, first_at = excluded.first_at,
        scope = excluded.scope, expires_at = excluded.expires_at, look_at = excluded.look_at";
const LOOK: &str = "SELECT tenant_id, identity FROM unique_jobs INDEXED BY unique_jobs_look WHERE look_at <= ?1 ORDER BY look_at LIMIT ?2";
const FORGET: &str = "DELETE FROM unique_jobs WHERE tenant_id = ?1 AND identity = ?2";
const LOOK_LATER: &str = "UPDATE unique_jobs SET look_at = ?3 WHERE tenant_id = ?1 AND identity = ?2";

/// What becomes of a new job that is to be the only one like it.
#[derive(Debug)]
pub(super) enum Admission {
    /// It can be written.
    Admitted,
    /// Another one has its identity; this was done to that one.
    Existing(Conflict, JobId),
    /// Another one has its identity, and nothing is to become of this one.
    Refused(JobId),
}

/// A row, and the job it names as far as it is there.
struct Found {
    job: JobId,
    holder: Holder,
    row: Option<AnyRow>,
}

fn find(sql: &Connection, tenant: TenantId, identity: &Identity) -> Result<Option<Found>, StoreError> {
    let known = sql.prepare_cached(FIND)?.query_row(params![tenant.0, identity.0], |row| {
        let terms = (Timestamp(row.get(1)?), Scope::from_bits(row.get(2)?), row.get::<_, Option<i64>>(3)?);
        Ok((JobId::from_bytes(row.get(0)?), terms))
    });
    let Some((job, (first_at, scope, expires_at))) = known.optional()? else { return Ok(None) };
    let row = any_row(sql, tenant, job)?;
    let state = row.as_ref().map(|row| match row {
        AnyRow::Live(row) => row.state,
        AnyRow::Finished(row) => row.state,
    });
    let holder = Holder { state, scope, first_at, expires_at: expires_at.map(Timestamp) };
    Ok(Some(Found { job, holder, row }))
}

/// What is to be done with a job of this identity. Writes nothing; where another job would be changed that is claimed, it is
/// made sure that it can be.
fn judge(
    sql: &Connection,
    draft: &Draft,
    tenant: TenantId,
    unique: &Unique,
) -> Result<(Action, Option<Found>), StoreError> {
    let Some(mut found) = find(sql, tenant, &unique.identity)? else { return Ok((Action::Insert, None)) };
    if let Some(AnyRow::Live(row)) = &found.row {
        found.holder.state = Some(seen_state(draft, row));
        let changes = matches!(decide(&found.holder, unique, draft.now), Action::Replace | Action::Postpone(_));
        if changes && (row.pinned.is_some() || !can_be_taken_back(draft, row)) {
            // It has been entered, or is about to be; what has recorded steps is not to be another job.
            found.holder.state = Some(JobState::Running);
        }
    }
    Ok((decide(&found.holder, unique, draft.now), Some(found)))
}

/// Decides about a new job, and carries out what it does to another one. One that is admitted takes the identity when it is
/// written.
pub(super) fn admit(
    sql: &Connection,
    draft: &mut Draft,
    tenant: TenantId,
    job: &NewJob,
    unique: &Unique,
) -> Result<Admission, StoreError> {
    let (action, found) = judge(sql, draft, tenant, unique)?;
    let Some(Found { job: known, row, .. }) = found else { return Ok(Admission::Admitted) };
    let payload = || Some((job.spec.payload.clone(), job.checked_against));
    let (conflict, edit) = match action {
        Action::Insert => return Ok(Admission::Admitted),
        Action::Refuse => return Ok(Admission::Refused(known)),
        Action::Return if unique.on_conflict == OnConflict::Throttle => {
            return Ok(Admission::Existing(Conflict::Throttled, known));
        }
        Action::Return => return Ok(Admission::Existing(Conflict::Existing, known)),
        Action::Replace => {
            let edit = JobEdit {
                payload: payload(),
                run_at: Some(job.spec.run_at.unwrap_or(draft.now)),
                priority: Some(job.spec.priority),
                tags: Some(job.spec.tags.clone()),
                expires_at: Some(job.spec.options.expires_at),
                ..JobEdit::default()
            };
            (Conflict::Replaced, edit)
        }
        Action::Postpone(run_at) => {
            let expires_at = Some(job.spec.options.expires_at);
            let edit = JobEdit { payload: payload(), run_at: Some(run_at), expires_at, ..JobEdit::default() };
            (Conflict::Debounced, edit)
        }
    };
    let waiting = match &row {
        Some(AnyRow::Live(row)) => take_back(sql, draft, row)?,
        Some(AnyRow::Finished(_)) | None => None,
    };
    let waiting = waiting.ok_or_else(|| StoreError::internal("a job that was let go is held"))?;
    change(sql, draft, &waiting, &edit)?;
    Ok(Admission::Existing(conflict, known))
}

/// The job because of which a new one of these terms would be refused. Writes nothing.
pub(super) fn refused_for(
    sql: &Connection,
    draft: &Draft,
    tenant: TenantId,
    unique: &Unique,
) -> Result<Option<JobId>, StoreError> {
    let (action, found) = judge(sql, draft, tenant, unique)?;
    Ok(found.filter(|_| action == Action::Refuse).map(|found| found.job))
}

/// Who has this identity; nobody is changed for it.
pub(super) fn holder(
    sql: &Connection,
    draft: &Draft,
    tenant: TenantId,
    identity: &Identity,
) -> Result<Option<JobId>, StoreError> {
    let Some(mut found) = find(sql, tenant, identity)? else { return Ok(None) };
    if let Some(AnyRow::Live(row)) = &found.row {
        found.holder.state = Some(seen_state(draft, row));
    }
    Ok(found.holder.holds(draft.now).then_some(found.job))
}

/// The job has the identity from now on.
pub(super) fn take(
    sql: &Connection,
    tenant: TenantId,
    job: JobId,
    held: &Held,
    now: Timestamp,
) -> Result<(), StoreError> {
    let expires_at = held.expires_at.map(Timestamp::as_ms);
    let look_at = next_look(held.scope, expires_at, now.as_ms(), now.as_ms());
    sql.prepare_cached(TAKE)?.execute(params![
        tenant.0,
        held.identity.0,
        job.to_bytes(),
        now.as_ms(),
        held.scope.bits(),
        expires_at,
        look_at
    ])?;
    Ok(())
}

/// A finished job is about to wait again. It takes its identity again, if it still may have it; the job that has it now, if
/// one has.
pub(super) fn retake(sql: &Connection, draft: &Draft, row: &FinishedRow) -> Result<Option<JobId>, StoreError> {
    let Some(held) = unpack_options(row.options.as_deref())?.unique else { return Ok(None) };
    if held.expires_at.is_some_and(|at| at <= draft.now) {
        return Ok(None);
    }
    let tenant = row.lane.tenant;
    match find(sql, tenant, &held.identity)? {
        Some(found) if found.job == row.id => return Ok(None),
        Some(found) if found.holder.holds(draft.now) => return Ok(Some(found.job)),
        _ => {}
    }
    take(sql, tenant, row.id, &held, draft.now)?;
    Ok(None)
}

/// When to see whether a row can go: at the end of its period where that is all there is to it, else sooner while it is new.
fn next_look(scope: Scope, expires_at: Option<i64>, first_at: i64, now: i64) -> i64 {
    if scope == Scope::ALWAYS
        && let Some(expires_at) = expires_at
    {
        return expires_at;
    }
    let age = now.saturating_sub(first_at).clamp(FIRST_LOOK_MS, LOOK_MS_MAX);
    expires_at.map_or(now + age, |expires_at| expires_at.min(now + age))
}

/// Forgets identities that nobody has any more; `true` when more are to be looked at.
pub(super) fn prune(sql: &Connection, draft: &Draft) -> Result<bool, StoreError> {
    let now = draft.now;
    let mut statement = sql.prepare_cached(LOOK)?;
    let due = statement
        .query_map(params![now.as_ms(), PRUNED_ROWS_MAX], |row| Ok((TenantId(row.get(0)?), Identity(row.get(1)?))))?
        .collect::<Result<Vec<_>, _>>()?;
    for (tenant, identity) in &due {
        let Some(Found { holder, row, .. }) = find(sql, *tenant, identity)? else { continue };
        // One that has not ended may come to a state in which it has its identity again.
        let may_hold = matches!(row, Some(AnyRow::Live(_))) && holder.expires_at.is_none_or(|at| now < at);
        if may_hold || holder.holds(now) {
            let expires_at = holder.expires_at.map(Timestamp::as_ms);
            let look_at = next_look(holder.scope, expires_at, holder.first_at.as_ms(), now.as_ms());
            sql.prepare_cached(LOOK_LATER)?.execute(params![tenant.0, identity.0, look_at])?;
        } else {
            sql.prepare_cached(FORGET)?.execute(params![tenant.0, identity.0])?;
        }
    }
    Ok(due.len() == PRUNED_ROWS_MAX)
}
