//! Makes jobs ready whose time has come, exactly then: it sleeps until the next due time the store knows of.

use std::sync::Arc;
use std::time::Duration;

use crate::job::Clock;
use crate::maintenance::driver::{Task, Turn};
use crate::store::{Store, StoreError};

/// Jobs made ready in one operation.
const PROMOTE_JOBS_MAX: usize = 1_000;
/// It looks at least this often: a wall clock set forward makes jobs due without a signal.
const SCAN_PERIOD: Duration = Duration::from_secs(1);

pub(in crate::maintenance) struct PromoteDue {
    pub(in crate::maintenance) store: Store,
    pub(in crate::maintenance) clock: Arc<dyn Clock>,
}

impl Task for PromoteDue {
    fn name(&self) -> &'static str {
        "promote_due"
    }

    fn period(&self) -> Duration {
        SCAN_PERIOD
    }

    async fn run(&self) -> Result<Turn, StoreError> {
        let promoted = self.store.promote_due(PROMOTE_JOBS_MAX).await?;
        if promoted.jobs >= PROMOTE_JOBS_MAX {
            return Ok(Turn::Again);
        }
        Ok(match promoted.next_due {
            Some(due) => Turn::DoneUntil(due.since(self.clock.now())),
            None => Turn::Done,
        })
    }
}
