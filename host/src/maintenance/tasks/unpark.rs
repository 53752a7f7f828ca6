//! Makes jobs claimable again whose kind has a handler again, in memory. Signalled by every change of the catalog and
//! every module loaded.

use std::time::Duration;

use crate::dispatcher::DispatcherHandle;
use crate::maintenance::driver::{Task, Turn};
use crate::store::{Store, StoreError};

const SCAN_PERIOD: Duration = Duration::from_mins(1);

pub(in crate::maintenance) struct Unpark {
    pub(in crate::maintenance) store: Store,
    pub(in crate::maintenance) dispatcher: DispatcherHandle,
}

impl Task for Unpark {
    fn name(&self) -> &'static str {
        "unpark"
    }

    fn period(&self) -> Duration {
        SCAN_PERIOD
    }

    async fn run(&self) -> Result<Turn, StoreError> {
        // All kinds in one turn: a signal that comes meanwhile begins the next one, so that a kind behind which this one has gone is
        // not forgotten. Between the pieces others write.
        let mut after = None;
        loop {
            after = self.store.unpark(self.dispatcher.absent_modules(), after).await?;
            if after.is_none() {
                return Ok(Turn::from_more(false));
            }
        }
    }
}
