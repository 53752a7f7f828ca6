//! A kind's settings as they stand in JSON: in `describe`'s answer and in `PUT /v1/kinds/{kind}/settings`.
//! Owns the wire form and its checks; unknown fields are refused. What the settings mean is `job::kind`'s.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::job::kind::{MAX_ATTEMPTS_LIMIT, PRIORITY_MAX};
use crate::job::retry::{RETRY_DELAY_MAX, RETRY_DELAYS_MAX};
use crate::job::{
    ExitFailure, FailureReason, KindSettings, LimitRequest, QueueName, RetryPolicy, StdinFormat, StdoutFormat,
    WireDuration,
};

/// Most arguments or environment variables of a plain command.
pub const ARGUMENTS_MAX: usize = 256;
/// Most bytes of one argument, variable name or value.
pub const ARGUMENT_BYTES_MAX: usize = 32 << 10;

/// A setting that makes no sense.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("{}{message}", place(.pointer))]
pub struct SettingsError {
    /// JSON pointer to the field.
    pub pointer: String,
    /// What to change.
    pub message: String,
}

fn place(pointer: &str) -> String {
    if pointer.is_empty() { String::new() } else { format!("{pointer}: ") }
}

fn refuse(pointer: &str, message: impl Into<String>) -> SettingsError {
    SettingsError { pointer: pointer.to_owned(), message: message.into() }
}

/// Settings of a kind in JSON.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SettingsWire {
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
    pub retry: Option<RetryWire>,
    /// Which reasons are tried again; replaces the default set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_on: Option<Vec<FailureReason>>,
    /// Wall time of one attempt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<WireDuration>,
    /// Units of fuel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fuel: Option<u64>,
    /// Memory, bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<u64>,
    /// Output, bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<u64>,
    /// Logs, bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logs: Option<u64>,
    /// Calls into the host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host_calls: Option<u64>,
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
    pub env: Option<BTreeMap<String, String>>,
    /// Plain commands: what other exit codes mean.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_failure: Option<ExitFailure>,
}

/// A retry policy in JSON, of kinds and of jobs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "strategy", rename_all = "snake_case", deny_unknown_fields)]
pub enum RetryWire {
    /// Doubling delays.
    Exponential {
        /// Delay after the first attempt. Default 5 s.
        #[serde(skip_serializing_if = "Option::is_none")]
        base: Option<WireDuration>,
        /// Longest delay. Default 1 h.
        #[serde(skip_serializing_if = "Option::is_none")]
        cap: Option<WireDuration>,
        /// 0.0–1.0. Default 0.2.
        #[serde(skip_serializing_if = "Option::is_none")]
        jitter: Option<f64>,
    },
    /// The same delay every time.
    Fixed {
        /// The delay.
        delay: WireDuration,
    },
    /// One delay after each attempt; the last one repeats.
    List {
        /// At least one.
        delays: Vec<WireDuration>,
    },
}

/// What the default policy would do.
const BASE_DEFAULT: Duration = Duration::from_secs(5);
const CAP_DEFAULT: Duration = Duration::from_hours(1);
const JITTER_DEFAULT: f64 = 0.2;

impl RetryWire {
    /// Checked. `pointer` says where it stands, e.g. `/retry`.
    pub fn into_policy(self, pointer: &str) -> Result<RetryPolicy, SettingsError> {
        let at_most = |delay: Duration, field: &str| {
            if delay > RETRY_DELAY_MAX {
                return Err(refuse(&format!("{pointer}/{field}"), "a delay can be at most 30d"));
            }
            Ok(delay)
        };
        match self {
            RetryWire::Exponential { base, cap, jitter } => {
                let base = at_most(base.map_or(BASE_DEFAULT, |base| base.0), "base")?;
                let cap = at_most(cap.map_or(CAP_DEFAULT.max(base), |cap| cap.0), "cap")?;
                let jitter = jitter.unwrap_or(JITTER_DEFAULT);
                if cap < base {
                    return Err(refuse(&format!("{pointer}/cap"), "must not be shorter than `base`"));
                }
                if !(0.0..=1.0).contains(&jitter) {
                    return Err(refuse(&format!("{pointer}/jitter"), "must be between 0 and 1"));
                }
                Ok(RetryPolicy::Exponential { base, cap, jitter })
            }
            RetryWire::Fixed { delay } => Ok(RetryPolicy::Fixed { delay: at_most(delay.0, "delay")? }),
            RetryWire::List { delays } => {
                if delays.is_empty() || delays.len() > RETRY_DELAYS_MAX {
                    let message = format!("must hold 1 to {RETRY_DELAYS_MAX} delays");
                    return Err(refuse(&format!("{pointer}/delays"), message));
                }
                let delays = delays.into_iter().map(|delay| at_most(delay.0, "delays")).collect::<Result<_, _>>()?;
                Ok(RetryPolicy::List { delays })
            }
        }
    }
}

