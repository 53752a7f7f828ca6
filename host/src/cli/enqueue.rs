//! `stoker enqueue`: put a job in the queue, and wait for its end if asked.

use std::ffi::OsString;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use serde::Serialize;
use serde_json::value::RawValue;

use super::advice;
use super::client::{Answer, Client, ClientError, Connection};
use super::hints::addressed;
use super::payload::{self, Given};
use super::quantities;
use super::terminal::{self, Colours, Tone, line};
use super::unique::UniqueArguments;
use super::wire::Job;
use crate::job::kind::MAX_ATTEMPTS_LIMIT;
use crate::job::{
    BatchId, ByteSize, FailureReason, JobId, KindName, Parent, QueueName, RetryWire, Span, UniqueWire, Wanted,
};

/// The host is asked to hold its answer for at most so long, seconds: the most it will.
const WAIT_SECONDS_MAX: u64 = 60;
/// Pause between two looks at a job that outlasted that, and after a broken connection.
const LOOK_AGAIN_MS: u64 = 250;
/// So many requests in a row may fail (a restart of the host) before waiting is given up.
const FAILED_LOOKS_MAX: u32 = 240;

/// Put a job in the queue
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  stoker enqueue hello '{\"name\":\"Ada\"}' --wait
  stoker enqueue thumbnail @request.json --tag import --delay 5m
  ID=$(stoker enqueue hello '{\"name\":\"Ada\"}' --quiet); stoker logs -f $ID
  stoker enqueue thumbnail @request.json --timeout 2m --memory 256MiB --max-attempts 3
  stoker enqueue mail --after $ID --delay 10m
  stoker enqueue report @request.json --expires-in 10m --retry-on timeout --on-failed alert.operator
  stoker enqueue report.daily '{\"day\":\"2026-11-22\"}' --unique=return-existing
  stoker enqueue index '{\"page\":7}' --unique=debounce --unique-field /page --delay 10s
  cat page.md | stoker enqueue pulldown-cmark --text - --wait --raw > page.html")]
pub(super) struct Arguments {
    /// What to run
    kind: KindName,
    /// The payload: JSON, `@file`, or `-` for standard input [default: {}]
    payload: Option<String>,
    /// The payload is plain text, to be sent as one JSON string
    #[arg(long, requires = "payload")]
    text: bool,
    /// Wait for the job's end, at most so many seconds if given (`--wait=5`), and print its output; the exit code is 0 only
    /// if it succeeded
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "0", value_name = "SECONDS")]
    wait: Option<u64>,
    /// With --wait: print an output that is a string as it is, without quotes
    #[arg(long, requires = "wait", conflicts_with = "json")]
    raw: bool,
    /// Print the job's id, and nothing else
    #[arg(long, short, conflicts_with_all = ["wait", "json"])]
    quiet: bool,
    /// Run it so much later
    #[arg(long, value_name = "DURATION")]
    delay: Option<Span>,
    /// The lane it waits in [default: its kind's]
    #[arg(long)]
    queue: Option<QueueName>,
    /// 0 to 9, lower first [default: its kind's]
    #[arg(long, value_parser = clap::value_parser!(u8).range(0..=9))]
    priority: Option<u8>,
    /// Attempts in all [default: its kind's]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_ATTEMPTS_LIMIT)))]
    max_attempts: Option<u32>,
    /// Run it then, like 2026-12-24T18:00:00Z
    #[arg(long, value_name = "TIME", conflicts_with = "delay")]
    run_at: Option<jiff::Timestamp>,
    /// When a failed attempt is tried again: JSON, such as '{"strategy":"fixed","delay":"30s"}' [default: its kind's]
    #[arg(long, value_name = "JSON", value_parser = quantities::retry)]
    retry: Option<RetryWire>,
    /// Which reasons are tried again, e.g. `timeout,trap`; repeat, or separate by commas [default: its kind's]
    #[arg(long, value_name = "REASON", value_delimiter = ',', value_parser = reason)]
    retry_on: Vec<FailureReason>,
    /// Cancel it if it has not begun in so long
    #[arg(long, value_name = "DURATION")]
    expires_in: Option<Span>,
    /// Cancel it if it has not begun by then, like 2026-12-24T18:00:00Z
    #[arg(long, value_name = "TIME", conflicts_with = "expires_in")]
    expires_at: Option<jiff::Timestamp>,
    /// The kind to enqueue, with what is known of the failure, when it has failed [default: its kind's]
    #[arg(long, value_name = "KIND")]
    on_failed: Option<KindName>,
    /// Wall time of an attempt [default: its kind's]
    #[arg(long, value_name = "DURATION")]
    timeout: Option<Span>,
    /// Units of fuel of an attempt [default: its kind's]
    #[arg(long, value_name = "UNITS")]
    fuel: Option<u64>,
    /// Memory of an attempt [default: its kind's]
    #[arg(long, value_name = "SIZE", value_parser = super::quantities::memory)]
    memory: Option<ByteSize>,
    /// Jobs of the kind with the same key share the limits set for keys
    #[arg(long, value_name = "KEY")]
    concurrency_key: Option<String>,
    /// Run it after this job: an id, or `ID:failed`, `ID:finished`; repeat for more. A --delay counts from then
    #[arg(long, value_name = "ID[:END]", value_parser = parent)]
    after: Vec<Parent>,
    /// The batch it is of, while that is open
    #[arg(long, value_name = "ID")]
    batch: Option<BatchId>,
    /// A label to find it again; repeat for more
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,
    /// The same key with the same request gives the same job, for 24 hours
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    #[command(flatten)]
    unique: UniqueArguments,
    #[command(flatten)]
    connection: Connection,
}

