//! `stoker queues`: what waits in each queue and what is set on it; setting it.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::str::FromStr;
use std::time::Duration;

use anyhow::Context;
use http::Method;
use serde_json::{Map, Value, json};

use super::client::{Answer, Client, ClientError, Connection, segment};
use super::hints::addressed;
use super::table::table;
use super::terminal::{self, Colours, Tone};
use super::wire::Queue;
use crate::job::duration::in_words;
use crate::job::{Keep, QueueName, RateWire};

/// Queues the host lists at once.
const PAGE_QUEUES_MAX: usize = 500;
/// Pages asked for.
const PAGES_MAX: usize = 20;

/// List queues, show one, or set it
///
/// A queue comes to be with the first job that names it. What is set on it holds at once, for every job of it that has not been
/// entered. In a paused queue nothing more is entered, and what runs goes on.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  stoker queues
  stoker queues mail --priority 2
  stoker queues mail --concurrency 5 --rate 100/m
  stoker queues mail --rate none
  stoker queues mail --retention failed=90d --retention succeeded=1h
  stoker queues mail --pause
  stoker queues mail --resume
  stoker queues old-mail --delete      # once nothing of it waits")]
pub(super) struct Arguments {
    /// The queue to show [default: all queues]
    queue: Option<QueueName>,
    /// 0 to 9, lower first
    #[arg(long, requires = "queue")]
    priority: Option<u8>,
    /// So many of its jobs may run at once; `none`: any number
    #[arg(long, requires = "queue", value_name = "N", value_parser = concurrency)]
    concurrency: Option<Limit<u32>>,
    /// So many of its jobs may begin in a time, like `100/m`; `none`: any number
    #[arg(long, requires = "queue", value_name = "RATE", value_parser = rate)]
    rate: Option<Limit<RateWire>>,
    /// `full`: a job is on the disk before it is acknowledged; `relaxed`: a power cut can lose the last ones
    #[arg(long, requires = "queue", value_parser = ["full", "relaxed"])]
    durability: Option<String>,
    /// Keep its finished jobs so long: STATE=DURATION (or `forever`), with succeeded, cancelled or failed; repeat for more
    #[arg(long = "retention", value_name = "STATE=DURATION", requires = "queue", value_parser = retention)]
    retention: Vec<(&'static str, Keep)>,
    /// Enter nothing more of it
    #[arg(long, requires = "queue", conflicts_with = "resume")]
    pause: bool,
    /// Let it go on
    #[arg(long, requires = "queue")]
    resume: bool,
    /// Remove it and what is set on it; only where none of its jobs is unfinished
    #[arg(long, requires = "queue", conflicts_with_all = ["priority", "concurrency", "rate", "durability", "retention", "pause", "resume"])]
    delete: bool,
    #[command(flatten)]
    connection: Connection,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let client = arguments.connection.client()?;
    let Some(queue) = &arguments.queue else {
        return list(&client, arguments.connection.json).map(|()| ExitCode::SUCCESS);
    };
    let path = format!("/v1/queues/{}", segment(queue));
    if arguments.delete {
        client.call(Method::DELETE, &path).send()?;
        if arguments.connection.json {
            terminal::print(&json!({"name": queue.as_str(), "deleted": true}).to_string())?;
        } else {
            terminal::print(&format!("{queue} is deleted"))?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let mut answer = None;
    let changes = changes(&client, &path, arguments)?;
    if !changes.is_empty() {
        let body = serde_json::to_vec(&changes)?;
        answer = Some(client.call(Method::PATCH, &path).send_body("application/merge-patch+json", body)?);
    }
    for (wanted, action) in [(arguments.pause, "pause"), (arguments.resume, "resume")] {
        if wanted {
            answer = Some(client.call(Method::POST, &format!("{path}/{action}")).send()?);
        }
    }
    let answer = match answer {
        Some(answer) => answer,
        None => client.get(&path).send()?,
    };
    show(&answer, arguments.connection.json)?;
    Ok(ExitCode::SUCCESS)
}

/// What is to be set; `null` for what is to be limited no more.
fn changes(client: &Client, path: &str, arguments: &Arguments) -> anyhow::Result<Map<String, Value>> {
    let mut changes = Map::new();
    if let Some(priority) = arguments.priority {
        changes.insert("priority".to_owned(), json!(priority));
    }
    if let Some(Limit(concurrency)) = arguments.concurrency {
        changes.insert("concurrency".to_owned(), json!(concurrency));
    }
    if let Some(Limit(rate)) = arguments.rate {
        changes.insert("rate".to_owned(), json!(rate));
    }
    if let Some(durability) = &arguments.durability {
        changes.insert("durability".to_owned(), json!(durability));
    }
    if !arguments.retention.is_empty() {
        // Set as a whole: what is set already stays.
        let mut retention = match client.get(path).send() {
            Ok(answer) => answer.parse::<Queue>()?.retention,
            Err(ClientError::Problem(problem)) if problem.status == 404 => BTreeMap::new(),
            Err(error) => return Err(error.into()),
        };
        for (state, keep) in &arguments.retention {
            retention.insert((*state).to_owned(), keep.to_string());
        }
        changes.insert("retention".to_owned(), json!(retention));
    }
    Ok(changes)
}

/// A limit, or `none`.
#[derive(Clone, Copy, Debug)]
struct Limit<T>(Option<T>);

fn limit<T: FromStr>(text: &str) -> Result<Limit<T>, T::Err> {
    if text == "none" { Ok(Limit(None)) } else { text.parse().map(|limit| Limit(Some(limit))) }
}

fn concurrency(text: &str) -> Result<Limit<u32>, String> {
    limit(text).map_err(|_| "a number from 1 on, or `none`".to_owned())
}

fn rate(text: &str) -> Result<Limit<RateWire>, String> {
    limit(text)
}

/// `STATE=DURATION`.
fn retention(text: &str) -> Result<(&'static str, Keep), String> {
    let (state, keep) = text.split_once('=').ok_or("write it as STATE=DURATION, e.g. failed=90d")?;
    let known = ["succeeded", "cancelled", "failed"].into_iter().find(|known| *known == state);
    let state = known.ok_or("only what has succeeded, cancelled or failed is kept for a time, e.g. failed=90d")?;
    Ok((state, keep.parse().map_err(|error| format!("{error}"))?))
}

fn show(answer: &Answer, as_json: bool) -> anyhow::Result<()> {
    if as_json {
        return answer.print();
    }
    Ok(terminal::print(&queues_table(&[answer.parse()?], Colours::of_stdout()))?)
}

fn list(client: &Client, as_json: bool) -> anyhow::Result<()> {
    let page = client.pages("/v1/queues", PAGE_QUEUES_MAX, PAGES_MAX)?;
    if as_json {
        return Ok(terminal::print(&terminal::json(&serde_json::to_string(&page)?))?);
    }
    let read = page.items.iter().map(|queue| serde_json::from_str(queue.get()));
    let queues: Vec<Queue> = read.collect::<Result<_, _>>().context("the host's list of queues can't be understood")?;
    if queues.is_empty() {
        terminal::remark(&addressed("there are no queues yet; the first job that names one makes it"));
        return Ok(());
    }
    Ok(terminal::print(&queues_table(&queues, Colours::of_stdout()))?)
}

fn queues_table(queues: &[Queue], colours: Colours) -> String {
    let row = |queue: &Queue| {
        let count = |state: &str| queue.counts.get(state).copied().unwrap_or(0).to_string();
        [
            queue.name.clone(),
            if queue.paused { "paused".to_owned() } else { String::new() },
            queue.priority.map_or_else(String::new, |priority| priority.to_string()),
            limits(queue),
            queue.depth.to_string(),
            queue.oldest_ready_age_ms.map_or_else(String::new, |ms| in_words(Duration::from_millis(ms))),
            count("running"),
            count("scheduled"),
            count("retrying"),
            count("failed"),
        ]
    };
    let rows: Vec<_> = queues.iter().map(row).collect();
    let headings =
        ["QUEUE", "STATE", "PRIORITY", "LIMITS", "READY", "OLDEST", "RUNNING", "SCHEDULED", "RETRYING", "FAILED"];
    table(headings, &rows, colours, |row, column| (column == 1 && queues[row].paused).then_some(Tone::Notable))
}

/// What is set beside the priority.
fn limits(queue: &Queue) -> String {
    let concurrency = queue.concurrency.map(|most| format!("{most} at once"));
    let rate = queue.rate.map(|rate| rate.to_string());
    let durability = (queue.durability == "relaxed").then(|| "relaxed".to_owned());
    [concurrency, rate, durability].into_iter().flatten().collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_is_a_line() {
        let queues: Vec<Queue> = serde_json::from_value(json!([
            {"name": "default", "priority": 5, "paused": false, "depth": 0, "counts": {"running": 2}},
            {"name": "mail", "priority": 2, "paused": true, "concurrency": 3, "rate": {"limit": 100, "per": "1m"}, "depth": 41, "counts": {"failed": 7, "ready": 41},
                "oldest_ready_age_ms": 90_500},
        ]))
        .unwrap();
        insta::assert_snapshot!(queues_table(&queues, Colours::Off));
    }
}
