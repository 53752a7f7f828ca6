//! Settings of a kind in JSON: as modules describe them, as operators write them and as they are shown.
//! Owns the form and the checks that hold for everybody; the host's ceilings are the API's to say.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize};

use super::duration::Span;
use super::field::{FIELD_ERROR_BYTES_MAX, FieldError, positive, ranged};
use super::grants::Grants;
use super::kind::{
    ExitFailure, KindSettings, MAX_ATTEMPTS_DEFAULT, MAX_ATTEMPTS_LIMIT, PRIORITY_DEFAULT, PRIORITY_MAX, StdinFormat,
    StdoutFormat,
};
use super::limits::{LimitRequest, Limits};
use super::name::QueueName;
use super::named_values::named_values;
use super::on_failed::OnFailed;
use super::outcome::FailureReason;
use super::pace::{CONCURRENCY_MAX, KeyOrder, KindPace};
use super::rate_wire::RateWire;
use super::retention::Retention;
use super::retry::RetryPolicy;
use super::retry_wire::{RetryWire, check_retry_on};
use super::schedule::{DeclaredSchedule, check_declared};
use super::size::ByteSize;
use super::text::cut_quote;

/// Most arguments and environment variables of a plain command.
const ARGUMENTS_MAX: usize = 256;
/// All arguments together, and all environment variables together, bytes.
const ARGUMENTS_BYTES_MAX: usize = 64 << 10;

/// Settings of a kind. What is absent is left to the layer below: host, then module, then operator.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = Settings)]
pub struct SettingsWire {
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
    pub retry: Option<RetryWire>,
    /// Which reasons are tried again; replaces the default set.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<String>>)]
    pub retry_on: Option<Vec<FailureReason>>,
    /// What is enqueued, with what is known of the failure, when a job has `failed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_failed: Option<OnFailed>,
    /// How long finished jobs are kept, by the state they ended in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retention: Option<Retention>,
    /// Wall time of an attempt: `"30s"` or milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Span>,
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
    /// So many jobs of the kind may run at once, over all hosts: 1 to 1000000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<i64>,
    /// So many jobs of the kind may begin in a time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<RateWire>,
    /// So many jobs with the same `concurrency_key` may run at once: 1 to 1000000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_concurrency: Option<i64>,
    /// So many jobs with the same `concurrency_key` may begin in a time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_rate: Option<RateWire>,
    /// `priority` (default), or `fifo`: jobs with the same `concurrency_key` run one after the other as they were enqueued.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub key_order: Option<KeyOrder>,
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
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "environment")]
    pub env: Option<BTreeMap<String, String>>,
    /// Plain commands: what exit codes other than 0, 65 and 75 mean.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub exit_failure: Option<ExitFailure>,
    /// What the module enqueues again and again. A module says it; operators put schedules at `/v1/schedules`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schedules: Option<Vec<DeclaredSchedule>>,
    /// What its handler may use outside the sandbox. Only an operator grants; where a module says it, it asks.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Grants>)]
    pub grants: Option<Arc<Grants>>,
}

impl SettingsWire {
    /// Reads JSON text and checks it; what is not of the form is an error at the root.
    pub fn domain_from_json(text: &str) -> Result<KindSettings, Vec<FieldError>> {
        // An array would be taken as the fields in order.
        if !text.trim_start().starts_with('{') {
            return Err(vec![FieldError::new("", "must be a JSON object, like `{\"timeout\": \"5s\"}`")]);
        }
        let wire: Self = serde_json::from_str(text)
            .map_err(|error| vec![FieldError::new("", cut_quote(&error.to_string(), FIELD_ERROR_BYTES_MAX))])?;
        wire.into_domain()
    }

