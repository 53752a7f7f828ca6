//! Cancels waiting jobs whose time has passed. That none of them is entered does not depend on it: the entry itself looks.

use std::sync::Arc;
use std::time::Duration;

use crate::job::Clock;
use crate::maintenance::driver::{Task, Turn};
use crate::store::{Store, StoreError};

/// It looks at least this often: a job may be enqueued that expires before all others.
const SCAN_PERIOD: Duration = Duration::from_secs(1);

pub(in crate::maintenance) struct ExpireJobs {
    pub(in crate::maintenance) store: Store,
    pub(in crate::maintenance) clock: Arc<dyn Clock>,
}

impl Task for ExpireJobs {
    fn name(&self) -> &'static str {
        "expire_jobs"
    }

    fn period(&self) -> Duration {
        SCAN_PERIOD
    }

    async fn run(&self) -> Result<Turn, StoreError> {
        let expired = self.store.expire_due().await?;
        if expired.more {
            return Ok(Turn::Again);
        }
        Ok(expired.next_expiry.map_or(Turn::Done, |at| Turn::DoneUntil(at.since(self.clock.now()))))
    }
}
