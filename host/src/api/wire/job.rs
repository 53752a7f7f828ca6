//! A job and what belongs to it, as clients see them.

use serde::Serialize;

use super::limits::JobLimits;
use super::mail::JobMail;
use super::raw::Raw;
use super::time::Instant;
use crate::job::{
    BatchId, Digest, FailureReason, HostId, JobId, JobState, KindName, LogLine, ModuleName, QueueName, Receipt,
    ScheduleName, Step, TenantName, Wanted, WorkflowId,
};
use crate::store::{AttemptOutcome, AttemptRow, HistoryEntry, ParentRow};

/// A job.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Job<'a> {
    /// Names it for ever.
    #[schema(value_type = String, example = "job_01ARZ3NDEKTSV4RRFFQ69G5FAV")]
    pub id: JobId,
    /// Whose.
    #[schema(value_type = String)]
    pub tenant: &'a TenantName,
    /// What type of job.
    #[schema(value_type = String)]
    pub kind: &'a KindName,
    /// Its lane.
    #[schema(value_type = String)]
    pub queue: &'a QueueName,
    /// Where it is in its life.
    #[schema(value_type = String, example = "ready")]
    pub state: JobState,
    /// 0 to 9, lower first.
    pub priority: u8,
    /// As it was sent. Not in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = serde_json::Value, required = false)]
    pub payload: Option<Raw<'a>>,
    /// As the handler returned it; `null` until then. Not in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = serde_json::Value, required = false)]
    pub output: Option<Raw<'a>>,
    /// The last failure.
    pub error: Option<JobFailure<'a>>,
    /// Attempts used or being made.
    pub attempt: u32,
    /// Attempts in all.
    pub max_attempts: u32,
    /// When it is or was due.
    #[schema(value_type = String, format = DateTime)]
    pub run_at: Instant,
    /// When it is cancelled if it was not entered.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, format = DateTime, required = false)]
    pub expires_at: Option<Instant>,
    /// When it was enqueued.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Instant,
    /// When its last execution began.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub started_at: Option<Instant>,
    /// When it ended for good.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub finished_at: Option<Instant>,
    /// Until when it is kept at least, as it is set now. Not there before it has ended, and where it is kept until somebody
    /// deletes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, format = DateTime, required = false)]
    pub kept_until: Option<Instant>,
    /// What its last execution ran, or what would run it now.
    pub module: Option<JobModule<'a>>,
    /// What it last reported.
    pub progress: Option<JobProgress>,
    /// Labels.
    pub tags: &'a [String],
    /// What it shares its kind's key limits by.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub concurrency_key: Option<&'a str>,
    /// The jobs it runs after, as they are now. Not in lists.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub after: Vec<JobParent<'a>>,
    /// The batch it is of. Not in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    pub batch: Option<BatchId>,
    /// The workflow it is of. Not in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub workflow: Option<JobWorkflow<'a>>,
    /// What its executions recorded, in order. Not in lists.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub steps: Vec<JobStep<'a>>,
    /// Mails that came with its success, and what became of them, at most 100. Not in lists.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub mail: Vec<JobMail<'a>>,
    /// Why it is not running.
    pub waiting: Option<Waiting>,
    /// The job that asked for it on success.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    pub enqueued_by: Option<JobId>,
    /// The job for whose failure it was made (`on_failed`).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    pub caused_by: Option<JobId>,
    /// The jobs made for its failures (`on_failed`), newest first. Not in lists.
    #[serde(skip_serializing_if = "<[JobId]>::is_empty")]
    #[schema(value_type = Vec<String>, required = false)]
    pub on_failed_jobs: &'a [JobId],
    /// A cancel waits for the running attempt to end.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub cancel_requested: bool,
    /// The schedule that enqueued it, if one did.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub schedule: Option<JobSchedule<'a>>,
    /// What its last execution cost.
    #[schema(value_type = Option<JobReceipt>)]
    pub receipt: Option<Receipt>,
    /// What its next attempt may use. Not in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub limits: Option<JobLimits>,
}

/// The slot a job was enqueued for.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct JobSchedule<'a> {
    /// Of which schedule; `null`: it was deleted.
    #[schema(value_type = Option<String>)]
    pub name: Option<&'a ScheduleName>,
    /// The time of the slot.
    #[schema(value_type = String, format = DateTime)]
    pub slot_at: Instant,
}

/// A job another one runs after.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct JobParent<'a> {
    /// The job.
    #[schema(value_type = String)]
    pub job: JobId,
    /// Its name in the workflow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<&'a str>,
    /// What it is to end as: `succeeded`, `failed` or `finished`.
    #[schema(value_type = String)]
    pub on: Wanted,
    /// What it is now; `null`: it was deleted.
    #[schema(value_type = Option<String>)]
    pub state: Option<JobState>,
}

