//! The values that go in and out of the operations on schedules.

use bytes::Bytes;

use crate::job::schedule::{Definition, SlotFate};
use crate::job::{JobId, JobState, KindName, ModuleName, QuotaExceeded, ScheduleName, Timestamp};
use crate::store::catalog::{KindId, ModuleVersionId, TenantId};
use crate::store::model::{Conflict, JobRow, LeaseKey};

/// The store's short name of a schedule (unique over tenants, never used again).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ScheduleId(pub i64);

/// A slot as its job remembers it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobSlot {
    /// Of which schedule; `None`: it is gone.
    pub schedule: Option<ScheduleName>,
    /// Its time.
    pub slot_at: Timestamp,
}

/// A schedule to be written.
#[derive(Clone, Debug)]
pub struct NewSchedule {
    /// The kind, from the catalog.
    pub kind: KindId,
    /// What was asked for. The payload of its job is kept beside it.
    pub definition: Definition,
    /// The version whose schema the payload was checked against.
    pub checked_against: Option<ModuleVersionId>,
    /// `None`: as it is, and a new one is not.
    pub is_paused: Option<bool>,
}

/// Who says that a schedule exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScheduleOrigin {
    /// Somebody put it.
    Operator,
    /// A module declares it.
    Module {
        /// Which.
        module: ModuleName,
        /// What is in force is an operator's.
        is_overridden: bool,
    },
}

/// A schedule without its bulky parts.
#[derive(Clone, Debug)]
pub struct ScheduleRow {
    /// Short name.
    pub id: ScheduleId,
    /// Whose.
    pub tenant: TenantId,
    /// The schedule.
    pub name: ScheduleName,
    /// What it runs.
    pub kind: KindName,
    /// What is in force, without the payload; `None`: it can't be read any more.
    pub definition: Option<Definition>,
    /// An interval counts from here.
    pub anchor_at: Timestamp,
    /// Slots up to here never come up again.
    pub decided_until: Timestamp,
    /// The first slot after that.
    pub next_at: Option<Timestamp>,
    /// Its job is written when the runs before it have ended.
    pub queued_slot: Option<Timestamp>,
    /// Its slots are missed.
    pub is_paused: bool,
    /// Why it is left alone, until somebody puts it anew or resumes it.
    pub fault: Option<String>,
    /// Who says that it exists.
    pub origin: ScheduleOrigin,
    /// Counts its definitions.
    pub revision: u64,
    /// When it was first put.
    pub created_at: Timestamp,
    /// When it was last put, paused or resumed.
    pub updated_at: Timestamp,
}

impl ScheduleRow {
    /// The slots that come next, if nobody changes anything.
    pub fn next_slots(&self, now: Timestamp, count: usize) -> Vec<Timestamp> {
        let timing = self.definition.as_ref().and_then(|definition| definition.plan.timing(self.anchor_at).ok());
        let Some(timing) = timing else { return Vec::new() };
        let first = timing.next_after(self.decided_until.max(now));
        std::iter::successors(first, |slot| timing.next_after(*slot)).take(count).collect()
    }
}

/// A schedule in a list.
#[derive(Clone, Debug)]
pub struct ScheduleSummary {
    /// The row.
    pub row: ScheduleRow,
    /// The latest slot there was.
    pub last_slot: Option<SlotRow>,
}

/// A schedule with its bulky parts.
#[derive(Clone, Debug)]
pub struct ScheduleDetail {
    /// The row.
    pub row: ScheduleRow,
    /// JSON text.
    pub payload: Bytes,
    /// The latest slots, newest first.
    pub slots: Vec<SlotRow>,
}

/// What became of a slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlotRow {
    /// Its time.
    pub slot_at: Timestamp,
    /// Somebody asked for it out of turn.
    pub is_triggered: bool,
    /// What was decided.
    pub fate: SlotFate,
    /// Why, where that is not plain.
    pub detail: Option<String>,
    /// When it was decided.
    pub decided_at: Timestamp,
    /// Its job and where that is; `None`: it was deleted.
    pub job: Option<(JobId, Option<JobState>)>,
}

/// What came of putting a schedule.
#[derive(Clone, Debug)]
pub enum PutScheduleResult {
    /// There was none of that name.
    Created,
    /// It is in force from now on.
    Replaced,
    /// The kind vanished between check and write.
    KindGone,
    /// The tenant has as many as it may.
    OverQuota(QuotaExceeded),
}

/// What came of the wish to delete a schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeleteScheduleResult {
    /// Gone, with what is known of its slots; its jobs stay.
    Deleted,
    /// What an operator had put is gone; what its module declares is in force again.
    Restored,
    /// This module declares it, and nobody has put another one in its place.
    Declared(ModuleName),
    /// There is none.
    NotFound,
}

/// What came of a run out of turn.
#[derive(Clone, Debug)]
pub enum TriggerResult {
    /// Its job, which has `failed` already where nobody serves the kind.
    Triggered(Box<JobRow>),
    /// Another job is the only one like it, and this was done to that one.
    Existing {
        /// What.
        conflict: Conflict,
        /// That one.
        row: Box<JobRow>,
        /// When the same request first came.
        is_replayed: bool,
    },
    /// The same, and nothing came of it.
    UniqueConflict {
        /// That one.
        row: Box<JobRow>,
        /// When the same request first came.
        is_replayed: bool,
    },
    /// The same request came before; this is its job as it is now.
    Replayed(Box<JobRow>),
    /// The key was used for another request.
    KeyConflict,
    /// The tenant has used up what it may.
    OverQuota(QuotaExceeded),
    /// No job could be written, for this reason.
    Refused(String),
    /// There is none.
    NotFound,
}

/// Schedules that have something to do.
#[derive(Clone, Debug, Default)]
pub struct DueSchedules {
    /// Those whose next slot has come, the earliest first, and those whose queued slot may have its job now. A bounded number.
    pub schedules: Vec<ScheduleId>,
    /// When the next slot of the others comes.
    pub next_at: Option<Timestamp>,
}

/// What a run of one schedule did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScheduleRan {
    /// Jobs written.
    pub jobs: usize,
    /// Attempts that are to be interrupted: their jobs' cancel is recorded.
    pub interrupt: Vec<LeaseKey>,
}