    /// As the domain's settings, or everything that is wrong with them.
    pub fn into_domain(self) -> Result<KindSettings, Vec<FieldError>> {
        let mut errors = Vec::new();
        let SettingsWire {
            queue,
            priority,
            max_attempts,
            retry,
            retry_on,
            on_failed,
            retention,
            timeout,
            fuel,
            memory,
            output,
            logs,
            host_calls,
            concurrency,
            rate,
            key_concurrency,
            key_rate,
            key_order,
            stdin,
            stdout,
            args,
            env,
            exit_failure,
            schedules,
            grants,
        } = self;
        check_retry_on(retry_on.as_deref(), &mut errors);
        check_arguments(args.as_deref().unwrap_or_default(), &mut errors);
        if let Some(env) = &env {
            check_environment(env, &mut errors);
        }
        check_declared(schedules.as_deref().unwrap_or_default(), &mut errors);
        if let Some(grants) = &grants {
            grants.check("/grants", &mut errors);
        }
        let settings = KindSettings {
            queue,
            priority: ranged("/priority", priority, 0, i64::from(PRIORITY_MAX), &mut errors),
            max_attempts: ranged("/max_attempts", max_attempts, 1, i64::from(MAX_ATTEMPTS_LIMIT), &mut errors),
            retry: retry.and_then(|retry| retry.policy("/retry", &mut errors)),
            retry_on,
            on_failed,
            retention,
            limits: LimitRequest {
                fuel: positive("/fuel", fuel, &mut errors),
                timeout_ms: positive("/timeout", timeout.map(Span::as_ms), &mut errors),
                memory_bytes: positive("/memory", memory.map(|size| size.0), &mut errors),
                output_bytes: positive("/output", output.map(|size| size.0), &mut errors),
                log_bytes: positive("/logs", logs.map(|size| size.0), &mut errors),
                host_calls: positive("/host_calls", host_calls, &mut errors),
            },
            pace: KindPace {
                concurrency: ranged("/concurrency", concurrency, 1, i64::from(CONCURRENCY_MAX), &mut errors),
                rate: rate.and_then(|rate| rate.rate("/rate", &mut errors)),
                key_concurrency: ranged(
                    "/key_concurrency",
                    key_concurrency,
                    1,
                    i64::from(CONCURRENCY_MAX),
                    &mut errors,
                ),
                key_rate: key_rate.and_then(|rate| rate.rate("/key_rate", &mut errors)),
                key_order,
            },
            stdin,
            stdout,
            args,
            env: env.map(|env| env.into_iter().collect()),
            exit_failure,
            schedules,
            grants,
        };
        if errors.is_empty() { Ok(settings) } else { Err(errors) }
    }

    /// What is in force: every field that has a value for the kind, the host's defaults included.
    pub fn effective(settings: &KindSettings, limits: &Limits, default_queue: &QueueName) -> Self {
        SettingsWire {
            queue: Some(settings.queue.clone().unwrap_or_else(|| default_queue.clone())),
            priority: Some(settings.priority.unwrap_or(PRIORITY_DEFAULT).into()),
            max_attempts: Some(settings.max_attempts.unwrap_or(MAX_ATTEMPTS_DEFAULT).into()),
            retry: Some(RetryWire::from(settings.retry.as_ref().unwrap_or(&RetryPolicy::default()))),
            retry_on: Some(settings.retry_on.clone().unwrap_or_else(|| {
                FailureReason::ALL.iter().copied().filter(|reason| reason.retried_by_default()).collect()
            })),
            timeout: Some(Span(limits.timeout)),
            fuel: Some(limits.fuel),
            memory: Some(ByteSize(limits.memory_bytes)),
            output: Some(ByteSize(limits.output_bytes)),
            logs: Some(ByteSize(limits.log_bytes)),
            host_calls: Some(limits.host_calls),
            grants: Some(settings.grants.clone().unwrap_or_default()),
            ..SettingsWire::from(settings)
        }
    }

    /// What a plain command is run with where nobody says otherwise; a handler has none of it.
    #[must_use]
    pub fn with_command_defaults(self) -> Self {
        SettingsWire {
            stdin: Some(self.stdin.unwrap_or_default()),
            stdout: Some(self.stdout.unwrap_or_default()),
            args: Some(self.args.unwrap_or_default()),
            env: Some(self.env.unwrap_or_default()),
            exit_failure: Some(self.exit_failure.unwrap_or_default()),
            ..self
        }
    }

