//! The values that go in and out of the store's operations.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::catalog::{KindEntry, KindId, ModuleVersionId, TenantId};
use crate::job::state::JobState;
use crate::job::{
    Digest, EventType, Failure, GuestType, HostId, JobId, JobOptions, JobSpec, KindDescription, KindName, Lease,
    LogLine, ModuleName, Progress, QueueName, Receipt, TenantName, Timestamp, WaitingReason,
};

// ---- enqueue ----------------------------------------------------------------------------------------------------

/// A job to be written.
#[derive(Clone, Debug)]
pub struct NewJob {
    /// The kind, from the catalog.
    pub kind: KindId,
    /// The version whose schema the payload was checked against.
    pub checked_against: Option<ModuleVersionId>,
    /// What to run.
    pub spec: JobSpec,
    /// Makes the request repeatable.
    pub idempotency: Option<IdempotencyKey>,
}

/// A caller's own name for a request, and what it asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyKey {
    /// As sent, 1–255 bytes.
    pub key: String,
    /// SHA-256 of the request in canonical form.
    pub request_hash: [u8; 32],
}

/// What became of one job of an enqueue.
#[derive(Clone, Debug)]
pub enum EnqueueResult {
    /// Written.
    Created(Box<JobRow>),
    /// The same request came before; this is its job as it is now.
    Replayed(Box<JobRow>),
    /// The key was used for another request.
    KeyConflict,
    /// The kind vanished between check and write.
    KindGone,
    /// It names a new queue, and the tenant has as many as it may.
    TooManyQueues,
}

/// What became of a batch.
#[derive(Clone, Debug)]
pub enum BatchResult {
    /// In the order given. With `atomic`, all are `Created` or `Replayed`.
    Done(Vec<BatchItem>),
    /// The batch's key came before with the same body: the ids of then (`None` where a line was refused).
    Replayed(Vec<Option<JobId>>),
    /// The batch's key was used for another body.
    KeyConflict,
    /// `atomic`, and this item could not be written: nothing was.
    Rejected {
        /// Index of the first item that failed.
        index: usize,
        /// Why.
        result: BatchItem,
    },
}

/// What became of one job of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchItem {
    /// Written.
    Created(JobId),
    /// The item's key came before with the same request.
    Replayed(JobId),
    /// The item's key was used for another request.
    KeyConflict,
    /// The kind vanished between check and write.
    KindGone,
    /// It names a new queue, and the tenant has as many as it may.
    TooManyQueues,
    /// Those before it are written; then the store could write no more.
    Unwritten,
}

// ---- dispatch ---------------------------------------------------------------------------------------------------

/// How much a host wants to be given.
#[derive(Clone, Debug)]
pub struct ClaimRequest {
    /// Who asks.
    pub host: HostId,
    /// At most so many jobs.
    pub jobs_max: usize,
    /// At most so many bytes of payload in all (at least one job is given).
    pub payload_bytes_max: usize,
    /// Whether a suspect may be given (at most one).
    pub suspect_allowed: bool,
    /// Modules this host is still loading, or can't load now: their jobs are parked as `compiling`, not given.
    pub absent: Vec<Digest>,
}

/// What a host learns when it says that it lives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heartbeat {
    /// `false`: it was taken for dead; what it held is others' now.
    pub registered: bool,
    /// Held jobs somebody asked to cancel. The signal that says so at once is a hint; this is the truth.
    pub cancel_requested: Vec<LeaseKey>,
}

/// Names a lease: the job, and the number of the claim that granted it.
pub type LeaseKey = (JobId, i64);

/// A job the host now holds.
#[derive(Debug)]
pub struct ClaimedJob {
    /// The proof.
    pub lease: Lease,
    /// The kind as of now, with its active version (always `Some`: jobs without one are parked, not given).
    pub kind: Arc<KindEntry>,
    /// The lane.
    pub queue: QueueName,
    /// JSON text.
    pub payload: Bytes,
    /// What differs from the kind.
    pub options: Option<Box<JobOptions>>,
    /// Attempts in all.
    pub max_attempts: u32,
    /// When enqueued.
    pub created_at: Timestamp,
    /// When due.
    pub run_at: Timestamp,
    /// When it became ready; queue wait counts from here.
    pub ready_at: Timestamp,
    /// The version whose schema the payload was checked against; another one means: check again.
    pub checked_against: Option<ModuleVersionId>,
    /// Its place among all claimed jobs: the lowest goes first.
    pub rank: (i64, JobId),
    /// Held a lease when a host died. Its entry must be written before it is entered (`mark_running` awaited).
    pub suspect: bool,
}

/// What a claim gave.
#[derive(Debug, Default)]
pub struct Claimed {
    /// In the order they should be entered.
    pub jobs: Vec<ClaimedJob>,
    /// More jobs are ready.
    pub more: bool,
}

