//! The values that go in and out of the store's operations.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::batches::model::Membership;
use super::catalog::{Catalog, KindEntry, KindId, ModuleVersionId, QueueId, TenantId};
use super::mail::MailRow;
use super::retention::{Ended, kept_until};
use super::schedules::JobSlot;
use crate::job::kind::{MAX_ATTEMPTS_DEFAULT, PRIORITY_DEFAULT};
use crate::job::state::JobState;
use crate::job::unique::Unique;
use crate::job::{
    BatchId, BulkAction, BulkFilter, Digest, EventType, Failure, FailureReason, GroupId, GuestType, HostId, JobId,
    JobOptions, JobSpec, KindDescription, KindName, Lease, LimitRequest, LogLine, ModuleName, NewEvent, NewMail,
    NewNotification, OperationId, OperationState, Pace, Parent, Progress, QueueName, QuotaExceeded, Rate, RateWire,
    Receipt, Retention, RetryPolicy, Step, TenantName, Timestamp, WaitingReason, Wanted,
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
    /// What it has to do with others; mostly nothing.
    pub ties: Option<Box<JobTies>>,
    /// Makes it the only one like it.
    pub unique: Option<Box<Unique>>,
}

/// What a job has to do with others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobTies {
    /// It runs after these.
    pub after: Vec<Parent>,
    /// It is of this batch.
    pub batch: Option<BatchId>,
}

impl NewJob {
    /// A job nobody sent: everything but the payload is as its kind has it. The payload (JSON text) is checked when the job
    /// is entered.
    pub fn of_kind(kind: &KindEntry, payload: Bytes) -> Self {
        let settings = &kind.settings;
        let spec = JobSpec {
            payload,
            queue: settings.queue.clone().unwrap_or_else(QueueName::default_queue),
            priority: settings.priority.unwrap_or(PRIORITY_DEFAULT),
            run_at: None,
            max_attempts: settings.max_attempts.unwrap_or(MAX_ATTEMPTS_DEFAULT),
            options: JobOptions::default(),
            tags: Vec::new(),
        };
        Self { kind: kind.id, checked_against: None, spec, idempotency: None, ties: None, unique: None }
    }
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
    /// The same request came before, and did this to another job that is the only one like it. That one, as it is now.
    ReplayedExisting(Conflict, Box<JobRow>),
    /// The same request came before, and was refused for the sake of this job.
    ReplayedConflict(Box<JobRow>),
    /// The key was used for another request.
    KeyConflict,
    /// The kind vanished between check and write.
    KindGone,
    /// It names a new queue, and the tenant has as many as it may.
    TooManyQueues,
    /// The tenant has used up what it may.
    OverQuota(QuotaExceeded),
    /// It can't have the ties it asks for.
    Untied(TieRefusal),
    /// Not written: another job is the only one like it. That one, as it is now.
    Existing(Conflict, Box<JobRow>),
    /// The same, and it may not be changed, or nothing is to become of it.
    UniqueConflict(Box<JobRow>),
}

/// What a request under an idempotency key was answered with, of one job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It was made.
    Made(JobId),
    /// Not made: this is the only one like it, and this was done to it.
    Existing(Conflict, JobId),
    /// Refused for the sake of this one. `None`: of another one of the same request.
    UniqueConflict(Option<JobId>),
    /// Refused for another reason.
    Refused,
}

impl Answer {
    /// The job it names.
    pub fn job(self) -> Option<JobId> {
        match self {
            Answer::Made(job) | Answer::Existing(_, job) => Some(job),
            Answer::UniqueConflict(job) => job,
            Answer::Refused => None,
        }
    }

    /// What becomes of the same request when it comes again; `None`: nothing is known of it but that it was refused.
    pub fn replayed(self) -> Option<BatchItem> {
        match self {
            Answer::Made(job) => Some(BatchItem::Replayed(job)),
            Answer::Existing(conflict, job) => Some(BatchItem::ReplayedExisting(conflict, job)),
            Answer::UniqueConflict(other) => Some(BatchItem::UniqueConflict(other)),
            Answer::Refused => None,
        }
    }
}

