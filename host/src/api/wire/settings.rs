//! Settings of a kind on the wire, as operators write them and as they are shown.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::duration::Millis;
use super::retry::Retry;
use super::size::ByteSize;
use crate::api::error::FieldError;
use crate::job::kind::{MAX_ATTEMPTS_LIMIT, PRIORITY_MAX};
use crate::job::{
    ExitFailure, FailureReason, KindSettings, LimitRequest, Limits, QueueName, RetryPolicy, StdinFormat, StdoutFormat,
};

/// Most arguments and environment variables of a plain command.
const ARGS_MAX: usize = 256;
/// All arguments together, and all environment variables together, bytes.
const ARGS_BYTES_MAX: usize = 64 << 10;

/// Settings of a kind. What is absent is left to the layer below: host, then module, then operator.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Lane of jobs that name none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub queue: Option<QueueName>,
    /// 0 to 9, lower first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<i64>,
    /// 1 to 1000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_attempts: Option<i64>,
    /// Delays between attempts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,
    /// Which reasons are tried again; replaces the default set.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<String>>)]
    pub retry_on: Option<Vec<FailureReason>>,
    /// Wall time of an attempt: `"30s"` or milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Millis>,
    /// Units of fuel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fuel: Option<u64>,
    /// Memory: bytes or `"128MiB"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<ByteSize>,
    /// Output: bytes or `"1MiB"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<ByteSize>,
    /// Logs: bytes or `"256KiB"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logs: Option<ByteSize>,
    /// Calls into the host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host_calls: Option<u64>,
    /// Plain commands: what standard input gets.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub stdin: Option<StdinFormat>,
    /// Plain commands: what standard output is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub stdout: Option<StdoutFormat>,
    /// Plain commands: arguments after the program's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub args: Option<Vec<String>>,
    /// Plain commands: environment variables.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub env: Option<BTreeMap<String, String>>,
    /// Plain commands: what exit codes other than 0, 65 and 75 mean.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub exit_failure: Option<ExitFailure>,
}

/// `value`, where it is between `first` and `last`.
pub(in crate::api) fn ranged<T: TryFrom<i64>>(
    pointer: &str,
    value: Option<i64>,
    first: i64,
    last: i64,
    errors: &mut Vec<FieldError>,
) -> Option<T> {
    let value = value?;
    if (first..=last).contains(&value) {
        T::try_from(value).ok()
    } else {
        errors.push(FieldError::new(pointer, format!("must be {first} to {last}")));
        None
    }
}

/// A limit that was asked for: more than nothing, at most the host's ceiling.
pub(in crate::api) fn limited(
    pointer: &str,
    value: Option<u64>,
    ceiling: u64,
    shown: impl Fn(u64) -> String,
    errors: &mut Vec<FieldError>,
) -> Option<u64> {
    let value = value?;
    if value == 0 {
        errors.push(FieldError::new(pointer, "must be more than 0"));
    } else if value > ceiling {
        errors.push(FieldError::new(pointer, format!("must be at most {}, the host's ceiling", shown(ceiling))));
    } else {
        return Some(value);
    }
    None
}

/// Milliseconds of a ceiling.
pub(in crate::api) fn ceiling_ms(limits: &Limits) -> u64 {
    Millis::from(limits.timeout).0
}

impl Settings {
    /// As the domain's settings, or everything that is wrong with them.
    pub fn into_domain(self, ceilings: &Limits) -> Result<KindSettings, Vec<FieldError>> {
        let mut errors = Vec::new();
        let Settings {
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
        } = self;
        if let Some(reason) = retry_on.iter().flatten().find(|reason| !reason.is_guests()) {
            errors.push(FieldError::new("/retry_on", format!("`{reason}` is the host's to decide; leave it out")));
        }
        if let Some(args) = &args {
            check_strings("/args", args.iter(), &mut errors);
        }
        if let Some(env) = &env {
            check_strings("/env", env.values(), &mut errors);
            check_strings("/env", env.keys(), &mut errors);
            if env.keys().any(|name| name.is_empty() || name.contains('=') || name.starts_with("STOKER_")) {
                errors.push(FieldError::new(
                    "/env",
                    "names must not be empty, hold `=` or begin with STOKER_, which the host sets",
                ));
            }
        }
        let number = |ceiling: u64| ceiling.to_string();
        let bytes = |ceiling: u64| format!("{ceiling} bytes");
        let duration = |ceiling: u64| Millis(ceiling).to_string();
        let settings = KindSettings {
            queue,
            priority: ranged("/priority", priority, 0, i64::from(PRIORITY_MAX), &mut errors),
            max_attempts: ranged("/max_attempts", max_attempts, 1, i64::from(MAX_ATTEMPTS_LIMIT), &mut errors),
            retry: retry.and_then(|retry| retry.policy("/retry", &mut errors)),
            retry_on,
            limits: LimitRequest {
                fuel: limited("/fuel", fuel, ceilings.fuel, number, &mut errors),
                timeout_ms: limited("/timeout", timeout.map(|t| t.0), ceiling_ms(ceilings), duration, &mut errors),
                memory_bytes: limited("/memory", memory.map(|m| m.0), ceilings.memory_bytes, bytes, &mut errors),
                output_bytes: limited("/output", output.map(|o| o.0), ceilings.output_bytes, bytes, &mut errors),
                log_bytes: limited("/logs", logs.map(|l| l.0), ceilings.log_bytes, bytes, &mut errors),
                host_calls: limited("/host_calls", host_calls, ceilings.host_calls, number, &mut errors),
            },
            stdin,
            stdout,
            args,
            env: env.map(|env| env.into_iter().collect()),
            exit_failure,
        };
        if errors.is_empty() { Ok(settings) } else { Err(errors) }
    }