/// The body of `POST /v1/jobs`.
#[derive(Serialize)]
struct Request<'a> {
    kind: &'a KindName,
    payload: &'a RawValue,
    #[serde(skip_serializing_if = "Option::is_none")]
    queue: Option<&'a QueueName>,
    #[serde(skip_serializing_if = "Option::is_none")]
    priority: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delay: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    run_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_attempts: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry: Option<&'a RetryWire>,
    #[serde(skip_serializing_if = "<[FailureReason]>::is_empty")]
    retry_on: &'a [FailureReason],
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_in: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    on_failed: Option<Follows<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timeout: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fuel: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    memory: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    concurrency_key: Option<&'a str>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    tags: &'a [String],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    after: Vec<After>,
    #[serde(skip_serializing_if = "Option::is_none")]
    batch: Option<BatchId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unique: Option<UniqueWire>,
}

/// A job to run after.
#[derive(Serialize)]
struct After {
    job: JobId,
    on: Wanted,
}

/// `ID` or `ID:END`.
fn parent(text: &str) -> Result<Parent, String> {
    let (job, end) = text.split_once(':').map_or((text, None), |(job, end)| (job, Some(end)));
    let job: JobId = job.parse().map_err(|error| format!("{error}"))?;
    Ok(Parent { job, wanted: end.map_or(Ok(Wanted::default()), str::parse)? })
}

/// What follows a failure.
#[derive(Serialize)]
struct Follows<'a> {
    kind: &'a KindName,
}

/// A reason that may be tried again.
fn reason(word: &str) -> Result<FailureReason, String> {
    word.parse().ok().filter(|reason: &FailureReason| reason.is_guests()).ok_or_else(|| {
        let known = FailureReason::ALL.iter().copied().filter(|reason| reason.is_guests());
        let known: Vec<&str> = known.map(FailureReason::as_str).collect();
        format!("it is no reason that can be tried again; those are {}", known.join(", "))
    })
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let client = arguments.connection.client()?;
    let body = body(arguments)?;
    // No limit is as good as a limit nobody lives to see.
    let deadline = arguments.wait.and_then(|seconds| {
        let wait = if seconds == 0 { Duration::from_secs(u64::from(u32::MAX)) } else { Duration::from_secs(seconds) };
        Instant::now().checked_add(wait)
    });
    let mut call = client.post("/v1/jobs");
    if let Some(key) = &arguments.idempotency_key {
        call = call.header("Idempotency-Key", key);
    }
    if let Some(deadline) = deadline {
        call = call.header("Prefer", &prefer(deadline));
    }
    let answer = call.send_body("application/json", body);
    let mut answer = answer.map_err(|error| advice::on_refusal(error.into()))?;
    let mut job: Job = answer.parse()?;
    if let Some(deadline) = deadline {
        (answer, job) = wait_for_end(&client, answer, job, deadline)?;
    }
    show(arguments, &answer, &job)
}

