//! `stoker edit`: change a job that waits.

use std::process::ExitCode;

use http::Method;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::client::Connection;
use super::payload::{self, Given};
use super::terminal::{self, line};
use super::wire::Job;
use crate::job::kind::MAX_ATTEMPTS_LIMIT;
use crate::job::{ByteSize, JobId, QueueName, RetryWire, Span};

/// Change a job that waits
///
/// What is not named stays as it is. A job that runs can't be changed.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  stoker edit job_01ARZ3NDEKTSV4RRFFQ69G5FAV --priority 0
  stoker edit job_01ARZ3NDEKTSV4RRFFQ69G5FAV --delay 10m --queue slow
  stoker edit job_01ARZ3NDEKTSV4RRFFQ69G5FAV --run-at 2026-12-24T18:00:00Z
  stoker edit job_01ARZ3NDEKTSV4RRFFQ69G5FAV --expires-in 30m     # or --expires-at never
  stoker edit job_01ARZ3NDEKTSV4RRFFQ69G5FAV --payload @request.json --timeout 2m")]
pub(super) struct Arguments {
    /// The job
    id: JobId,
    #[command(flatten)]
    changes: Changes,
    #[command(flatten)]
    connection: Connection,
}

/// At least one of them.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = true)]
struct Changes {
    /// Another payload: JSON, `@file`, or `-` for standard input
    #[arg(long, value_name = "JSON")]
    payload: Option<String>,
    /// Run it so much later, from now on; `0s`: at once
    #[arg(long, value_name = "DURATION", conflicts_with = "run_at")]
    delay: Option<Span>,
    /// Run it then
    #[arg(long, value_name = "TIME")]
    run_at: Option<jiff::Timestamp>,
    /// Cancel it if it has not begun by then; `never`: let it begin whenever it can
    #[arg(long, value_name = "TIME", conflicts_with = "expires_in", value_parser = expiry)]
    expires_at: Option<Expiry>,
    /// Cancel it if it has not begun in so long, from now on
    #[arg(long, value_name = "DURATION")]
    expires_in: Option<Span>,
    /// The lane it waits in
    #[arg(long)]
    queue: Option<QueueName>,
    /// 0 to 9, lower first
    #[arg(long, value_parser = clap::value_parser!(u8).range(0..=9))]
    priority: Option<u8>,
    /// Attempts in all
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_ATTEMPTS_LIMIT)))]
    max_attempts: Option<u32>,
    /// When a failed attempt is tried again: JSON, such as '{"strategy":"fixed","delay":"30s"}'
    #[arg(long, value_name = "JSON", value_parser = super::quantities::retry)]
    retry: Option<RetryWire>,
    /// Wall time of an attempt
    #[arg(long, value_name = "DURATION")]
    timeout: Option<Span>,
    /// Units of fuel of an attempt
    #[arg(long, value_name = "UNITS")]
    fuel: Option<u64>,
    /// Memory of an attempt
    #[arg(long, value_name = "SIZE", value_parser = super::quantities::memory)]
    memory: Option<ByteSize>,
    /// A label, instead of those it has; repeat for more
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,
}

/// By when a job is to have begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expiry {
    At(jiff::Timestamp),
    Never,
}

fn expiry(text: &str) -> Result<Expiry, String> {
    if text == "never" {
        return Ok(Expiry::Never);
    }
    let at = text.parse().map_err(|_| "write a time like 2026-12-24T18:00:00Z, or `never`".to_owned())?;
    Ok(Expiry::At(at))
}

/// The body of `PATCH /v1/jobs/{id}`.
#[derive(Serialize)]
struct Request<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delay: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    run_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_in: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    queue: Option<&'a QueueName>,
    #[serde(skip_serializing_if = "Option::is_none")]
    priority: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_attempts: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry: Option<&'a RetryWire>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timeout: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fuel: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    memory: Option<u64>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    tags: &'a [String],
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let client = arguments.connection.client()?;
    let body = body(&arguments.changes)?;
    let answer =
        client.call(Method::PATCH, &format!("/v1/jobs/{}", arguments.id)).send_body("application/json", body)?;
    if arguments.connection.json {
        answer.print()?;
    } else {
        let job: Job = answer.parse()?;
        let due = job.run_at.as_deref().filter(|_| job.state == "scheduled");
        let due = due.map(|at| format!(" for {}", line(at))).unwrap_or_default();
        terminal::print(&format!("{} is changed: {}{due}", line(&job.id), line(&job.state)))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn body(changes: &Changes) -> anyhow::Result<Vec<u8>> {
    let payload = changes.payload.as_deref().map(|given| payload::read(Some(given), Given::Json)).transpose()?;
    Ok(serde_json::to_vec(&Request {
        payload,
        delay: changes.delay.map(Span::as_ms),
        run_at: changes.run_at.map(|at| at.to_string()),
        expires_at: changes.expires_at.map(|expiry| match expiry {
            Expiry::At(at) => Value::String(at.to_string()),
            Expiry::Never => Value::Null,
        }),
        expires_in: changes.expires_in.map(Span::as_ms),
        queue: changes.queue.as_ref(),
        priority: changes.priority,
        max_attempts: changes.max_attempts,
        retry: changes.retry.as_ref(),
        timeout: changes.timeout.map(Span::as_ms),
        fuel: changes.fuel,
        memory: changes.memory.map(|memory| memory.0),
        tags: &changes.tags,
    })?)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        arguments: Arguments,
    }

    const ID: &str = "job_01ARZ3NDEKTSV4RRFFQ69G5FAV";

    #[test]
    fn requests_hold_what_was_said_and_nothing_else() {
        for (line, expected) in [
            (&["--priority", "0"][..], r#"{"priority":0}"#),
            (&["--delay", "0s", "--queue", "q"], r#"{"delay":0,"queue":"q"}"#),
            (&["--payload", "[1.50]", "--tag", "a", "--tag", "b"], r#"{"payload":[1.50],"tags":["a","b"]}"#),
            (&["--run-at", "2026-12-24T18:00:00Z"], r#"{"run_at":"2026-12-24T18:00:00Z"}"#),
            (&["--expires-at", "2026-12-24T18:00:00Z"], r#"{"expires_at":"2026-12-24T18:00:00Z"}"#),
            (&["--expires-at", "never"], r#"{"expires_at":null}"#),
            (&["--expires-in", "30m"], r#"{"expires_in":1800000}"#),
            (
                &["--retry", r#"{"strategy": "fixed", "delay": "30s"}"#],
                r#"{"retry":{"strategy":"fixed","delay":"30s"}}"#,
            ),
        ] {
            let parsed = Line::try_parse_from(["edit", ID].iter().chain(line)).unwrap();
            assert_eq!(String::from_utf8(body(&parsed.arguments.changes).unwrap()).unwrap(), expected);
        }
        assert!(Line::try_parse_from(["edit", ID]).is_err(), "there is nothing to change");
        assert!(Line::try_parse_from(["edit", ID, "--expires-at", "soon"]).is_err());
        let refused = Line::try_parse_from(["edit", ID, "--retry", "fixed"]).unwrap_err().to_string();
        assert!(refused.contains("strategy"), "{refused}");
        assert!(Line::try_parse_from(["edit", ID, "--expires-at", "never", "--expires-in", "1s"]).is_err());
        assert!(Line::try_parse_from(["edit", ID, "--delay", "1s", "--run-at", "2026-12-24T18:00:00Z"]).is_err());
    }
}
