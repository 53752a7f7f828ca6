//! Which schedules have something to do, and when the next one has.

use rusqlite::{Connection, params};

use super::model::{DueSchedules, ScheduleId};
use crate::job::Timestamp;
use crate::store::error::StoreError;

/// Schedules named at once.
pub(super) const DUE_SCHEDULES_MAX: usize = 100;

const DUE: &str = "SELECT id FROM schedules INDEXED BY schedules_due
    WHERE next_at IS NOT NULL AND paused = 0 AND fault IS NULL AND next_at <= ?1 ORDER BY next_at, id LIMIT ?2";
const NEXT: &str = "SELECT min(next_at) FROM schedules INDEXED BY schedules_due
    WHERE next_at IS NOT NULL AND paused = 0 AND fault IS NULL AND next_at > ?1";
const QUEUED: &str = "SELECT id FROM schedules INDEXED BY schedules_queued
    WHERE queued_slot IS NOT NULL AND paused = 0 AND fault IS NULL
        AND NOT EXISTS (SELECT 1 FROM live_jobs INDEXED BY live_of_schedule WHERE live_jobs.schedule_id = schedules.id)
    LIMIT ?1";

/// See [`super::Store::due_schedules`].
pub(super) fn due_schedules(sql: &Connection, now: Timestamp) -> Result<DueSchedules, StoreError> {
    let mut due = DueSchedules::default();
    let mut statement = sql.prepare_cached(DUE)?;
    let mut rows = statement.query(params![now.as_ms(), DUE_SCHEDULES_MAX])?;
    while let Some(row) = rows.next()? {
        due.schedules.push(ScheduleId(row.get(0)?));
    }
    let mut statement = sql.prepare_cached(QUEUED)?;
    let mut rows = statement.query(params![DUE_SCHEDULES_MAX])?;
    while let Some(row) = rows.next()? {
        let id = ScheduleId(row.get(0)?);
        if !due.schedules.contains(&id) {
            due.schedules.push(id);
        }
    }
    let next: Option<i64> = sql.prepare_cached(NEXT)?.query_row(params![now.as_ms()], |row| row.get(0))?;
    due.next_at = next.map(Timestamp);
    Ok(due)
}
