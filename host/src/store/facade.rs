//! The list of operations: what the rest of the host sees. Each hands a closure to the writer or to a reader; the work
//! itself stands in one file per operation.

use std::future::Future;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use crossbeam_channel::{Sender, TrySendError};
use parking_lot::RwLock;
use rusqlite::Connection;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::backup::back_up;
use super::catalog::{Catalog, KindId, ModuleVersionId, TenantId};
use super::claimant::Claimant;
use super::draft::Draft;
use super::enqueue_batch::{Batch, enqueue_batch};
use super::error::{OpenError, StoreError};
use super::logs::KeptLines;
use super::model::{
    ActivateResult, AttemptRow, BatchItem, BatchResult, CancelResult, ChangeSettingsResult, CounterRow,
    DeleteModuleResult, DeleteResult, EnqueueResult, Finish, FinishResult, Heartbeat, HistoryEntry, HostRow,
    IdempotencyKey, JobDetail, JobFilter, JobRow, LeaseKey, LogPage, NewJob, NewVersion, OldestReady, Page, Promoted,
    QueueRow, Recovered, RetryResult, StoreMetrics, StoredVersion, UnfinishedPayloads, VersionRow,
};
use super::open::open;
use super::operation::{Pending, PendingFinishes, Queued};
use super::order::Order;
use super::shared::Shared;
use super::store_clock::StoreClock;
use super::wal::{WAL_BOUNDS, WalBounds};
use super::{
    cancel, delete, enqueue, event_log, history, hosts, idempotency, job_detail, job_list, kinds, logs, module_bytes,
    modules, promote, queues, recover, release, retry, unfinished,
};
use crate::job::{
    Clock, Digest, Event, HostId, IdSequence, JobId, KindName, KindSettings, Lease, ModuleName, Progress, QueueName,
    Timestamp, WaitingReason,
};

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
pub struct Store(Arc<Handle>);

struct Handle {
    /// `None` once closing: taken out under the lock, so that nothing can slip in behind the wish to close.
    queue: RwLock<Option<Sender<Queued>>>,
    shared: Arc<Shared>,
    clock: StoreClock,
    order: Order,
    database: PathBuf,
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Handle").field("database", &self.database).field("shared", &self.shared).finish_non_exhaustive()
    }
}

/// Operations that may wait for the writer.
pub(super) const WAITING_MAX: usize = 10_000;

/// Jobs of a batch written in one operation, where it may come in pieces: what the writer does in about 20 ms.
const PIECE_JOBS_MAX: usize = 1_000;

/// Whether a commit must reach the disk before its callers are answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Durability {
    /// Answered after the fsync.
    Synced,
    /// Losing it to a power cut only repeats work.
    Relaxed,
}

impl Store {
    /// Locks the directory, opens and migrates the database, starts the writer. Blocking.
    pub fn open(options: &StoreOptions, clock: Arc<dyn Clock>) -> Result<Store, OpenError> {
        Self::open_bounded(options, clock, WAL_BOUNDS)
    }

    /// With bounds of the write-ahead log other than those of a host.
    pub(super) fn open_bounded(
        options: &StoreOptions,
        clock: Arc<dyn Clock>,
        wal_bounds: WalBounds,
    ) -> Result<Store, OpenError> {
        let opened = open(options, clock, wal_bounds)?;
        Ok(Store(Arc::new(Handle {
            queue: RwLock::new(Some(opened.queue)),
            shared: opened.shared,
            clock: opened.clock,
            order: opened.order,
            database: opened.database,
        })))
    }

    /// Refuses new operations, finishes the queued ones, checkpoints, closes, unlocks.
    pub async fn close(&self) -> Result<(), StoreError> {
        let (reply, closed) = oneshot::channel();
        let Some(queue) = self.0.queue.write().take() else { return Ok(()) };
        // Blocks only while the queue is full, and the writer is emptying it.
        if queue.send(Queued::Close(reply)).is_err() {
            return Ok(());
        }
        drop(queue);
        closed.await.unwrap_or(Ok(()))
    }

