//! `stoker jobs`: the newest jobs, as a table.

use std::process::ExitCode;

use serde_json::value::RawValue;

use super::client::{Client, ClientError, Connection};
use super::terminal::{self, Colours, Tone, line};
use super::wire::{Job, Page};
use crate::job::{JobState, KindName, QueueName};

/// Jobs the host lists at once.
const PAGE_JOBS_MAX: usize = 500;
/// Jobs listed, whatever the caller asks for.
const JOBS_MAX: i64 = 10_000;
/// Pages asked for: one that looked at much and found little is short, and says where to go on.
const PAGES_MAX: usize = 1_000;

/// List jobs, newest first
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  stoker jobs --state failed
  stoker jobs --kind email.send --tag import --limit 100 --json")]
pub(super) struct Arguments {
    /// Only in this state: scheduled, blocked, ready, running, retrying, succeeded, failed or cancelled
    #[arg(long)]
    state: Option<JobState>,
    /// Only of this kind
    #[arg(long)]
    kind: Option<KindName>,
    /// Only in this lane
    #[arg(long)]
    queue: Option<QueueName>,
    /// Only with this label
    #[arg(long)]
    tag: Option<String>,
    /// So many at most
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=JOBS_MAX))]
    limit: u16,
    /// Where the page before ended
    #[arg(long)]
    cursor: Option<String>,
    #[command(flatten)]
    connection: Connection,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let client = arguments.connection.client()?;
    let page = pages(&client, arguments)?;
    if arguments.connection.json {
        terminal::print(&terminal::json(&serde_json::to_string(&page)?))?;
        return Ok(ExitCode::SUCCESS);
    }
    if page.items.is_empty() {
        terminal::remark("no such jobs");
    } else {
        let jobs: Vec<Job> = page.items.iter().map(|job| serde_json::from_str(job.get())).collect::<Result<_, _>>()?;
        terminal::print(&table(&jobs, Colours::of_stdout()))?;
    }
    if let Some(cursor) = &page.next_cursor {
        terminal::remark(&format!("more with --cursor {}", line(cursor)));
    }
    Ok(ExitCode::SUCCESS)
}

/// As many pages as it takes, as one.
fn pages(client: &Client, arguments: &Arguments) -> Result<Page<Box<RawValue>>, ClientError> {
    let mut listed: Page<Box<RawValue>> = Page { items: Vec::new(), next_cursor: arguments.cursor.clone() };
    for _ in 0..PAGES_MAX {
        let missing = usize::from(arguments.limit) - listed.items.len();
        let answer = client
            .get("/v1/jobs")
            .query("state", arguments.state.map(JobState::as_str))
            .query("kind", arguments.kind.as_ref().map(KindName::as_str))
            .query("queue", arguments.queue.as_ref().map(QueueName::as_str))
            .query("tag", arguments.tag.as_deref())
            .query("limit", Some(&missing.min(PAGE_JOBS_MAX).to_string()))
            .query("cursor", listed.next_cursor.as_deref())
            .send()?;
        let mut page: Page<Box<RawValue>> = answer.parse()?;
        page.items.truncate(missing);
        listed.items.append(&mut page.items);
        listed.next_cursor = page.next_cursor;
        if listed.next_cursor.is_none() || listed.items.len() >= usize::from(arguments.limit) {
            break;
        }
    }
    Ok(listed)
}

const HEADINGS: [&str; 7] = ["ID", "STATE", "KIND", "QUEUE", "ATTEMPT", "CREATED", "NOTE"];

fn table(jobs: &[Job], colours: Colours) -> String {
    let rows: Vec<[String; 7]> = jobs.iter().map(row).collect();
    let mut widths = HEADINGS.map(|heading| heading.chars().count());
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = colours.paint(Tone::Faint, aligned(&HEADINGS.map(str::to_owned), widths).trim_end());
    for row in &rows {
        text.push('\n');
        let plain = aligned(row, widths);
        let plain = plain.trim_end();
        match tone(&row[1]) {
            // Only the state is coloured: paint it in place, its padding outside.
            Some(tone) => text.push_str(&plain.replacen(&row[1], &colours.paint(tone, &row[1]), 1)),
            None => text.push_str(plain),
        }
    }
    text
}

fn row(job: &Job) -> [String; 7] {
    let note = match (&job.waiting, &job.error) {
        (_, Some(error)) if !matches!(job.state.as_str(), "succeeded" | "running") => {
            format!("{}: {}", error.reason, error.message)
        }
        (Some(waiting), _) => waiting.reason.clone(),
        _ => String::new(),
    };
    [
        job.id.clone(),
        job.state.clone(),
        job.kind.clone(),
        job.queue.clone(),
        format!("{}/{}", job.attempt, job.max_attempts),
        job.created_at.clone().unwrap_or_default(),
        note.chars().take(80).collect(),
    ]
    .map(|cell| line(&cell).into_owned())
}

fn aligned(cells: &[String; 7], widths: [usize; 7]) -> String {
    cells.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect::<Vec<_>>().join("  ")
}

/// How a state stands out; waiting ones don't.
pub(super) fn tone(state: &str) -> Option<Tone> {
    match state {
        "succeeded" => Some(Tone::Good),
        "failed" => Some(Tone::Bad),
        "running" | "retrying" => Some(Tone::Notable),
        "cancelled" => Some(Tone::Faint),
        _ => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    const PAGE: &str = r#"{"items":[
        {"id":"job_03","kind":"email.send","queue":"default","state":"retrying","attempt":2,"max_attempts":10,
         "created_at":"2026-11-21T09:00:03.000Z","waiting":{"reason":"retry_backoff"},
         "error":{"reason":"handler_error","message":"mailbox\u001b[2J busy"}},
        {"id":"job_02","kind":"hello","queue":"bulk","state":"ready","attempt":0,"max_attempts":10,
         "created_at":"2026-11-21T09:00:02.000Z","waiting":{"reason":"behind","detail":"12 jobs come first"}},
        {"id":"job_01","kind":"hello","queue":"default","state":"succeeded","attempt":1,"max_attempts":10,
         "created_at":"2026-11-21T09:00:01.000Z"}],"next_cursor":null}"#;

    #[test]
    fn a_page_is_a_table() {
        let page: Page<Job> = serde_json::from_str(PAGE).unwrap();
        insta::assert_snapshot!(table(&page.items, Colours::Off));
        let coloured = table(&page.items, Colours::On);
        assert!(coloured.contains("\x1b[32msucceeded\x1b[0m"), "{coloured:?}");
        assert!(!coloured.contains("\x1b[2J"), "{coloured:?}");
    }
}
