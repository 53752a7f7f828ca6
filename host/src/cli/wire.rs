//! What the subcommands read of the API's answers. Lenient: fields a newer host adds are ignored, fields it may leave
//! out have defaults.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::job::{Digest, RateWire};

/// A job as the API shows it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Job {
    pub(super) id: String,
    pub(super) kind: String,
    pub(super) queue: String,
    pub(super) state: String,
    pub(super) priority: u8,
    pub(super) payload: Option<Box<RawValue>>,
    pub(super) output: Option<Box<RawValue>>,
    pub(super) error: Option<JobError>,
    pub(super) attempt: u32,
    pub(super) max_attempts: u32,
    pub(super) run_at: Option<String>,
    pub(super) expires_at: Option<String>,
    pub(super) enqueued_by: Option<String>,
    pub(super) caused_by: Option<String>,
    pub(super) on_failed_jobs: Vec<String>,
    pub(super) created_at: Option<String>,
    pub(super) started_at: Option<String>,
    pub(super) finished_at: Option<String>,
    pub(super) kept_until: Option<String>,
    pub(super) module: Option<Module>,
    pub(super) progress: Option<Progress>,
    pub(super) tags: Vec<String>,
    pub(super) waiting: Option<Waiting>,
    pub(super) receipt: Option<Receipt>,
    pub(super) limits: BTreeMap<String, JobLimit>,
    pub(super) schedule: Option<JobSchedule>,
    pub(super) after: Vec<JobParent>,
    pub(super) batch: Option<String>,
    pub(super) workflow: Option<JobWorkflow>,
    pub(super) steps: Vec<JobStep>,
    pub(super) mail: Vec<JobMail>,
}

/// A mail that came with a job's success.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct JobMail {
    pub(super) id: String,
    pub(super) state: String,
    pub(super) recipients: Vec<MailRecipient>,
    pub(super) error: Option<String>,
}

/// What became of a mail at one address.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct MailRecipient {
    pub(super) address: String,
    pub(super) state: String,
    pub(super) answer: Option<String>,
}

/// What an execution of a job recorded.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct JobStep {
    pub(super) name: String,
    #[serde(rename = "type")]
    pub(super) step_type: String,
    pub(super) occurrence: u32,
    pub(super) correlation: Option<String>,
    pub(super) started_at: String,
    pub(super) ended_at: Option<String>,
    pub(super) until: Option<String>,
    pub(super) result: Option<Box<RawValue>>,
}

impl Job {
    /// Final until an operator reopens it. The words are the API's, so is the rule.
    pub(super) fn is_terminal(&self) -> bool {
        self.state.parse::<crate::job::JobState>().is_ok_and(crate::job::JobState::is_terminal)
    }
}

/// The slot a job is for.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct JobSchedule {
    pub(super) name: Option<String>,
    pub(super) slot_at: String,
}

/// Where a job stands in a workflow.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct JobWorkflow {
    pub(super) id: String,
    pub(super) name: Option<String>,
}

/// What an attempt may use of one thing. The values are read by what they are of.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct JobLimit {
    pub(super) value: serde_json::Value,
    pub(super) from: String,
    pub(super) ceiling: serde_json::Value,
}

/// A secret without its value.
#[derive(Debug, Deserialize)]
pub(super) struct Secret {
    pub(super) name: String,
    pub(super) version: u64,
    pub(super) key: String,
    pub(super) updated_at: String,
}

/// A secret that is gone.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct DeletedSecret {
    pub(super) granted_to: Vec<String>,
}

/// A bucket of the key-value store.
#[derive(Debug, Deserialize)]
pub(super) struct KvBucket {
    pub(super) bucket: String,
}

/// What a handler told a user.
#[derive(Debug, Deserialize)]
pub(super) struct Notification {
    pub(super) id: String,
    pub(super) user: String,
    pub(super) level: String,
    pub(super) message: String,
    pub(super) created_at: String,
    pub(super) read_at: Option<String>,
}

/// A key without its value.
#[derive(Debug, Deserialize)]
pub(super) struct KvListedKey {
    pub(super) key: String,
    pub(super) size_bytes: u64,
    pub(super) version: u64,
    pub(super) updated_at: String,
}