/// An attempt to be written as ended.
#[derive(Debug)]
pub struct Finish {
    /// Consumed: one lease, one finish.
    pub lease: Lease,
    /// What becomes of the job; decided by `job::retry`.
    pub next: Next,
    /// When the guest was entered; `None` if it never was.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Timestamp,
    /// What it cost.
    pub receipt: Receipt,
    /// What ran.
    pub version: Option<ModuleVersionId>,
    /// The attempt's log; empty in the common case.
    pub log: Vec<LogLine>,
    /// Lines dropped past the limit.
    pub log_lines_dropped: u64,
    /// The last progress reported.
    pub progress: Option<Progress>,
}

/// What becomes of a job at the end of an execution.
#[derive(Clone, Debug, PartialEq)]
pub enum Next {
    /// `succeeded`, with its output (JSON text).
    Succeed(Bytes),
    /// `retrying` until then.
    Retry(Failure, Timestamp),
    /// `failed`.
    Fail(Failure),
    /// `cancelled`.
    Cancel(Failure),
    /// `scheduled` until then (snooze); no attempt used.
    Suspend(Timestamp),
    /// `ready` at once, no attempt used (shutdown). Recorded as an execution only if `started_at` is set.
    GiveBack(Failure),
}

/// What became of a finish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FinishResult {
    /// Written; the job is now in this state. (A cancel asked for in the meantime turns `Retry`, `Suspend` and
    /// `GiveBack` into `cancelled`; a success stays a success.)
    Finished(JobState),
    /// The lease is no longer the job's: nothing was written.
    StaleLease,
}

/// What a promotion of due jobs did.
#[derive(Clone, Copy, Debug, Default)]
pub struct Promoted {
    /// So many became ready.
    pub jobs: usize,
    /// When the next one is due.
    pub next_due: Option<Timestamp>,
}

/// What a recovery of lost hosts did.
#[derive(Clone, Debug, Default)]
pub struct Recovered {
    /// Hosts found dead.
    pub hosts: Vec<HostId>,
    /// Jobs ready again.
    pub jobs: usize,
    /// Jobs failed with `host_lost` for the third counted time.
    pub failed: usize,
}

// ---- jobs as people see them --------------------------------------------------------------------------------------

/// A job without its bulky parts.
#[derive(Clone, Debug)]
pub struct JobRow {
    /// The job.
    pub id: JobId,
    /// Whose.
    pub tenant: TenantName,
    /// Its kind.
    pub kind: KindName,
    /// Its lane.
    pub queue: QueueName,
    /// Where it is. `Ready` with `lease` set: claimed, not yet seen running.
    pub state: JobState,
    /// 0–9, lower first.
    pub priority: u8,
    /// Attempts used or being made.
    pub attempt: u32,
    /// Attempts in all.
    pub max_attempts: u32,
    /// When due.
    pub run_at: Timestamp,
    /// When enqueued.
    pub created_at: Timestamp,
    /// When the last execution was entered.
    pub started_at: Option<Timestamp>,
    /// When it ended for good.
    pub finished_at: Option<Timestamp>,
    /// What the last execution ran, or the kind's active version before any.
    pub module: Option<(ModuleName, Digest)>,
    /// The last failure.
    pub error: Option<Failure>,
    /// The last progress written.
    pub progress: Option<Progress>,
    /// Labels.
    pub tags: Vec<String>,
    /// What differs from the kind.
    pub options: JobOptions,
    /// Why it was taken out of the claimable, if it was.
    pub parked: Option<WaitingReason>,
    /// Snoozed rather than scheduled by the caller.
    pub snoozed: bool,
    /// Takes its turn among the suspects.
    pub suspect: bool,
    /// Who holds it: host and lease number.
    pub leased_by: Option<(HostId, i64)>,
    /// A cancel waits for the running attempt to end.
    pub cancel_requested: bool,
    /// The receipt of the last execution.
    pub receipt: Option<Receipt>,
}

/// A job with its bulky parts.
#[derive(Clone, Debug)]
pub struct JobDetail {
    /// The row.
    pub row: JobRow,
    /// JSON text.
    pub payload: Bytes,
    /// JSON text, once it succeeded.
    pub output: Option<Bytes>,
    /// For ready, unclaimed jobs: how many come first, counted up to `BEHIND_COUNT_MAX`.
    pub behind: Option<u64>,
}

/// Jobs in front of a waiting one are counted up to here.
pub const BEHIND_COUNT_MAX: u64 = 1_000;

