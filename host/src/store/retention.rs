//! How long finished jobs are kept, as it is set now: by their kind, else their queue, else the host.

use std::collections::BTreeMap;

use rusqlite::Connection;
use serde::{Deserialize, Serialize};

use super::counters::Lane;
use super::dependencies::unfinished_dependent;
use super::draft::Draft;
use super::error::StoreError;
use super::idempotency::KEY_KEEP_MS;
use super::rows::{FinishedRow, unpack_options};
use crate::job::retention::{Keep, Retention};
use crate::job::{JobId, JobOptions, JobState, Timestamp};

/// A job that others still need is looked at again after so long, ms.
const NEEDED_LOOK_MS: i64 = 3_600_000;

/// How long a job of this lane is kept that ends in this state.
fn keep(draft: &Draft, lane: Lane, state: JobState) -> Keep {
    draft.catalog.keep(draft.retention, Some(lane.kind), Some(lane.queue), state)
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
    /// Its time is over.
    Over,
    /// It is kept at least so much longer, ms.
    LongerMs(i64),
    /// Until somebody deletes it.
    Forever,
}

/// The one place that decides whether a finished job may go.
pub(super) fn stay(sql: &Connection, draft: &Draft, row: &FinishedRow) -> Result<Stay, StoreError> {
    if unfinished_dependent(sql, draft, row.id)?.is_some() {
        return Ok(Stay::LongerMs(NEEDED_LOOK_MS));
    }
    let (keep, options) = (keep(draft, row.lane, row.state), unpack_options(row.options.as_deref())?);
    let ended = Ended { state: row.state, options: &options, created_at: row.created_at, at: row.finished_at };
    let Some(until) = kept_until(keep, &ended) else { return Ok(Stay::Forever) };
    let left_ms = until.as_ms().saturating_sub(draft.now.as_ms());
    Ok(if left_ms <= 0 { Stay::Over } else { Stay::LongerMs(left_ms) })
}

/// All that is set, to find out later what was changed.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct InForce {
    host: Retention,
    kinds: BTreeMap<i64, Retention>,
    queues: BTreeMap<i64, Retention>,
}

impl InForce {
    pub(super) fn now(draft: &Draft) -> Self {
        let kinds = draft.catalog.kinds.values();
        let kinds = kinds.filter_map(|kind| Some((kind.id.0, kind.settings.retention?)));
        let queues = draft.catalog.queue_settings.iter().map(|(id, settings)| (id.0, settings.retention));
        let is_set = |(_, retention): &(i64, Retention)| !retention.is_empty();
        Self { host: draft.retention, kinds: kinds.filter(is_set).collect(), queues: queues.filter(is_set).collect() }
    }

    /// How long a job is kept.
    pub(super) fn keep(&self, row: &FinishedRow) -> Keep {
        let queue = self.queues.get(&row.lane.queue.0).copied().unwrap_or_default();
        let kind = self.kinds.get(&row.lane.kind.0).copied().unwrap_or_default();
        self.host.overlaid_by(queue).overlaid_by(kind).keep(row.state)
    }
}