fn body(arguments: &Arguments) -> anyhow::Result<Vec<u8>> {
    let given = if arguments.text { Given::Text } else { Given::Json };
    let payload = payload::read(arguments.payload.as_deref(), given)?;
    Ok(serde_json::to_vec(&Request {
        kind: &arguments.kind,
        payload: &payload,
        queue: arguments.queue.as_ref(),
        priority: arguments.priority,
        delay: arguments.delay.map(Span::as_ms),
        run_at: arguments.run_at.map(|at| at.to_string()),
        max_attempts: arguments.max_attempts,
        retry: arguments.retry.as_ref(),
        retry_on: &arguments.retry_on,
        expires_in: arguments.expires_in.map(Span::as_ms),
        expires_at: arguments.expires_at.map(|at| at.to_string()),
        on_failed: arguments.on_failed.as_ref().map(|kind| Follows { kind }),
        timeout: arguments.timeout.map(Span::as_ms),
        fuel: arguments.fuel,
        memory: arguments.memory.map(|memory| memory.0),
        concurrency_key: arguments.concurrency_key.as_deref(),
        tags: &arguments.tags,
        after: arguments.after.iter().map(|Parent { job, wanted }| After { job: *job, on: *wanted }).collect(),
        batch: arguments.batch,
        unique: arguments.unique.wire(),
    })?)
}

/// Looks until the job has ended or the deadline has passed; the host has held its first answer as long as it would. The job exists: a broken connection is no reason to give
/// up at once.
fn wait_for_end(client: &Client, mut answer: Answer, mut job: Job, deadline: Instant) -> anyhow::Result<(Answer, Job)> {
    let path = format!("/v1/jobs/{}", job_id(&job)?);
    let mut failed_looks = 0;
    while !job.is_terminal() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(LOOK_AGAIN_MS).min(left(deadline)));
        match client.get(&path).send() {
            Ok(looked) => {
                failed_looks = 0;
                job = looked.parse()?;
                answer = looked;
            }
            Err(error) if may_pass(&error) && failed_looks < FAILED_LOOKS_MAX => failed_looks += 1,
            Err(error) => {
                return Err(error).with_context(|| format!("{} was enqueued; its end is not known", line(&job.id)));
            }
        }
    }
    Ok((answer, job))
}

/// Whether this is what a host that stops, starts or is short of something looks like.
fn may_pass(error: &ClientError) -> bool {
    match error {
        ClientError::Refused(_) | ClientError::Transport { .. } => true,
        ClientError::Problem(problem) => matches!(problem.status, 429 | 503),
        ClientError::Address { .. } | ClientError::CaCert { .. } | ClientError::Answer { .. } => false,
    }
}

/// The id as a path may hold it.
fn job_id(job: &Job) -> anyhow::Result<crate::job::JobId> {
    job.id.parse().context("the host answered with something that is no job")
}

fn left(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}

fn prefer(deadline: Instant) -> String {
    format!("wait={}", left(deadline).as_secs().clamp(1, WAIT_SECONDS_MAX))
}

fn show(arguments: &Arguments, answer: &Answer, job: &Job) -> anyhow::Result<ExitCode> {
    let succeeded = job.state == "succeeded";
    if arguments.connection.json {
        answer.print()?;
    } else if arguments.quiet {
        terminal::print(&line(&job.id))?;
    } else if arguments.wait.is_none() {
        if answer.status == 200 && arguments.unique.wire().is_some() {
            terminal::remark(&format!("{} was there before, and is the only one like it", line(&job.id)));
        }
        let colours = Colours::of_stdout();
        terminal::print(&format!("{} {}", colours.paint(Tone::Strong, &line(&job.id)), line(&job.state)))?;
    } else if succeeded {
        terminal::remark(&format!("{} succeeded{}", line(&job.id), cost(job)));
        let json = job.output.as_ref().map_or("null", |output| output.get());
        terminal::print(&terminal::output(json, arguments.raw))?;
    }
    if arguments.wait.is_none() || succeeded {
        return Ok(ExitCode::SUCCESS);
    }
    terminal::remark(&unsuccessful(job));
    Ok(ExitCode::FAILURE)
}

/// ` in 3.1 ms (attempt 2)`
fn cost(job: &Job) -> String {
    let run =
        job.receipt.as_ref().map_or_else(String::new, |receipt| format!(" in {}", quantities::micros(receipt.run_us)));
    if job.attempt > 1 { format!("{run} (attempt {})", job.attempt) } else { run }
}

fn unsuccessful(job: &Job) -> String {
    let id = line(&job.id);
    if !job.is_terminal() {
        let look = addressed(format!("see `stoker job {id}`"));
        return format!("{id} is still {}; {look}", line(&job.state));
    }
    let why = job
        .error
        .as_ref()
        .map_or_else(String::new, |error| format!(": {}: {}", line(&error.reason), line(&error.message)));
    let look = addressed(format!("see `stoker job {id}` and `stoker logs {id}`"));
    format!("{id} {}{why}\n{look}", line(&job.state))
}