    /// Raised when the store has closed by itself, because it broke: nothing can be written any more.
    pub fn failed(&self) -> CancellationToken {
        self.0.shared.failed.clone()
    }

    /// The snapshot of what is registered.
    pub fn catalog(&self) -> Arc<Catalog> {
        Arc::clone(&self.0.shared.catalog.read())
    }

    /// Changes with every new catalog.
    pub fn catalog_changes(&self) -> tokio::sync::watch::Receiver<u64> {
        self.0.shared.catalog_changes()
    }

    /// Called on the writer thread after each commit with what it did; must return quickly. Set once, before use.
    pub fn on_commit(&self, listener: Box<dyn Fn(&CommitNotice) + Send + Sync>) {
        if self.0.shared.on_commit.set(listener).is_err() {
            tracing::error!("a second listener to commits was refused");
        }
    }

    /// Numbers about the store.
    pub fn metrics(&self) -> StoreMetrics {
        let tally = &self.0.shared.metrics;
        StoreMetrics {
            commits: tally.commits.load(Ordering::Relaxed),
            operations: tally.operations.load(Ordering::Relaxed),
            commit_failures: tally.commit_failures.load(Ordering::Relaxed),
            commit_us: tally.commit_us.load(Ordering::Relaxed),
            wal_bytes: tally.wal_bytes.load(Ordering::Relaxed),
            database_bytes: std::fs::metadata(&self.0.database).map_or(0, |file| file.len()),
            waiting: self.0.queue.read().as_ref().map_or(0, |queue| queue.len() as u64),
        }
    }

    /// Whether the last write failed for want of disk (or the like): claims should stop, `/health/ready` say so.
    pub fn is_writable(&self) -> bool {
        self.0.shared.is_writable()
    }

    fn hand_in(&self, queued: Queued) -> Result<(), TrySendError<Queued>> {
        match self.0.queue.read().as_ref() {
            Some(queue) => queue.try_send(queued),
            None => Err(TrySendError::Disconnected(queued)),
        }
    }

