//! `stoker batches`: making a batch of jobs, seeing how far it is, closing and cancelling it.

use std::fmt::Write as _;
use std::process::ExitCode;

use anyhow::Context;

use super::advice;
use super::client::{Answer, Client, Connection};
use super::hints::addressed;
use super::jobs::jobs_table;
use super::payload::text;
use super::quantities;
use super::table::table;
use super::terminal::{self, Colours, Tone, line};
use super::wire::{Batch, Job};
use crate::job::BatchId;

/// Batches the host lists at once.
const PAGE_MAX: usize = 100;
/// Pages asked for.
const PAGES_MAX: usize = 1;
/// Jobs of a batch the host lists at once.
const PAGE_JOBS_MAX: usize = 500;
/// Pages of them asked for: more than a batch is made with.
const PAGES_JOBS_MAX: usize = 100;

/// What is listed.
#[derive(Clone, Copy)]
pub(super) enum Group {
    Batches,
    Workflows,
}

/// Make a batch of jobs, list batches, show, close or cancel one
///
/// A batch is a JSON document with `jobs`, and what follows when they have ended. Made without jobs it is open: `stoker enqueue
/// --batch ID` adds jobs until it is closed.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  echo '{\"jobs\": [{\"kind\": \"mail\"}], \"on_finish\": {\"kind\": \"tell\"}}' | stoker batches --submit -
  stoker batches --submit import.json
  stoker batches
  stoker batches batch_01ARZ3NDEKTSV4RRFFQ69G5FAV
  stoker batches batch_01ARZ3NDEKTSV4RRFFQ69G5FAV --jobs
  stoker batches batch_01ARZ3NDEKTSV4RRFFQ69G5FAV --close
  stoker batches batch_01ARZ3NDEKTSV4RRFFQ69G5FAV --cancel")]
pub(super) struct Arguments {
    /// The batch to show [default: the newest 100]
    batch: Option<BatchId>,
    /// The document to submit, or `-` for standard input
    #[arg(long, value_name = "FILE", conflicts_with_all = ["batch", "close", "cancel"])]
    submit: Option<String>,
    /// With --submit: the same key with the same document makes the same batch, for 24 hours
    #[arg(long, value_name = "KEY", requires = "submit")]
    idempotency_key: Option<String>,
    /// List its jobs, in the order they were added
    #[arg(long, requires = "batch", conflicts_with_all = ["close", "cancel"])]
    jobs: bool,
    /// Take no more jobs
    #[arg(long, requires = "batch", conflicts_with = "cancel")]
    close: bool,
    /// Cancel all its jobs that have not ended
    #[arg(long, requires = "batch")]
    cancel: bool,
    #[command(flatten)]
    connection: Connection,
}

/// Sends a document, from a file or standard input (`-`).
pub(super) fn submit(client: &Client, path: &str, file: &str, key: Option<&str>) -> anyhow::Result<Answer> {
    let body = text(&if file == "-" { "-".to_owned() } else { format!("@{file}") })?;
    let mut call = client.post(path);
    if let Some(key) = key {
        call = call.header("Idempotency-Key", key);
    }
    call.send_body("application/json", body.into_bytes()).map_err(|error| advice::on_refusal(error.into()))
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let client = arguments.connection.client()?;
    let as_json = arguments.connection.json;
    let answer = if let Some(file) = &arguments.submit {
        submit(&client, "/v1/batches", file, arguments.idempotency_key.as_deref())?
    } else if let Some(batch) = arguments.batch {
        let path = format!("/v1/batches/{batch}");
        if arguments.jobs {
            return list_jobs(&client, &format!("{path}/jobs"), as_json).map(|()| ExitCode::SUCCESS);
        }
        match (arguments.close, arguments.cancel) {
            (true, _) => client.post(&format!("{path}/close")).send()?,
            (_, true) => client.post(&format!("{path}/cancel")).send()?,
            (false, false) => client.get(&path).send()?,
        }
    } else {
        return list(&client, as_json, Group::Batches).map(|()| ExitCode::SUCCESS);
    };
    show(&answer, as_json)?;
    Ok(ExitCode::SUCCESS)
}

