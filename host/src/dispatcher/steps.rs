//! The steps of a job, as the store has them.

use std::sync::Arc;

use crate::job::{JobId, Step};
use crate::sandbox::{EventReceived, StepRecorded, Steps, Told};
use crate::store::{ClaimedJob, Holder, ModuleVersionId, ReceiveEventResult, RecordStepResult, Store};

/// Those of one job, recorded under the lease of one attempt.
#[derive(Debug)]
pub(super) struct StoredSteps {
    store: Store,
    holder: Holder,
    /// The version that records them, on which the job stays.
    version: ModuleVersionId,
}

impl StoredSteps {
    pub(super) fn of(store: &Store, job: &ClaimedJob, version: ModuleVersionId) -> Arc<Self> {
        Arc::new(Self { store: store.clone(), holder: Holder::of(&job.lease), version })
    }
}

impl Steps for StoredSteps {
    fn job(&self) -> JobId {
        self.holder.job
    }

    fn execution(&self) -> i64 {
        self.holder.number
    }

    fn recorded(&self) -> Told<'_, Vec<Step>> {
        Box::pin(async {
            // The first execution finds nothing.
            if self.holder.number == 1 {
                return Ok(Vec::new());
            }
            self.store.recorded_steps(self.holder.job).await.map_err(|error| error.to_string())
        })
    }

    fn receive(&self, step: Step) -> Told<'_, EventReceived> {
        Box::pin(async {
            let received = self.store.receive_event(self.holder, self.version, step).await;
            Ok(match received.map_err(|error| error.to_string())? {
                ReceiveEventResult::Received(step) => EventReceived::Now(step),
                ReceiveEventResult::NotYet => EventReceived::NotYet,
                ReceiveEventResult::OverQuota(quota) => return Err(quota.sentence()),
                ReceiveEventResult::StaleLease => EventReceived::StaleLease,
            })
        })
    }

    fn record(&self, step: Step) -> Told<'_, StepRecorded> {
        Box::pin(async {
            let recorded = self.store.record_step(self.holder, self.version, step).await;
            Ok(match recorded.map_err(|error| error.to_string())? {
                RecordStepResult::Recorded => StepRecorded::Done,
                RecordStepResult::StaleLease => StepRecorded::StaleLease,
                RecordStepResult::OverQuota(quota) => StepRecorded::Refused(quota.sentence()),
            })
        })
    }
}
