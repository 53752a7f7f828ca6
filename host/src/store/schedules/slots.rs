//! What is remembered of slots: the rows of the latest ones, and what jobs know of theirs.

use rusqlite::{Connection, OptionalExtension, params};

use super::model::{JobSlot, ScheduleId, SlotRow};
use crate::job::schedule::{SLOTS_KEPT_MAX, SlotFate};
use crate::job::{JobId, JobState, Timestamp};
use crate::store::codec::state_from_word;
use crate::store::error::StoreError;

const REMEMBER: &str = "INSERT INTO schedule_slots (schedule_id, slot_at, triggered, fate, job_id, detail, decided_at)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
    ON CONFLICT (schedule_id, slot_at, triggered) DO UPDATE
    SET fate = excluded.fate, job_id = excluded.job_id, detail = excluded.detail, decided_at = excluded.decided_at";
const KNOWN: &str = "SELECT 1 FROM schedule_slots WHERE schedule_id = ?1 AND slot_at = ?2 AND triggered = ?3";
const FORGET: &str = "DELETE FROM schedule_slots WHERE schedule_id = ?1 AND (slot_at, triggered) <=
    (SELECT slot_at, triggered FROM schedule_slots WHERE schedule_id = ?1
     ORDER BY slot_at DESC, triggered DESC LIMIT 1 OFFSET ?2)";
const LATEST: &str = "SELECT slot_at, triggered, fate, detail, decided_at, job_id,
        coalesce((SELECT state FROM live_jobs WHERE live_jobs.id = job_id),
            (SELECT state FROM finished_jobs WHERE finished_jobs.id = job_id))
    FROM schedule_slots WHERE schedule_id = ?1 ORDER BY slot_at DESC, triggered DESC LIMIT ?2";
const NAME: &str = "SELECT name FROM schedules WHERE id = ?1";

/// A slot that has been decided.
pub(super) struct Decided {
    pub(super) slot_at: Timestamp,
    pub(super) is_triggered: bool,
    pub(super) fate: SlotFate,
    pub(super) job: Option<JobId>,
    pub(super) detail: Option<String>,
}

impl Decided {
    /// Whether a job was made for it.
    pub(super) fn has_own_job(&self) -> bool {
        self.job.is_some() && matches!(self.fate, SlotFate::Enqueued | SlotFate::Failed)
    }
}

/// Remembers what became of a slot.
pub(super) fn remember(
    sql: &Connection,
    schedule: ScheduleId,
    decided: &Decided,
    now: Timestamp,
) -> Result<(), StoreError> {
    let Decided { slot_at, is_triggered, fate, job, detail } = decided;
    sql.prepare_cached(REMEMBER)?.execute(params![
        schedule.0,
        slot_at.as_ms(),
        is_triggered,
        fate.code(),
        job.map(JobId::to_bytes),
        detail,
        now.as_ms()
    ])?;
    Ok(())
}

/// Whether something became of the slot already.
pub(super) fn is_known(
    sql: &Connection,
    schedule: ScheduleId,
    slot_at: Timestamp,
    triggered: bool,
) -> Result<bool, StoreError> {
    Ok(sql.prepare_cached(KNOWN)?.exists(params![schedule.0, slot_at.as_ms(), triggered])?)
}

/// Forgets all but the latest slots.
pub(super) fn forget_old(sql: &Connection, schedule: ScheduleId) -> Result<(), StoreError> {
    sql.prepare_cached(FORGET)?.execute(params![schedule.0, SLOTS_KEPT_MAX])?;
    Ok(())
}

/// The latest slots, newest first.
pub(super) fn latest(sql: &Connection, schedule: ScheduleId, count: usize) -> Result<Vec<SlotRow>, StoreError> {
    let mut statement = sql.prepare_cached(LATEST)?;
    let mut rows = statement.query(params![schedule.0, count])?;
    let mut slots = Vec::new();
    while let Some(row) = rows.next()? {
        let state: Option<JobState> =
            row.get_ref(6)?.as_str_or_null().map_err(StoreError::internal)?.map(state_from_word).transpose()?;
        let code: u8 = row.get(2)?;
        slots.push(SlotRow {
            slot_at: Timestamp(row.get(0)?),
            is_triggered: row.get(1)?,
            fate: SlotFate::from_code(code)
                .ok_or_else(|| StoreError::Internal(format!("a slot has the unknown fate {code}")))?,
            detail: row.get(3)?,
            decided_at: Timestamp(row.get(4)?),
            job: row.get::<_, Option<[u8; 16]>>(5)?.map(|job| (JobId::from_bytes(job), state)),
        });
    }
    Ok(slots)
}

/// A job's slot with the name of its schedule.
pub(in crate::store) fn slot_of_job(
    sql: &Connection,
    slot: Option<(i64, Timestamp)>,
) -> Result<Option<JobSlot>, StoreError> {
    let Some((schedule, slot_at)) = slot else { return Ok(None) };
    let name: Option<String> = sql.prepare_cached(NAME)?.query_row([schedule], |row| row.get(0)).optional()?;
    let schedule = name.map(|name| name.parse()).transpose().map_err(StoreError::internal)?;
    Ok(Some(JobSlot { schedule, slot_at }))
}