    /// What is in force: every field that has a value for the kind, the host's defaults included.
    pub fn effective(settings: &KindSettings, limits: &Limits, default_queue: &QueueName) -> Self {
        Settings {
            queue: Some(settings.queue.clone().unwrap_or_else(|| default_queue.clone())),
            priority: Some(settings.priority.unwrap_or(crate::job::kind::PRIORITY_DEFAULT).into()),
            max_attempts: Some(settings.max_attempts.unwrap_or(crate::job::kind::MAX_ATTEMPTS_DEFAULT).into()),
            retry: Some(Retry::from(settings.retry.as_ref().unwrap_or(&RetryPolicy::default()))),
            retry_on: Some(settings.retry_on.clone().unwrap_or_else(|| {
                FailureReason::ALL.iter().copied().filter(|reason| reason.retried_by_default()).collect()
            })),
            timeout: Some(limits.timeout.into()),
            fuel: Some(limits.fuel),
            memory: Some(ByteSize(limits.memory_bytes)),
            output: Some(ByteSize(limits.output_bytes)),
            logs: Some(ByteSize(limits.log_bytes)),
            host_calls: Some(limits.host_calls),
            ..Settings::from(settings)
        }
    }

    /// The names of the fields that say something.
    pub fn fields(&self) -> Vec<&'static str> {
        let Settings {
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
        } = self;
        [
            ("queue", queue.is_some()),
            ("priority", priority.is_some()),
            ("max_attempts", max_attempts.is_some()),
            ("retry", retry.is_some()),
            ("retry_on", retry_on.is_some()),
            ("timeout", timeout.is_some()),
            ("fuel", fuel.is_some()),
            ("memory", memory.is_some()),
            ("output", output.is_some()),
            ("logs", logs.is_some()),
            ("host_calls", host_calls.is_some()),
            ("stdin", stdin.is_some()),
            ("stdout", stdout.is_some()),
            ("args", args.is_some()),
            ("env", env.is_some()),
            ("exit_failure", exit_failure.is_some()),
        ]
        .into_iter()
        .filter_map(|(name, given)| given.then_some(name))
        .collect()
    }
}

fn check_strings<'a>(pointer: &str, strings: impl Iterator<Item = &'a String>, errors: &mut Vec<FieldError>) {
    let (mut count, mut bytes) = (0, 0);
    for text in strings {
        count += 1;
        bytes += text.len();
        if text.contains('\0') {
            errors.push(FieldError::new(pointer, "must not hold NUL characters"));
            return;
        }
    }
    if count > ARGS_MAX || bytes > ARGS_BYTES_MAX {
        errors.push(FieldError::new(pointer, format!("at most {ARGS_MAX} entries and {ARGS_BYTES_MAX} bytes in all")));
    }
}

impl From<&KindSettings> for Settings {
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
        } = settings;
        let LimitRequest { fuel, timeout_ms, memory_bytes, output_bytes, log_bytes, host_calls } = *limits;
        Settings {
            queue: queue.clone(),
            priority: priority.map(i64::from),
            max_attempts: max_attempts.map(i64::from),
            retry: retry.as_ref().map(Retry::from),
            retry_on: retry_on.clone(),
            timeout: timeout_ms.map(Millis),
            fuel,
            memory: memory_bytes.map(ByteSize),
            output: output_bytes.map(ByteSize),
            logs: log_bytes.map(ByteSize),
            host_calls,
            stdin: *stdin,
            stdout: *stdout,
            args: args.clone(),
            env: env.as_ref().map(|env| env.iter().cloned().collect()),
            exit_failure: *exit_failure,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::job::LimitBounds;

    fn refused(text: &str) -> Vec<String> {
        let settings: Settings = serde_json::from_str(text).unwrap();
        let errors = settings.into_domain(&LimitBounds::default().ceilings).unwrap_err();
        errors.into_iter().map(|error| error.pointer).collect()
    }

    #[test]
    fn settings_round_trip() {
        let text = r#"{"queue":"q","priority":3,"max_attempts":2,"retry":{"strategy":"fixed","delay":"1m"},"retry_on":["trap"],"timeout":"2s","fuel":5,"memory":1048576,"output":1,"logs":2,"host_calls":3,"stdin":"text","stdout":"bytes","args":["-x"],"env":{"A":"b"},"exit_failure":"fatal"}"#;
        let settings: Settings = serde_json::from_str(text).unwrap();
        assert_eq!(settings.fields().len(), 16);
        let domain = settings.into_domain(&LimitBounds::default().ceilings).unwrap();
        assert_eq!(serde_json::to_string(&Settings::from(&domain)).unwrap(), text);
    }

    #[test]
    fn values_out_of_range_and_over_the_ceiling_are_named() {
        for (text, pointer) in [
            (r#"{"priority":10}"#, "/priority"),
            (r#"{"priority":-1}"#, "/priority"),
            (r#"{"max_attempts":0}"#, "/max_attempts"),
            (r#"{"timeout":"2h"}"#, "/timeout"),
            (r#"{"timeout":0}"#, "/timeout"),
            (r#"{"memory":"64GiB"}"#, "/memory"),
            (r#"{"retry_on":["host_lost"]}"#, "/retry_on"),
            (r#"{"env":{"STOKER_X":"1"}}"#, "/env"),
            (r#"{"args":["\u0000"]}"#, "/args"),
        ] {
            assert_eq!(refused(text), [pointer], "{text}");
        }
        assert!(serde_json::from_str::<Settings>(r#"{"retries":1}"#).is_err());
    }
}
