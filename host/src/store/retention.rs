//! How long finished jobs are kept, as it is set now: by their kind, else their queue, else the host; and how much longer since
//! others need them: the batch they are of, the job they come back with, the jobs that run after them.

use std::collections::BTreeMap;

use rusqlite::Connection;
use serde::{Deserialize, Serialize};

use super::batches::{OfBatch, of_batch};
use super::counters::Lane;
use super::draft::Draft;
use super::error::StoreError;
use super::idempotency::KEY_KEEP_MS;
use super::needed::{Need, Needed, comes_back_with_another, needed};
use super::rows::{FinishedRow, finished_row, unpack_options};
use crate::job::retention::{Keep, Retention};
use crate::job::{JobId, JobOptions, JobState, Timestamp};

/// A job that others still need is looked at again after as long as it is kept itself, but not before this, ms.
const NEEDED_LOOK_MS_MIN: i64 = 3_600_000;
/// And not after this, ms.
const NEEDED_LOOK_MS_MAX: i64 = 24 * 3_600_000;
/// The same where what it is kept for may itself go any moment, ms.
const GOING_LOOK_MS: i64 = 600_000;
/// A job whose batch has not ended is looked at again not before this, ms: once it has, its time is known exactly.
const OPEN_LOOK_MS_MIN: i64 = 60_000;

/// How long a job of this lane is kept that ends in this state.
fn keep(draft: &Draft, lane: Lane, state: JobState) -> Keep {
    draft.catalog.keep(draft.retention, lane.tenant, Some(lane.kind), Some(lane.queue), state)
}

/// Until when a job is kept at least that ended so; `None`: until somebody deletes it. Who repeats a request under a key is
/// given its job; and a job that keeps others like it away for a time does so to the end of that time.
pub(super) fn kept_until(keep: Keep, ended: &Ended<'_>) -> Option<Timestamp> {
    let Ended { state, options, created_at, at } = *ended;
    let until = keep.until(at)?;
    let key_until = options.is_keyed.then(|| Timestamp(created_at.as_ms().saturating_add(KEY_KEEP_MS)));
    let identity_until = options.unique.as_ref().and_then(|held| held.kept_until(state));
    Some([key_until, options.named_until, identity_until].into_iter().flatten().fold(until, Timestamp::max))
}

/// What decides how long a finished job is kept beside what is set.
#[derive(Clone, Copy)]
pub(super) struct Ended<'a> {
    /// In which state.
    pub(super) state: JobState,
    /// What it asked for.
    pub(super) options: &'a JobOptions,
    /// When it was enqueued.
    pub(super) created_at: Timestamp,
    /// When it ended.
    pub(super) at: Timestamp,
}

/// Notes when to look whether a job that ends now is still to be kept.
pub(super) fn note_end(draft: &mut Draft, job: JobId, lane: Lane, state: JobState) {
    if let Keep::For(time) = keep(draft, lane, state) {
        let time_ms = i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
        draft.looks.add(draft.clock.now_ms().saturating_add(time_ms), job);
    }
}

/// What is to become of a finished job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stay {
    /// Its time is over, and so far nobody is known to need it; a further look is to go on.
    LookFurther,
    /// Its time is over.
    Over,
    /// It is kept at least so much longer, ms.
    LongerMs(i64),
    /// Until somebody deletes it.
    Forever,
}

/// The one place that decides whether a finished job may go. Reads a bounded number of rows, whatever runs after the job.
pub(super) fn stay(sql: &Connection, draft: &mut Draft, row: &FinishedRow) -> Result<Stay, StoreError> {
    match by_itself(draft, row)? {
        Stay::Over => {}
        longer => return Ok(longer),
    }
    let own = keep(draft, row.lane, row.state);
    match of_batch(sql, draft, row.id)? {
        OfBatch::None => {}
        OfBatch::Unfinished => return Ok(Stay::LongerMs(look_ms(own, OPEN_LOOK_MS_MIN))),
        OfBatch::Ended { at, ended_as } => {
            // All of it goes when the last of it may.
            let keeps = ended_as.into_iter().map(|state| keep(draft, row.lane, state));
            let longest = keeps.reduce(|one, other| if one.is_shorter_than(other) { other } else { one });
            let Some(until) = longest.unwrap_or(own).until(at) else {
                // Until one that is kept for ever is retried, say.
                return Ok(Stay::LongerMs(NEEDED_LOOK_MS_MAX));
            };
            let left_ms = until.as_ms().saturating_sub(draft.now.as_ms());
            if left_ms > 0 {
                return Ok(Stay::LongerMs(left_ms));
            }
        }
    }
    if comes_back_with_another(sql, draft, row.id)? {
        return Ok(Stay::LongerMs(look_ms(own, NEEDED_LOOK_MS_MIN)));
    }
    Ok(match needed(sql, draft, row.id, Need::Retriable)? {
        Needed::No => Stay::Over,
        Needed::LookFurther => Stay::LookFurther,
        Needed::By(child) => {
            let child = finished_row(sql, child)?;
            let is_going = child.map(|child| by_itself(draft, &child)).transpose()? == Some(Stay::Over);
            Stay::LongerMs(if is_going { GOING_LOOK_MS } else { look_ms(own, NEEDED_LOOK_MS_MIN) })
        }
    })
}

