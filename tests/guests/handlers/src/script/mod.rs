//! Does what its payload says, one thing after the other, and returns what each came to. Tells before each which one it is, so that
//! a test can end the host there. What is counted is counted in the bucket `counts`, under `<job>/<key>`.

mod database;
mod mail;

use std::thread::sleep;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use stoker_sdk::enqueue::NewJob;
use stoker_sdk::{Context, Failure, NotificationLevel, handler, kv};

use database::InDatabase;
use mail::MailLine;

#[derive(Deserialize, JsonSchema)]
pub struct Script {
    #[serde(default)]
    lines: Vec<Line>,
    /// A line that fails is told, and the next one follows.
    #[serde(default)]
    goes_on: bool,
}

/// One line.
#[derive(Deserialize, JsonSchema)]
#[serde(tag = "do", rename_all = "snake_case")]
enum Line {
    /// Adds one.
    Count {
        key: String,
    },
    /// A step that adds one, takes its time, and returns its result, or so many bytes.
    Step {
        name: String,
        #[serde(default)]
        count: Option<String>,
        #[serde(default)]
        hold_ms: u64,
        #[serde(default)]
        result: Value,
        #[serde(default)]
        bytes: usize,
        /// It fails in so many attempts.
        #[serde(default)]
        fail_attempts: u32,
        /// The number of the attempt is added to its name.
        #[serde(default)]
        renamed: bool,
        /// Its result has another type in the second attempt.
        #[serde(default)]
        retyped: bool,
    },
    /// A step inside of a step.
    Nested,
    Sleep {
        name: String,
        ms: u64,
    },
    Wait {
        event: String,
        correlation: String,
        ms: u64,
    },
    Enqueue {
        kind: String,
        payload: Value,
        #[serde(default)]
        idempotency_key: Option<String>,
    },
    Emit {
        event: String,
        correlation: String,
        data: Value,
    },
    Notify {
        user: String,
        level: String,
        message: String,
        #[serde(default)]
        data: Option<Value>,
    },
    Mail(MailLine),
    Hold {
        ms: u64,
    },
    /// Fails, to be tried again, in so many attempts.
    Fail {
        attempts: u32,
    },
    Snooze {
        ms: u64,
        count: String,
    },
    Trap,
    /// Sets a key of the bucket `counts` for a time.
    SetFor {
        key: String,
        value: String,
        ms: u64,
    },
    /// The keys of the bucket `counts` that begin so.
    KeysWith {
        prefix: String,
    },
    /// See there.
    Database(InDatabase),
    /// Says its idempotency key.
    Key,
}

#[handler(kind = "script")]
pub fn script(context: &Context, input: Script) -> Result<Vec<Value>, Failure> {
    let total = input.lines.len() as u64;
    let mut results = Vec::new();
    for (place, line) in (0..).zip(input.lines) {
        context.progress(place, total, None);
        results.push(match run(context, line, (place, total)) {
            Err(failure) if input.goes_on => json!({ "failed": failure.to_string() }),
            ran => ran?,
        });
    }
    context.progress(total, total, None);
    Ok(results)
}

fn count(context: &Context, key: &str) -> Result<i64, Failure> {
    Ok(kv::open("counts")?.increment(&format!("{}/{key}", context.job_id()), 1)?)
}

fn run(context: &Context, line: Line, (place, total): (u64, u64)) -> Result<Value, Failure> {
    Ok(match line {
        Line::Count { key } => json!(count(context, &key)?),
        Line::Step { name, count: key, hold_ms, result, bytes, fail_attempts, renamed, retyped } => {
            let name = if renamed { format!("{name}-{}", context.attempt()) } else { name };
            if retyped && context.attempt() > 1 {
                return context.step(&name, || Ok(String::from("text"))).map(Value::from);
            }
            context.step(&name, || {
                if let Some(key) = &key {
                    count(context, key)?;
                }
                if context.attempt() <= fail_attempts {
                    return Err(Failure::retry("the step fails"));
                }
                sleep(Duration::from_millis(hold_ms));
                Ok(if bytes > 0 { Value::from("x".repeat(bytes)) } else { result })
            })?
        }
        Line::Nested => context.step("outer", || context.step("inner", || Ok(Value::Null)))?,
        Line::Sleep { name, ms } => {
            context.sleep(&name, Duration::from_millis(ms))?;
            Value::Null
        }
        Line::Wait { event, correlation, ms } => {
            let came: Option<Value> = context.wait_for(&event, &correlation, Duration::from_millis(ms))?;
            came.map_or_else(|| json!("in vain"), |data| json!({ "came": data }))
        }
        Line::Enqueue { kind, payload, idempotency_key } => {
            let mut job = NewJob::of(kind, &payload)?;
            if let Some(key) = idempotency_key {
                job = job.idempotency_key(key);
            }
            said(context.enqueue_job(&job))
        }
        Line::Emit { event, correlation, data } => said(context.emit(&event, &correlation, &data)),
        Line::Notify { user, level, message, data } => {
            let level = level_of(&level)?;
            said(match data {
                None => context.notify(&user, level, &message),
                Some(data) => context.notify_with(&user, level, &message, &data),
            })
        }
        Line::Mail(mail) => mail::send(context, mail),
        Line::Hold { ms } => {
            sleep(Duration::from_millis(ms));
            Value::Null
        }
        Line::Fail { attempts } if context.attempt() <= attempts => return Err(Failure::retry("as it was told")),
        Line::Fail { .. } => Value::Null,
        Line::Snooze { ms, count: key } => {
            if count(context, &key)? == 1 {
                return Err(Failure::snooze(Duration::from_millis(ms)));
            }
            Value::Null
        }
        Line::Trap => std::process::abort(),
        Line::SetFor { key, value, ms } => {
            let set = kv::open("counts")?.set_for(&key, value.as_bytes(), Duration::from_millis(ms));
            set.map_or_else(|refused| json!({ "refused": refused.to_string() }), |()| Value::Null)
        }
        Line::KeysWith { prefix } => json!(kv::open("counts")?.keys_with(&prefix)?),
        Line::Database(line) => {
            database::run(context, &line, || context.progress(place, total, Some("in the database")))?
        }
        Line::Key => context.step("key", || Ok(Value::from(context.idempotency_key())))?,
    })
}

fn level_of(word: &str) -> Result<NotificationLevel, Failure> {
    Ok(match word {
        "info" => NotificationLevel::Info,
        "success" => NotificationLevel::Success,
        "warning" => NotificationLevel::Warning,
        "error" => NotificationLevel::Error,
        other => return Err(Failure::fatal(format!("there is no level `{other}`"))),
    })
}

/// What became of something that was asked for.
fn said(asked: Result<(), stoker_sdk::EffectError>) -> Value {
    asked.map_or_else(|refused| json!({ "refused": refused.to_string() }), |()| Value::Null)
}