/// Why a job can't have the ties it asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TieRefusal {
    /// The parent at this place is no job.
    UnknownParent(usize),
    /// There is no such batch.
    UnknownBatch,
    /// The batch takes no more jobs.
    BatchClosed,
}

/// What a job did to the one that is the only one like it, instead of being written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Conflict {
    /// Nothing.
    Existing,
    /// It gave it its payload, time, priority and tags.
    Replaced,
    /// It gave it its payload, and let it wait anew.
    Debounced,
    /// Nothing: its period is not over.
    Throttled,
}

/// What became of a batch.
#[derive(Clone, Debug)]
pub enum BatchResult {
    /// In the order given. With `atomic`, all are `Created` or `Replayed`.
    Done(Vec<BatchItem>),
    /// The batch's key came before with the same body: the answers of then, line by line.
    Replayed(Vec<Answer>),
    /// The batch's key was used for another body.
    KeyConflict,
    /// The tenant has used up what it may: there is no room for what the key has to stand for.
    OverQuota(QuotaExceeded),
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
    /// The same, which did this to the only one like it.
    ReplayedExisting(Conflict, JobId),
    /// The item's key was used for another request.
    KeyConflict,
    /// The kind vanished between check and write.
    KindGone,
    /// It names a new queue, and the tenant has as many as it may.
    TooManyQueues,
    /// The tenant has used up what it may.
    OverQuota(QuotaExceeded),
    /// It can't have the ties it asks for.
    Untied(TieRefusal),
    /// Not written: this one is the only one like it.
    Existing(Conflict, JobId),
    /// The same, and it may not be changed, or nothing is to become of it. `None`: another one of an atomic batch.
    UniqueConflict(Option<JobId>),
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

/// Names a lease and who was given it. Not the lease: what is written in its name is refused once the job is another's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The job.
    pub job: JobId,
    /// Who was given the lease.
    pub host: HostId,
    /// The lease's number.
    pub number: i64,
}

impl Holder {
    /// Of a lease.
    pub fn of(lease: &Lease) -> Self {
        Self { job: lease.job(), host: lease.host(), number: lease.number() }
    }
}

/// A job the host now holds.
#[derive(Debug)]
pub struct ClaimedJob {
    /// The proof.
    pub lease: Lease,
    /// The kind as of now, with its active version (always `Some`: jobs without one are parked, not given).
    pub kind: Arc<KindEntry>,
    /// The lane, by its short name.
    pub queue_id: QueueId,
    /// What limited the lane as of now.
    pub queue_pace: Pace,
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
    /// It has recorded steps, and stays on the version that did.
    pub is_pinned: bool,
    /// Its place among all claimed jobs: the lowest goes first.
    pub rank: (i64, JobId),
    /// The slot of the schedule that enqueued it.
    pub slot_at: Option<Timestamp>,
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
    /// What the guest used and was not granted, by name; empty in the common case.
    pub denied: Vec<String>,
    /// The last progress reported.
    pub progress: Option<Progress>,
    /// What is to be written with `succeeded`; mostly nothing.
    pub effects: Option<Box<Effects>>,
}

/// What a handler asked for on success, each with its place among all of it.
#[derive(Clone, Debug)]
pub struct Effects {
    /// Jobs to enqueue.
    pub jobs: Vec<(usize, NewJob)>,
    /// Events to emit.
    pub events: Vec<(usize, NewEvent)>,
    /// Users to notify.
    pub notifications: Vec<(usize, NewNotification)>,
    /// Mails to send.
    pub mails: Vec<(usize, NewMail)>,
    /// How long they are tried; `None`: there is no server, and they are kept.
    pub mail_tried_for: Option<Duration>,
    /// What becomes of the job if any of it can't be.
    pub if_rejected: Next,
}

impl Effects {
    /// What it takes to keep them until they are written.
    pub fn bytes(&self) -> usize {
        let jobs: usize = self.jobs.iter().map(|(_, job)| job.spec.payload.len()).sum();
        let events: usize = self.events.iter().map(|(_, event)| event.data.len()).sum();
        let notifications: usize = self.notifications.iter().map(|(_, notification)| notification.bytes()).sum();
        let mails: usize = self.mails.iter().map(|(_, mail)| mail.bytes()).sum();
        jobs + events + notifications + mails
    }
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
    /// `scheduled` until this sleep is over; no attempt used.
    Sleep(Box<Step>),
    /// `blocked` until the event comes that this step waits for, or its time is over; no attempt used.
    Await(Box<Step>),
    /// `cancelled`, for this reason, since it would have to wait past its `expires_at`. The execution itself ended in the
    /// first failure, and used an attempt; without one it was a snooze, and used none.
    Expire(Option<Failure>, Failure),
    /// `ready` at once, no attempt used (shutdown). Recorded as an execution only if `started_at` is set.
    GiveBack(Failure),
}

