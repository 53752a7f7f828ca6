//! Works off actions on many jobs: one piece of each that may go on, in turn. Signalled by each new one.

use std::time::Duration;

use parking_lot::Mutex;
use rustc_hash::FxHashMap;

use crate::dispatcher::DispatcherHandle;
use crate::job::{FailureReason, OperationId};
use crate::maintenance::driver::{Task, Turn};
use crate::store::{Store, StoreError, TenantId, Worked};

const SCAN_PERIOD: Duration = Duration::from_secs(30);
/// So often in a row a piece may fail for a reason of its own before the whole is given up.
const FAILURES_MAX: u32 = 3;

pub(in crate::maintenance) struct WorkOffOperations {
    pub(in crate::maintenance) store: Store,
    pub(in crate::maintenance) dispatcher: DispatcherHandle,
    /// How often each has failed in a row. A hint: a restart forgets it.
    pub(in crate::maintenance) failures: Mutex<FxHashMap<OperationId, u32>>,
}

impl Task for WorkOffOperations {
    fn name(&self) -> &'static str {
        "work_off_operations"
    }

    fn period(&self) -> Duration {
        SCAN_PERIOD
    }

    async fn run(&self) -> Result<Turn, StoreError> {
        let mut soonest: Option<Duration> = None;
        for (tenant, id) in self.store.unfinished_operations().await? {
            let Worked { again_in, interrupts } = self.piece(tenant, id).await?;
            for lease in interrupts {
                self.dispatcher.interrupt(lease, FailureReason::Cancelled);
            }
            soonest = again_in.map(|again| soonest.map_or(again, |known| known.min(again))).or(soonest);
        }
        Ok(match soonest {
            None => Turn::Done,
            Some(Duration::ZERO) => Turn::Again,
            Some(wait) => Turn::DoneUntil(wait),
        })
    }
}

impl WorkOffOperations {
    /// One piece; an operation that fails by itself keeps none of the others back.
    async fn piece(&self, tenant: TenantId, id: OperationId) -> Result<Worked, StoreError> {
        let error = match self.store.work_on(tenant, id).await {
            Ok(worked) => {
                self.failures.lock().remove(&id);
                return Ok(worked);
            }
            Err(error @ (StoreError::Internal(_) | StoreError::Damaged(_) | StoreError::ReadTooLong { .. })) => error,
            Err(error) => return Err(error),
        };
        let failures = {
            let mut failures = self.failures.lock();
            let count = failures.entry(id).or_default();
            *count += 1;
            *count
        };
        tracing::warn!(operation = %id, %error, failures, "a piece of an operation failed");
        if failures < FAILURES_MAX {
            return Ok(Worked { again_in: Some(Duration::from_secs(1)), interrupts: Vec::new() });
        }
        self.failures.lock().remove(&id);
        let message = "the host could not go on with it; its log says why. What was done stays done";
        self.store.fail_operation(tenant, id, message.to_owned()).await?;
        Ok(Worked::default())
    }
}
