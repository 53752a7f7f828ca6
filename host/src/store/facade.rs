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
use super::batches::model::{BatchRow, ChangeBatchResult, CreateBatchResult, MemberRow, NewBatch};
use super::catalog::{Catalog, KindId, ModuleVersionId, TenantId};
use super::claimant::Claimant;
use super::databases::SqliteFiles;
use super::delete::Deletion;
use super::draft::Draft;
use super::enqueue_batch::{Batch, enqueue_batch};
use super::error::{OpenError, StoreError};
use super::in_line::LimitFacts;
use super::logs::KeptLines;
use super::model::{
    ActivateResult, Answer, AttemptRow, BatchItem, BatchResult, BulkRequest, CancelOperationResult, CancelResult,
    ChangeQueueResult, ChangeSettingsResult, CounterRow, CreateOperationResult, DeadLetterFilter, DeadLetterGroup,
    DeadLetterPage, DeleteModuleResult, DeleteQueueResult, DeleteResult, EditResult, EnqueueResult, Expired, Finish,
    FinishResult, Heartbeat, HistoryEntry, HostRow, IdempotencyKey, InLine, JobDetail, JobEdit, JobFilter, JobRow,
    LeaseKey, LogPage, NewJob, NewVersion, OldestReady, OperationRow, Page, ParentRow, Promoted, Pruned, QueueChange,
    QueueRow, Recovered, RetryResult, RunNowResult, StoreMetrics, StoredVersion, UnfinishedPayloads, VersionRow,
    Worked,
};
use super::open::{Opening, open};
use super::operation::{Pending, PendingFinishes, Queued};
use super::order::Order;
use super::retry::Asked;
use super::shared::Shared;
use super::store_clock::StoreClock;
use super::tenants::model::{
    ChangeTenantResult, CreateTenantResult, DeleteTenantResult, NewTenant, RemovedPiece, TenantChange, TenantRow,
};
use super::usage::{UsageFilter, UsagePlace, UsageRow};
use super::wal::{WAL_BOUNDS, WalBounds};
use super::{
    audit, batches, bulk, bulk_step, cancel, dead_letters, delete, dependencies, dependents, edit, enqueue, event_log,
    expire, free_space, history, hosts, idempotency, job_detail, job_list, keys, kinds, logs, module_bytes, modules,
    parent_outputs, promote, prune_jobs, queues, recover, release, retry, run_now, sweep, tenants, unfinished, unique,
    usage,
};
use crate::job::quota::day_of;
use crate::job::{
    Actor, BatchId, Clock, Digest, Event, GroupId, HostId, IdSequence, JobId, KindName, KindSettings, Lease,
    ModuleName, OperationId, Pace, ParentOutput, Progress, QueueName, QuotaExceeded, QuotaName, Quotas, Retention,
    TenantName, TenantState, Timestamp, UserName, WaitingReason,
};

/// How the store is opened.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// Where everything durable lives; created when missing.
    pub data_dir: PathBuf,
    /// A waiting job rises one priority level per this time; zero = never.
    pub priority_aging: Duration,
    /// What limits the jobs of each tenant.
    pub tenant_pace: Pace,
    /// What tenants may use on which nothing is set.
    pub quotas: Quotas,
    /// How long finished jobs are kept of which neither kind nor queue says more.
    pub retention: Retention,
}

/// The store, and who asks it, if it is not this host itself. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store(Arc<Handle>, Option<Asker>);

/// Who asks.
#[derive(Clone, Debug)]
struct Asker {
    actor: Actor,
    /// In whose part of the reads.
    part: Option<TenantId>,
}

struct Handle {
    /// `None` once closing: taken out under the lock, so that nothing can slip in behind the wish to close.
    queue: RwLock<Option<Sender<Queued>>>,
    shared: Arc<Shared>,
    clock: StoreClock,
    order: Order,
    tenant_pace: Pace,
    quotas: Quotas,
    database: PathBuf,
    sqlite_files: Arc<SqliteFiles>,
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
    /// The same, and its time has come: it goes before what came before it, and waits for no fsync of others.
    Due,
}

impl Store {
    /// Locks the directory, opens and migrates the database, starts the writer. Blocking.
    pub fn open(options: &StoreOptions, clock: Arc<dyn Clock>) -> Result<Store, OpenError> {
        Self::open_bounded(options, clock, WAL_BOUNDS)
    }

    /// The same of a store that is there and of this version, for a change from the command line: none is made, none is migrated,
    /// and jobs keep the order they have, whatever `options` says.
    pub fn open_as_it_is(options: &StoreOptions, clock: Arc<dyn Clock>) -> Result<Store, OpenError> {
        Self::opened(options, clock, WAL_BOUNDS, Opening::AsItIs)
    }