fn list_jobs(client: &Client, path: &str, as_json: bool) -> anyhow::Result<()> {
    let page = client.pages(path, PAGE_JOBS_MAX, PAGES_JOBS_MAX)?;
    if as_json {
        return Ok(terminal::print(&terminal::json(&serde_json::to_string(&page)?))?);
    }
    let read = page.items.iter().map(|job| serde_json::from_str(job.get()));
    let jobs: Vec<Job> = read.collect::<Result<_, _>>().context("the host's list can't be understood")?;
    if jobs.is_empty() {
        terminal::remark("it has no jobs");
        return Ok(());
    }
    Ok(terminal::print(&jobs_table(&jobs, &quantities::now(), terminal::columns(), Colours::of_stdout()))?)
}

fn show(answer: &Answer, as_json: bool) -> anyhow::Result<()> {
    if as_json {
        return answer.print();
    }
    Ok(terminal::print(&headline(&answer.parse()?, Colours::of_stdout()))?)
}

/// Which one it is, how far it is, and what follows.
pub(super) fn headline(batch: &Batch, colours: Colours) -> String {
    let name = batch.name.as_deref().map_or_else(String::new, |name| format!("  {}", line(name)));
    let state = if batch.cancelling { "being cancelled" } else { &batch.state };
    let counts = &batch.counts;
    let mut parts = vec![format!("{} of {} succeeded", counts.succeeded, counts.total)];
    for (count, word) in [
        (counts.unfinished, "unfinished"),
        (counts.failed, "failed"),
        (counts.cancelled, "cancelled"),
        (counts.skipped, "not needed"),
    ] {
        if count > 0 {
            parts.push(format!("{count} {word}"));
        }
    }
    let id = colours.paint(Tone::Strong, &line(&batch.id));
    let mut page = format!("{id}{name}\n{}: {}", line(state), parts.join(", "));
    let follow = [("success", &batch.on_success), ("failure", &batch.on_failure), ("finish", &batch.on_finish)];
    for (event, callback) in follow.into_iter().filter_map(|(event, callback)| Some((event, callback.as_ref()?))) {
        let job = callback.job.as_deref().map_or_else(|| "not yet".into(), line);
        // Writing to a string can't fail.
        let _infallible = write!(page, "\n  on {event}: {} ({job})", line(&callback.kind));
    }
    page
}

/// A line each, newest first.
pub(super) fn list(client: &Client, as_json: bool, group: Group) -> anyhow::Result<()> {
    let (path, none) = match group {
        Group::Batches => ("/v1/batches", "there are no batches; `stoker batches --submit FILE` makes one"),
        Group::Workflows => ("/v1/workflows", "there are no workflows; `stoker workflows --submit FILE` makes one"),
    };
    let page = client.pages(path, PAGE_MAX, PAGES_MAX)?;
    if as_json {
        return Ok(terminal::print(&terminal::json(&serde_json::to_string(&page)?))?);
    }
    let read = page.items.iter().map(|batch| serde_json::from_str(batch.get()));
    let batches: Vec<Batch> = read.collect::<Result<_, _>>().context("the host's list can't be understood")?;
    if batches.is_empty() {
        terminal::remark(&addressed(none));
        return Ok(());
    }
    Ok(terminal::print(&batches_table(&batches, Colours::of_stdout()))?)
}

fn batches_table(batches: &[Batch], colours: Colours) -> String {
    let row = |batch: &Batch| {
        let counts = &batch.counts;
        [
            batch.id.clone(),
            batch.state.clone(),
            counts.total.to_string(),
            counts.unfinished.to_string(),
            counts.succeeded.to_string(),
            counts.failed.to_string(),
            counts.cancelled.to_string(),
            batch.name.clone().unwrap_or_default(),
        ]
    };
    let rows: Vec<_> = batches.iter().map(row).collect();
    let headings = ["ID", "STATE", "JOBS", "UNFINISHED", "SUCCEEDED", "FAILED", "CANCELLED", "NAME"];
    table(headings, &rows, colours, |row, column| {
        (column == 1 && batches[row].counts.failed > 0).then_some(Tone::Notable)
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_a_line_or_a_headline() {
        let batches: Vec<Batch> = serde_json::from_value(serde_json::json!([
            {"id": "batch_1", "state": "open", "counts": {"total": 2, "unfinished": 2}},
            {"id": "batch_2", "name": "import", "state": "failed", "on_failure": {"kind": "tell", "job": "job_9"},
                "counts": {"total": 9, "succeeded": 5, "failed": 1, "cancelled": 2, "skipped": 1}},
        ]))
        .unwrap();
        insta::assert_snapshot!(batches_table(&batches, Colours::Off));
        insta::assert_snapshot!(headline(&batches[1], Colours::Off));
    }
}