impl Next {
    /// The same after another failure.
    #[must_use]
    pub fn after(self, failure: Failure) -> Next {
        match self {
            Next::Retry(_, until) => Next::Retry(failure, until),
            Next::Cancel(_) => Next::Cancel(failure),
            Next::GiveBack(_) => Next::GiveBack(failure),
            Next::Expire(Some(_), end) => Next::Expire(Some(failure), end),
            Next::Fail(_)
            | Next::Succeed(_)
            | Next::Suspend(_)
            | Next::Sleep(_)
            | Next::Await(_)
            | Next::Expire(None, _) => Next::Fail(failure),
        }
    }

    /// Until when a suspended job waits, where that is a time alone.
    pub fn until(&self) -> Option<Timestamp> {
        match self {
            Next::Suspend(until) => Some(*until),
            Next::Sleep(step) => step.until,
            Next::Succeed(_)
            | Next::Retry(..)
            | Next::Fail(_)
            | Next::Cancel(_)
            | Next::Await(_)
            | Next::Expire(..)
            | Next::GiveBack(_) => None,
        }
    }
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

/// What a look for jobs that came too late did.
#[derive(Clone, Copy, Debug, Default)]
pub struct Expired {
    /// So many were cancelled.
    pub jobs: usize,
    /// There may be more.
    pub more: bool,
    /// When the next one expires.
    pub next_expiry: Option<Timestamp>,
}

/// What a look at finished jobs did.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pruned {
    /// So many were removed.
    pub jobs: usize,
    /// There may be more.
    pub more: bool,
    /// In how long the next look is due.
    pub next_in: Option<Duration>,
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
#[allow(clippy::struct_excessive_bools)] // Each is a fact of its own.
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
    /// Its handler has suspended it, rather than the caller scheduled it.
    pub snoozed: bool,
    /// It has recorded steps, and stays on the version that did.
    pub is_pinned: bool,
    /// What its handler waits for, where it sleeps or waits for an event.
    pub suspension: Option<WaitingReason>,
    /// Takes its turn among the suspects.
    pub suspect: bool,
    /// Who holds it: host and lease number.
    pub leased_by: Option<(HostId, i64)>,
    /// A cancel waits for the running attempt to end.
    pub cancel_requested: bool,
    /// The receipt of the last execution.
    pub receipt: Option<Receipt>,
    /// The slot of a schedule it was enqueued for.
    pub slot: Option<JobSlot>,
    /// For ready, unclaimed jobs: how it stands in line; `None` where nobody looked.
    pub in_line: Option<Box<InLine>>,
}

/// How a ready job that nobody has claimed stands in line.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct InLine {
    /// The limit that keeps it waiting.
    pub hindrance: Option<Hindrance>,
    /// Whether others come first; `None`: it is not in line, or has to wait anyway.
    pub behind: Option<Behind>,
}

impl InLine {
    /// Nothing is known.
    pub const NOBODY_LOOKED: InLine = InLine { hindrance: None, behind: None };
}

/// Claimable jobs of the same tenant that come before one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behind {
    /// So many, counted up to [`BEHIND_COUNT_MAX`].
    Counted(u64),
    /// Some, or none, of its own queue; others were not looked at.
    Some(bool),
}

