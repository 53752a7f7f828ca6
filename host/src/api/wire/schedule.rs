//! Schedules, as clients see them.

use std::collections::BTreeMap;

use serde::ser::{Error as _, SerializeMap};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use super::raw::Raw;
use super::time::Instant;
use crate::job::cron::CronError;
use crate::job::schedule::{Plan, SlotFate};
use crate::job::{JobId, JobState, KindName, ModuleName, ScheduleName, Timestamp};
use crate::store::{ScheduleOrigin, ScheduleRow, SlotRow};

/// Slots to come that are shown.
const NEXT_SHOWN: usize = 5;

/// What recurs, and what became of it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Schedule<'a> {
    /// The schedule.
    #[schema(value_type = String)]
    pub name: &'a ScheduleName,
    /// What it runs.
    #[schema(value_type = String)]
    pub kind: &'a KindName,
    /// What is in force, as `PUT` takes it; without the payload in lists. `null`: it can't be read any more.
    #[schema(value_type = Option<Object>)]
    pub definition: Option<InForce<'a>>,
    /// Whether its slots are missed on somebody's wish.
    pub paused: bool,
    /// Why it is left alone, until it is resumed or put anew.
    pub fault: Option<&'a str>,
    /// The module that declares it; `null`: it was put.
    #[schema(value_type = Option<String>)]
    pub module: Option<&'a ModuleName>,
    /// What its module declares was replaced.
    pub overridden: bool,
    /// The slots to come, if nothing is changed: five, and in lists one.
    pub next: Vec<NextSlot>,
    /// The slot that becomes a job when the runs before it have ended.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub queued_slot: Option<Instant>,
    /// The latest slots and what became of them, newest first: 50 at most, and 1 in lists.
    pub slots: Vec<Slot<'a>>,
    /// Counts its definitions.
    pub revision: u64,
    /// When it was first put.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Instant,
    /// When it was last put, paused or resumed.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Instant,
}

/// A slot to come.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct NextSlot {
    /// In UTC.
    #[schema(value_type = String, format = DateTime)]
    pub at: Instant,
    /// What the clocks of its zone show then.
    #[schema(example = "2026-11-23T03:00:00+01:00")]
    pub local: String,
}

/// When something would fire.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct SchedulePreview {
    /// In a sentence.
    #[schema(example = "At 03:00, on Monday, Tuesday, Wednesday, Thursday, and Friday.")]
    pub words: String,
    /// Whose clock is meant.
    pub timezone: String,
    /// The first times.
    pub next: Vec<NextSlot>,
}

impl SchedulePreview {
    /// If it were put now.
    pub fn of(now: Timestamp, plan: &Plan) -> Result<Self, CronError> {
        let timing = plan.timing(now)?;
        let slots = std::iter::successors(timing.next_after(now), |slot| timing.next_after(*slot));
        Ok(Self {
            words: plan.in_words()?,
            timezone: plan.zone.name().to_owned(),
            next: slots.take(NEXT_SHOWN).map(|at| NextSlot { at: Instant(at), local: plan.zone.local(at) }).collect(),
        })
    }
}

/// A slot and what became of it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Slot<'a> {
    /// Its time.
    #[schema(value_type = String, format = DateTime)]
    pub slot_at: Instant,
    /// Somebody asked for it out of turn.
    pub triggered: bool,
    /// What became of it.
    pub fate: SlotFate,
    /// Why, where that is not plain.
    pub detail: Option<&'a str>,
    /// When that was decided.
    #[schema(value_type = String, format = DateTime)]
    pub decided_at: Instant,
    /// Its job.
    pub job: Option<SlotJob>,
}

/// The job of a slot.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct SlotJob {
    /// The job.
    #[schema(value_type = String)]
    pub id: JobId,
    /// Where it is; `null`: it is not kept any more.
    #[schema(value_type = Option<String>)]
    pub state: Option<JobState>,
}

/// What was asked for, with its payload where that is shown.
#[derive(Debug)]
pub struct InForce<'a> {
    asked: &'a str,
    payload: Option<&'a [u8]>,
}

impl Serialize for InForce<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let asked: BTreeMap<&str, &RawValue> = serde_json::from_str(self.asked).map_err(S::Error::custom)?;
        let mut map = serializer.serialize_map(None)?;
        for (field, value) in asked {
            map.serialize_entry(field, value)?;
        }
        if let Some(payload) = self.payload {
            map.serialize_entry("payload", &Raw(payload))?;
        }
        map.end()
    }
}

impl<'a> Schedule<'a> {
    /// As of `now`.
    pub fn at(now: Timestamp, row: &'a ScheduleRow, payload: Option<&'a [u8]>, slots: &'a [SlotRow]) -> Self {
        let (module, overridden) = match &row.origin {
            ScheduleOrigin::Operator => (None, false),
            ScheduleOrigin::Module { module, is_overridden } => (Some(module), *is_overridden),
        };
        let zone = row.definition.as_ref().map(|definition| &definition.plan.zone);
        let local = |at: Timestamp| zone.map(|zone| zone.local(at)).unwrap_or_default();
        // The next one is known; more of them have to be looked for, which a list of many must not.
        let next = match (payload, row.next_at) {
            (None, Some(next_at)) if next_at > now => vec![next_at],
            (None, _) => row.next_slots(now, 1),
            (Some(_), _) => row.next_slots(now, NEXT_SHOWN),
        };
        Self {
            name: &row.name,
            kind: &row.kind,
            definition: row.definition.as_ref().map(|definition| InForce { asked: &definition.asked, payload }),
            paused: row.is_paused,
            fault: row.fault.as_deref(),
            module,
            overridden,
            next: next.into_iter().map(|at| NextSlot { at: Instant(at), local: local(at) }).collect(),
            queued_slot: row.queued_slot.map(Instant),
            slots: slots.iter().map(Slot::from).collect(),
            revision: row.revision,
            created_at: Instant(row.created_at),
            updated_at: Instant(row.updated_at),
        }
    }
}

impl<'a> From<&'a SlotRow> for Slot<'a> {
    fn from(row: &'a SlotRow) -> Self {
        let SlotRow { slot_at, is_triggered, fate, detail, decided_at, job } = row;
        Self {
            slot_at: Instant(*slot_at),
            triggered: *is_triggered,
            fate: *fate,
            detail: detail.as_deref(),
            decided_at: Instant(*decided_at),
            job: job.map(|(id, state)| SlotJob { id, state }),
        }
    }
}
