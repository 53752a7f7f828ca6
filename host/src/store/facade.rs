//! The list of operations.

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::catalog::{Catalog, TenantId};
use super::error::{OpenError, StoreError};
use super::model::*;
use crate::job::{Clock, Digest, Event, HostId, JobId, KindName, KindSettings, Lease, ModuleName, Timestamp};

/// How the store is opened.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// Where everything durable lives; created when missing.
    pub data_dir: PathBuf,
    /// A waiting job rises one priority level per this time; zero = never.
    pub priority_aging: Duration,
}

/// The store. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {}

#[allow(unused_variables, clippy::todo, clippy::unused_async, missing_docs)]
impl Store {
    /// Locks the directory, opens and migrates the database, starts the writer. Blocking.
    pub fn open(options: &StoreOptions, clock: Arc<dyn Clock>) -> Result<Store, OpenError> {
        todo!()
    }
    /// Refuses new operations, finishes the queued ones, checkpoints, closes, unlocks.
    pub async fn close(&self) -> Result<(), StoreError> {
        todo!()
    }
    /// The snapshot of what is registered.
    pub fn catalog(&self) -> Arc<Catalog> {
        todo!()
    }
    /// Changes with every new catalog.
    pub fn catalog_changes(&self) -> tokio::sync::watch::Receiver<u64> {
        todo!()
    }
    /// Called on the writer thread after each commit with what it did; must return quickly. Set once, before use.
    pub fn on_commit(&self, listener: Box<dyn Fn(&CommitNotice) + Send + Sync>) {
        todo!()
    }
    pub fn metrics(&self) -> StoreMetrics {
        todo!()
    }
    /// Whether the last write failed for want of disk (or the like): claims should stop, `/health/ready` say so.
    pub fn is_writable(&self) -> bool {
        todo!()
    }

    // hosts
    pub async fn register_host(&self, slots: u32, version: &str) -> Result<HostId, StoreError> {
        todo!()
    }
    pub async fn heartbeat(&self, host: HostId) -> Result<(), StoreError> {
        todo!()
    }
    /// Removes the host's row; its leases must have been given back.
    pub async fn retire_host(&self, host: HostId) -> Result<(), StoreError> {
        todo!()
    }
    /// Frees the leases of every host but `host` that is older than `lease_ttl` by the store's clock.
    pub async fn recover_expired(&self, host: HostId, lease_ttl: Duration) -> Result<Recovered, StoreError> {
        todo!()
    }
    pub async fn hosts(&self) -> Result<Vec<HostRow>, StoreError> {
        todo!()
    }

    // enqueue
    pub async fn enqueue(&self, tenant: TenantId, job: NewJob) -> Result<EnqueueResult, StoreError> {
        todo!()
    }
    pub async fn enqueue_batch(
        &self,
        tenant: TenantId,
        jobs: Vec<NewJob>,
        atomic: bool,
        key: Option<IdempotencyKey>,
        refused_lines: Vec<usize>,
    ) -> Result<BatchResult, StoreError> {
        todo!()
    }