impl JobRow {
    /// Until when it is kept at least, once it has ended; `None` before, and where somebody has to delete it.
    pub fn kept_until(&self, catalog: &Catalog, tenant: TenantId, host: Retention) -> Option<Timestamp> {
        let kind = catalog.kind(tenant, &self.kind).map(|kind| kind.id);
        let keep = catalog.keep(host, tenant, kind, catalog.queue(tenant, &self.queue), self.state);
        let (options, created_at) = (&self.options, self.created_at);
        kept_until(keep, &Ended { state: self.state, options, created_at, at: self.finished_at? })
    }
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
    /// The jobs it runs or ran after.
    pub after: Vec<ParentRow>,
    /// The batch or workflow it is of.
    pub membership: Option<Membership>,
    /// What its executions recorded, in order.
    pub steps: Vec<Step>,
    /// Mails that were committed with its success, at most 100 of them.
    pub mails: Vec<MailRow>,
    /// Jobs made for its failures, the newest first, at most `ON_FAILED_JOBS_SHOWN_MAX`.
    pub on_failed_jobs: Vec<JobId>,
}

/// A limit that keeps a ready job from being begun.
#[derive(Clone, Debug, PartialEq)]
pub struct Hindrance {
    /// In one word.
    pub reason: WaitingReason,
    /// What the limit is set on.
    pub limit: LimitName,
    /// What is set.
    pub pace: Pace,
    /// So many of those it counts run.
    pub running: u32,
    /// The first of them, at most five; for `fifo_key` the job that is in turn.
    pub holders: Vec<JobId>,
    /// In which time the next permit comes, ms; for `rate_limited`.
    pub permit_in_ms: Option<u64>,
    /// How many wait for the same limit and come first, counted up to `BEHIND_COUNT_MAX`; `None`: they are counted with
    /// their queue.
    pub ahead: Option<u64>,
}

/// What a limit is set on, by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LimitName {
    /// The job's kind.
    Kind,
    /// This concurrency key of its kind.
    Key(String),
    /// Its queue.
    Queue,
    /// Its tenant.
    Tenant(Option<TenantName>),
}

/// A job another one runs after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParentRow {
    /// The job.
    pub job: JobId,
    /// Its name in its workflow.
    pub name: Option<String>,
    /// What it is to end as.
    pub wanted: Wanted,
    /// What it is now; `None`: it was deleted.
    pub state: Option<JobState>,
    /// It ended as asked.
    pub is_met: bool,
    /// The other one is cancelled because of it.
    pub is_cause: bool,
}

impl ParentRow {
    /// Whether it may have returned something that is gone with it.
    pub fn output_is_gone(&self) -> bool {
        let may_have_succeeded = match self.wanted {
            Wanted::Succeeded => self.is_met,
            Wanted::Failed => !self.is_met,
            Wanted::Finished => true,
        };
        self.state.is_none() && may_have_succeeded
    }
}

/// Jobs made for the failures of one that are shown with it.
pub const ON_FAILED_JOBS_SHOWN_MAX: usize = 20;

/// Jobs in front of a waiting one are counted up to here.
pub const BEHIND_COUNT_MAX: u64 = 1_000;

/// Which jobs to list, newest first.
#[derive(Clone, Debug, Default)]
pub struct JobFilter {
    /// Only this state.
    pub state: Option<JobState>,
    /// Only those a host holds, entered or not.
    pub held: bool,
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
    /// Only dead letters of this group.
    pub group: Option<GroupId>,
    /// Enqueued at or after.
    pub since: Option<Timestamp>,
    /// Enqueued before.
    pub until: Option<Timestamp>,
}

/// Failed jobs that are alike.
#[derive(Clone, Debug)]
pub struct DeadLetterGroup {
    /// Its name: the same for the same kind, reason and words.
    pub id: GroupId,
    /// Their kind.
    pub kind: KindName,
    /// Why they failed.
    pub reason: FailureReason,
    /// In which words, without what differs from job to job.
    pub message: String,
    /// How many there are.
    pub jobs: u64,
    /// When the first of them failed, also if it is gone by now.
    pub first_failed_at: Timestamp,
    /// When the last of them failed.
    pub last_failed_at: Timestamp,
    /// The one enqueued first.
    pub oldest_job: JobId,
    /// The one enqueued last.
    pub newest_job: JobId,
}

/// Which groups to list.
#[derive(Clone, Debug, Default)]
pub struct DeadLetterFilter {
    /// Only of this kind.
    pub kind: Option<KindName>,
    /// Only for this reason.
    pub reason: Option<FailureReason>,
}