/// Which jobs to list, newest first.
#[derive(Clone, Debug, Default)]
pub struct JobFilter {
    /// Only this state.
    pub state: Option<JobState>,
    /// Only those that have not ended.
    pub unfinished: bool,
    /// Only this kind.
    pub kind: Option<KindName>,
    /// Only this lane.
    pub queue: Option<QueueName>,
    /// Only with this label.
    pub tag: Option<String>,
    /// Only kinds this module serves.
    pub module: Option<ModuleName>,
    /// Enqueued at or after.
    pub since: Option<Timestamp>,
    /// Enqueued before.
    pub until: Option<Timestamp>,
}

/// One page of a listing.
#[derive(Clone, Debug)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// Where the next page begins; `None` on the last.
    pub next: Option<JobId>,
}

/// Which logs of a job there are, oldest first; the newest pages come first. Their lines are read apart.
#[derive(Clone, Debug)]
pub struct LogPage {
    /// One per execution that logged something.
    pub items: Vec<KeptLog>,
    /// There are logs of executions before this one.
    pub next: Option<i64>,
}

/// One execution of a job.
#[derive(Clone, Debug)]
pub struct AttemptRow {
    /// Its lease number: executions of a job are numbered without gaps of meaning.
    pub execution: i64,
    /// The attempt, from 1.
    pub attempt: u32,
    /// `succeeded`, `failed`, `suspended`, `given_back` or `lost`.
    pub outcome: AttemptOutcome,
    /// Why, unless it succeeded.
    pub error: Option<Failure>,
    /// When entered.
    pub started_at: Option<Timestamp>,
    /// When ended.
    pub finished_at: Timestamp,
    /// What ran.
    pub module: Option<(ModuleName, Digest)>,
    /// What it cost.
    pub receipt: Receipt,
    /// Who ran it.
    pub host: HostId,
}

/// How an execution ended, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AttemptOutcome {
    /// Returned an output.
    Succeeded,
    /// Returned a failure, or was ended.
    Failed,
    /// Asked to be run again later.
    Suspended,
    /// Ended by a stopping host, at no cost.
    GivenBack,
    /// Its host died.
    Lost,
}

/// The log of one execution, without its lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeptLog {
    /// Its lease number.
    pub execution: i64,
    /// The attempt, from 1.
    pub attempt: u32,
    /// Lines dropped past the limit.
    pub dropped: u64,
    /// What its lines take, bytes.
    pub bytes: usize,
}

/// One entry of a job's history.
#[derive(Clone, Debug)]
pub struct HistoryEntry {
    /// When.
    pub at: Timestamp,
    /// What.
    pub event_type: EventType,
    /// The state it left the job in.
    pub state: JobState,
    /// Which attempt, 0 before the first.
    pub attempt: u32,
    /// A sentence, where there is more to say (a failure's reason and message, who cancelled, …).
    pub detail: Option<String>,
}

/// What became of a cancel.
#[derive(Clone, Debug)]
pub enum CancelResult {
    /// It waited; now it is cancelled.
    Cancelled(Box<JobRow>),
    /// It is held by this host: the request is recorded, the host must interrupt it.
    Requested(Box<JobRow>),
    /// It had ended already.
    AlreadyTerminal(Box<JobRow>),
    /// No such job.
    NotFound,
}

/// What became of a retry.
#[derive(Clone, Debug)]
pub enum RetryResult {
    /// Ready again: failed, cancelled and retrying jobs. Attempts count on from 0.
    Retried(Box<JobRow>),
    /// Only `failed`, `cancelled` and `retrying` jobs can be retried.
    WrongState(Box<JobRow>),
    /// Its kind no longer exists.
    KindGone,
    /// No such job.
    NotFound,
}

/// What became of a delete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeleteResult {
    /// Gone.
    Deleted,
    /// Only terminal jobs can be deleted.
    WrongState(JobState),
    /// No such job.
    NotFound,
}

// ---- queues, counters ---------------------------------------------------------------------------------------------

/// A lane and what is in it.
#[derive(Clone, Debug)]
pub struct QueueRow {
    /// The lane.
    pub name: QueueName,
    /// 0–9, lower first.
    pub priority: u8,
    /// Jobs by state, from the counters: zero where there are none.
    pub counts: Vec<(JobState, u64)>,
    /// When the oldest claimable job became ready.
    pub oldest_ready_at: Option<Timestamp>,
}

/// What has waited longest in a queue.
#[derive(Clone, Debug)]
pub struct OldestReady {
    /// Whose.
    pub tenant: TenantName,
    /// The lane.
    pub queue: QueueName,
    /// When the oldest claimable job became ready.
    pub ready_at: Timestamp,
}

/// One counter.
#[derive(Clone, Debug)]
pub struct CounterRow {
    /// Whose.
    pub tenant: TenantName,
    /// Which lane.
    pub queue: QueueName,
    /// Which kind.
    pub kind: KindName,
    /// Which state. Terminal states count what is kept in history.
    pub state: JobState,
    /// So many.
    pub jobs: u64,
}

