//! What the subcommands read of the API's answers. Lenient: fields a newer host adds are ignored, fields it may leave
//! out have defaults.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

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
    pub(super) created_at: Option<String>,
    pub(super) started_at: Option<String>,
    pub(super) finished_at: Option<String>,
    pub(super) module: Option<Module>,
    pub(super) progress: Option<Progress>,
    pub(super) tags: Vec<String>,
    pub(super) waiting: Option<Waiting>,
    pub(super) receipt: Option<Receipt>,
}

impl Job {
    /// Final until an operator reopens it. The words are the API's, so is the rule.
    pub(super) fn is_terminal(&self) -> bool {
        self.state.parse::<crate::job::JobState>().is_ok_and(crate::job::JobState::is_terminal)
    }
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
}

/// One execution.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Execution {
    pub(super) attempt: u32,
    pub(super) outcome: String,
    pub(super) error: Option<JobError>,
    pub(super) started_at: Option<String>,
    pub(super) finished_at: Option<String>,
    pub(super) receipt: Option<Receipt>,
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
    pub(super) attempt: u32,
    pub(super) lines: Vec<LogLine>,
    pub(super) dropped: u64,
}

/// One line.
#[derive(Debug, Default, Deserialize, Serialize)]
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

/// What a deploy came to.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Deployed {
    pub(super) name: String,
    pub(super) digest: String,
    pub(super) size_bytes: u64,
    pub(super) kinds: Vec<serde_json::Value>,
    pub(super) imports: Vec<String>,
    pub(super) compile_ms: u64,
    pub(super) active: bool,
}

impl Deployed {
    /// The names of the kinds, which the API gives plainly or as objects with a `name`.
    pub(super) fn kind_names(&self) -> Vec<&str> {
        self.kinds.iter().filter_map(|kind| kind.as_str().or_else(|| kind.get("name")?.as_str())).collect()
    }
}