impl<'a> From<&'a ParentRow> for JobParent<'a> {
    fn from(row: &'a ParentRow) -> Self {
        Self { job: row.job, name: row.name.as_deref(), on: row.wanted, state: row.state }
    }
}

/// A step of a job: an execution after the one that recorded it gets its result back.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct JobStep<'a> {
    /// As its handler calls it; of a wait the type of the event.
    pub name: &'a str,
    /// `step`, `sleep` or `event`.
    #[serde(rename = "type")]
    #[schema(value_type = String, example = "step")]
    pub step_type: &'static str,
    /// The how many-eth of its name, from 0.
    pub occurrence: u32,
    /// What the event is told apart by; of a wait alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub correlation: Option<&'a str>,
    /// The execution that recorded it.
    pub execution: i64,
    /// When it was begun.
    #[schema(value_type = String, format = DateTime)]
    pub started_at: Instant,
    /// When it was recorded, or the event came, or its time was over. `null`: it goes on, or is a sleep.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ended_at: Option<Instant>,
    /// When the sleep or the wait is over.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, format = DateTime, required = false)]
    pub until: Option<Instant>,
    /// What it returned, or the data of the event; `null` without.
    #[schema(value_type = serde_json::Value)]
    pub result: Raw<'a>,
}

impl<'a> From<&'a Step> for JobStep<'a> {
    fn from(step: &'a Step) -> Self {
        let Step { index: _, asked, occurrence, result, execution, started_at, ended_at, until, after_failure: _ } =
            step;
        Self {
            name: asked.name.as_str(),
            step_type: asked.step_type.as_str(),
            occurrence: *occurrence,
            correlation: asked.correlation.as_deref(),
            execution: *execution,
            started_at: Instant(*started_at),
            ended_at: ended_at.map(Instant),
            until: until.map(Instant),
            result: Raw(result.as_deref().unwrap_or(b"null")),
        }
    }
}

/// Where a job stands in a workflow.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct JobWorkflow<'a> {
    /// The workflow.
    #[schema(value_type = String)]
    pub id: WorkflowId,
    /// The job's name there.
    pub name: Option<&'a str>,
}

/// Why an attempt failed.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct JobFailure<'a> {
    /// The stable word for it.
    #[schema(value_type = String, example = "timeout")]
    pub reason: FailureReason,
    /// One sentence.
    pub message: &'a str,
    /// A backtrace, schema errors, the tail of stderr.
    pub detail: Option<&'a str>,
}

impl<'a> From<&'a crate::job::Failure> for JobFailure<'a> {
    fn from(failure: &'a crate::job::Failure) -> Self {
        Self { reason: failure.reason, message: &failure.message, detail: failure.detail.as_deref() }
    }
}

/// A module and its version.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct JobModule<'a> {
    /// The module.
    #[schema(value_type = String)]
    pub name: &'a ModuleName,
    /// The version.
    #[schema(value_type = String)]
    pub digest: Digest,
}

/// How far a job says it is.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct JobProgress {
    /// Units done.
    pub done: u64,
    /// Units in all, when known.
    pub total: Option<u64>,
    /// What is being done.
    pub message: Option<String>,
}

impl From<crate::job::Progress> for JobProgress {
    fn from(crate::job::Progress { done, total, message }: crate::job::Progress) -> Self {
        Self { done, total, message }
    }
}

/// Why a job is not running.
#[derive(Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Waiting {
    /// The stable word for it.
    #[schema(value_type = String, example = "host_slots")]
    pub reason: crate::job::WaitingReason,
    /// One sentence with numbers and what to do.
    pub detail: String,
    /// The first of those it waits for: they hold the limit, or come before it in their key.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<String>, required = false)]
    pub jobs: Vec<JobId>,
    /// How many wait for the same and come first, counted up to 1000.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub ahead: Option<u64>,
}

impl Waiting {
    /// For nobody in particular.
    pub fn new(reason: crate::job::WaitingReason, detail: impl Into<String>) -> Self {
        Self { reason, detail: detail.into(), jobs: Vec::new(), ahead: None }
    }
}