/// One page of groups, the youngest first.
#[derive(Clone, Debug)]
pub struct DeadLetterPage {
    /// The groups.
    pub items: Vec<DeadLetterGroup>,
    /// Below which number the next page begins; `None` on the last.
    pub next: Option<i64>,
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
    /// What it used and was not granted, by name.
    pub denied: Vec<String>,
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

/// Why a job that is retried as one of many is left to come back with one that it runs after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ComesWith {
    /// That one did not end as the job asks.
    DidNotEndAsAsked,
    /// That one is to run again as well.
    RunsAgain,
    /// Both were cancelled together.
    WasCancelledWithIt,
}

/// What became of a retry.
#[derive(Clone, Debug)]
pub enum RetryResult {
    /// Ready again, or blocked, where it runs after jobs that have not ended: failed, cancelled and retrying jobs. Attempts
    /// count on from 0.
    Retried(Box<JobRow>),
    /// Nobody asked for this very job, and it comes back with one that it runs after.
    ComesWith {
        /// That one.
        parent: JobId,
        /// And this is why.
        why: ComesWith,
    },
    /// Nobody asked for this very job, and this one, which it runs after, did not end as it asks, and is gone.
    ComesNoMore(JobId),
    /// Only `failed`, `cancelled` and `retrying` jobs can be retried.
    WrongState(Box<JobRow>),
    /// Its kind no longer exists.
    KindGone,
    /// Another job is the only one like it now.
    UniqueConflict(JobId),
    /// No such job.
    NotFound,
}

/// What is to be changed on a waiting job; what is `None` stays.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct JobEdit {
    /// JSON text, and the version whose schema it was checked against.
    pub payload: Option<(Bytes, Option<ModuleVersionId>)>,
    /// When it may run; a time that has passed: at once.
    pub run_at: Option<Timestamp>,
    /// The same as a delay, where it was given as one: of a job that waits for others it counts from when they have ended.
    pub delay_ms: Option<u64>,
    /// Until when it is to have begun, instead of what it has; `Some(None)`: it is to begin whenever it can.
    pub expires_at: Option<Option<Timestamp>>,
    /// Its lane.
    pub queue: Option<QueueName>,
    /// 0–9, lower first.
    pub priority: Option<u8>,
    /// Attempts in all.
    pub max_attempts: Option<u32>,
    /// Labels, instead of those it has.
    pub tags: Option<Vec<String>>,
    /// Delays between attempts.
    pub retry: Option<RetryPolicy>,
    /// Hard limits, over those it has.
    pub limits: LimitRequest,
}

/// What became of a change of a waiting job.
#[derive(Clone, Debug)]
pub enum EditResult {
    /// As it is now.
    Edited(Box<JobRow>),
    /// It runs, is about to, or has ended.
    NotWaiting(Box<JobRow>),
    /// It is to have begun by a moment, and would not be due before.
    TooLate {
        /// When it would be due.
        run_at: Timestamp,
        /// By when it is to have begun.
        expires_at: Timestamp,
    },
    /// It names a new queue, and the tenant has as many as it may.
    TooManyQueues,
    /// Its payload would be larger, and the tenant has used up what it may.
    OverQuota(QuotaExceeded),
    /// No such job.
    NotFound,
}

/// What became of the wish to run a job now.
#[derive(Clone, Debug)]
pub enum RunNowResult {
    /// It is ready, now or before.
    Ready(Box<JobRow>),
    /// It runs, is about to, or has ended.
    NotWaiting(Box<JobRow>),
    /// It waits for other jobs.
    Blocked(Box<JobRow>),
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
    /// This one has not ended, and runs or ran after it.
    Needed(JobId),
    /// No such job.
    NotFound,
}

// ---- operations ---------------------------------------------------------------------------------------------------

/// What is to be done to many jobs.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct BulkRequest {
    /// To each.
    pub action: BulkAction,
    /// Which.
    pub filter: BulkFilter,
    /// `set_priority`: 0–9.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<u8>,
    /// At most so fast.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<RateWire>,
}

