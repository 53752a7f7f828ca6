//! What a kind is and how it may be set: by its module (`describe`), then by the operator.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::grants::Grants;
use super::limits::LimitRequest;
use super::name::{KindName, QueueName};
use super::on_failed::OnFailed;
use super::outcome::FailureReason;
use super::pace::KindPace;
use super::retention::Retention;
use super::retry::RetryPolicy;
use super::schedule::DeclaredSchedule;

/// Attempts of a job when nobody says otherwise.
pub const MAX_ATTEMPTS_DEFAULT: u32 = 10;
/// Most attempts anybody may ask for.
pub const MAX_ATTEMPTS_LIMIT: u32 = 1_000;
/// Priority of queues and jobs when nobody says otherwise; 0 is first, 9 last.
pub const PRIORITY_DEFAULT: u8 = 5;
/// The last priority.
pub const PRIORITY_MAX: u8 = 9;

/// How a module is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GuestType {
    /// A component that exports the handler interface of `wit/`.
    Handler,
    /// A component that exports `wasi:cli/run`.
    ComponentCommand,
    /// A core module for WASI preview 1 that exports `_start`.
    CoreCommand,
}

impl GuestType {
    /// The word used in SQL, HTTP and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            GuestType::Handler => "handler",
            GuestType::ComponentCommand => "component_command",
            GuestType::CoreCommand => "core_command",
        }
    }
}

/// What a plain command's standard input gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StdinFormat {
    /// The payload as JSON text.
    #[default]
    Json,
    /// The payload is a JSON string, passed raw.
    Text,
}

/// What a plain command's standard output is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StdoutFormat {
    /// JSON text: the output as it is.
    #[default]
    Json,
    /// UTF-8 text: the output is a JSON string.
    Text,
    /// Anything: the output is a JSON string in base64.
    Bytes,
}

/// What an exit code other than 0, 65 and 75 means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExitFailure {
    /// Try again.
    #[default]
    Retry,
    /// Trying again is pointless.
    Fatal,
}

/// Settings of a kind. `None` (or empty) leaves the layer below in force: host, then module, then operator.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct KindSettings {
    /// Lane of jobs that name none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue: Option<QueueName>,
    /// 0–9, lower first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<u8>,
    /// Attempts in all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_attempts: Option<u32>,
    /// Delays between attempts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry: Option<RetryPolicy>,
    /// Which reasons are tried again; replaces the default set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_on: Option<Vec<FailureReason>>,
    /// What is enqueued when a job fails.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_failed: Option<OnFailed>,
    /// How long finished jobs are kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retention: Option<Retention>,
    /// Hard limits.
    #[serde(flatten)]
    pub limits: LimitRequest,
    /// How many may run at once, how often one may begin.
    #[serde(flatten)]
    pub pace: KindPace,
    /// Plain commands: what standard input gets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stdin: Option<StdinFormat>,
    /// Plain commands: what standard output is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stdout: Option<StdoutFormat>,
    /// Plain commands: arguments after the program's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub args: Option<Vec<String>>,
    /// Plain commands: environment variables.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub env: Option<Vec<(String, String)>>,
    /// Plain commands: what other exit codes mean.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_failure: Option<ExitFailure>,
    /// What its module enqueues again and again; the module's to say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schedules: Option<Vec<DeclaredSchedule>>,
    /// An operator's: what its handler may use. A module's: what it asks for, which by itself has no effect.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grants: Option<Arc<Grants>>,
}

impl KindSettings {
    /// These settings, with `upper` having the last word where it says anything, and the only one on what is granted: who asks
    /// does not grant.
    #[must_use]
    pub fn overlaid_by(&self, upper: &KindSettings) -> KindSettings {
        let KindSettings {
            queue,
            priority,
            max_attempts,
            retry,
            retry_on,
            on_failed,
            retention,
            limits,
            pace,
            stdin,
            stdout,
            args,
            env,
            exit_failure,
            schedules,
            grants,
        } = upper.clone();
        KindSettings {
            queue: queue.or_else(|| self.queue.clone()),
            priority: priority.or(self.priority),
            max_attempts: max_attempts.or(self.max_attempts),
            retry: retry.or_else(|| self.retry.clone()),
            retry_on: retry_on.or_else(|| self.retry_on.clone()),
            on_failed: on_failed.or_else(|| self.on_failed.clone()),
            retention: retention.map(|upper| self.retention.unwrap_or_default().overlaid_by(upper)).or(self.retention),
            limits: self.limits.overlaid_by(&limits),
            pace: self.pace.overlaid_by(&pace),
            stdin: stdin.or(self.stdin),
            stdout: stdout.or(self.stdout),
            args: args.or_else(|| self.args.clone()),
            env: env.or_else(|| self.env.clone()),
            exit_failure: exit_failure.or(self.exit_failure),
            schedules: schedules.or_else(|| self.schedules.clone()),
            grants,
        }
    }
}

/// What a module says about one of its kinds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KindDescription {
    /// The kind.
    pub name: KindName,
    /// One sentence for people.
    pub description: Option<String>,
    /// JSON Schema of the payload, as JSON text; `true` accepts anything.
    pub input_schema: String,
    /// JSON Schema of the output, as JSON text.
    pub output_schema: String,
    /// The module's own settings.
    pub settings: KindSettings,
}
