//! A request to run a job, after every check that needs no store.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::clock::Timestamp;
use super::id::JobId;
use super::limits::LimitRequest;
use super::name::QueueName;
use super::on_failed::{CausedBy, OnFailed};
use super::outcome::FailureReason;
use super::retry::RetryPolicy;
use super::unique::Held;

/// Most tags a job may carry.
pub const TAGS_MAX: usize = 16;
/// Longest tag, bytes.
pub const TAG_BYTES_MAX: usize = 128;

/// What shall be run, how and when. The kind is named beside it, resolved to its id.
/// Schedules keep it as JSON, with the payload beside it: a field that is added needs a default, for those kept before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JobSpec {
    /// JSON text, valid against the kind's input schema.
    #[serde(skip)]
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
    #[serde(default)]
    pub options: JobOptions,
    /// Labels for finding it again.
    #[serde(default)]
    pub tags: Vec<String>,
}

/// What a job sets differently from its kind, and what else few jobs have. Kept as JSON beside the job; absent in the
/// common case.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct JobOptions {
    /// Delays between attempts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry: Option<RetryPolicy>,
    /// Which reasons are tried again; replaces the kind's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_on: Option<Vec<FailureReason>>,
    /// A job that was not entered by then is cancelled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// The same as a length of time, where it was given as one: what is enqueued again and again counts it anew.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_in_ms: Option<u64>,
    /// What is enqueued when it fails; replaces the kind's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_failed: Option<OnFailed>,
    /// The job that asked for it on success.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enqueued_by: Option<JobId>,
    /// The failure it was made for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub caused_by: Option<CausedBy>,
    /// An idempotency key names it: it is kept for as long as the key is.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub is_keyed: bool,
    /// The answer to a request under an idempotency key names it, though it was there before: it is kept until then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub named_until: Option<Timestamp>,
    /// Hard limits.
    #[serde(flatten)]
    pub limits: LimitRequest,
    /// Jobs of a kind with the same key share its key limits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency_key: Option<String>,
    /// How long after what it waits for has happened.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delay_ms: Option<u64>,
    /// It was enqueued to run after other jobs.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub has_parents: bool,
    /// Its identity among others, where it asked for one. The store sets it when it writes the job.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unique: Option<Held>,
}

impl JobOptions {
    /// Of a job that is made of these options as of a template, and may begin then: its time counts from there.
    #[must_use]
    pub fn expiring_from(self, begins: Timestamp) -> Self {
        let expires_at = self.expires_in_ms.map(|ms| begins.plus(std::time::Duration::from_millis(ms)));
        Self { expires_at: expires_at.or(self.expires_at), ..self }
    }

    /// `true` when nothing differs from the kind.
    pub fn is_empty(&self) -> bool {
        let JobOptions {
            retry,
            retry_on,
            expires_at,
            expires_in_ms,
            on_failed,
            enqueued_by,
            caused_by,
            is_keyed,
            named_until,
            limits,
            concurrency_key,
            delay_ms,
            has_parents,
            unique,
        } = self;
        retry.is_none()
            && retry_on.is_none()
            && expires_at.is_none()
            && expires_in_ms.is_none()
            && on_failed.is_none()
            && enqueued_by.is_none()
            && caused_by.is_none()
            && !is_keyed
            && named_until.is_none()
            && limits.is_empty()
            && concurrency_key.is_none()
            && delay_ms.is_none()
            && !has_parents
            && unique.is_none()
    }
}