/// One action on many jobs, and how far it is.
#[derive(Clone, Debug, PartialEq)]
pub struct OperationRow {
    /// Which.
    pub id: OperationId,
    /// Where it is.
    pub state: OperationState,
    /// What it does.
    pub request: BulkRequest,
    /// Jobs with this id and greater ones are done.
    pub cursor: JobId,
    /// Jobs it found.
    pub matched: u64,
    /// Of these, it did it to so many.
    pub changed: u64,
    /// There was nothing to do, or their state did not allow it.
    pub skipped: u64,
    /// Something else was in the way.
    pub failed: u64,
    /// What, of the first of them.
    pub errors: Vec<OperationError>,
    /// When asked for.
    pub created_at: Timestamp,
    /// When the first jobs were done.
    pub started_at: Option<Timestamp>,
    /// When it was over.
    pub finished_at: Option<Timestamp>,
}

/// What was in the way of an operation.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct OperationError {
    /// With which job; none: with the whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, required = false)]
    pub job: Option<JobId>,
    /// One sentence.
    pub message: String,
}

/// What became of a request for an operation.
#[derive(Clone, Debug)]
pub enum CreateOperationResult {
    /// It will be done.
    Created(Box<OperationRow>),
    /// The same request came before.
    Replayed(Box<OperationRow>),
    /// The key was used for another request.
    KeyConflict,
    /// So many are not finished yet.
    TooMany(usize),
    /// No job could ever be meant.
    Unmatchable(Unmatchable),
}

/// What of a filter lets no job through, whatever comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unmatchable {
    /// There never was such a kind.
    Kind,
    /// There is no such queue.
    Queue,
    /// There never was such a module.
    Module,
    /// The module does not serve the kind.
    KindOfModule,
    /// There is no failed job of this group.
    Group,
}

/// What became of the wish to end an operation.
#[derive(Clone, Debug)]
pub enum CancelOperationResult {
    /// It does no more.
    Cancelled(Box<OperationRow>),
    /// It had done all already, or could not go on.
    Finished(Box<OperationRow>),
    /// No such operation.
    NotFound,
}

/// One piece of an operation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Worked {
    /// When more may be done; `None`: it is over.
    pub again_in: Option<Duration>,
    /// Held jobs that were cancelled: their holder must interrupt them.
    pub interrupts: Vec<LeaseKey>,
}

// ---- queues, counters ---------------------------------------------------------------------------------------------

/// A lane and what is in it.
#[derive(Clone, Debug)]
pub struct QueueRow {
    /// The lane.
    pub name: QueueName,
    /// 0–9, lower first.
    pub priority: u8,
    /// Nothing more of it is entered.
    pub is_paused: bool,
    /// How many of its jobs may run at once, how often one may begin.
    pub pace: Pace,
    /// Its jobs are acknowledged before they are on the disk.
    pub is_relaxed: bool,
    /// How long its finished jobs are kept.
    pub retention: Retention,
    /// Jobs by state, from the counters: zero where there are none.
    pub counts: Vec<(JobState, u64)>,
    /// When the oldest claimable job became ready.
    pub oldest_ready_at: Option<Timestamp>,
}

/// What is to be changed on a queue; what is `None` stays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueChange {
    /// 0–9, lower first.
    pub priority: Option<u8>,
    /// Whether nothing more of it is entered.
    pub is_paused: Option<bool>,
    /// So many of its jobs may run at once; `Some(None)`: any number.
    pub concurrency: Option<Option<u32>>,
    /// So many of its jobs may begin in a time; `Some(None)`: any number.
    pub rate: Option<Option<Rate>>,
    /// Whether its jobs are acknowledged before they are on the disk.
    pub is_relaxed: Option<bool>,
    /// How long its finished jobs are kept.
    pub retention: Option<Retention>,
}

/// What came of a change to a queue.
#[derive(Clone, Debug)]
pub enum ChangeQueueResult {
    /// As it is now.
    Changed(Box<QueueRow>),
    /// There is none, and none was to be made.
    NotFound,
    /// The tenant has as many as it may.
    TooManyQueues,
}

/// What came of the wish to delete a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeleteQueueResult {
    /// It is gone; the next job that names it makes it anew.
    Deleted,
    /// So many of its jobs have not ended.
    InUse(u64),
    /// There is none.
    NotFound,
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
    /// The tenant has used up what it may.
    OverQuota(QuotaExceeded),
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
    /// An unfinished job has recorded steps on it: this one.
    HasSteps(JobId),
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
