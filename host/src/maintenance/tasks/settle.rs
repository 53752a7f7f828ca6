//! Goes on with what operations have left: dependents that are not told yet that a job has ended, and jobs of batches that
//! are being cancelled. Signalled by the commit that left it.

use std::time::Duration;

use crate::dispatcher::DispatcherHandle;
use crate::job::FailureReason;
use crate::maintenance::driver::{Task, Turn};
use crate::store::{Store, StoreError};

const SCAN_PERIOD: Duration = Duration::from_mins(1);

/// See the file's head.
pub(in crate::maintenance) struct SettleDependents {
    pub(in crate::maintenance) store: Store,
}

impl Task for SettleDependents {
    fn name(&self) -> &'static str {
        "settle_dependents"
    }

    fn period(&self) -> Duration {
        SCAN_PERIOD
    }

    async fn run(&self) -> Result<Turn, StoreError> {
        Ok(Turn::from_more(self.store.settle_dependents().await?))
    }
}

/// See the file's head.
pub(in crate::maintenance) struct CancelBatches {
    pub(in crate::maintenance) store: Store,
    pub(in crate::maintenance) dispatcher: DispatcherHandle,
}

impl Task for CancelBatches {
    fn name(&self) -> &'static str {
        "cancel_batches"
    }

    fn period(&self) -> Duration {
        SCAN_PERIOD
    }

    async fn run(&self) -> Result<Turn, StoreError> {
        let (held, more) = self.store.cancel_batches_further().await?;
        for lease in held {
            self.dispatcher.interrupt(lease, FailureReason::Cancelled);
        }
        Ok(Turn::from_more(more))
    }
}
