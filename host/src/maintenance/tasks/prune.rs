//! Removes what is kept for a time only: event log, idempotency keys, identities of jobs, finished operations, concurrency keys
//! without jobs, chunks of uploads that came to nothing.

use std::time::Duration;

use crate::maintenance::driver::{Task, Turn};
use crate::store::{Store, StoreError};

const EVENTS_PERIOD: Duration = Duration::from_secs(30);
const EMITTED_EVENTS_PERIOD: Duration = Duration::from_mins(1);
const KV_PERIOD: Duration = Duration::from_secs(30);
const NOTIFICATIONS_PERIOD: Duration = Duration::from_hours(1);
const IDEMPOTENCY_KEYS_PERIOD: Duration = Duration::from_mins(1);
const KEYS_PERIOD: Duration = Duration::from_mins(5);
const UNIQUE_JOBS_PERIOD: Duration = Duration::from_mins(1);
const OPERATIONS_PERIOD: Duration = Duration::from_hours(1);
const BATCHES_PERIOD: Duration = Duration::from_hours(1);
const USAGE_PERIOD: Duration = Duration::from_hours(1);
const SCAN_PERIOD: Duration = Duration::from_hours(1);
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

pub(in crate::maintenance) struct PruneEmittedEvents {
    pub(in crate::maintenance) store: Store,
}

impl Task for PruneEmittedEvents {
    fn name(&self) -> &'static str {
        "prune_emitted_events"
    }

    fn period(&self) -> Duration {
        EMITTED_EVENTS_PERIOD
    }

    async fn run(&self) -> Result<Turn, StoreError> {
        Ok(Turn::from_more(self.store.prune_emitted_events().await?))
    }
}

pub(in crate::maintenance) struct PruneKv {
    pub(in crate::maintenance) store: Store,
}

impl Task for PruneKv {
    fn name(&self) -> &'static str {
        "prune_kv"
    }

    fn period(&self) -> Duration {
        KV_PERIOD
    }

    async fn run(&self) -> Result<Turn, StoreError> {
        Ok(Turn::from_more(self.store.prune_kv().await?))
    }
}

pub(in crate::maintenance) struct PruneNotifications {
    pub(in crate::maintenance) store: Store,
    pub(in crate::maintenance) keep: Duration,
}

impl Task for PruneNotifications {
    fn name(&self) -> &'static str {
        "prune_notifications"
    }

    fn period(&self) -> Duration {
        NOTIFICATIONS_PERIOD
    }

    async fn run(&self) -> Result<Turn, StoreError> {
        Ok(Turn::from_more(self.store.prune_notifications(self.keep).await?))
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

pub(in crate::maintenance) struct PruneUniqueJobs {
    pub(in crate::maintenance) store: Store,
}

impl Task for PruneUniqueJobs {
    fn name(&self) -> &'static str {
        "prune_unique_jobs"
    }

    fn period(&self) -> Duration {
        UNIQUE_JOBS_PERIOD
    }

    async fn run(&self) -> Result<Turn, StoreError> {
        Ok(Turn::from_more(self.store.prune_unique_jobs().await?))
    }
}

pub(in crate::maintenance) struct PruneOperations {
    pub(in crate::maintenance) store: Store,
}

impl Task for PruneOperations {
    fn name(&self) -> &'static str {
        "prune_operations"
    }

    fn period(&self) -> Duration {
        OPERATIONS_PERIOD
    }

    async fn run(&self) -> Result<Turn, StoreError> {
        Ok(Turn::from_more(self.store.prune_operations().await?))
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

pub(in crate::maintenance) struct PruneConcurrencyKeys {
    pub(in crate::maintenance) store: Store,
}

impl Task for PruneConcurrencyKeys {
    fn name(&self) -> &'static str {
        "prune_concurrency_keys"
    }

    fn period(&self) -> Duration {
        KEYS_PERIOD
    }

    async fn run(&self) -> Result<Turn, StoreError> {
        Ok(Turn::from_more(self.store.prune_keys().await?))
    }
}

pub(in crate::maintenance) struct PruneBatches {
    pub(in crate::maintenance) store: Store,
}

impl Task for PruneBatches {
    fn name(&self) -> &'static str {
        "prune_batches"
    }

    fn period(&self) -> Duration {
        BATCHES_PERIOD
    }

    async fn run(&self) -> Result<Turn, StoreError> {
        Ok(Turn::from_more(self.store.prune_batches().await?))
    }
}

pub(in crate::maintenance) struct PruneUsage {
    pub(in crate::maintenance) store: Store,
    pub(in crate::maintenance) keep: Duration,
}

impl Task for PruneUsage {
    fn name(&self) -> &'static str {
        "prune_usage"
    }

    fn period(&self) -> Duration {
        USAGE_PERIOD
    }

    async fn run(&self) -> Result<Turn, StoreError> {
        Ok(Turn::from_more(self.store.prune_usage(self.keep).await?))
    }
}

/// Not a removal: adds up, once, what was kept before it was counted.
pub(in crate::maintenance) struct ScanStoredBytes {
    pub(in crate::maintenance) store: Store,
}

impl Task for ScanStoredBytes {
    fn name(&self) -> &'static str {
        "scan_stored_bytes"
    }

    fn period(&self) -> Duration {
        SCAN_PERIOD
    }

    async fn run(&self) -> Result<Turn, StoreError> {
        Ok(Turn::from_more(self.store.scan_stored_bytes().await?))
    }
}