/// What an execution cost.
#[derive(utoipa::ToSchema)]
#[allow(dead_code)] // Only its schema is used; the domain's receipt serialises to this shape, which a test checks.
pub struct JobReceipt {
    /// From ready to the entry of the guest. Whole milliseconds: jobs become ready at whole ones.
    pub queue_wait_us: u64,
    /// Making the instance.
    pub instantiate_us: u64,
    /// From entry to the end.
    pub run_us: u64,
    /// Units of fuel. Up to ten million fewer than it burnt where the guest was interrupted (`timeout`, `cancelled`, `shutdown`)
    /// or trapped in the midst of a function.
    pub fuel_used: u64,
    /// Highest sum over all memories and tables.
    pub memory_peak_bytes: u64,
    /// Size of the output.
    pub output_bytes: u64,
    /// Calls into the host.
    pub host_calls: u64,
    /// Outgoing HTTP requests.
    pub http_calls: u64,
    /// Where the compiled module came from: `hit`, `disk` or `miss`.
    pub compiled: String,
    /// What the execution could have used at most, whatever is set by now. Not there if no guest was to be run.
    #[schema(required = false)]
    pub limits: Option<ReceiptLimits>,
}

/// The limits an execution had.
#[derive(utoipa::ToSchema)]
#[allow(dead_code)] // Only its schema is used, as above.
pub struct ReceiptLimits {
    /// Wall time.
    #[schema(value_type = String, example = "30s")]
    pub timeout: String,
    /// Units of fuel.
    pub fuel: u64,
    /// Bytes.
    pub memory: u64,
    /// Bytes.
    pub output: u64,
    /// Bytes.
    pub logs: u64,
    /// Calls into the host.
    pub host_calls: u64,
}

/// One execution.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Attempt<'a> {
    /// Numbers executions; counts up, with gaps.
    pub execution: i64,
    /// The attempt, from 1; executions that used none repeat it.
    pub attempt: u32,
    /// `succeeded`, `failed`, `suspended`, `given_back` or `lost`.
    #[schema(value_type = String)]
    pub outcome: AttemptOutcome,
    /// Why, unless it succeeded.
    pub error: Option<JobFailure<'a>>,
    /// When the guest was entered.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub started_at: Option<Instant>,
    /// When it ended.
    #[schema(value_type = String, format = DateTime)]
    pub finished_at: Instant,
    /// What ran.
    pub module: Option<JobModule<'a>>,
    /// What it cost.
    #[schema(value_type = JobReceipt)]
    pub receipt: &'a Receipt,
    /// What it used and was not granted, by name, like `http api.example.com:443` or `secret stripe-key`: the first sixteen.
    pub denied: &'a [String],
    /// Which host ran it.
    #[schema(value_type = String)]
    pub host: HostId,
}

/// The log of one execution.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Log<'a> {
    /// Which execution.
    pub execution: i64,
    /// The attempt, from 1.
    pub attempt: u32,
    /// In order.
    pub lines: Vec<Line<'a>>,
    /// Lines dropped past the limit.
    pub dropped: u64,
    /// The execution has not ended: these are its lines so far.
    pub running: bool,
    /// Lines are missing, since the execution ended, or the log was deleted, while this was read: ask again.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false)]
    pub incomplete: bool,
}

/// One line of a log.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Line<'a> {
    /// When it was written.
    #[schema(value_type = String, format = DateTime)]
    pub at: Instant,
    /// `trace` … `error`, `stdout` or `stderr`.
    #[schema(value_type = String)]
    pub level: crate::job::LogLevel,
    /// The text.
    pub message: &'a str,
}

impl<'a> From<&'a LogLine> for Line<'a> {
    fn from(LogLine { at, level, message }: &'a LogLine) -> Self {
        Self { at: Instant(*at), level: *level, message }
    }
}

/// One entry of a job's history.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Entry<'a> {
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Instant,
    /// What.
    #[schema(value_type = String)]
    pub event: crate::job::EventType,
    /// The state it left the job in.
    #[schema(value_type = String)]
    pub state: JobState,
    /// Which attempt; 0 before the first.
    pub attempt: u32,
    /// A sentence, where there is more to say.
    pub detail: Option<&'a str>,
}

impl<'a> From<&'a HistoryEntry> for Entry<'a> {
    fn from(HistoryEntry { at, event_type, state, attempt, detail }: &'a HistoryEntry) -> Self {
        Self { at: Instant(*at), event: *event_type, state: *state, attempt: *attempt, detail: detail.as_deref() }
    }
}

impl<'a> From<&'a AttemptRow> for Attempt<'a> {
    fn from(row: &'a AttemptRow) -> Self {
        Self {
            execution: row.execution,
            attempt: row.attempt,
            outcome: row.outcome,
            error: row.error.as_ref().map(JobFailure::from),
            started_at: row.started_at.map(Instant),
            finished_at: Instant(row.finished_at),
            module: row.module.as_ref().map(|(name, digest)| JobModule { name, digest: *digest }),
            receipt: &row.receipt,
            denied: &row.denied,
            host: row.host,
        }
    }
}
