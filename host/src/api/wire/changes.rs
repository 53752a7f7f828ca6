//! What a version changes, as clients see it.

use serde::Serialize;

use crate::job::{Digest, JobId, KindName};
use crate::modules::{Changes, JobsMet, KindChange, KindChanges, RefusedJob};

/// A version compared with the active one.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct VersionChanges<'a> {
    /// What is active now; `null`: nothing.
    #[schema(value_type = Option<String>)]
    pub active: Option<Digest>,
    /// Every kind of either version.
    pub kinds: Vec<KindDifference<'a>>,
}

/// One kind.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct KindDifference<'a> {
    /// The kind.
    #[schema(value_type = String)]
    pub kind: &'a KindName,
    /// `added`, `removed`, `changed` or `unchanged`.
    #[schema(value_type = String)]
    pub change: KindChange,
    /// What changes of the payload, in sentences.
    pub input: &'a [String],
    /// What changes of the output.
    pub output: &'a [String],
    /// What changes of the module's own settings.
    pub settings: &'a [String],
    /// The jobs that would meet it.
    pub jobs: JobsMeeting<'a>,
}

/// Jobs that have not ended.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct JobsMeeting<'a> {
    /// So many.
    pub unfinished: u64,
    /// Payloads checked of those that wait, oldest first: none where the payload's schema stays, and never all of many.
    pub checked: u64,
    /// So many of those the new schema refuses: they would fail with `invalid_payload`.
    pub refused: u64,
    /// The first of them.
    pub examples: Vec<RefusedPayload<'a>>,
}

/// A waiting job whose payload is refused.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct RefusedPayload<'a> {
    /// The job.
    #[schema(value_type = String)]
    pub id: JobId,
    /// Where and why.
    pub errors: Vec<RefusedPlace<'a>>,
}

/// One place.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct RefusedPlace<'a> {
    /// JSON pointer into the payload; empty: the whole.
    pub pointer: &'a str,
    /// What is wrong.
    pub message: &'a str,
}

impl<'a> From<&'a Changes> for VersionChanges<'a> {
    fn from(Changes { active, kinds }: &'a Changes) -> Self {
        Self { active: *active, kinds: kinds.iter().map(KindDifference::from).collect() }
    }
}

impl<'a> From<&'a KindChanges> for KindDifference<'a> {
    fn from(KindChanges { kind, change, input, output, settings, jobs }: &'a KindChanges) -> Self {
        Self { kind, change: *change, input, output, settings, jobs: JobsMeeting::from(jobs) }
    }
}

impl<'a> From<&'a JobsMet> for JobsMeeting<'a> {
    fn from(JobsMet { unfinished, checked, refused, examples }: &'a JobsMet) -> Self {
        let example = |RefusedJob { id, errors }: &'a RefusedJob| RefusedPayload {
            id: *id,
            errors: errors
                .iter()
                .map(|error| RefusedPlace { pointer: &error.pointer, message: &error.message })
                .collect(),
        };
        Self {
            unfinished: *unfinished,
            checked: *checked,
            refused: *refused,
            examples: examples.iter().map(example).collect(),
        }
    }
}
