//! What an execution came to, as `stoker run --json` prints it: the words and shapes of the API.

use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;

use super::workbench::Loaded;
use crate::api::wire::Instant;
use crate::attempt::Terms;
use crate::job::duration::whole_ms;
use crate::job::{
    Digest, Effect, Failure, FailureReason, GuestType, HandlerVerdict, JobState, KindName, Limits, LogLevel, LogLine,
    ModuleName, NewEvent, NewNotification, Progress, Receipt, Timestamp,
};
use crate::sandbox::Execution;
use crate::store::Next;

/// The end of one execution.
#[derive(Debug, Serialize)]
pub struct Report {
    /// What was run.
    pub kind: KindName,
    /// The state a job would be in now.
    pub state: JobState,
    /// JSON; `null` unless it succeeded.
    pub output: Option<Box<RawValue>>,
    /// Why it did not succeed.
    pub error: Option<ReportedFailure>,
    /// Until the next execution, ms, if there is to be one.
    pub delay_ms: Option<u64>,
    /// Which attempt it was, from 1.
    pub attempt: u32,
    /// Attempts in all.
    pub max_attempts: u32,
    /// What it cost.
    pub receipt: Receipt,
    /// In order.
    pub logs: Vec<ReportedLine>,
    /// Lines dropped past the limit.
    pub logs_dropped: u64,
    /// What it used and was not granted, by name.
    pub denied: Vec<String>,
    /// What it asked for on success, in order: shown, and not done.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub effects: Vec<ReportedEffect>,
    /// What it last reported.
    pub progress: Option<Progress>,
    /// What ran.
    pub module: TriedModule,
    /// What it was allowed.
    #[serde(skip)]
    pub limits: Limits,
    /// The most it could have been.
    #[serde(skip)]
    pub ceilings: Limits,
    /// Why there is to be no further attempt, where it failed.
    #[serde(skip)]
    pub given_up: Option<GivenUp>,
}

/// Why a host would not try again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GivenUp {
    /// The guest itself said that trying again is pointless.
    Fatal,
    /// The reason is none that is tried again unless somebody says so.
    NotByDefault,
    /// `retry_on` says these, and not this reason.
    NotAmong(Vec<FailureReason>),
    /// It was the last attempt.
    AttemptsUsed,
}

impl GivenUp {
    /// In the order in which `job::retry` decides.
    fn why(failure: &Failure, retry_on: Option<&[FailureReason]>) -> GivenUp {
        match (failure.verdict, retry_on) {
            (Some(HandlerVerdict::Fatal), _) => GivenUp::Fatal,
            (None, Some(reasons)) if !reasons.contains(&failure.reason) => GivenUp::NotAmong(reasons.to_vec()),
            (None, None) if !failure.reason.retried_by_default() => GivenUp::NotByDefault,
            (None | Some(HandlerVerdict::Retry { .. }), _) => GivenUp::AttemptsUsed,
        }
    }
}

/// A failure.
#[derive(Debug, Serialize)]
pub struct ReportedFailure {
    /// The stable word for it.
    pub reason: FailureReason,
    /// One sentence.
    pub message: String,
    /// A backtrace, schema errors, the tail of stderr.
    pub detail: Option<String>,
}

/// Something that was asked for on success.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ReportedEffect {
    /// A job.
    Enqueue {
        /// As `POST /v1/jobs` takes it.
        request: Option<Box<RawValue>>,
    },
    /// An event.
    Event {
        /// Its type.
        event_type: String,
        /// What it is told apart by.
        correlation: String,
        /// What it brings.
        data: Option<Box<RawValue>>,
    },
    /// A notification.
    Notify {
        /// To whom.
        user: String,
        /// How grave it is.
        level: &'static str,
        /// For the user to read.
        message: String,
        /// For the application to read.
        #[serde(skip_serializing_if = "Option::is_none")]
        data: Option<Box<RawValue>>,
    },
    /// A mail.
    Mail {
        /// Whom it is from.
        sender: String,
        /// Whom it would be given to.
        recipients: Vec<String>,
        /// What it is about.
        subject: String,
    },
}

impl From<Effect> for ReportedEffect {
    fn from(effect: Effect) -> Self {
        match effect {
            Effect::Enqueue(request) => ReportedEffect::Enqueue { request: raw(&request) },
            Effect::Emit(NewEvent { event_type, correlation, data }) => {
                ReportedEffect::Event { event_type: event_type.to_string(), correlation, data: raw(&data) }
            }
            Effect::Notify(NewNotification { user, level, message, data }) => ReportedEffect::Notify {
                user: user.to_string(),
                level: level.as_str(),
                message,
                data: data.and_then(|data| raw(&data)),
            },
            Effect::Mail(mail) => ReportedEffect::Mail {
                sender: mail.content.sender.to_string(),
                recipients: mail.recipients.iter().map(|(_, mailbox)| mailbox.address()).collect(),
                subject: mail.content.subject,
            },
        }
    }
}

