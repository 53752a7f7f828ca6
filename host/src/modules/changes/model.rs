//! What there is to tell of a version.

use crate::job::{Digest, JobId, KindName, ModuleName};
use crate::schema::Violation;
use crate::store::StoreError;

/// What would change.
#[derive(Clone, Debug)]
pub struct Changes {
    /// What is active now.
    pub active: Option<Digest>,
    /// Every kind of either version, by name.
    pub kinds: Vec<KindChanges>,
}

/// One kind.
#[derive(Clone, Debug)]
pub struct KindChanges {
    /// The kind.
    pub kind: KindName,
    /// Whether anything changes.
    pub change: KindChange,
    /// Another module serves it: the version can't be activated.
    pub owner: Option<ModuleName>,
    /// What changes of the payload, in sentences.
    pub input: Vec<String>,
    /// What changes of the output.
    pub output: Vec<String>,
    /// What changes of the module's own settings, or of a new kind all of them.
    pub settings: Vec<String>,
    /// What the new version asks for and is not granted, by name: `http api.example.com`, `secret stripe-key`.
    pub not_granted: Vec<String>,
    /// The jobs that would meet it.
    pub jobs: JobsMet,
}

/// What becomes of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum KindChange {
    /// The active version does not serve it.
    Added,
    /// Only the active version serves it: its jobs would wait.
    Removed,
    /// Both serve it, not in the same way.
    Changed,
    /// Both serve it, in the same way.
    Unchanged,
}

/// Jobs that have not ended, and what the new schema says to them.
#[derive(Clone, Debug, Default)]
pub struct JobsMet {
    /// So many have not ended.
    pub unfinished: u64,
    /// Payloads of so many of those that wait were checked, oldest first.
    pub checked: u64,
    /// So many of those are refused.
    pub refused: u64,
    /// Why not all of them were checked, where that is so.
    pub unchecked: Option<String>,
    /// The first of those refused.
    pub examples: Vec<RefusedJob>,
    /// What is wrong with those refused, the commonest first.
    pub violations: Vec<CommonViolation>,
    /// So many more different ones were met. There can be more than that: of a payload with 64 faults or more only the first 64
    /// are looked at.
    pub violations_more: u64,
}

/// A waiting job whose payload the new schema refuses.
#[derive(Clone, Debug)]
pub struct RefusedJob {
    /// The job.
    pub id: JobId,
    /// Where and why, by pointers into the payload.
    pub errors: Vec<Violation>,
}

/// The same at the same place in several payloads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommonViolation {
    /// JSON pointer into the payload.
    pub pointer: String,
    /// What is wrong there, whatever the value is.
    pub message: String,
    /// In so many.
    pub jobs: u64,
    /// The first of them.
    pub example: JobId,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ChangesError {
    /// The store's.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A stored schema does not compile: a damaged store.
    #[error("the input schema of kind `{0}` {1}")]
    Schema(KindName, String),
    /// There is no memory for a thread.
    #[error("the host lacks memory to compare versions now")]
    NoRoom,
}