    /// Hands an operation to the writer and waits for its commit.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        durability: Durability,
        body: impl FnMut(&Connection, &mut Draft) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (pending, answer) = Pending::new(durability == Durability::Synced, body);
        match self.hand_in(Queued::Operation(Box::new(pending))) {
            Ok(()) => answer.await.unwrap_or(Err(StoreError::Closed)),
            Err(TrySendError::Full(_)) => Err(StoreError::Busy { waiting_max: WAITING_MAX }),
            Err(TrySendError::Disconnected(_)) => Err(StoreError::Closed),
        }
    }

    /// Reads in a transaction of its own, with the catalog of about that moment.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        body: impl FnOnce(&Connection, &Catalog) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let shared = Arc::clone(&self.0.shared);
        self.0
            .shared
            .readers
            .read(move |sql| {
                let catalog = Arc::clone(&shared.catalog.read());
                body(sql, &catalog)
            })
            .await
    }

    // ---- hosts ----

    /// A name for a process that will register.
    pub fn next_host_id(&self) -> HostId {
        HostId::from_u128(IdSequence::after(0).next(self.0.clock.now(), rand::random()))
    }

    /// Registers a process under a name of its own. Frees the leases of the process that used the directory before.
    /// Idempotent: what failed, or may have, is tried again.
    pub async fn register_host_as(&self, host: HostId, slots: u32, version: &str) -> Result<(), StoreError> {
        let version = version.to_owned();
        self.write(Durability::Synced, move |sql, draft| hosts::register(sql, draft, host, slots, &version)).await
    }

    /// Registers a process under a fresh name.
    pub async fn register_host(&self, slots: u32, version: &str) -> Result<HostId, StoreError> {
        let host = self.next_host_id();
        self.register_host_as(host, slots, version).await.map(|()| host)
    }

    /// Renews all leases of the host.
    pub async fn heartbeat(&self, host: HostId) -> Result<Heartbeat, StoreError> {
        self.write(Durability::Relaxed, move |sql, draft| hosts::heartbeat(sql, draft, host)).await
    }

    /// Removes the host's row and gives back what it still holds.
    pub async fn retire_host(&self, host: HostId) -> Result<(), StoreError> {
        self.write(Durability::Synced, move |sql, draft| hosts::retire(sql, draft, host)).await
    }

    /// Frees the leases of every host but `host` that is older than `lease_ttl` by the store's clock, and reports what
    /// was freed when `host` registered.
    pub async fn recover_expired(&self, host: HostId, lease_ttl: Duration) -> Result<Recovered, StoreError> {
        self.write(Durability::Synced, move |sql, draft| recover::recover_expired(sql, draft, host, lease_ttl)).await
    }

    /// Every registered process.
    pub async fn hosts(&self) -> Result<Vec<HostRow>, StoreError> {
        let clock = self.0.clock.clone();
        self.read(move |sql, _| hosts::hosts(sql, clock.now_ms())).await
    }

    // ---- enqueue ----

    /// Writes one job, unless its key came before.
    pub async fn enqueue(&self, tenant: TenantId, job: NewJob) -> Result<EnqueueResult, StoreError> {
        self.write(Durability::Synced, move |sql, draft| enqueue::enqueue(sql, draft, tenant, &job)).await
    }

    /// Writes many jobs; with `atomic` or under a key, all in one transaction. Others come in pieces, so that nobody
    /// waits for the whole: when the store fails after the first, the items it could not write are `Unwritten`.
    pub async fn enqueue_batch(
        &self,
        tenant: TenantId,
        jobs: Vec<NewJob>,
        atomic: bool,
        key: Option<IdempotencyKey>,
        refused_lines: Vec<usize>,
    ) -> Result<BatchResult, StoreError> {
        if atomic || key.is_some() || jobs.len() <= PIECE_JOBS_MAX {
            let batch = Batch { tenant, jobs, atomic, key, refused_lines };
            return self.write(Durability::Synced, move |sql, draft| enqueue_batch(sql, draft, &batch)).await;
        }
        let total = jobs.len();
        let mut items = Vec::with_capacity(total);
        let mut jobs = jobs.into_iter();
        while jobs.len() > 0 {
            let piece: Vec<NewJob> = jobs.by_ref().take(PIECE_JOBS_MAX).collect();
            let batch = Batch { tenant, jobs: piece, atomic: false, key: None, refused_lines: Vec::new() };
            match self.write(Durability::Synced, move |sql, draft| enqueue_batch(sql, draft, &batch)).await {
                Ok(BatchResult::Done(written)) => items.extend(written),
                Ok(_) => return Err(StoreError::internal("a batch without a key was replayed")),
                Err(error) if items.is_empty() => return Err(error),
                Err(error) => {
                    tracing::warn!(%error, written = items.len(), "a batch was written in part");
                    items.resize(total, BatchItem::Unwritten);
                    break;
                }
            }
        }
        Ok(BatchResult::Done(items))
    }

    // ---- dispatch ----

    /// From now on the claimant is given what it wants, the jobs that come first, as long as it lives. Set once.
    pub fn claim_for(&self, claimant: Weak<dyn Claimant>) {
        self.0.shared.set_claimant(claimant);
        self.look_for_jobs();
    }

    /// The claimant may want jobs that were there before. Cheap when there are none, or when it was said already.
    pub fn look_for_jobs(&self) {
        // A full queue needs no hint: every transaction looks.
        if self.0.shared.begin_look() && self.hand_in(Queued::Look).is_err() {
            self.0.shared.end_look();
        }
    }

    /// Until what the claimant was given in earlier transactions has reached it. Once it has stopped wanting jobs and
    /// this has ended, it gets no more.
    pub async fn claims_settled(&self) -> Result<(), StoreError> {
        self.write(Durability::Relaxed, |_, _| Ok(())).await
    }

    /// Notes, before a guest is entered, that it is: survives the death of the process (not of the machine), costs
    /// about a microsecond. `slot` < the registered number of slots.
    pub fn note_entry(&self, slot: u32, lease: &Lease) {
        self.0.shared.entry_notes.enter(slot, lease, self.0.clock.now());
    }

    /// Notes that the guest of this lease, entered `at`, has ended, before its outcome is written: such a job had no
    /// part in the death of its host.
    pub fn note_end(&self, lease: &Lease, at: Timestamp) {
        self.0.shared.entry_notes.end(lease, at);
    }

    /// Shows jobs as `running` (for those that run long enough to be seen). Gives those whose lease is stale: whoever
    /// runs them must stop.
    pub async fn mark_running(&self, jobs: Vec<(LeaseKey, Timestamp)>) -> Result<Vec<LeaseKey>, StoreError> {
        self.write(Durability::Relaxed, move |sql, draft| release::mark_running(sql, draft, &jobs)).await
    }

    /// The same for a suspect, before it is entered: on disk, so that the loss is counted though it should take the
    /// whole machine down. `false`: its lease is stale.
    pub async fn mark_suspect_running(&self, lease: LeaseKey, at: Timestamp) -> Result<bool, StoreError> {
        self.write(Durability::Synced, move |sql, draft| release::mark_running(sql, draft, &[(lease, at)]))
            .await
            .map(|stale| stale.is_empty())
    }

    /// The suspect has run for long enough that the next one may start beside it: should the host die from now on, the
    /// loss makes it a suspect again and does not count. `false`: its lease is stale.
    pub async fn clear_suspect(&self, lease: LeaseKey) -> Result<bool, StoreError> {
        self.write(Durability::Synced, move |sql, _| release::clear_suspect(sql, lease)).await
    }

    /// Writes what became of executions, all in one operation: results in their order, or all of them back with the
    /// error. The future resolves once committed and fsynced; handing them in is immediate, so that one caller can
    /// have many under way.
    pub fn finish_all(
        &self,
        finishes: Vec<Finish>,
    ) -> impl Future<Output = Result<Vec<FinishResult>, (Vec<Finish>, StoreError)>> + Send + 'static {
        let (pending, answer) = PendingFinishes::new(finishes);
        if let Err(TrySendError::Full(Queued::Finish(mut refused))) = self.hand_in(Queued::Finish(Box::new(pending))) {
            refused.answer(Err(StoreError::Busy { waiting_max: WAITING_MAX }));
        }
        async move {
            match answer.await {
                Ok(answer) => answer,
                // Pending finishes are always answered, at the latest when they are dropped.
                Err(_) => std::future::pending().await,
            }
        }
    }

    /// Gives back claimed jobs whose guests were not entered; at no cost, no history.
    /// With a reason they are parked under it, until `unpark`.
    pub async fn release(
        &self,
        leases: impl Into<Arc<[Lease]>>,
        parked: Option<WaitingReason>,
    ) -> Result<(), StoreError> {
        let leases = leases.into();
        self.write(Durability::Relaxed, move |sql, draft| release::release(sql, draft, &leases, parked)).await
    }

    /// Makes due jobs ready, at most `jobs_max`.
    pub async fn promote_due(&self, jobs_max: usize) -> Result<Promoted, StoreError> {
        self.write(Durability::Relaxed, move |sql, draft| promote::promote_due(sql, draft, jobs_max)).await
    }

    /// The job each of these keys named with the same request; `None` where none did. For requests that can't be
    /// written any more, but may have been: the catalog has changed since.
    pub async fn replayed_jobs(
        &self,
        tenant: TenantId,
        keys: Vec<IdempotencyKey>,
    ) -> Result<Vec<Option<JobId>>, StoreError> {
        let now = self.0.clock.now();
        self.read(move |sql, _| idempotency::replayed_jobs(sql, tenant, &keys, now)).await
    }

    /// The same of a whole batch's key: its jobs, line by line (`None` where a line was refused).
    pub async fn replayed_batch(
        &self,
        tenant: TenantId,
        key: IdempotencyKey,
    ) -> Result<Option<Vec<Option<JobId>>>, StoreError> {
        let now = self.0.clock.now();
        self.read(move |sql, _| idempotency::replayed_batch(sql, tenant, &key, now)).await
    }

    // ---- jobs as people see them ----

    /// One job with its payload and output.
    pub async fn job(&self, tenant: TenantId, job: JobId) -> Result<Option<JobDetail>, StoreError> {
        let order = self.0.order;
        self.read(move |sql, catalog| job_detail::job_detail(sql, catalog, order, tenant, job)).await
    }

    /// One page of jobs, newest first. A page may be short and still have a next one.
    pub async fn jobs(
        &self,
        tenant: TenantId,
        filter: JobFilter,
        limit: usize,
        cursor: Option<JobId>,
    ) -> Result<Page<JobRow>, StoreError> {
        self.read(move |sql, catalog| job_list::job_list(sql, catalog, tenant, &filter, limit, cursor)).await
    }

    /// Every execution of a job, in order. `None`: no such job.
    pub async fn attempts(&self, tenant: TenantId, job: JobId) -> Result<Option<Vec<AttemptRow>>, StoreError> {
        self.read(move |sql, catalog| history::attempts(sql, catalog, tenant, job)).await
    }

    /// Which logs there are of a job's newest executions, or of the newest ones before the execution `before`; in order, as
    /// many as fit into one answer. `None`: no such job.
    pub async fn logs(&self, tenant: TenantId, job: JobId, before: Option<i64>) -> Result<Option<LogPage>, StoreError> {
        self.read(move |sql, _| logs::logs(sql, tenant, job, before)).await
    }

    /// The lines that these executions of a job, first and last, have in their kept logs; in order.
    pub async fn log_lines(
        &self,
        tenant: TenantId,
        job: JobId,
        executions: (i64, i64),
    ) -> Result<Vec<(i64, KeptLines)>, StoreError> {
        self.read(move |sql, _| logs::log_lines(sql, tenant, job, executions)).await
    }

    /// What a job has been through, in order. `None`: no such job.
    pub async fn history(&self, tenant: TenantId, job: JobId) -> Result<Option<Vec<HistoryEntry>>, StoreError> {
        self.read(move |sql, _| history::history(sql, tenant, job)).await
    }

    /// Ends a waiting job; asks for the end of a leased one.
    pub async fn cancel(&self, tenant: TenantId, job: JobId) -> Result<CancelResult, StoreError> {
        self.write(Durability::Synced, move |sql, draft| cancel::cancel(sql, draft, tenant, job)).await
    }

    /// Makes a failed, cancelled or retrying job ready.
    pub async fn retry(&self, tenant: TenantId, job: JobId) -> Result<RetryResult, StoreError> {
        self.write(Durability::Synced, move |sql, draft| retry::retry(sql, draft, tenant, job)).await
    }

    /// Removes a finished job.
    pub async fn delete(&self, tenant: TenantId, job: JobId) -> Result<DeleteResult, StoreError> {
        self.write(Durability::Synced, move |sql, draft| delete::delete(sql, draft, tenant, job)).await
    }

    /// A tenant's queues by name.
    pub async fn queues(
        &self,
        tenant: TenantId,
        after: Option<QueueName>,
        limit: usize,
    ) -> Result<Vec<QueueRow>, StoreError> {
        self.read(move |sql, catalog| queues::queues(sql, catalog, tenant, after.as_ref(), limit)).await
    }

    /// What has waited longest in each queue in which something waits to be claimed.
    pub async fn oldest_ready_jobs(&self) -> Result<Vec<OldestReady>, StoreError> {
        self.read(queues::oldest_ready_jobs).await
    }

    /// Every counter that is not zero.
    pub async fn counters(&self) -> Result<Vec<CounterRow>, StoreError> {
        self.read(queues::counters).await
    }

    /// Writes progress of running attempts. Gives those whose lease is stale: whoever runs them must stop.
    pub async fn write_progress(&self, progress: Vec<(LeaseKey, Progress)>) -> Result<Vec<LeaseKey>, StoreError> {
        self.write(Durability::Relaxed, move |sql, _| release::write_progress(sql, &progress)).await
    }

    // ---- modules ----

    /// Chunks of at most `MODULE_CHUNK_BYTES`, in order, each its own operation; idempotent. Made durable by the
    /// `activate_new` that follows.
    pub async fn write_module_chunk(&self, digest: Digest, index: u32, bytes: Bytes) -> Result<(), StoreError> {
        self.write(Durability::Relaxed, move |sql, draft| {
            module_bytes::write_chunk(sql, draft.clock.now_ms(), digest, index, &bytes)
        })
        .await
    }

    /// All bytes of a stored version; `None` when no version has them.
    pub async fn module_bytes(&self, digest: Digest) -> Result<Option<Bytes>, StoreError> {
        self.read(move |sql, _| module_bytes::module_bytes(sql, digest)).await
    }

    /// One chunk of a stored version, counted from 0; `None` past the last one, and when no version has these bytes.
    pub async fn module_chunk(&self, digest: Digest, index: u32) -> Result<Option<Bytes>, StoreError> {
        self.read(move |sql, _| module_bytes::module_chunk(sql, digest, index)).await
    }

    /// Stores a version whose chunks are written, and activates it.
    pub async fn activate_new(&self, version: NewVersion, force: bool) -> Result<ActivateResult, StoreError> {
        self.write(Durability::Synced, move |sql, draft| modules::activate_new(sql, draft, &version, force)).await
    }

    /// Stores a version whose chunks are written, and leaves active what is.
    pub async fn store_new(&self, version: NewVersion) -> Result<StoredVersion, StoreError> {
        self.write(Durability::Synced, move |sql, draft| modules::store_new(sql, draft, &version)).await
    }

    /// Activates a stored version.
    pub async fn activate(
        &self,
        tenant: TenantId,
        module: ModuleName,
        digest: Digest,
        force: bool,
    ) -> Result<ActivateResult, StoreError> {
        self.write(Durability::Synced, move |sql, draft| modules::activate(sql, draft, tenant, &module, digest, force))
            .await
    }

    /// All modules: of each the active version, or, where none is, the newest.
    pub async fn modules(
        &self,
        tenant: TenantId,
        after: Option<ModuleName>,
        limit: usize,
    ) -> Result<Vec<VersionRow>, StoreError> {
        self.read(move |sql, _| modules::modules(sql, tenant, after.as_ref(), limit)).await
    }

    /// A module's active version, or, where none is, its newest.
    pub async fn module(&self, tenant: TenantId, module: ModuleName) -> Result<Option<VersionRow>, StoreError> {
        self.read(move |sql, _| modules::module(sql, tenant, &module)).await
    }

    /// One version of a module.
    pub async fn version(
        &self,
        tenant: TenantId,
        module: ModuleName,
        digest: Digest,
    ) -> Result<Option<VersionRow>, StoreError> {
        self.read(move |sql, _| modules::version(sql, tenant, &module, digest)).await
    }

    /// So many versions of a module, newest first, those older than `before`; `None`: no such module.
    pub async fn versions(
        &self,
        tenant: TenantId,
        module: ModuleName,
        before: Option<ModuleVersionId>,
        limit: usize,
    ) -> Result<Option<Vec<VersionRow>>, StoreError> {
        self.read(move |sql, _| modules::versions(sql, tenant, &module, before, limit)).await
    }

    /// Deletes a version that is not active.
    pub async fn delete_version(
        &self,
        tenant: TenantId,
        module: ModuleName,
        digest: Digest,
    ) -> Result<DeleteModuleResult, StoreError> {
        self.write(Durability::Synced, move |sql, draft| modules::delete_version(sql, draft, tenant, &module, digest))
            .await
    }

    /// Deletes a module with all its versions.
    pub async fn delete_module(
        &self,
        tenant: TenantId,
        module: ModuleName,
        force: bool,
    ) -> Result<DeleteModuleResult, StoreError> {
        self.write(Durability::Synced, move |sql, draft| modules::delete_module(sql, draft, tenant, &module, force))
            .await
    }

    /// Replaces the operator's settings of a kind. `false`: no such kind.
    pub async fn set_kind_settings(
        &self,
        tenant: TenantId,
        kind: KindName,
        settings: KindSettings,
    ) -> Result<bool, StoreError> {
        self.write(Durability::Synced, move |sql, draft| kinds::set_kind_settings(sql, draft, tenant, &kind, &settings))
            .await
    }

    /// Replaces the operator's settings of a kind, if nobody has changed them since they were read as `expected`.
    pub async fn change_kind_settings(
        &self,
        tenant: TenantId,
        kind: KindName,
        expected: KindSettings,
        settings: KindSettings,
    ) -> Result<ChangeSettingsResult, StoreError> {
        self.write(Durability::Synced, move |sql, draft| {
            kinds::change_kind_settings(sql, draft, tenant, &kind, &expected, &settings)
        })
        .await
    }

    /// How many jobs of a kind have not ended, and payloads of those that wait, oldest first, those after `after`. A
    /// bounded number of them: one page may be short, even empty, and still have a next one.
    pub async fn unfinished_payloads(
        &self,
        tenant: TenantId,
        kind: KindId,
        after: Option<JobId>,
    ) -> Result<UnfinishedPayloads, StoreError> {
        self.read(move |sql, _| unfinished::unfinished_payloads(sql, tenant, kind, after)).await
    }

    // ---- upkeep: each does a bounded amount and returns whether more is left ----

    /// Removes events that are too old or too many.
    pub async fn prune_events(&self, keep_age: Duration, keep_bytes: u64) -> Result<bool, StoreError> {
        self.write(Durability::Relaxed, move |sql, draft| {
            event_log::prune_events(sql, draft.clock.now_ms(), keep_age, keep_bytes)
        })
        .await
    }

    /// Forgets idempotency keys that have expired.
    pub async fn prune_idempotency_keys(&self) -> Result<bool, StoreError> {
        self.write(Durability::Relaxed, move |sql, draft| idempotency::prune_keys(sql, draft.now)).await
    }

    /// Removes chunks of uploads that never became a version.
    pub async fn prune_module_chunks(&self) -> Result<bool, StoreError> {
        self.write(Durability::Relaxed, move |sql, draft| {
            module_bytes::prune_chunks(sql, draft.clock.now_ms(), &mut draft.chunks_looked_at)
        })
        .await
    }

    /// Makes parked jobs claimable again whose kind has a handler, except where it is a module `absent` on this host.
    pub async fn unpark(&self, absent: Vec<Digest>) -> Result<bool, StoreError> {
        self.write(Durability::Relaxed, move |sql, draft| promote::unpark(sql, draft, &absent)).await
    }

    /// A consistent copy of the database into `destination` (must not exist), in one step from a read connection.
    pub async fn backup(&self, destination: PathBuf) -> Result<(), StoreError> {
        let source = self.0.database.clone();
        // A thread of its own: a copy may take minutes, and readers are few.
        let (reply, answer) = oneshot::channel();
        std::thread::Builder::new()
            .name("store-backup".to_owned())
            .spawn(move || {
                let _gone = reply.send(back_up(&source, &destination));
            })
            .map_err(|error| StoreError::Unavailable(error.to_string()))?;
        answer.await.unwrap_or_else(|_| Err(StoreError::internal("the backup panicked")))
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
    /// The earliest `run_at` written in this commit.
    pub next_due: Option<Timestamp>,
}