    /// The names of the fields that say something.
    pub fn fields(&self) -> Vec<&'static str> {
        let SettingsWire {
            queue,
            priority,
            max_attempts,
            retry,
            retry_on,
            on_failed,
            retention,
            timeout,
            fuel,
            memory,
            output,
            logs,
            host_calls,
            concurrency,
            rate,
            key_concurrency,
            key_rate,
            key_order,
            stdin,
            stdout,
            args,
            env,
            exit_failure,
            schedules,
            grants,
        } = self;
        [
            ("queue", queue.is_some()),
            ("priority", priority.is_some()),
            ("max_attempts", max_attempts.is_some()),
            ("retry", retry.is_some()),
            ("retry_on", retry_on.is_some()),
            ("on_failed", on_failed.is_some()),
            ("retention", retention.is_some()),
            ("timeout", timeout.is_some()),
            ("fuel", fuel.is_some()),
            ("memory", memory.is_some()),
            ("output", output.is_some()),
            ("logs", logs.is_some()),
            ("host_calls", host_calls.is_some()),
            ("concurrency", concurrency.is_some()),
            ("rate", rate.is_some()),
            ("key_concurrency", key_concurrency.is_some()),
            ("key_rate", key_rate.is_some()),
            ("key_order", key_order.is_some()),
            ("stdin", stdin.is_some()),
            ("stdout", stdout.is_some()),
            ("args", args.is_some()),
            ("env", env.is_some()),
            ("exit_failure", exit_failure.is_some()),
            ("schedules", schedules.is_some()),
            ("grants", grants.is_some()),
        ]
        .into_iter()
        .filter_map(|(name, given)| given.then_some(name))
        .collect()
    }
}