impl ReportedEffect {
    /// In a line.
    pub fn shown(&self) -> String {
        let json = |value: &Option<Box<RawValue>>| value.as_ref().map_or("null", |value| value.get()).to_owned();
        match self {
            ReportedEffect::Enqueue { request } => format!("enqueue {}", json(request)),
            ReportedEffect::Event { event_type, correlation, data } => {
                format!("event {event_type} of {correlation}: {}", json(data))
            }
            ReportedEffect::Notify { user, level, message, data } => {
                let data = data.as_ref().map(|data| format!(", with {}", data.get())).unwrap_or_default();
                format!("notify {user} ({level}): {message}{data}")
            }
            ReportedEffect::Mail { sender, recipients, subject } => {
                format!("mail {} from {sender}: {subject}", recipients.join(", "))
            }
        }
    }
}

/// A line of the log.
#[derive(Debug, Serialize)]
pub struct ReportedLine {
    /// When it was written.
    pub at: Instant,
    /// `trace` … `error`, `stdout` or `stderr`.
    pub level: LogLevel,
    /// The text.
    pub message: String,
}

/// The module.
#[derive(Debug, Serialize)]
pub struct TriedModule {
    /// Its name.
    pub name: ModuleName,
    /// Its digest.
    pub digest: Digest,
    /// How it is called.
    #[serde(rename = "type")]
    pub guest: GuestType,
    /// Its size.
    pub size_bytes: usize,
}

impl Report {
    pub(super) fn new(
        loaded: &Loaded,
        kind: KindName,
        terms: &Terms<'_>,
        execution: Execution,
        next: Next,
        progress: Option<Progress>,
    ) -> Report {
        let Execution {
            outcome: _,
            started_at: _,
            finished_at,
            receipt,
            log,
            log_lines_dropped,
            denied,
            effects,
            remains: _,
        } = execution;
        let given_up = match &next {
            Next::Fail(failure) => Some(GivenUp::why(failure, terms.retry_on())),
            _ => None,
        };
        let Followed { state, output, failure, resumes_at } = followed(next);
        let module = TriedModule {
            name: loaded.name.clone(),
            digest: loaded.digest,
            guest: loaded.examined.guest,
            size_bytes: loaded.size_bytes,
        };
        let line = |LogLine { at, level, message }: LogLine| ReportedLine { at: Instant(at), level, message };
        Report {
            kind,
            state,
            output: output.as_deref().and_then(raw),
            error: failure.map(|Failure { reason, message, detail, .. }| ReportedFailure { reason, message, detail }),
            delay_ms: resumes_at.map(|at| whole_ms(at.since(finished_at))),
            attempt: terms.attempt,
            max_attempts: terms.max_attempts,
            receipt,
            logs: log.into_iter().map(line).collect(),
            logs_dropped: log_lines_dropped,
            denied,
            effects: effects.into_iter().map(ReportedEffect::from).collect(),
            progress,
            module,
            limits: terms.limits(),
            ceilings: terms.bounds.ceilings,
            given_up,
        }
    }
}

/// What becomes of the job.
struct Followed {
    state: JobState,
    output: Option<Bytes>,
    failure: Option<Failure>,
    resumes_at: Option<Timestamp>,
}

fn followed(next: Next) -> Followed {
    let (state, failure, resumes_at) = match next {
        Next::Succeed(output) => {
            return Followed { state: JobState::Succeeded, output: Some(output), failure: None, resumes_at: None };
        }
        Next::Retry(failure, at) => (JobState::Retrying, Some(failure), Some(at)),
        Next::Fail(failure) => (JobState::Failed, Some(failure), None),
        Next::Cancel(failure) | Next::Expire(_, failure) => (JobState::Cancelled, Some(failure), None),
        Next::Suspend(at) => (JobState::Scheduled, None, Some(at)),
        Next::Sleep(step) => (JobState::Scheduled, None, step.until),
        Next::Await(step) => (JobState::Blocked, None, step.until),
        Next::GiveBack(failure) => (JobState::Ready, Some(failure), None),
    };
    Followed { state, output: None, failure, resumes_at }
}

/// The output, which the sandbox has found to be JSON.
fn raw(output: &[u8]) -> Option<Box<RawValue>> {
    serde_json::from_slice(output).ok()
}