    // dispatch
    pub async fn claim(&self, request: ClaimRequest) -> Result<Claimed, StoreError> {
        todo!()
    }
    /// Notes, before a guest is entered, that it is: survives the death of the process (not of the machine), costs
    /// about a microsecond. `slot` < the registered number of slots.
    pub fn note_entry(&self, slot: u32, lease: &Lease) {
        todo!()
    }
    pub fn note_exit(&self, slot: u32) {
        todo!()
    }
    /// Shows jobs as `running` (for those that run long enough to be seen). Stale ones are skipped.
    pub async fn mark_running(&self, jobs: Vec<(JobId, i64, Timestamp)>) -> Result<(), StoreError> {
        todo!()
    }
    /// The future resolves once committed and fsynced. Handing it in is immediate, so that one caller can have
    /// many under way: group commit.
    pub fn finish(
        &self,
        finish: Finish,
    ) -> impl Future<Output = Result<FinishResult, (Finish, StoreError)>> + Send + 'static {
        async { todo!() }
    }
    /// Gives back claimed jobs whose guests were not entered; at no cost, no history.
    pub async fn release(&self, leases: Vec<Lease>) -> Result<(), StoreError> {
        todo!()
    }
    pub async fn promote_due(&self, jobs_max: usize) -> Result<Promoted, StoreError> {
        todo!()
    }

    // jobs as people see them
    pub async fn job(&self, tenant: TenantId, job: JobId) -> Result<Option<JobDetail>, StoreError> {
        todo!()
    }
    pub async fn jobs(
        &self,
        tenant: TenantId,
        filter: JobFilter,
        limit: usize,
        cursor: Option<JobId>,
    ) -> Result<Page<JobRow>, StoreError> {
        todo!()
    }
    pub async fn attempts(&self, tenant: TenantId, job: JobId) -> Result<Option<Vec<AttemptRow>>, StoreError> {
        todo!()
    }
    pub async fn logs(&self, tenant: TenantId, job: JobId) -> Result<Option<Vec<AttemptLog>>, StoreError> {
        todo!()
    }
    pub async fn history(&self, tenant: TenantId, job: JobId) -> Result<Option<Vec<HistoryEntry>>, StoreError> {
        todo!()
    }
    pub async fn cancel(&self, tenant: TenantId, job: JobId) -> Result<CancelResult, StoreError> {
        todo!()
    }
    pub async fn retry(&self, tenant: TenantId, job: JobId) -> Result<RetryResult, StoreError> {
        todo!()
    }
    pub async fn delete(&self, tenant: TenantId, job: JobId) -> Result<DeleteResult, StoreError> {
        todo!()
    }
    pub async fn queues(&self, tenant: TenantId) -> Result<Vec<QueueRow>, StoreError> {
        todo!()
    }
    pub async fn counters(&self) -> Result<Vec<CounterRow>, StoreError> {
        todo!()
    }
    /// Writes progress of a running attempt, under its lease (job, number). A stale one is ignored.
    pub async fn write_progress(&self, progress: Vec<(JobId, i64, crate::job::Progress)>) -> Result<(), StoreError> {
        todo!()
    }

    // modules
    /// Chunks of at most `MODULE_CHUNK_BYTES`, in order, each its own operation; idempotent.
    pub async fn write_module_chunk(&self, digest: Digest, index: u32, bytes: Bytes) -> Result<(), StoreError> {
        todo!()
    }
    pub async fn module_bytes(&self, digest: Digest) -> Result<Option<Bytes>, StoreError> {
        todo!()
    }
    pub async fn activate_new(&self, version: NewVersion, force: bool) -> Result<ActivateResult, StoreError> {
        todo!()
    }
    pub async fn activate(
        &self,
        tenant: TenantId,
        module: ModuleName,
        digest: Digest,
        force: bool,
    ) -> Result<ActivateResult, StoreError> {
        todo!()
    }
    /// All modules: the active version of each.
    pub async fn modules(&self, tenant: TenantId) -> Result<Vec<VersionRow>, StoreError> {
        todo!()
    }
    /// Versions of a module, newest first; `None`: no such module.
    pub async fn versions(&self, tenant: TenantId, module: ModuleName) -> Result<Option<Vec<VersionRow>>, StoreError> {
        todo!()
    }
    pub async fn delete_version(
        &self,
        tenant: TenantId,
        module: ModuleName,
        digest: Digest,
    ) -> Result<DeleteModuleResult, StoreError> {
        todo!()
    }
    pub async fn delete_module(
        &self,
        tenant: TenantId,
        module: ModuleName,
        force: bool,
    ) -> Result<DeleteModuleResult, StoreError> {
        todo!()
    }
    /// Replaces the operator's settings of a kind. `false`: no such kind.
    pub async fn set_kind_settings(
        &self,
        tenant: TenantId,
        kind: KindName,
        settings: KindSettings,
    ) -> Result<bool, StoreError> {
        todo!()
    }

    // upkeep: each does a bounded amount and returns whether more is left
    pub async fn prune_events(&self, keep_age: Duration, keep_bytes: u64) -> Result<bool, StoreError> {
        todo!()
    }
    pub async fn prune_idempotency_keys(&self) -> Result<bool, StoreError> {
        todo!()
    }
    /// Removes chunks of uploads that never became a version.
    pub async fn prune_module_chunks(&self) -> Result<bool, StoreError> {
        todo!()
    }
    /// Makes jobs claimable again that were parked for want of a handler their kind has again.
    pub async fn unpark(&self) -> Result<bool, StoreError> {
        todo!()
    }
    /// A consistent copy of the database into `destination` (must not exist), in one step from a read connection.
    pub async fn backup(&self, destination: PathBuf) -> Result<(), StoreError> {
        todo!()
    }
}

/// Bytes of a module are written in pieces of this size.
pub const MODULE_CHUNK_BYTES: usize = 256 << 10;

/// What one commit did, for those who wait in this process. Wake-ups are hints.
#[derive(Clone, Debug, Default)]
pub struct CommitNotice {
    /// The commit's number in the event log.
    pub commit: i64,
    /// Events of jobs, in order.
    pub events: Vec<Event>,
    /// Some job became claimable.
    pub ready: bool,
    /// The earliest `run_at` written in this commit.
    pub next_due: Option<Timestamp>,
}
