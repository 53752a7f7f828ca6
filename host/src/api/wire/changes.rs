//! What a version changes, as clients see it.

use serde::Serialize;

use crate::api::modules::kind_owned_sentence;
use crate::job::{Digest, JobId, KindName, ModuleName};
use crate::modules::{Changes, CommonViolation, JobsMet, KindChange, KindChanges, RefusedJob};

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
    /// Another module serves it, so that the version can't be activated, with `force` neither; `null`: none does.
    #[schema(required = true)]
    pub owned_by: Option<KindOwner<'a>>,
    /// What changes of the payload, in sentences.
    pub input: &'a [String],
    /// What changes of the output.
    pub output: &'a [String],
    /// What changes of the module's own settings, or of a new kind all of them.
    pub settings: &'a [String],
    /// What the version asks for and the kind is not granted, by name, like `http api.example.com` or `secret stripe-key`.
    pub not_granted: &'a [String],
    /// The jobs that would meet it.
    pub jobs: JobsMeeting<'a>,
}

/// Who serves a kind that a version would serve.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct KindOwner<'a> {
    /// The other module.
    #[schema(value_type = String)]
    pub module: &'a ModuleName,
    /// What that means and what to do, in a sentence.
    pub message: String,
}

/// Jobs that have not ended.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct JobsMeeting<'a> {
    /// So many.
    pub unfinished: u64,
    /// Payloads checked of those that wait, oldest first.
    pub checked: u64,
    /// So many of those the new schema refuses: they would fail with `invalid_payload`.
    pub refused: u64,
    /// Why fewer were checked than there are, in a sentence; `null` where that is not so.
    #[schema(required = true)]
    pub unchecked: Option<&'a str>,
    /// The first of those refused.
    pub examples: Vec<RefusedPayload<'a>>,
    /// What is wrong with those refused, the commonest first.
    pub violations: Vec<CommonPlace<'a>>,
    /// So many more different ones were met. There can be more than that: of a payload with 64 faults or more only the first 64
    /// are looked at.
    pub violations_more: u64,
}

/// The same at the same place in several payloads.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct CommonPlace<'a> {
    /// JSON pointer into the payload; empty: the whole.
    pub pointer: &'a str,
    /// What is wrong, whatever the value is.
    pub message: &'a str,
    /// In the payloads of so many jobs.
    pub jobs: u64,
    /// One of them.
    #[schema(value_type = String)]
    pub example: JobId,
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
    fn from(KindChanges { kind, change, owner, input, output, settings, not_granted, jobs }: &'a KindChanges) -> Self {
        let owned_by = owner.as_ref().map(|module| KindOwner { module, message: kind_owned_sentence(kind, module) });
        Self { kind, change: *change, owned_by, input, output, settings, not_granted, jobs: JobsMeeting::from(jobs) }
    }
}

impl<'a> From<&'a JobsMet> for JobsMeeting<'a> {
    fn from(met: &'a JobsMet) -> Self {
        let JobsMet { unfinished, checked, refused, unchecked, examples, violations, violations_more } = met;
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
            unchecked: unchecked.as_deref(),
            examples: examples.iter().map(example).collect(),
            violations: violations.iter().map(CommonPlace::from).collect(),
            violations_more: *violations_more,
        }
    }
}

impl<'a> From<&'a CommonViolation> for CommonPlace<'a> {
    fn from(CommonViolation { pointer, message, jobs, example }: &'a CommonViolation) -> Self {
        Self { pointer, message, jobs: *jobs, example: *example }
    }
}