    /// With bounds of the write-ahead log other than those of a host.
    pub(super) fn open_bounded(
        options: &StoreOptions,
        clock: Arc<dyn Clock>,
        wal_bounds: WalBounds,
    ) -> Result<Store, OpenError> {
        Self::opened(options, clock, wal_bounds, Opening::ToServe)
    }

    fn opened(
        options: &StoreOptions,
        clock: Arc<dyn Clock>,
        wal_bounds: WalBounds,
        opening: Opening,
    ) -> Result<Store, OpenError> {
        let opened = open(options, clock, wal_bounds, opening)?;
        let handle = Handle {
            queue: RwLock::new(Some(opened.queue)),
            shared: opened.shared,
            clock: opened.clock,
            order: opened.order,
            tenant_pace: options.tenant_pace,
            quotas: options.quotas,
            database: opened.database,
            sqlite_files: Arc::new(SqliteFiles::in_directory(&options.data_dir)),
        };
        Ok(Store(Arc::new(handle), None))
    }

    /// The same store, asked by somebody: what changes is in the audit log, and reads wait behind those of the same part; `None`:
    /// of nobody's.
    #[must_use]
    pub fn asked_by(&self, actor: Actor, part: Option<TenantId>) -> Store {
        Store(Arc::clone(&self.0), Some(Asker { actor, part }))
    }

    /// Refuses new operations, finishes the queued ones, checkpoints, closes, unlocks.
    pub async fn close(&self) -> Result<(), StoreError> {
        let (reply, closed) = oneshot::channel();
        let Some(queue) = self.0.queue.write().take() else { return Ok(()) };
        let files = Arc::clone(&self.0.sqlite_files);
        // What is left open is read from its log by whoever opens it next.
        let _untidy = tokio::task::spawn_blocking(move || files.close_all()).await;
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

    /// The files of databases.
    pub(super) fn sqlite_files(&self) -> &Arc<SqliteFiles> {
        &self.0.sqlite_files
    }

    /// What a tenant may use.
    pub(super) fn quotas_of(&self, tenant: TenantId) -> Quotas {
        let catalog = self.catalog();
        self.0.quotas.overlaid_by(catalog.tenant_entries.get(&tenant).map(|entry| entry.quotas).unwrap_or_default())
    }

    /// The store's own clock.
    pub(super) fn store_clock(&self) -> &StoreClock {
        &self.0.clock
    }

    /// What the store's own clock shows, ms.
    #[cfg(test)]
    pub(super) fn now_ms(&self) -> i64 {
        self.0.clock.now_ms()
    }

    /// From now on commits fail, or do not any more.
    #[cfg(test)]
    pub(super) fn fail_commits(&self, do_they: bool) {
        self.0.shared.commits_fail.store(do_they, Ordering::SeqCst);
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
        let (pending, answer) = Pending::new(durability, self.1.as_ref().map(|asker| asker.actor.clone()), body);
        match self.hand_in(Queued::Operation(Box::new(pending))) {
            Ok(()) => answer.await.unwrap_or(Err(StoreError::Closed)),
            Err(TrySendError::Full(_)) => Err(StoreError::Busy { waiting_max: WAITING_MAX }),
            Err(TrySendError::Disconnected(_)) => Err(StoreError::Closed),
        }
    }

    /// What adds to what a tenant has (`None`: the host). Refused from the moment on in which the tenant is to be deleted, whatever
    /// was known when it was asked for: its removal would not meet it any more.
    pub(super) async fn write_in<T: Send + 'static>(
        &self,
        tenant: Option<TenantId>,
        durability: Durability,
        mut body: impl FnMut(&Connection, &mut Draft) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.write(durability, move |sql, draft| {
            if tenant.is_some_and(|tenant| !draft.catalog.is_open(tenant)) {
                return Err(StoreError::TenantClosed);
            }
            body(sql, draft)
        })
        .await
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
            .read(self.1.as_ref().and_then(|asker| asker.part), move |sql| {
                let catalog = Arc::clone(&shared.catalog.read());
                body(sql, &catalog)
            })
            .await
    }