fn environment<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<BTreeMap<String, String>>, D::Error> {
    #[derive(Deserialize)]
    struct Environment(#[serde(deserialize_with = "named_values")] BTreeMap<String, String>);

    Ok(Option::<Environment>::deserialize(deserializer)?.map(|Environment(variables)| variables))
}

fn check_arguments(args: &[String], errors: &mut Vec<FieldError>) {
    if let Some(index) = args.iter().position(|arg| arg.contains('\0')) {
        errors.push(FieldError::new(format!("/args/{index}"), "must not hold NUL characters"));
    }
    check_amount("/args", args.len(), args.iter().map(String::len).sum(), errors);
}

fn check_environment(env: &BTreeMap<String, String>, errors: &mut Vec<FieldError>) {
    let mut refuse = |message: &str| errors.push(FieldError::new("/env", message));
    if env.iter().flat_map(|(name, value)| [name, value]).any(|text| text.contains('\0')) {
        refuse("must not hold NUL characters");
    }
    if env.keys().any(|name| name.is_empty() || name.contains('=') || name.starts_with("STOKER_")) {
        refuse("names must not be empty, hold `=` or begin with STOKER_, which the host sets");
    }
    check_amount("/env", env.len(), env.iter().map(|(name, value)| name.len() + value.len()).sum(), errors);
}

fn check_amount(pointer: &str, count: usize, bytes: usize, errors: &mut Vec<FieldError>) {
    if count > ARGUMENTS_MAX || bytes > ARGUMENTS_BYTES_MAX {
        let message = format!("can hold at most {ARGUMENTS_MAX} entries and {ARGUMENTS_BYTES_MAX} bytes in all");
        errors.push(FieldError::new(pointer, message));
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
        } = settings;
        let LimitRequest { fuel, timeout_ms, memory_bytes, output_bytes, log_bytes, host_calls } = *limits;
        let KindPace { concurrency, rate, key_concurrency, key_rate, key_order } = *pace;
        SettingsWire {
            queue: queue.clone(),
            priority: priority.map(i64::from),
            max_attempts: max_attempts.map(i64::from),
            retry: retry.as_ref().map(RetryWire::from),
            retry_on: retry_on.clone(),
            on_failed: on_failed.clone(),
            retention: *retention,
            timeout: timeout_ms.map(Span::from_ms),
            fuel,
            memory: memory_bytes.map(ByteSize),
            output: output_bytes.map(ByteSize),
            logs: log_bytes.map(ByteSize),
            host_calls,
            concurrency: concurrency.map(i64::from),
            rate: rate.map(RateWire::from),
            key_concurrency: key_concurrency.map(i64::from),
            key_rate: key_rate.map(RateWire::from),
            key_order,
            stdin: *stdin,
            stdout: *stdout,
            args: args.clone(),
            env: env.as_ref().map(|env| env.iter().cloned().collect()),
            exit_failure: *exit_failure,
            schedules: schedules.clone(),
            grants: grants.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn settings_round_trip() {
        let text = concat!(
            r#"{"queue":"q","priority":3,"max_attempts":2,"retry":{"strategy":"fixed","delay":"1m"},"#,
            r#""retry_on":["trap"],"on_failed":{"kind":"alert","priority":1},"retention":{"failed":"forever"},"timeout":"2s","fuel":5,"memory":1048576,"output":1,"logs":2,"host_calls":3,"#,
            r#""stdin":"text","stdout":"bytes","args":["-x"],"env":{"A":"b"},"exit_failure":"fatal","#,
            r#""grants":{"http":["a.example"],"config":{"x":"y"}}}"#,
        );
        let settings: SettingsWire = serde_json::from_str(text).unwrap();
        assert_eq!(settings.fields().len(), 19);
        let domain = settings.into_domain().unwrap();
        assert_eq!(serde_json::to_string(&SettingsWire::from(&domain)).unwrap(), text);
        assert_eq!(SettingsWire::domain_from_json("{}"), Ok(KindSettings::default()));
    }

    #[test]
    fn nonsense_is_refused_where_it_stands() {
        let many = format!(r#"{{"args":[{}]}}"#, ["\"x\""; ARGUMENTS_MAX + 1].join(","));
        let large = format!(r#"{{"env":{{"A":"{}"}}}}"#, "x".repeat(ARGUMENTS_BYTES_MAX));
        for (text, pointer) in [
            ("[]", ""),
            (r#"["q"]"#, ""),
            ("null", ""),
            ("", ""),
            (r#"{"surprise":1}"#, ""),
            (r#"{"retry":{"strategy":"fixed","delay":"1s","more":1}}"#, ""),
            (r#"{"retry":["fixed",null,null,null,"1s",null]}"#, ""),
            (r#"{"queue":"no spaces"}"#, ""),
            (r#"{"timeout":"-1s"}"#, ""),
            (r#"{"timeout":0}"#, "/timeout"),
            (r#"{"priority":10}"#, "/priority"),
            (r#"{"priority":-1}"#, "/priority"),
            (r#"{"max_attempts":0}"#, "/max_attempts"),
            (r#"{"max_attempts":1001}"#, "/max_attempts"),
            (r#"{"retry":{"strategy":"list","delays":[]}}"#, "/retry/delays"),
            (r#"{"retry_on":["host_lost"]}"#, "/retry_on"),
            (r#"{"memory":0}"#, "/memory"),
            (r#"{"args":["a","b\u0000"]}"#, "/args/1"),
            (&many, "/args"),
            (r#"{"env":{"A=B":""}}"#, "/env"),
            (r#"{"env":{"":""}}"#, "/env"),
            (r#"{"env":{"A":"\u0000"}}"#, "/env"),
            (r#"{"env":{"STOKER_JOB_ID":"x"}}"#, "/env"),
            (&large, "/env"),
            (r#"{"grants":{"http":["*.com"]}}"#, ""),
            (r#"{"grants":{"files":["/etc"]}}"#, ""),
            (r#"{"grants":{"http":["*","a.example"]}}"#, "/grants/http"),
        ] {
            let errors = SettingsWire::domain_from_json(text).unwrap_err();
            let pointers: Vec<&str> = errors.iter().map(|error| error.pointer.as_str()).collect();
            assert_eq!(pointers, [pointer], "{text}: {errors:?}");
        }
    }

    #[test]
    fn everything_wrong_is_said_at_once() {
        let errors = SettingsWire::domain_from_json(r#"{"priority":10,"fuel":0,"env":{"A=B":""}}"#).unwrap_err();
        assert_eq!(errors.len(), 3);
    }
}