/// A key's value.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct KvEntry {
    pub(super) value: Option<String>,
    pub(super) value_base64: Option<String>,
}

/// What recurs.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Schedule {
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) definition: Option<serde_json::Map<String, serde_json::Value>>,
    pub(super) paused: bool,
    pub(super) fault: Option<String>,
    pub(super) module: Option<String>,
    pub(super) overridden: bool,
    pub(super) next: Vec<NextSlot>,
    pub(super) queued_slot: Option<String>,
    pub(super) slots: Vec<Slot>,
}

/// A slot to come.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct NextSlot {
    pub(super) at: String,
    pub(super) local: String,
}

/// A slot and what became of it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Slot {
    #[serde(rename = "slot_at")]
    pub(super) at: String,
    pub(super) triggered: bool,
    pub(super) fate: String,
    pub(super) detail: Option<String>,
    pub(super) job: Option<SlotJob>,
}

/// The job of a slot.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct SlotJob {
    pub(super) id: String,
    pub(super) state: Option<String>,
}

/// A queue and what is in it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Queue {
    pub(super) name: String,
    pub(super) priority: Option<u8>,
    pub(super) paused: bool,
    pub(super) concurrency: Option<u32>,
    pub(super) rate: Option<RateWire>,
    pub(super) durability: String,
    pub(super) retention: BTreeMap<String, String>,
    pub(super) depth: u64,
    pub(super) counts: BTreeMap<String, u64>,
    pub(super) oldest_ready_age_ms: Option<u64>,
}

/// A batch, or what a workflow has in common with one.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Batch {
    pub(super) id: String,
    pub(super) name: Option<String>,
    pub(super) state: String,
    pub(super) counts: BatchCounts,
    pub(super) cancelling: bool,
    pub(super) on_success: Option<Callback>,
    pub(super) on_failure: Option<Callback>,
    pub(super) on_finish: Option<Callback>,
}

/// How many jobs are where.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct BatchCounts {
    pub(super) total: u64,
    pub(super) unfinished: u64,
    pub(super) succeeded: u64,
    pub(super) failed: u64,
    pub(super) cancelled: u64,
    pub(super) skipped: u64,
}

/// A job that follows.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Callback {
    pub(super) kind: String,
    pub(super) job: Option<String>,
}

/// Named jobs and what they wait for.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Workflow {
    #[serde(flatten)]
    pub(super) batch: Batch,
    pub(super) jobs: Vec<WorkflowJob>,
}

/// A job of a workflow.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct WorkflowJob {
    pub(super) name: String,
    pub(super) id: String,
    /// `None`: it was deleted.
    pub(super) state: Option<String>,
    pub(super) after: Vec<JobParent>,
    pub(super) error: Option<JobError>,
}

/// A job another one runs after.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct JobParent {
    pub(super) job: String,
    pub(super) name: String,
    pub(super) on: String,
    pub(super) state: Option<String>,
}

/// Failed jobs that are alike.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct DeadLetterGroup {
    pub(super) group: String,
    pub(super) kind: String,
    pub(super) reason: String,
    pub(super) message: String,
    pub(super) jobs: u64,
    pub(super) last_failed_at: String,
}

/// A failure.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct JobError {
    pub(super) reason: String,
    pub(super) message: String,
    pub(super) detail: Option<String>,
}

/// What ran.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Module {
    pub(super) name: String,
    pub(super) digest: String,
}

/// How far an attempt says it is.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Progress {
    pub(super) done: u64,
    pub(super) total: Option<u64>,
    pub(super) message: Option<String>,
}

/// Why a job is not running.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Waiting {
    pub(super) reason: String,
    pub(super) detail: Option<String>,
}

/// What an execution cost.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Receipt {
    pub(super) queue_wait_us: u64,
    pub(super) instantiate_us: u64,
    pub(super) run_us: u64,
    pub(super) fuel_used: u64,
    pub(super) memory_peak_bytes: u64,
    pub(super) output_bytes: u64,
    pub(super) host_calls: u64,
    pub(super) compiled: String,
    /// What it could have used of each thing; nothing from a host that does not say.
    pub(super) limits: BTreeMap<String, serde_json::Value>,
}