impl From<&RetryPolicy> for RetryWire {
    fn from(policy: &RetryPolicy) -> Self {
        match policy {
            RetryPolicy::Exponential { base, cap, jitter } => RetryWire::Exponential {
                base: Some(WireDuration(*base)),
                cap: Some(WireDuration(*cap)),
                jitter: Some(*jitter),
            },
            RetryPolicy::Fixed { delay } => RetryWire::Fixed { delay: WireDuration(*delay) },
            RetryPolicy::List { delays } => {
                RetryWire::List { delays: delays.iter().copied().map(WireDuration).collect() }
            }
        }
    }
}

impl SettingsWire {
    /// Reads JSON text; what serde refuses becomes an error at the root.
    pub fn from_json(text: &str) -> Result<Self, SettingsError> {
        serde_json::from_str(text).map_err(|error| refuse("", error.to_string()))
    }
}

impl TryFrom<SettingsWire> for KindSettings {
    type Error = SettingsError;

    fn try_from(wire: SettingsWire) -> Result<Self, SettingsError> {
        let SettingsWire {
            queue,
            priority,
            max_attempts,
            retry,
            retry_on,
            timeout,
            fuel,
            memory,
            output,
            logs,
            host_calls,
            stdin,
            stdout,
            args,
            env,
            exit_failure,
        } = wire;
        if priority.is_some_and(|priority| priority > PRIORITY_MAX) {
            return Err(refuse("/priority", format!("must be 0 to {PRIORITY_MAX}; lower comes first")));
        }
        if max_attempts.is_some_and(|attempts| attempts == 0 || attempts > MAX_ATTEMPTS_LIMIT) {
            return Err(refuse("/max_attempts", format!("must be 1 to {MAX_ATTEMPTS_LIMIT}")));
        }
        if let Some(reason) = retry_on.iter().flatten().find(|reason| !reason.is_guests()) {
            return Err(refuse("/retry_on", format!("`{reason}` is the host's to decide, not a kind's")));
        }
        let timeout_ms = match timeout.map(|timeout| timeout.0.as_millis()) {
            Some(0) => return Err(refuse("/timeout", "must be longer than zero")),
            ms => ms.map(|ms| u64::try_from(ms).unwrap_or(u64::MAX)),
        };
        for (pointer, value) in [("/fuel", fuel), ("/memory", memory), ("/output", output)] {
            if value == Some(0) {
                return Err(refuse(pointer, "must be more than zero"));
            }
        }
        check_arguments(args.as_deref().unwrap_or_default())?;
        check_environment(env.as_ref())?;
        Ok(KindSettings {
            queue,
            priority,
            max_attempts,
            retry: retry.map(|retry| retry.into_policy("/retry")).transpose()?,
            retry_on,
            limits: LimitRequest {
                fuel,
                timeout_ms,
                memory_bytes: memory,
                output_bytes: output,
                log_bytes: logs,
                host_calls,
            },
            stdin,
            stdout,
            args,
            env: env.map(|env| env.into_iter().collect()),
            exit_failure,
        })
    }
}

impl From<&KindSettings> for SettingsWire {
    fn from(settings: &KindSettings) -> Self {
        let KindSettings {
            queue,
            priority,
            max_attempts,
            retry,
            retry_on,
            limits,
            stdin,
            stdout,
            args,
            env,
            exit_failure,
        } = settings.clone();
        let LimitRequest { fuel, timeout_ms, memory_bytes, output_bytes, log_bytes, host_calls } = limits;
        SettingsWire {
            queue,
            priority,
            max_attempts,
            retry: retry.as_ref().map(RetryWire::from),
            retry_on,
            timeout: timeout_ms.map(|ms| WireDuration(Duration::from_millis(ms))),
            fuel,
            memory: memory_bytes,
            output: output_bytes,
            logs: log_bytes,
            host_calls,
            stdin,
            stdout,
            args,
            env: env.map(|env| env.into_iter().collect()),
            exit_failure,
        }
    }
}

