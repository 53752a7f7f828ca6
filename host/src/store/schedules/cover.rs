//! Runs of a schedule that have not ended, and what their end means for a slot that waits for it. (`queue_one`: the slot
//! becomes a job only then, so until then there is nothing that could be claimed.)

use rusqlite::{Connection, params};

use super::model::ScheduleId;
use crate::job::JobId;
use crate::store::cancel::{cancel_unentered, request};
use crate::store::draft::Draft;
use crate::store::error::StoreError;
use crate::store::model::LeaseKey;
use crate::store::rows::live_row;

/// Runs cancelled for one slot; what is left is for the next.
const RUNS_CANCELLED_MAX: usize = 100;

const UNFINISHED: &str = "SELECT count(*) FROM (SELECT 1 FROM live_jobs INDEXED BY live_of_schedule
    WHERE schedule_id = ?1 LIMIT ?2)";
const RUNS: &str = "SELECT id FROM live_jobs INDEXED BY live_of_schedule WHERE schedule_id = ?1 ORDER BY id LIMIT ?2";
const ANY_QUEUED: &str =
    "SELECT EXISTS(SELECT 1 FROM schedules INDEXED BY schedules_queued WHERE queued_slot IS NOT NULL)";
const IS_WAITED_FOR: &str =
    "SELECT EXISTS(SELECT 1 FROM live_jobs JOIN schedules ON schedules.id = live_jobs.schedule_id
    WHERE live_jobs.id = ?1 AND queued_slot IS NOT NULL)";

/// How many of its jobs have not ended, as far as it matters.
pub(super) fn unfinished(sql: &Connection, schedule: ScheduleId) -> Result<usize, StoreError> {
    Ok(sql.prepare_cached(UNFINISHED)?.query_row(params![schedule.0, 2], |row| row.get(0))?)
}

/// Cancels its jobs that have not ended. Those that run stay until their holder lets go; their leases are given back, to be
/// interrupted.
pub(super) fn cancel_runs(
    sql: &Connection,
    draft: &mut Draft,
    schedule: ScheduleId,
) -> Result<Vec<LeaseKey>, StoreError> {
    let mut statement = sql.prepare_cached(RUNS)?;
    let runs = statement.query_map(params![schedule.0, RUNS_CANCELLED_MAX], |row| row.get(0).map(JobId::from_bytes))?;
    let runs: Vec<JobId> = runs.collect::<Result<_, _>>()?;
    let mut interrupt = Vec::new();
    for job in runs {
        let Some(row) = live_row(sql, job)? else { continue };
        if row.lease_host.is_some() {
            request(sql, draft, &row)?;
            interrupt.push((job, row.lease_number));
        } else {
            cancel_unentered(sql, draft, &row)?;
        }
    }
    Ok(interrupt)
}

/// Whether any schedule has a slot that waits for a run to end.
pub(in crate::store) fn any_queued(sql: &Connection) -> Result<bool, StoreError> {
    Ok(sql.prepare_cached(ANY_QUEUED)?.query_row([], |row| row.get(0))?)
}

/// A job ends; a slot may have waited for it. Costs nothing while none does.
pub(in crate::store) fn run_ends(sql: &Connection, draft: &mut Draft, job: JobId) -> Result<(), StoreError> {
    if draft.runs_waited_for && !draft.schedules_changed {
        draft.schedules_changed =
            sql.prepare_cached(IS_WAITED_FOR)?.query_row(params![job.to_bytes()], |row| row.get(0))?;
    }
    Ok(())
}