/// One of those that needed the job has gone. If it was the last, and nothing else keeps the job, it is looked at now, so that
/// a chain goes as soon as its end does. (A look that finds it kept would come again and again, once more with each that goes.)
pub(super) fn look_if_free(sql: &Connection, draft: &mut Draft, job: JobId) -> Result<(), StoreError> {
    let Some(row) = finished_row(sql, job)? else { return Ok(()) };
    if stay(sql, draft, &row)? == Stay::Over {
        draft.looks.add(draft.clock.now_ms(), job);
    }
    Ok(())
}

/// What is to become of a finished job that nobody else needs.
pub(super) fn by_itself(draft: &Draft, row: &FinishedRow) -> Result<Stay, StoreError> {
    let (keep, options) = (keep(draft, row.lane, row.state), unpack_options(row.options.as_deref())?);
    let ended = Ended { state: row.state, options: &options, created_at: row.created_at, at: row.finished_at };
    let Some(until) = kept_until(keep, &ended) else { return Ok(Stay::Forever) };
    let left_ms = until.as_ms().saturating_sub(draft.now.as_ms());
    Ok(if left_ms <= 0 { Stay::Over } else { Stay::LongerMs(left_ms) })
}

/// When to look again at a job that others need, ms from now.
fn look_ms(own: Keep, min_ms: i64) -> i64 {
    let own_ms = match own {
        Keep::For(time) => i64::try_from(time.as_millis()).unwrap_or(i64::MAX),
        Keep::Forever => NEEDED_LOOK_MS_MAX,
    };
    own_ms.clamp(min_ms, NEEDED_LOOK_MS_MAX)
}

/// All that is set, to find out later what was changed.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct InForce {
    host: Retention,
    tenants: BTreeMap<i64, Retention>,
    kinds: BTreeMap<i64, Retention>,
    queues: BTreeMap<i64, Retention>,
}

impl InForce {
    pub(super) fn now(draft: &Draft) -> Self {
        let kinds = draft.catalog.kinds.values();
        let kinds = kinds.filter_map(|kind| Some((kind.id.0, kind.settings.retention?)));
        let queues = draft.catalog.queue_settings.iter().map(|(id, settings)| (id.0, settings.retention));
        let tenants = draft.catalog.tenant_entries.values().map(|tenant| (tenant.id.0, tenant.settings.retention));
        let is_set = |(_, retention): &(i64, Retention)| !retention.is_empty();
        Self {
            host: draft.retention,
            tenants: tenants.filter(is_set).collect(),
            kinds: kinds.filter(is_set).collect(),
            queues: queues.filter(is_set).collect(),
        }
    }

    /// How long jobs of a lane are kept.
    fn of(&self, lane: Lane) -> Retention {
        let tenant = self.tenants.get(&lane.tenant.0).copied().unwrap_or_default();
        let queue = self.queues.get(&lane.queue.0).copied().unwrap_or_default();
        let kind = self.kinds.get(&lane.kind.0).copied().unwrap_or_default();
        self.host.overlaid_by(tenant).overlaid_by(queue).overlaid_by(kind)
    }

    /// Whether a job may go sooner than under what was set before. One that may be of a batch is kept for as long as any of it,
    /// so there each state counts.
    pub(super) fn may_be_shorter(&self, before: &InForce, row: &FinishedRow, may_be_of_batch: bool) -> bool {
        let (now, before) = (self.of(row.lane), before.of(row.lane));
        let is_shorter = |state: JobState| now.keep(state).is_shorter_than(before.keep(state));
        is_shorter(row.state) || (may_be_of_batch && JobState::ENDS.into_iter().any(is_shorter))
    }
}