    /// Now, by the store's own clock, ms.
    pub(super) fn store_now_ms(&self) -> i64 {
        self.0.clock.now_ms()
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
    pub async fn enqueue(&self, tenant: TenantId, mut job: NewJob) -> Result<EnqueueResult, StoreError> {
        job.spec.options.is_keyed = job.idempotency.is_some();
        let durability = self.durability_of(tenant, std::slice::from_ref(&job));
        self.write(durability, move |sql, draft| enqueue::enqueue(sql, draft, tenant, &job)).await
    }

    /// Writes many jobs; with `atomic` or under a key, all in one transaction. Others come in pieces, so that nobody
    /// waits for the whole: when the store fails after the first, the items it could not write are `Unwritten`.
    pub async fn enqueue_batch(
        &self,
        tenant: TenantId,
        mut jobs: Vec<NewJob>,
        atomic: bool,
        key: Option<IdempotencyKey>,
        refused_lines: Vec<usize>,
    ) -> Result<BatchResult, StoreError> {
        for job in &mut jobs {
            job.spec.options.is_keyed = key.is_some() || job.idempotency.is_some();
        }
        if atomic || key.is_some() || jobs.len() <= PIECE_JOBS_MAX {
            let durability = self.durability_of(tenant, &jobs);
            let batch = Batch { tenant, jobs, atomic, key, refused_lines };
            // The answers to a key are kept, whatever they are.
            let of = batch.key.as_ref().map(|_| tenant);
            return self.write_in(of, durability, move |sql, draft| enqueue_batch(sql, draft, &batch)).await;
        }
        let total = jobs.len();
        let mut items = Vec::with_capacity(total);
        let mut jobs = jobs.into_iter();
        while jobs.len() > 0 {
            let piece: Vec<NewJob> = jobs.by_ref().take(PIECE_JOBS_MAX).collect();
            let durability = self.durability_of(tenant, &piece);
            let batch = Batch { tenant, jobs: piece, atomic: false, key: None, refused_lines: Vec::new() };
            match self.write(durability, move |sql, draft| enqueue_batch(sql, draft, &batch)).await {
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

    /// Relaxed where every job goes to a queue that is.
    pub(super) fn durability_of(&self, tenant: TenantId, jobs: &[NewJob]) -> Durability {
        let catalog = self.catalog();
        let mut queues = jobs.iter().map(|job| &job.spec.queue);
        let is_relaxed = |queue: &QueueName| catalog.queue(tenant, queue).is_some_and(|id| catalog.is_relaxed(id));
        if queues.all(is_relaxed) && !jobs.is_empty() { Durability::Relaxed } else { Durability::Synced }
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
        self.write(Durability::Due, move |sql, draft| promote::promote_due(sql, draft, jobs_max)).await
    }

    /// Cancels waiting jobs that were not entered in their time, a bounded number. Gives how many, and when the next one
    /// expires.
    pub async fn expire_due(&self) -> Result<Expired, StoreError> {
        self.write(Durability::Relaxed, expire::expire_due).await
    }

    /// Removes a bounded number of finished jobs that are kept no longer.
    pub async fn prune_jobs(&self) -> Result<Pruned, StoreError> {
        self.write(Durability::Relaxed, prune_jobs::prune_jobs).await
    }

    /// Goes a step further through history, where it was changed how long jobs are kept; `true` when there is more.
    pub async fn sweep_history(&self) -> Result<bool, StoreError> {
        self.write(Durability::Relaxed, sweep::sweep_history).await
    }

    /// Gives back some of the space nothing needs any more; `true` when more is left.
    pub async fn give_back_space(&self) -> Result<bool, StoreError> {
        self.write(Durability::Relaxed, |sql, _| free_space::give_back_pages(sql)).await
    }

    /// What each of these keys was answered with for the same request; `None` where it never came. For requests that can't be
    /// written any more, but may have been: the catalog has changed since.
    pub async fn replayed_jobs(
        &self,
        tenant: TenantId,
        keys: Vec<IdempotencyKey>,
    ) -> Result<Vec<Option<Answer>>, StoreError> {
        let now = self.0.clock.now();
        self.read(move |sql, _| idempotency::replayed_jobs(sql, tenant, &keys, now)).await
    }

    /// The same of a whole batch's key, line by line.
    pub async fn replayed_batch(
        &self,
        tenant: TenantId,
        key: IdempotencyKey,
    ) -> Result<Option<Vec<Answer>>, StoreError> {
        let now = self.0.clock.now();
        self.read(move |sql, _| idempotency::replayed_batch(sql, tenant, &key, now)).await
    }

    // ---- jobs as people see them ----

    /// One job with its payload and output.
    pub async fn job(&self, tenant: TenantId, job: JobId) -> Result<Option<JobDetail>, StoreError> {
        let facts = self.limit_facts();
        self.read(move |sql, catalog| job_detail::job_detail(sql, catalog, facts, tenant, job)).await
    }

    /// How a job stands in line. `None`: it is not ready, or somebody has it.
    pub async fn in_line(&self, tenant: TenantId, job: JobId) -> Result<Option<Box<InLine>>, StoreError> {
        let facts = self.limit_facts();
        self.read(move |sql, catalog| job_detail::in_line(sql, catalog, facts, tenant, job)).await
    }

    /// Whether there is a limit that jobs of this kind and queue may have to wait for. Costs nothing.
    pub fn may_be_limited(&self, tenant: TenantId, kind: &KindName, queue: &QueueName) -> bool {
        let catalog = self.catalog();
        let queue = catalog.queue(tenant, queue).and_then(|queue| catalog.queue_settings.get(&queue));
        catalog.tenant_pace(self.0.tenant_pace, tenant).is_limited()
            || queue.is_some_and(|settings| settings.pace.is_limited())
            || catalog.kind(tenant, kind).is_some_and(|kind| kind.settings.pace.is_limited())
    }

    fn limit_facts(&self) -> LimitFacts {
        LimitFacts { order: self.0.order, tenant_pace: self.0.tenant_pace, now_ns: self.0.clock.now_ns() }
    }

    /// One page of jobs, newest first. A page may be short and still have a next one.
    pub async fn jobs(
        &self,
        tenant: TenantId,
        filter: JobFilter,
        limit: usize,
        cursor: Option<JobId>,
    ) -> Result<Page<JobRow>, StoreError> {
        let facts = self.limit_facts();
        self.read(move |sql, catalog| job_list::job_list(sql, catalog, facts, tenant, &filter, limit, cursor)).await
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
        self.write(Durability::Synced, move |sql, draft| {
            let change = |sql: &Connection, draft: &mut Draft| cancel::cancel(sql, draft, tenant, job);
            audit::job(sql, draft, (tenant, job), ("job.cancel", false), change)
        })
        .await
    }

    /// Makes a failed, cancelled or retrying job ready, or blocked, where jobs it runs after have not ended. Those that did not
    /// end as it asks are let go of.
    pub async fn retry(&self, tenant: TenantId, job: JobId) -> Result<RetryResult, StoreError> {
        self.write(Durability::Synced, move |sql, draft| {
            let change = |sql: &Connection, draft: &mut Draft| retry::retry(sql, draft, tenant, job, Asked::ForThis);
            audit::job(sql, draft, (tenant, job), ("job.retry", false), change)
        })
        .await
    }

    /// Changes a waiting job.
    pub async fn edit(&self, tenant: TenantId, job: JobId, edit: JobEdit) -> Result<EditResult, StoreError> {
        self.write(Durability::Synced, move |sql, draft| {
            let change = |sql: &Connection, draft: &mut Draft| edit::edit(sql, draft, tenant, job, &edit);
            audit::job(sql, draft, (tenant, job), ("job.edit", edit.payload.is_some()), change)
        })
        .await
    }

    /// Makes a job ready that waits for its time.
    pub async fn run_now(&self, tenant: TenantId, job: JobId) -> Result<RunNowResult, StoreError> {
        self.write(Durability::Synced, move |sql, draft| {
            let change = |sql: &Connection, draft: &mut Draft| run_now::run_now(sql, draft, tenant, job);
            audit::job(sql, draft, (tenant, job), ("job.run_now", false), change)
        })
        .await
    }

    /// Removes a finished job, in as many pieces as that takes.
    pub async fn delete(&self, tenant: TenantId, job: JobId) -> Result<DeleteResult, StoreError> {
        loop {
            let piece = move |sql: &Connection, draft: &mut Draft| {
                let change = |sql: &Connection, draft: &mut Draft| delete::delete(sql, draft, tenant, job);
                audit::job(sql, draft, (tenant, job), ("job.delete", false), change)
            };
            if let Deletion::Over(result) = self.write(Durability::Synced, piece).await? {
                return Ok(result);
            }
        }
    }

    // ---- jobs that wait for others, and jobs that belong together ----

    /// Writes a batch or workflow with its first jobs, unless its key came before.
    pub async fn create_batch(&self, tenant: TenantId, new: NewBatch) -> Result<CreateBatchResult, StoreError> {
        let create = move |sql: &Connection, draft: &mut Draft| batches::create_batch(sql, draft, tenant, &new);
        self.write_in(Some(tenant), Durability::Synced, create).await
    }

    /// No more jobs can be added to the batch.
    pub async fn close_batch(&self, tenant: TenantId, batch: BatchId) -> Result<ChangeBatchResult, StoreError> {
        self.write(Durability::Synced, move |sql, draft| {
            let change = |sql: &Connection, draft: &mut Draft| batches::close_batch(sql, draft, tenant, batch);
            audit::batch(sql, draft, (tenant, batch, false), "batch.close", change)
        })
        .await
    }

    /// Cancels what has not ended of a batch or workflow: what one operation may, upkeep the rest.
    pub async fn cancel_batch(
        &self,
        tenant: TenantId,
        batch: BatchId,
        is_workflow: bool,
    ) -> Result<ChangeBatchResult, StoreError> {
        let action = if is_workflow { "workflow.cancel" } else { "batch.cancel" };
        self.write(Durability::Synced, move |sql, draft| {
            audit::batch(sql, draft, (tenant, batch, is_workflow), action, |sql, draft| {
                batches::cancel_batch(sql, draft, tenant, batch, is_workflow)
            })
        })
        .await
    }

    /// One batch, or workflow.
    pub async fn batch(
        &self,
        tenant: TenantId,
        batch: BatchId,
        is_workflow: bool,
    ) -> Result<Option<BatchRow>, StoreError> {
        self.read(move |sql, catalog| batches::batch(sql, catalog, tenant, batch, is_workflow)).await
    }

    /// Batches, or workflows, newest first, those older than `before`.
    pub async fn batches(
        &self,
        tenant: TenantId,
        is_workflow: bool,
        before: Option<BatchId>,
        limit: usize,
    ) -> Result<Vec<BatchRow>, StoreError> {
        self.read(move |sql, catalog| batches::batches(sql, catalog, tenant, is_workflow, before, limit)).await
    }

    /// Jobs of a batch in the order they were added; `None`: no such batch.
    pub async fn jobs_of_batch(
        &self,
        tenant: TenantId,
        batch: BatchId,
        after: Option<JobId>,
        limit: usize,
    ) -> Result<Option<Vec<MemberRow>>, StoreError> {
        let facts = self.limit_facts();
        self.read(move |sql, catalog| batches::jobs_of(sql, catalog, facts, tenant, batch, after, limit)).await
    }

    /// A workflow with its jobs, parents before children.
    pub async fn workflow(
        &self,
        tenant: TenantId,
        workflow: BatchId,
    ) -> Result<Option<(BatchRow, Vec<MemberRow>)>, StoreError> {
        let facts = self.limit_facts();
        self.read(move |sql, catalog| batches::graph(sql, catalog, facts, tenant, workflow)).await
    }

    /// The jobs a job runs after, as they are now.
    pub async fn parents(&self, job: JobId) -> Result<Vec<ParentRow>, StoreError> {
        self.read(move |sql, _| dependencies::parents_of(sql, job)).await
    }

    /// The output of a job that another one runs after, by its name in their workflow or its id.
    pub async fn parent_output(&self, job: JobId, parent: String) -> Result<ParentOutput, StoreError> {
        self.read(move |sql, _| parent_outputs::parent_output(sql, job, &parent)).await
    }

    /// Tells more dependents of what has ended; whether more are left.
    pub async fn settle_dependents(&self) -> Result<bool, StoreError> {
        self.write(Durability::Synced, dependents::settle).await
    }

    /// Cancels more jobs of batches that are to be cancelled: those that are held, and whether more is left.
    pub async fn cancel_batches_further(&self) -> Result<(Vec<LeaseKey>, bool), StoreError> {
        self.write(Durability::Synced, batches::cancel_further).await
    }

    // ---- actions on many jobs ----

    /// Accepts an action on many jobs, to be worked off piece by piece.
    pub async fn create_operation(
        &self,
        tenant: TenantId,
        request: BulkRequest,
        key: Option<IdempotencyKey>,
    ) -> Result<CreateOperationResult, StoreError> {
        let create =
            move |sql: &Connection, draft: &mut Draft| bulk::create(sql, draft, tenant, &request, key.as_ref());
        let created = self.write_in(Some(tenant), Durability::Synced, create).await?;
        self.0.shared.operations.notify_one();
        Ok(created)
    }

    /// Signalled when there is an operation to work on.
    pub fn operations_signal(&self) -> Arc<tokio::sync::Notify> {
        Arc::clone(&self.0.shared.operations)
    }

    /// An action on many jobs.
    pub async fn operation(&self, tenant: TenantId, id: OperationId) -> Result<Option<OperationRow>, StoreError> {
        self.read(move |sql, _| bulk::operation(sql, tenant, id)).await
    }

    /// Actions on many jobs, newest first.
    pub async fn operations(
        &self,
        tenant: TenantId,
        before: Option<OperationId>,
        limit: usize,
    ) -> Result<Vec<OperationRow>, StoreError> {
        self.read(move |sql, _| bulk::operations(sql, tenant, before, limit)).await
    }

    /// Ends an action on many jobs; what it has done stays done.
    pub async fn cancel_operation(
        &self,
        tenant: TenantId,
        id: OperationId,
    ) -> Result<CancelOperationResult, StoreError> {
        self.write(Durability::Synced, move |sql, draft| {
            let change = |sql: &Connection, draft: &mut Draft| bulk::cancel(sql, draft, tenant, id);
            audit::operation(sql, draft, (tenant, id), "operation.cancel", change)
        })
        .await
    }

    /// The actions on many jobs that are not finished, of all tenants, the oldest of each first.
    pub async fn unfinished_operations(&self) -> Result<Vec<(TenantId, OperationId)>, StoreError> {
        self.read(move |sql, _| bulk::unfinished(sql)).await
    }

    /// Does the next piece of an action on many jobs.
    pub async fn work_on(&self, tenant: TenantId, id: OperationId) -> Result<Worked, StoreError> {
        let look = move |sql: &Connection, catalog: &Catalog| bulk_step::look(sql, catalog, tenant, id);
        let Some(step) = self.read(look).await? else { return Ok(Worked::default()) };
        self.write(Durability::Synced, move |sql, draft| bulk_step::carry_out(sql, draft, tenant, &step)).await
    }

    /// Gives up an action on many jobs that can't be gone on with.
    pub async fn fail_operation(&self, tenant: TenantId, id: OperationId, message: String) -> Result<(), StoreError> {
        self.write(Durability::Synced, move |sql, draft| bulk::fail(sql, draft, tenant, id, &message)).await
    }

    /// Forgets actions on many jobs that finished long ago.
    pub async fn prune_operations(&self) -> Result<bool, StoreError> {
        self.write(Durability::Relaxed, |sql, draft| bulk::prune(sql, draft.now)).await
    }

    /// Changes what is set on a queue, and makes it where it `may_create` one.
    pub async fn change_queue(
        &self,
        tenant: TenantId,
        name: QueueName,
        change: QueueChange,
        may_create: bool,
    ) -> Result<ChangeQueueResult, StoreError> {
        self.write_in(Some(tenant), Durability::Synced, move |sql, draft| {
            let action = match change.is_paused {
                Some(true) => "queue.pause",
                Some(false) => "queue.resume",
                None => "queue.set",
            };
            audit::queue(sql, draft, (tenant, &name), action, |sql, draft| {
                queues::change_queue(sql, draft, tenant, &name, change, may_create)
            })
        })
        .await
    }

    /// Deletes a queue without unfinished jobs.
    pub async fn delete_queue(&self, tenant: TenantId, name: QueueName) -> Result<DeleteQueueResult, StoreError> {
        self.write(Durability::Synced, move |sql, draft| {
            let change = |sql: &Connection, draft: &mut Draft| queues::delete_queue(sql, draft, tenant, &name);
            audit::queue(sql, draft, (tenant, &name), "queue.delete", change)
        })
        .await
    }

    /// One of a tenant's queues.
    pub async fn queue(&self, tenant: TenantId, name: QueueName) -> Result<Option<QueueRow>, StoreError> {
        self.read(move |sql, catalog| queues::queue(sql, catalog, tenant, &name)).await
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

    /// Failed jobs by what they have in common, below a number that an earlier page gave.
    pub async fn dead_letters(
        &self,
        tenant: TenantId,
        filter: DeadLetterFilter,
        limit: usize,
        below: Option<i64>,
    ) -> Result<DeadLetterPage, StoreError> {
        self.read(move |sql, _| dead_letters::groups(sql, tenant, &filter, limit, below)).await
    }

    /// One group of failed jobs.
    pub async fn dead_letter_group(
        &self,
        tenant: TenantId,
        group: GroupId,
    ) -> Result<Option<DeadLetterGroup>, StoreError> {
        self.read(move |sql, _| dead_letters::group(sql, tenant, group)).await
    }

    /// Every counter that is not zero.
    pub async fn counters(&self) -> Result<Vec<CounterRow>, StoreError> {
        self.read(queues::counters).await
    }

    /// Writes progress of running attempts. Gives those whose lease is stale: whoever runs them must stop.
    pub async fn write_progress(&self, progress: Vec<(LeaseKey, Progress)>) -> Result<Vec<LeaseKey>, StoreError> {
        self.write(Durability::Relaxed, move |sql, _| release::write_progress(sql, &progress)).await
    }

    // ---- tenants: for admins ----

    /// Makes a tenant.
    pub async fn create_tenant(&self, new: NewTenant) -> Result<CreateTenantResult, StoreError> {
        self.write(Durability::Synced, move |sql, draft| {
            let change = |sql: &Connection, draft: &mut Draft| tenants::create_tenant(sql, draft, &new);
            audit::tenant(sql, draft, &new.name, "tenant.create", change)
        })
        .await
    }

    /// Changes what is set on a tenant.
    pub async fn change_tenant(
        &self,
        tenant: TenantId,
        change: TenantChange,
    ) -> Result<ChangeTenantResult, StoreError> {
        self.write(Durability::Synced, move |sql, draft| {
            let Some(name) = draft.catalog.tenant_name(tenant).cloned() else {
                return Ok(ChangeTenantResult::NotFound);
            };
            let action = match change.state {
                None => "tenant.set",
                Some(TenantState::Suspended) => "tenant.suspend",
                Some(TenantState::Active | TenantState::Deleting) => "tenant.resume",
            };
            audit::tenant(sql, draft, &name, action, |sql, draft| tenants::change_tenant(sql, draft, tenant, &change))
        })
        .await
    }

    /// One tenant.
    pub async fn tenant(&self, tenant: TenantId) -> Result<Option<TenantRow>, StoreError> {
        let (host, now) = (self.0.quotas, self.0.clock.now());
        let files = Arc::clone(&self.0.sqlite_files);
        self.read(move |sql, catalog| {
            let mut row = tenants::tenant(sql, catalog, tenant, Some((host, now)))?;
            if let Some(row) = &mut row {
                row.set_used(QuotaName::DatabaseBytes, files.bytes_of_tenant(tenant, None));
            }
            Ok(row)
        })
        .await
    }

    /// Tenants by name.
    pub async fn tenants(&self, after: Option<TenantName>, limit: usize) -> Result<Vec<TenantRow>, StoreError> {
        self.read(move |sql, catalog| tenants::tenants(sql, catalog, after.as_ref(), limit)).await
    }

    /// Notes that everything a tenant has was read to its end.
    pub async fn note_export(&self, tenant: TenantId) -> Result<(), StoreError> {
        self.write(Durability::Synced, move |sql, draft| {
            let Some(name) = draft.catalog.tenant_name(tenant).cloned() else { return Ok(()) };
            audit::tenant(sql, draft, &name, "tenant.export", |sql, draft| tenants::note_export(sql, draft, tenant))
        })
        .await
    }

    /// Begins the removal of a tenant with everything it has.
    pub async fn delete_tenant(
        &self,
        tenant: TenantId,
        without_export: bool,
    ) -> Result<DeleteTenantResult, StoreError> {
        let delete = move |sql: &Connection, draft: &mut Draft| {
            let Some(name) = draft.catalog.tenant_name(tenant).cloned() else {
                return Ok(DeleteTenantResult::NotFound);
            };
            let change =
                |sql: &Connection, draft: &mut Draft| tenants::delete_tenant(sql, draft, tenant, without_export);
            audit::tenant(sql, draft, &name, "tenant.delete", change)
        };
        let result = self.write(Durability::Synced, delete).await?;
        self.0.shared.tenants.notify_one();
        Ok(result)
    }

    /// Signalled when a tenant is to be removed.
    pub fn tenants_signal(&self) -> Arc<tokio::sync::Notify> {
        Arc::clone(&self.0.shared.tenants)
    }

    /// Removes the next piece of a tenant that is being deleted.
    pub async fn remove_tenant_further(&self, tenant: TenantId) -> Result<RemovedPiece, StoreError> {
        let piece =
            self.write(Durability::Synced, move |sql, draft| tenants::remove_further(sql, draft, tenant)).await?;
        if piece.has_databases {
            self.remove_some_databases(tenant).await?;
        }
        Ok(piece)
    }

    /// Which daily quota the tenant has used up, so that no job of it begins before midnight (UTC). As of the last claim.
    pub fn quota_spent(&self, tenant: TenantId) -> Option<QuotaName> {
        let day = day_of(self.0.clock.now());
        let spent = self.0.shared.spent.get()?.read();
        spent.get(&tenant).filter(|(_, on)| *on == day).map(|(name, _)| *name)
    }

    /// What was used, by day, tenant and kind: so much of it, after a place. For admins also of all tenants.
    pub async fn usage(
        &self,
        tenant: Option<TenantId>,
        filter: UsageFilter,
        after: Option<UsagePlace>,
        limit: usize,
    ) -> Result<Vec<UsageRow>, StoreError> {
        self.read(move |sql, catalog| usage::usage(sql, catalog, tenant, &filter, after.as_ref(), limit)).await
    }

    /// Forgets usage of long ago; `true` when there is more.
    pub async fn prune_usage(&self, keep: Duration) -> Result<bool, StoreError> {
        self.write(Durability::Relaxed, move |sql, draft| usage::prune(sql, draft.now, keep)).await
    }

    /// Adds up some more of what was kept before it was counted; `true` when there is more.
    pub async fn scan_stored_bytes(&self) -> Result<bool, StoreError> {
        self.write(Durability::Relaxed, |sql, draft| draft.meter.scan(sql)).await
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

    /// One chunk of a stored version, counted from 0; `None` past the last one, and when no version of the tenant has these
    /// bytes.
    pub async fn module_chunk(
        &self,
        tenant: TenantId,
        digest: Digest,
        index: u32,
    ) -> Result<Option<Bytes>, StoreError> {
        self.read(move |sql, _| module_bytes::module_chunk(sql, tenant, digest, index)).await
    }

    /// Stores a version whose chunks are written, and activates it.
    pub async fn activate_new(&self, version: NewVersion, force: bool) -> Result<ActivateResult, StoreError> {
        self.write_in(Some(version.tenant), Durability::Synced, move |sql, draft| {
            let change = |sql: &Connection, draft: &mut Draft| modules::activate_new(sql, draft, &version, force);
            audit::module(sql, draft, (version.tenant, &version.module), "module.upload", change)
        })
        .await
    }

    /// Stores a version whose chunks are written, and leaves active what is.
    pub async fn store_new(&self, version: NewVersion) -> Result<Result<StoredVersion, QuotaExceeded>, StoreError> {
        self.write_in(Some(version.tenant), Durability::Synced, move |sql, draft| {
            let change = |sql: &Connection, draft: &mut Draft| modules::store_new(sql, draft, &version);
            audit::module(sql, draft, (version.tenant, &version.module), "module.upload", change)
        })
        .await
    }

    /// Activates a stored version.
    pub async fn activate(
        &self,
        tenant: TenantId,
        module: ModuleName,
        digest: Digest,
        force: bool,
    ) -> Result<ActivateResult, StoreError> {
        self.write(Durability::Synced, move |sql, draft| {
            audit::module(sql, draft, (tenant, &module), "module.activate", |sql, draft| {
                modules::activate(sql, draft, tenant, &module, digest, force)
            })
        })
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
        self.write(Durability::Synced, move |sql, draft| {
            audit::module(sql, draft, (tenant, &module), "module.delete_version", |sql, draft| {
                modules::delete_version(sql, draft, tenant, &module, digest)
            })
        })
        .await
    }

    /// Deletes a module with all its versions.
    pub async fn delete_module(
        &self,
        tenant: TenantId,
        module: ModuleName,
        force: bool,
    ) -> Result<DeleteModuleResult, StoreError> {
        self.write(Durability::Synced, move |sql, draft| {
            audit::module(sql, draft, (tenant, &module), "module.delete", |sql, draft| {
                modules::delete_module(sql, draft, tenant, &module, force)
            })
        })
        .await
    }

    /// Replaces the operator's settings of a kind. `false`: no such kind.
    pub async fn set_kind_settings(
        &self,
        tenant: TenantId,
        kind: KindName,
        settings: KindSettings,
    ) -> Result<bool, StoreError> {
        self.write(Durability::Synced, move |sql, draft| {
            audit::kind(sql, draft, (tenant, &kind), "kind.set", |sql, draft| {
                kinds::set_kind_settings(sql, draft, tenant, &kind, &settings)
            })
        })
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
            audit::kind(sql, draft, (tenant, &kind), "kind.set", |sql, draft| {
                kinds::change_kind_settings(sql, draft, tenant, &kind, &expected, &settings)
            })
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
        self.write(Durability::Relaxed, idempotency::prune_keys).await
    }

    /// Removes concurrency keys no unfinished job has, a bounded number; `true` when more are to be looked at.
    pub async fn prune_keys(&self) -> Result<bool, StoreError> {
        self.write(Durability::Relaxed, keys::prune_keys).await
    }

    /// Forgets identities that no job has any more.
    pub async fn prune_unique_jobs(&self) -> Result<bool, StoreError> {
        self.write(Durability::Relaxed, |sql, draft| unique::prune(sql, draft)).await
    }

    /// Forgets batches whose jobs are gone.
    pub async fn prune_batches(&self) -> Result<bool, StoreError> {
        self.write(Durability::Relaxed, batches::prune_batches).await
    }

    /// Removes chunks of uploads that never became a version.
    pub async fn prune_module_chunks(&self) -> Result<bool, StoreError> {
        self.write(Durability::Relaxed, move |sql, draft| {
            module_bytes::prune_chunks(sql, draft.clock.now_ms(), &mut draft.chunks_looked_at)
        })
        .await
    }

    /// Makes parked jobs claimable again whose kind has a handler, except where it is a module `absent` on this host: so many,
    /// of kinds `after` one. Returns the kind after which to go on; `None`: all were looked at.
    pub async fn unpark(&self, absent: Vec<Digest>, after: Option<KindId>) -> Result<Option<KindId>, StoreError> {
        self.write(Durability::Relaxed, move |sql, draft| promote::unpark(sql, draft, &absent, after)).await
    }

    /// A consistent copy of the database into `destination` (must not exist), in one step from a read connection.
    /// How many of tenants' databases had to be left out, because their files are damaged or gone; the log and the copy say which.
    pub async fn backup(&self, destination: PathBuf) -> Result<usize, StoreError> {
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
    /// Users who were told something, by tenant.
    pub notified: Vec<(TenantId, UserName)>,
    /// The earliest `run_at` written in this commit.
    pub next_due: Option<Timestamp>,
    /// A schedule may have come to have something to do.
    pub schedules_changed: bool,
    /// A mail may have come to be due.
    pub mail_due: bool,
    /// There is work left for upkeep on jobs that wait for others, or are of a batch.
    pub ties_left: bool,
}
