//! Dead letters, as clients see them.

use serde::Serialize;

use super::time::Instant;
use crate::job::{FailureReason, GroupId, JobId, KindName};
use crate::store;

/// Failed jobs that are alike: of one kind, for one reason, in the same words.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct DeadLetterGroup<'a> {
    /// The same for the same kind, reason and message. `GET /v1/jobs?group=` lists its jobs.
    #[schema(value_type = String, example = "group_0123456789abcdef0123456789abcdef")]
    pub group: GroupId,
    /// Their kind.
    #[schema(value_type = String)]
    pub kind: &'a KindName,
    /// Why they failed.
    #[schema(value_type = String, example = "timeout")]
    pub reason: FailureReason,
    /// In which words; what differs from job to job is `#`.
    pub message: &'a str,
    /// How many there are.
    pub jobs: u64,
    /// When the first of them failed, also if it is gone by now.
    #[schema(value_type = String, format = DateTime)]
    pub first_failed_at: Instant,
    /// When the last of them failed.
    #[schema(value_type = String, format = DateTime)]
    pub last_failed_at: Instant,
    /// The one of them that was enqueued first.
    #[schema(value_type = String)]
    pub oldest_job: JobId,
    /// The one of them that was enqueued last.
    #[schema(value_type = String)]
    pub newest_job: JobId,
}

impl<'a> From<&'a store::DeadLetterGroup> for DeadLetterGroup<'a> {
    fn from(group: &'a store::DeadLetterGroup) -> Self {
        let store::DeadLetterGroup {
            id,
            kind,
            reason,
            message,
            jobs,
            first_failed_at,
            last_failed_at,
            oldest_job,
            newest_job,
        } = group;
        Self {
            group: *id,
            kind,
            reason: *reason,
            message,
            jobs: *jobs,
            first_failed_at: Instant(*first_failed_at),
            last_failed_at: Instant(*last_failed_at),
            oldest_job: *oldest_job,
            newest_job: *newest_job,
        }
    }
}
