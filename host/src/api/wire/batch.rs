//! Batches and workflows, as clients see them.

use serde::Serialize;

use super::job::{JobFailure, JobParent};
use super::time::Instant;
use crate::job::{JobId, JobState, KindName, WorkflowId};
use crate::store::{BatchRow, CallbackRow, Closing, MemberRow};

/// Jobs with a common end.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Batch<'a> {
    /// The batch.
    #[schema(example = "batch_01ARZ3NDEKTSV4RRFFQ69G5FAV")]
    pub id: String,
    /// For people.
    pub name: Option<&'a str>,
    /// `open`: takes jobs; `running`: takes none, and some have not ended; then `succeeded`, `failed` or `cancelled`.
    #[schema(value_type = String)]
    pub state: &'static str,
    /// When it takes no more jobs: `at_once`, `on_request` or `when_done`. Once it takes none, `at_once`.
    #[schema(value_type = String)]
    pub close: &'static str,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Instant,
    /// When all its jobs had ended; `null` while some have not.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub finished_at: Option<Instant>,
    /// How many jobs are where.
    pub counts: Counts,
    /// Its jobs are being cancelled.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false)]
    pub cancelling: bool,
    /// What follows when all have succeeded.
    pub on_success: Option<Callback<'a>>,
    /// What follows when the first has failed.
    pub on_failure: Option<Callback<'a>>,
    /// What follows when all have ended.
    pub on_finish: Option<Callback<'a>>,
}

/// How many jobs are where.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Counts {
    /// All that were ever added.
    pub total: u64,
    /// Have not ended.
    pub unfinished: u64,
    /// Ended well.
    pub succeeded: u64,
    /// Failed for good.
    pub failed: u64,
    /// Were cancelled.
    pub cancelled: u64,
    /// Were cancelled since they were not needed: they were for a failure that did not come. Nothing is wrong with these.
    pub skipped: u64,
}

/// A job that follows.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Callback<'a> {
    /// Its kind.
    #[schema(value_type = String)]
    pub kind: &'a KindName,
    /// The job, once it is enqueued.
    #[schema(value_type = Option<String>)]
    pub job: Option<JobId>,
}

impl<'a> From<&'a CallbackRow> for Callback<'a> {
    fn from(row: &'a CallbackRow) -> Self {
        Self { kind: &row.kind, job: row.job }
    }
}

impl<'a> From<&'a BatchRow> for Batch<'a> {
    fn from(row: &'a BatchRow) -> Self {
        let BatchRow { total, succeeded, failed, cancelled, skipped, .. } = *row;
        let [on_success, on_failure, on_finish] = &row.callbacks;
        let id = if row.is_workflow { WorkflowId::from_u128(row.id.as_u128()).to_string() } else { row.id.to_string() };
        Self {
            id,
            name: row.name.as_deref(),
            state: state_of(row),
            close: match row.closing {
                Closing::Closed => "at_once",
                Closing::OnRequest => "on_request",
                Closing::WhenDone => "when_done",
            },
            created_at: Instant(row.created_at),
            finished_at: row.finished_at.map(Instant),
            counts: Counts { total, unfinished: row.unfinished(), succeeded, failed, cancelled, skipped },
            cancelling: row.is_cancelling,
            on_success: on_success.as_ref().map(Callback::from),
            on_failure: on_failure.as_ref().map(Callback::from),
            on_finish: on_finish.as_ref().map(Callback::from),
        }
    }
}

fn state_of(row: &BatchRow) -> &'static str {
    if row.closing != Closing::Closed {
        "open"
    } else if row.unfinished() > 0 {
        "running"
    } else if row.failed > 0 {
        "failed"
    } else if row.cancelled > 0 {
        "cancelled"
    } else {
        "succeeded"
    }
}

/// Named jobs and what they wait for.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Workflow<'a> {
    /// What it has in common with batches.
    #[serde(flatten)]
    pub batch: Batch<'a>,
    /// Its jobs; each stands after those it waits for.
    pub jobs: Vec<WorkflowJob<'a>>,
}

/// A job of a workflow.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct WorkflowJob<'a> {
    /// Its name in the workflow.
    pub name: &'a str,
    /// The job.
    #[schema(value_type = String)]
    pub id: JobId,
    /// What type of job; `null` where it was deleted.
    #[schema(value_type = Option<String>)]
    pub kind: Option<&'a KindName>,
    /// Where it is in its life; `null`: it was deleted.
    #[schema(value_type = Option<String>)]
    pub state: Option<JobState>,
    /// What it runs after.
    pub after: Vec<JobParent<'a>>,
    /// The last failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub error: Option<JobFailure<'a>>,
}

impl<'a> Workflow<'a> {
    /// With its jobs.
    pub fn of(row: &'a BatchRow, members: &'a [MemberRow]) -> Self {
        let job = |member: &'a MemberRow| WorkflowJob {
            name: member.name.as_deref().unwrap_or_default(),
            id: member.id,
            kind: member.row.as_ref().map(|row| &row.kind),
            state: member.row.as_ref().map(|row| row.state),
            after: member.after.iter().map(JobParent::from).collect(),
            error: member.row.as_ref().and_then(|row| row.error.as_ref()).map(JobFailure::from),
        };
        Self { batch: Batch::from(row), jobs: members.iter().map(job).collect() }
    }
}