fn check_arguments(args: &[String]) -> Result<(), SettingsError> {
    if args.len() > ARGUMENTS_MAX {
        return Err(refuse("/args", format!("can hold at most {ARGUMENTS_MAX} arguments")));
    }
    match args.iter().position(|arg| arg.len() > ARGUMENT_BYTES_MAX || arg.contains('\0')) {
        Some(index) => {
            let message = format!("must be at most {ARGUMENT_BYTES_MAX} bytes, without NUL characters");
            Err(refuse(&format!("/args/{index}"), message))
        }
        None => Ok(()),
    }
}

fn check_environment(env: Option<&BTreeMap<String, String>>) -> Result<(), SettingsError> {
    let Some(env) = env else { return Ok(()) };
    if env.len() > ARGUMENTS_MAX {
        return Err(refuse("/env", format!("can hold at most {ARGUMENTS_MAX} variables")));
    }
    for (name, value) in env {
        let sound = |text: &str| text.len() <= ARGUMENT_BYTES_MAX && !text.contains('\0');
        if name.is_empty() || name.contains('=') || !sound(name) || !sound(value) {
            let message =
                format!("names must not be empty or hold `=`; nothing may hold NUL or pass {ARGUMENT_BYTES_MAX} bytes");
            return Err(refuse("/env", message));
        }
        if name.starts_with("STOKER_") {
            return Err(refuse("/env", format!("`{name}`: names beginning with STOKER_ are the host's")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<KindSettings, SettingsError> {
        SettingsWire::from_json(json)?.try_into()
    }

    #[test]
    fn everything_at_once_reads_and_writes_back() {
        let json = r#"{"queue":"mail","priority":3,"max_attempts":4,
            "retry":{"strategy":"exponential","base":"1s","cap":"1m","jitter":0.5},"retry_on":["trap","fuel_exhausted"],
            "timeout":"30s","fuel":5,"memory":1024,"output":6,"logs":0,"host_calls":7,"stdin":"text","stdout":"bytes",
            "args":["-c","."],"env":{"A":"b"},"exit_failure":"fatal"}"#;
        let settings = read(json).expect("valid");
        assert_eq!(settings.limits.timeout_ms, Some(30_000));
        assert_eq!(settings.limits.memory_bytes, Some(1_024));
        assert_eq!(settings.env, Some(vec![("A".to_owned(), "b".to_owned())]));
        let written = serde_json::to_value(SettingsWire::from(&settings)).expect("writes");
        assert_eq!(written, serde_json::from_str::<serde_json::Value>(json).expect("JSON"));
    }

    #[test]
    fn nothing_says_nothing() {
        assert_eq!(read("{}"), Ok(KindSettings::default()));
    }

    #[test]
    fn nonsense_is_refused_where_it_stands() {
        for (json, pointer) in [
            (r#"{"surprise":1}"#, ""),
            (r#"{"retry":{"strategy":"fixed","delay":"1s","more":1}}"#, ""),
            (r#"{"queue":"no spaces"}"#, ""),
            (r#"{"timeout":"-1s"}"#, ""),
            (r#"{"timeout":0}"#, "/timeout"),
            (r#"{"priority":10}"#, "/priority"),
            (r#"{"max_attempts":0}"#, "/max_attempts"),
            (r#"{"max_attempts":1001}"#, "/max_attempts"),
            (r#"{"retry":{"strategy":"exponential","base":"2m","cap":"1m"}}"#, "/retry/cap"),
            (r#"{"retry":{"strategy":"exponential","jitter":2}}"#, "/retry/jitter"),
            (r#"{"retry":{"strategy":"list","delays":[]}}"#, "/retry/delays"),
            (r#"{"retry":{"strategy":"fixed","delay":"31d"}}"#, "/retry/delay"),
            (r#"{"retry_on":["host_lost"]}"#, "/retry_on"),
            (r#"{"memory":0}"#, "/memory"),
            (r#"{"args":["a","b\u0000"]}"#, "/args/1"),
            (r#"{"env":{"A=B":""}}"#, "/env"),
            (r#"{"env":{"STOKER_JOB_ID":"x"}}"#, "/env"),
        ] {
            let refused = read(json).expect_err(json);
            assert_eq!(refused.pointer, pointer, "{json}: {refused}");
        }
    }
}
