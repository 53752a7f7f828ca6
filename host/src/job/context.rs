//! What an attempt is told about itself.

use super::clock::Timestamp;
use super::id::JobId;
use super::name::{KindName, QueueName, TenantName};

/// Facts about the attempt, given to the guest.
#[derive(Clone, Debug, PartialEq)]
pub struct AttemptContext {
    /// The job.
    pub job: JobId,
    /// Whose job.
    pub tenant: TenantName,
    /// The kind being run.
    pub kind: KindName,
    /// The lane it waited in.
    pub queue: QueueName,
    /// From 1.
    pub attempt: u32,
    /// Attempts in all.
    pub max_attempts: u32,
    /// When the job was enqueued.
    pub created_at: Timestamp,
    /// When it was due.
    pub run_at: Timestamp,
    /// When this attempt will be ended.
    pub deadline: Timestamp,
    /// The slot of the schedule that enqueued it, if one did.
    pub slot_at: Option<Timestamp>,
}
