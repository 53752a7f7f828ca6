//! The values that go in and out of the operations on batches and workflows.

use crate::job::{BatchId, JobId, KindName, QuotaExceeded, Timestamp, Wanted};
use crate::store::model::{IdempotencyKey, JobRow, NewJob, ParentRow};

/// Batches of a tenant that stay open until somebody closes them: nothing else would ever end them.
pub const OPEN_BATCHES_MAX: usize = 1_000;

/// Until when jobs can be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closing {
    /// None can.
    Closed,
    /// Until somebody closes it.
    OnRequest,
    /// Until all its jobs have ended.
    WhenDone,
}

impl Closing {
    pub(in crate::store) const fn code(self) -> u8 {
        match self {
            Closing::Closed => 0,
            Closing::OnRequest => 1,
            Closing::WhenDone => 2,
        }
    }

    pub(in crate::store) const fn from_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Closing::Closed),
            1 => Some(Closing::OnRequest),
            2 => Some(Closing::WhenDone),
            _ => None,
        }
    }
}

/// Jobs to be enqueued, each once.
#[derive(Clone, Debug, Default)]
pub struct Callbacks {
    /// When all have succeeded.
    pub on_success: Option<NewJob>,
    /// When the first has failed.
    pub on_failure: Option<NewJob>,
    /// When all have ended.
    pub on_finish: Option<NewJob>,
}

/// A batch or workflow to be written.
#[derive(Clone, Debug)]
pub struct NewBatch {
    /// Whether its jobs have names, and none can be added.
    pub is_workflow: bool,
    /// For people.
    pub name: Option<String>,
    /// Until when jobs can be added.
    pub closing: Closing,
    /// What follows.
    pub callbacks: Callbacks,
    /// Its first jobs; parents stand before their children.
    pub jobs: Vec<NewMember>,
    /// Makes the request repeatable.
    pub key: Option<IdempotencyKey>,
}

/// A job of a batch to be written.
#[derive(Clone, Debug)]
pub struct NewMember {
    /// In its workflow.
    pub name: Option<String>,
    /// The job.
    pub job: NewJob,
    /// Which jobs before it it runs after.
    pub after: Vec<(usize, Wanted)>,
}

/// What became of a new batch.
#[derive(Clone, Debug)]
pub enum CreateBatchResult {
    /// Written.
    Created(Box<BatchRow>),
    /// The same request came before; this is its batch as it is now.
    Replayed(Box<BatchRow>),
    /// The key was used for another request.
    KeyConflict,
    /// The kind of this job vanished between check and write.
    KindGone(usize),
    /// This job names a new queue, and the tenant has as many as it may.
    TooManyQueues(usize),
    /// The tenant has used up what it may.
    OverQuota(QuotaExceeded),
    /// It is to stay open until somebody closes it, and as many do as may.
    TooManyOpen,
    /// The parent at the second place of this job is no job.
    UnknownParent(usize, usize),
    /// Another job is the only one like one of these; nothing was written.
    UniqueConflict {
        /// The place of this one.
        index: usize,
        /// That one; `None`: one of the same request.
        other: Option<JobId>,
        /// When the same request first came.
        is_replayed: bool,
    },
}

/// What became of the wish to close or cancel a batch.
#[derive(Clone, Debug)]
pub enum ChangeBatchResult {
    /// As it is now.
    Changed {
        /// The batch.
        batch: Box<BatchRow>,
        /// Jobs that are held, whose holders must be told to end them: job and lease number.
        held: Vec<(JobId, i64)>,
    },
    /// There is none.
    NotFound,
}

/// A batch or workflow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchRow {
    /// The batch; a workflow's id has the same value.
    pub id: BatchId,
    /// Whether its jobs have names.
    pub is_workflow: bool,
    /// For people.
    pub name: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When all its jobs had ended; `None` while some have not.
    pub finished_at: Option<Timestamp>,
    /// Until when jobs can be added.
    pub closing: Closing,
    /// Whether it is being cancelled.
    pub is_cancelling: bool,
    /// Jobs in all.
    pub total: u64,
    /// Those that succeeded.
    pub succeeded: u64,
    /// Those that failed.
    pub failed: u64,
    /// Those that were cancelled.
    pub cancelled: u64,
    /// Those cancelled since they were not needed.
    pub skipped: u64,
    /// What follows when all have succeeded, the first has failed, all have ended.
    pub callbacks: [Option<CallbackRow>; 3],
}

impl BatchRow {
    /// Those that have not ended.
    pub fn unfinished(&self) -> u64 {
        self.total.saturating_sub(self.succeeded + self.failed + self.cancelled + self.skipped)
    }
}

/// A job that follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallbackRow {
    /// Its kind.
    pub kind: KindName,
    /// The job, once it is enqueued.
    pub job: Option<JobId>,
}

/// What a job is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    /// The batch; a workflow's id has the same value.
    pub batch: BatchId,
    /// Which of both.
    pub is_workflow: bool,
    /// The job's name in its workflow.
    pub name: Option<String>,
}

/// A job of a batch.
#[derive(Clone, Debug)]
pub struct MemberRow {
    /// The job.
    pub id: JobId,
    /// Its name in its workflow.
    pub name: Option<String>,
    /// What it is now; `None`: somebody deleted it.
    pub row: Option<JobRow>,
    /// What it runs after.
    pub after: Vec<ParentRow>,
}