// ---- modules ------------------------------------------------------------------------------------------------------

/// A version about to be stored; its bytes were written before with `write_module_chunk`.
#[derive(Clone, Debug)]
pub struct NewVersion {
    /// Whose.
    pub tenant: TenantId,
    /// The module.
    pub module: ModuleName,
    /// Its bytes.
    pub digest: Digest,
    /// Their number.
    pub size_bytes: u64,
    /// How it is run.
    pub guest: GuestType,
    /// What it imports, as `namespace:package/interface@version` or `module.function`.
    pub imports: Vec<String>,
    /// What it serves.
    pub kinds: Vec<KindDescription>,
    /// How long compiling took.
    pub compile_ms: u64,
}

/// What became of storing or activating a version.
#[derive(Clone, Debug)]
pub enum ActivateResult {
    /// Active now.
    Activated {
        /// `false`: the digest was stored before.
        created: bool,
        /// The version.
        version: Box<VersionRow>,
    },
    /// Another module serves one of the kinds.
    KindOwned {
        /// The kind.
        kind: KindName,
        /// By this one.
        module: ModuleName,
    },
    /// Unfinished jobs need kinds this version does not serve, and `force` was not given.
    KindsNeeded {
        /// The kinds and how many unfinished jobs each has.
        kinds: Vec<(KindName, u64)>,
    },
    /// No such module or version.
    NotFound,
}

/// What became of a change of the operator's settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeSettingsResult {
    /// They are in force.
    Done,
    /// They were others already than the caller believed; nothing was written.
    Changed,
    /// No such kind.
    NotFound,
}

/// What became of a delete of a module or version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeleteModuleResult {
    /// Gone.
    Deleted {
        /// The bytes no stored version has any more: what was made of them can go, too.
        unused: Vec<Digest>,
    },
    /// Unfinished jobs need it.
    Needed {
        /// The kinds and how many unfinished jobs each has.
        kinds: Vec<(KindName, u64)>,
    },
    /// The active version can't be deleted alone; activate another one or delete the module.
    Active,
    /// No such module or version.
    NotFound,
}

/// A stored version.
#[derive(Clone, Debug)]
pub struct VersionRow {
    /// Short name.
    pub id: ModuleVersionId,
    /// The module.
    pub module: ModuleName,
    /// Its bytes.
    pub digest: Digest,
    /// Their number.
    pub size_bytes: u64,
    /// How it is run.
    pub guest: GuestType,
    /// What it imports.
    pub imports: Vec<String>,
    /// What it serves.
    pub kinds: Vec<KindDescription>,
    /// How long compiling took at upload.
    pub compile_ms: u64,
    /// When uploaded.
    pub created_at: Timestamp,
    /// When it became the active one, last; `None`: never.
    pub activated_at: Option<Timestamp>,
    /// Whether it is the active one.
    pub active: bool,
}

/// A version that was stored and not activated.
#[derive(Clone, Debug)]
pub struct StoredVersion {
    /// `false`: the digest was stored before.
    pub created: bool,
    /// The version; it may be active from before.
    pub version: VersionRow,
}

/// Jobs of one kind that have not ended, some of them with their payloads.
#[derive(Clone, Debug)]
pub struct UnfinishedPayloads {
    /// How many there are, the running ones included.
    pub unfinished: u64,
    /// Of those that wait, oldest first.
    pub waiting: Vec<(JobId, Bytes)>,
    /// After which job to go on; `None`: there are no more.
    pub next: Option<JobId>,
}

// ---- host, operations ---------------------------------------------------------------------------------------------

/// A running process.
#[derive(Clone, Debug)]
pub struct HostRow {
    /// The host.
    pub id: HostId,
    /// When it registered.
    pub started_at: Timestamp,
    /// Version of the binary.
    pub version: String,
    /// Concurrent attempts.
    pub slots: u32,
    /// Since its last heartbeat, by the store's clock.
    pub heartbeat_age: Duration,
}

/// Numbers about the store for `/metrics`.
#[derive(Clone, Debug, Default)]
pub struct StoreMetrics {
    /// Transactions committed since start.
    pub commits: u64,
    /// Operations carried out since start.
    pub operations: u64,
    /// Commits that failed since start.
    pub commit_failures: u64,
    /// Time spent in commits (fsync included), µs.
    pub commit_us: u64,
    /// Size of the write-ahead log, bytes.
    pub wal_bytes: u64,
    /// Size of the database file, bytes.
    pub database_bytes: u64,
    /// Operations waiting for the writer.
    pub waiting: u64,
}