/// An error of the command line with how to wait so many seconds, where somebody wrote `--wait 5`: what stands after a
/// space is the payload.
pub(super) fn say_how_to_wait(mut error: clap::Error, words: &[OsString]) -> clap::Error {
    let seconds = words.windows(2).find_map(|pair| {
        let seconds = pair.get(1)?.to_str()?;
        (pair.first()? == "--wait" && seconds.parse::<u64>().is_ok()).then_some(seconds)
    });
    if let (ErrorKind::UnknownArgument, Some(seconds)) = (error.kind(), seconds) {
        let tip = format!("to wait at most {seconds} seconds, write '--wait={seconds}' (with '=')");
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip.into()]));
    }
    error
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::fake_host::{Prepared, answer_each};

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        arguments: Arguments,
    }

    fn body_of(line: &[&str]) -> anyhow::Result<String> {
        let line = Line::try_parse_from(std::iter::once("enqueue").chain(line.iter().copied())).unwrap();
        Ok(String::from_utf8(body(&line.arguments)?).unwrap())
    }

    #[test]
    fn requests_hold_what_was_said_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("payload.json");
        std::fs::write(&file, "{\"a\": [1.50, 2]}").unwrap();
        let file = format!("@{}", file.display());
        for (line, expected) in [
            (vec!["hello"], r#"{"kind":"hello","payload":{}}"#),
            (vec!["hello", r#"{"name": "Ada"}"#], r#"{"kind":"hello","payload":{"name": "Ada"}}"#),
            (vec!["hello", &file], r#"{"kind":"hello","payload":{"a": [1.50, 2]}}"#),
            (vec!["md", "--text", "# \"Hi\""], r##"{"kind":"md","payload":"# \"Hi\""}"##),
            (
                vec!["hello", "--run-at", "2026-12-24T18:00:00Z", "--retry", r#"{"strategy": "fixed", "delay": 5}"#],
                r#"{"kind":"hello","payload":{},"run_at":"2026-12-24T18:00:00Z","retry":{"strategy":"fixed","delay":"5ms"}}"#,
            ),
            (
                vec!["hello", "--max-attempts", "2", "--timeout", "2s", "--fuel", "7", "--memory", "64MiB"],
                r#"{"kind":"hello","payload":{},"max_attempts":2,"timeout":2000,"fuel":7,"memory":67108864}"#,
            ),
            (
                vec![
                    "hello",
                    "--unique",
                    "--unique-field",
                    "/a",
                    "--unique-scope",
                    "ready,running",
                    "--unique-for",
                    "1h",
                ],
                r#"{"kind":"hello","payload":{},"unique":{"fields":["/a"],"scope":["ready","running"],"for":"1h","on_conflict":"reject"}}"#,
            ),
            (
                vec!["hello", "1", "--delay", "1m30s", "--queue", "q", "--priority", "0", "--tag", "a", "--tag", "b"],
                r#"{"kind":"hello","payload":1,"queue":"q","priority":0,"delay":90000,"tags":["a","b"]}"#,
            ),
            (
                vec!["hello", "--after", "job_01ARZ3NDEKTSV4RRFFQ69G5FAV:finished"],
                r#"{"kind":"hello","payload":{},"after":[{"job":"job_01ARZ3NDEKTSV4RRFFQ69G5FAV","on":"finished"}]}"#,
            ),
            (
                vec!["hello", "--expires-at", "2026-12-24T18:00:00Z"],
                r#"{"kind":"hello","payload":{},"expires_at":"2026-12-24T18:00:00Z"}"#,
            ),
            (
                vec!["hello", "1", "--retry-on", "trap,timeout", "--expires-in", "2s", "--on-failed", "alert"],
                concat!(
                    r#"{"kind":"hello","payload":1,"retry_on":["trap","timeout"],"expires_in":2000,"#,
                    r#""on_failed":{"kind":"alert"}}"#
                ),
            ),
        ] {
            assert_eq!(body_of(&line).unwrap(), expected, "{line:?}");
        }
    }

    #[test]
    fn seconds_after_a_space_are_told_where_they_belong() {
        let said = |words: &[&str]| {
            let words: Vec<OsString> =
                std::iter::once("enqueue").chain(words.iter().copied()).map(Into::into).collect();
            say_how_to_wait(Line::try_parse_from(&words).unwrap_err(), &words).to_string()
        };
        for words in [["hello", "{}", "--wait", "5"], ["hello", "--wait", "5", "{}"]] {
            let said = said(&words);
            assert!(said.contains("write '--wait=5'"), "{said}");
        }
        assert!(!said(&["hello", "{}", "--wait", "more"]).contains("--wait=more"));
    }

    #[test]
    fn what_can_not_be_tried_again_is_said_with_what_can() {
        let refused = Line::try_parse_from(["enqueue", "hello", "--retry-on", "host_lost"]).unwrap_err().to_string();
        assert!(refused.contains("handler_error, trap, timeout"), "{refused}");
    }

    #[test]
    fn text_must_be_given() {
        let refused = Line::try_parse_from(["enqueue", "md", "--text"]).unwrap_err().to_string();
        assert!(refused.contains("PAYLOAD"), "{refused}");
        assert_eq!(body_of(&["md", "--text", ""]).unwrap(), r#"{"kind":"md","payload":""}"#);
    }

    #[test]
    fn a_payload_that_is_not_json_is_refused_here() {
        let refused = body_of(&["hello", "{name: Ada}"]).unwrap_err().to_string();
        assert!(refused.contains("not JSON") && refused.contains("column"), "{refused}");
        assert!(body_of(&["hello", "@/nowhere/at/all"]).unwrap_err().to_string().contains("/nowhere/at/all"));
    }

    #[test]
    fn waiting_outlasts_a_restart_of_the_host() {
        const RUNNING: &str = r#"{"id":"job_01ARZ3NDEKTSV4RRFFQ69G5FAV","state":"running"}"#;
        const SUCCEEDED: &str = r#"{"id":"job_01ARZ3NDEKTSV4RRFFQ69G5FAV","state":"succeeded","output":7}"#;
        let answers = vec![
            Prepared("202 Accepted", RUNNING),
            Prepared("503 Service Unavailable", r#"{"title":"The host is stopping","code":"stopping"}"#),
            Prepared("", ""),
            Prepared("200 OK", RUNNING),
            Prepared("200 OK", SUCCEEDED),
        ];
        let (url, server) = answer_each(answers);
        let line = Line::try_parse_from(["enqueue", "hello", "--wait=50", "--idempotency-key", "k", "--url", &url]);
        assert_eq!(run(&line.unwrap().arguments).unwrap(), ExitCode::SUCCESS);
        let requests = server.join().unwrap();
        let first = requests[0].to_ascii_lowercase();
        assert!(first.starts_with("post /v1/jobs http/1.1\r\n"), "{first}");
        assert!(first.contains("prefer: wait=") && first.contains("idempotency-key: k"), "{first}");
        assert!(requests[4].starts_with("GET /v1/jobs/job_01ARZ3NDEKTSV4RRFFQ69G5FAV HTTP"), "{}", requests[4]);
    }

    #[test]
    fn a_job_that_fails_fails_the_command() {
        let failed =
            r#"{"id":"job_01ARZ3NDEKTSV4RRFFQ69G5FAV","state":"failed","error":{"reason":"trap","message":"m"}}"#;
        let (url, server) = answer_each(vec![Prepared("200 OK", failed)]);
        let line = Line::try_parse_from(["enqueue", "hello", "--wait", "--url", &url]).unwrap();
        assert_eq!(run(&line.arguments).unwrap(), ExitCode::FAILURE);
        server.join().unwrap();
    }

    #[test]
    fn ends_are_told() {
        let job = |json: &str| serde_json::from_str::<Job>(json).unwrap();
        insta::assert_snapshot!(unsuccessful(&job(r#"{"id":"job_1","state":"failed",
            "error":{"reason":"trap","message":"out\nof bounds"}}"#)), @r"
        job_1 failed: trap: out\nof bounds
        see `stoker job job_1` and `stoker logs job_1`
        ");
        insta::assert_snapshot!(unsuccessful(&job(r#"{"id":"job_1","state":"retrying"}"#)),
            @"job_1 is still retrying; see `stoker job job_1`");
        assert_eq!(terminal::output(job(r#"{"output":"a\nb"}"#).output.unwrap().get(), true), "a\nb");
        assert_eq!(terminal::output(job(r#"{"output":{"n":1.0}}"#).output.unwrap().get(), true), r#"{"n":1.0}"#);
        assert_eq!(cost(&job(r#"{"attempt":2,"receipt":{"run_us":3100}}"#)), " in 3.1 ms (attempt 2)");
    }
}
