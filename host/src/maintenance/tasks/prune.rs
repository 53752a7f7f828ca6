//! Removes what is kept for a time only: event log, idempotency keys, chunks of uploads that came to nothing.

use std::time::Duration;

use crate::maintenance::driver::{Task, Turn};
use crate::store::{Store, StoreError};

const EVENTS_PERIOD: Duration = Duration::from_secs(30);
const IDEMPOTENCY_KEYS_PERIOD: Duration = Duration::from_mins(1);
const MODULE_CHUNKS_PERIOD: Duration = Duration::from_mins(10);

pub(in crate::maintenance) struct PruneEvents {
    pub(in crate::maintenance) store: Store,
    pub(in crate::maintenance) keep_age: Duration,
    pub(in crate::maintenance) keep_bytes: u64,
}

impl Task for PruneEvents {
    fn name(&self) -> &'static str {
        "prune_events"
    }

    fn period(&self) -> Duration {
        EVENTS_PERIOD
    }

    async fn run(&self) -> Result<Turn, StoreError> {
        Ok(Turn::from_more(self.store.prune_events(self.keep_age, self.keep_bytes).await?))
    }
}

pub(in crate::maintenance) struct PruneIdempotencyKeys {
    pub(in crate::maintenance) store: Store,
}

impl Task for PruneIdempotencyKeys {
    fn name(&self) -> &'static str {
        "prune_idempotency_keys"
    }

    fn period(&self) -> Duration {
        IDEMPOTENCY_KEYS_PERIOD
    }

    async fn run(&self) -> Result<Turn, StoreError> {
        Ok(Turn::from_more(self.store.prune_idempotency_keys().await?))
    }
}

pub(in crate::maintenance) struct PruneModuleChunks {
    pub(in crate::maintenance) store: Store,
}

impl Task for PruneModuleChunks {
    fn name(&self) -> &'static str {
        "prune_module_chunks"
    }

    fn period(&self) -> Duration {
        MODULE_CHUNKS_PERIOD
    }

    async fn run(&self) -> Result<Turn, StoreError> {
        Ok(Turn::from_more(self.store.prune_module_chunks().await?))
    }
}
