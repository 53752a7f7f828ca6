//! Counters per (tenant, queue, kind, state), kept in the transaction that changes a job.
//!
//! Changes are gathered in memory and written once per commit, one row per counter touched.

use rusqlite::{Connection, params};
use rustc_hash::FxHashMap;

use super::catalog::{KindId, QueueId, TenantId};
use super::error::StoreError;
use crate::job::JobState;

const ADD: &str = "INSERT INTO counters (tenant_id, queue_id, kind_id, state, jobs) VALUES (?1, ?2, ?3, ?4, ?5)
    ON CONFLICT (tenant_id, queue_id, kind_id, state) DO UPDATE SET jobs = jobs + excluded.jobs";

/// Which jobs are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Lane {
    pub(super) tenant: TenantId,
    pub(super) queue: QueueId,
    pub(super) kind: KindId,
}

/// Changes of one transaction, in order, so that those of a failed operation can be taken back.
#[derive(Debug, Default)]
pub(super) struct CounterChanges {
    changes: Vec<(Lane, JobState, i64)>,
    /// Changes before here belong to operations that are done.
    settled: usize,
}

impl CounterChanges {
    pub(super) fn add(&mut self, lane: Lane, state: JobState, jobs: i64) {
        if self.changes.len() > self.settled
            && let Some((last_lane, last_state, sum)) = self.changes.last_mut()
            && *last_lane == lane
            && *last_state == state
        {
            *sum += jobs;
        } else {
            self.changes.push((lane, state, jobs));
        }
    }

    /// From here on a rewind goes no further back.
    pub(super) fn settle(&mut self) {
        self.settled = self.changes.len();
    }

    /// Takes back what came after the last `settle`.
    pub(super) fn rewind(&mut self) {
        self.changes.truncate(self.settled);
    }

    pub(super) fn clear(&mut self) {
        self.changes.clear();
        self.settled = 0;
    }

    /// How many jobs of these lanes came to be unfinished in this transaction, not yet written.
    pub(super) fn unfinished(&self, of: impl Fn(&Lane) -> bool) -> i64 {
        let own = self.changes.iter().filter(|(lane, state, _)| of(lane) && !state.is_terminal());
        own.map(|(_, _, jobs)| jobs).sum()
    }

    /// Whether there are any of the tenant.
    pub(super) fn has_any_of(&self, tenant: TenantId) -> bool {
        self.changes.iter().any(|(lane, ..)| lane.tenant == tenant)
    }

    /// Writes the sums.
    pub(super) fn flush(&self, sql: &Connection) -> Result<(), StoreError> {
        if self.changes.is_empty() {
            return Ok(());
        }
        let mut sums: FxHashMap<(Lane, JobState), i64> = FxHashMap::default();
        for (lane, state, jobs) in &self.changes {
            *sums.entry((*lane, *state)).or_default() += jobs;
        }
        let mut add = sql.prepare_cached(ADD)?;
        for ((lane, state), jobs) in sums.into_iter().filter(|(_, jobs)| *jobs != 0) {
            add.execute(params![lane.tenant.0, lane.queue.0, lane.kind.0, state.as_str(), jobs])?;
        }
        Ok(())
    }
}
