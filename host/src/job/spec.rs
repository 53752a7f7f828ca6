//! A request to run a job, after every check that needs no store.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::clock::Timestamp;
use super::limits::LimitRequest;
use super::name::QueueName;
use super::retry::RetryPolicy;

/// Most tags a job may carry.
pub const TAGS_MAX: usize = 16;
/// Longest tag, bytes.
pub const TAG_BYTES_MAX: usize = 128;

/// What shall be run, how and when. The kind is named beside it, resolved to its id.
#[derive(Clone, Debug, PartialEq)]
pub struct JobSpec {
    /// JSON text, valid against the kind's input schema.
    pub payload: Bytes,
    /// The lane; already defaulted from the kind.
    pub queue: QueueName,
    /// 0–9, lower first; already defaulted from the kind.
    pub priority: u8,
    /// `None`: at once.
    pub run_at: Option<Timestamp>,
    /// Attempts in all; already defaulted from the kind.
    pub max_attempts: u32,
    /// What differs from the kind.
    pub options: JobOptions,
    /// Labels for finding it again.
    pub tags: Vec<String>,
}

/// What a job sets differently from its kind. Kept as JSON beside the job; absent in the common case.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct JobOptions {
    /// Delays between attempts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry: Option<RetryPolicy>,
    /// Hard limits.
    #[serde(flatten)]
    pub limits: LimitRequest,
}

impl JobOptions {
    /// `true` when nothing differs from the kind.
    pub fn is_empty(&self) -> bool {
        self.retry.is_none() && self.limits.is_empty()
    }
}
