//! The operations on steps, as the rest of the host sees them.

use super::record::{receive_now, record};
use super::steps_of;
use crate::job::{JobId, QuotaExceeded, Step};
use crate::store::catalog::ModuleVersionId;
use crate::store::emitted::prune_emitted;
use crate::store::error::StoreError;
use crate::store::facade::{Durability, Store};
use crate::store::model::Holder;

/// What became of a step that was to be recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordStepResult {
    /// It is on the disk.
    Recorded,
    /// The lease is no longer the job's: nothing was written.
    StaleLease,
    /// The tenant may keep no more.
    OverQuota(QuotaExceeded),
}

/// What became of an event that an attempt asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReceiveEventResult {
    /// It had come, and is recorded as this.
    Received(Step),
    /// It has not come.
    NotYet,
    /// It has come, and the tenant may keep no more.
    OverQuota(QuotaExceeded),
    /// The lease is no longer the job's: nothing was written.
    StaleLease,
}

impl Store {
    /// Records a step for an attempt, which runs this version of its module.
    pub async fn record_step(
        &self,
        holder: Holder,
        version: ModuleVersionId,
        step: Step,
    ) -> Result<RecordStepResult, StoreError> {
        self.write(Durability::Synced, move |sql, draft| record(sql, draft, holder, version, &step)).await
    }

    /// Gives an attempt the event that a step waits for, if it has come, and records it.
    pub async fn receive_event(
        &self,
        holder: Holder,
        version: ModuleVersionId,
        step: Step,
    ) -> Result<ReceiveEventResult, StoreError> {
        self.write(Durability::Synced, move |sql, draft| receive_now(sql, draft, holder, version, &step)).await
    }

    /// Forgets events that came long ago; `true` when more are left.
    pub async fn prune_emitted_events(&self) -> Result<bool, StoreError> {
        self.write(Durability::Relaxed, prune_emitted).await
    }

    /// The steps of a job, in the order they were recorded.
    pub async fn recorded_steps(&self, job: JobId) -> Result<Vec<Step>, StoreError> {
        self.read(move |sql, _| steps_of(sql, job)).await
    }
}