/// One execution.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Execution {
    #[serde(rename = "execution")]
    pub(super) number: i64,
    pub(super) attempt: u32,
    pub(super) outcome: String,
    pub(super) error: Option<JobError>,
    pub(super) started_at: Option<String>,
    pub(super) finished_at: Option<String>,
    pub(super) receipt: Option<Receipt>,
    pub(super) denied: Vec<String>,
}

/// One entry of a job's history.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct HistoryEntry {
    pub(super) at: String,
    #[serde(rename = "type", alias = "event")]
    pub(super) event: String,
    pub(super) attempt: u32,
    pub(super) detail: Option<String>,
}

/// The log of one execution.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct AttemptLog {
    pub(super) execution: i64,
    pub(super) attempt: u32,
    pub(super) lines: Vec<LogLine>,
    pub(super) dropped: u64,
    pub(super) incomplete: bool,
}

/// One line.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub(super) struct LogLine {
    pub(super) at: String,
    pub(super) level: String,
    pub(super) message: String,
}

/// One page of a list.
#[derive(Debug, Deserialize, Serialize)]
#[serde(bound(deserialize = "T: Deserialize<'de>"))]
pub(super) struct Page<T> {
    pub(super) items: Vec<T>,
    #[serde(default)]
    pub(super) next_cursor: Option<String>,
}

/// A version of a module.
#[derive(Debug, Deserialize)]
pub(super) struct Deployed {
    pub(super) name: String,
    pub(super) digest: Digest,
    #[serde(default)]
    pub(super) size_bytes: u64,
    #[serde(default, rename = "type")]
    pub(super) guest: String,
    #[serde(default)]
    pub(super) kinds: Vec<String>,
    #[serde(default)]
    pub(super) imports: Vec<String>,
    #[serde(default)]
    pub(super) compile_ms: u64,
    #[serde(default)]
    pub(super) created_at: Option<String>,
    #[serde(default)]
    pub(super) activated_at: Option<String>,
    #[serde(default)]
    pub(super) active: bool,
}

/// A version compared with the active one.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct VersionChanges {
    pub(super) active: Option<String>,
    pub(super) kinds: Vec<KindDifference>,
}

impl VersionChanges {
    /// Whether jobs that wait would fail, or wait for a handler.
    pub(super) fn breaks_jobs(&self) -> bool {
        self.kinds.iter().any(KindDifference::breaks_jobs)
    }
}

/// One kind of either.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct KindDifference {
    pub(super) kind: String,
    pub(super) change: String,
    pub(super) owned_by: Option<KindOwner>,
    pub(super) input: Vec<String>,
    pub(super) output: Vec<String>,
    pub(super) settings: Vec<String>,
    pub(super) not_granted: Vec<String>,
    pub(super) jobs: JobsMeeting,
}

impl KindDifference {
    /// The rule of [`VersionChanges::breaks_jobs`].
    pub(super) fn breaks_jobs(&self) -> bool {
        self.jobs.refused > 0 || (self.change == "removed" && self.jobs.unfinished > 0)
    }
}

/// Another module that serves a kind.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct KindOwner {
    pub(super) module: String,
}

/// Jobs that meet a change.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct JobsMeeting {
    pub(super) unfinished: u64,
    pub(super) checked: u64,
    pub(super) refused: u64,
    pub(super) unchecked: Option<String>,
    pub(super) violations: Vec<CommonViolation>,
    pub(super) violations_more: u64,
}

/// The same at the same place in several payloads.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct CommonViolation {
    pub(super) pointer: String,
    pub(super) message: String,
    pub(super) jobs: u64,
    pub(super) example: String,
}

/// A kind, in a list or by itself.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Kind {
    pub(super) name: String,
    pub(super) description: Option<String>,
    pub(super) module: Option<Module>,
    pub(super) input_schema: serde_json::Value,
    pub(super) output_schema: serde_json::Value,
    pub(super) settings: serde_json::Map<String, serde_json::Value>,
    pub(super) settings_from: serde_json::Map<String, serde_json::Value>,
    pub(super) operator_settings: serde_json::Map<String, serde_json::Value>,
    pub(super) grants: KindGrants,
}

/// What a kind is granted, and asks for.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct KindGrants {
    pub(super) missing: serde_json::Map<String, serde_json::Value>,
}
