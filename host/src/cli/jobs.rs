//! `stoker jobs`: the newest jobs, as a table.

use std::process::ExitCode;
use std::time::Duration;

use serde_json::value::RawValue;

use super::client::{Client, ClientError, Connection};
use super::filter::JobFilter;
use super::quantities;
use super::table::table;
use super::terminal::{self, Colours, Tone, line};
use super::wire::{Job, Page};
use crate::job::duration::in_words;

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
  stoker jobs --unfinished --kind email.send
  stoker jobs --since 10m --module mail
  stoker jobs --state failed --kind email.send --limit 1000 --quiet | xargs -r stoker retry
  stoker jobs --kind email.send --tag import --limit 100 --json")]
pub(super) struct Arguments {
    #[command(flatten)]
    filter: JobFilter,
    /// So many at most
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=JOBS_MAX))]
    limit: u16,
    /// Print their ids, and nothing else
    #[arg(long, short, conflicts_with = "json")]
    quiet: bool,
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
        if !arguments.quiet {
            terminal::remark("no such jobs");
        }
    } else {
        let jobs: Vec<Job> = page.items.iter().map(|job| serde_json::from_str(job.get())).collect::<Result<_, _>>()?;
        if arguments.quiet {
            let ids: Vec<_> = jobs.iter().map(|job| line(&job.id)).collect();
            terminal::print(&ids.join("\n"))?;
        } else {
            let (colours, columns) = (Colours::of_stdout(), terminal::columns());
            terminal::print(&jobs_table(&jobs, &quantities::now(), columns, colours))?;
        }
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
        let answer = arguments
            .filter
            .query(client.get("/v1/jobs"))
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

/// Characters of the note: a failure's message may be long.
const NOTE_CHARS_MAX: usize = 80;
/// Before a note on a line of its own.
const NOTE_INDENT: &str = "    ";

/// One line for each, or where a terminal of so many `columns` would break those, as little as tells jobs apart and the note
/// below it.
pub(super) fn jobs_table(jobs: &[Job], now: &str, columns: Option<usize>, colours: Colours) -> String {
    let wide = |colours| {
        let rows: Vec<[String; 7]> = jobs.iter().map(row).collect();
        let headings = ["ID", "STATE", "KIND", "QUEUE", "ATTEMPT", "CREATED", "NOTE"];
        table(headings, &rows, colours, |row, column| if column == 1 { tone(&jobs[row].state) } else { None })
    };
    let columns = columns.filter(|columns| wide(Colours::Off).lines().any(|line| line.chars().count() > *columns));
    let Some(columns) = columns else { return wide(colours) };
    let rows: Vec<[String; 5]> = jobs.iter().map(|job| narrow_row(job, now)).collect();
    let headings = ["ID", "STATE", "KIND", "ATTEMPT", "AGE"];
    let table = table(headings, &rows, colours, |row, column| if column == 1 { tone(&jobs[row].state) } else { None });
    let mut lines = table.lines();
    let mut shown: Vec<String> = lines.next().map(str::to_owned).into_iter().collect();
    for (row, job) in lines.zip(jobs) {
        shown.push(row.to_owned());
        let note: String = line(&note(job)).chars().take(columns.saturating_sub(NOTE_INDENT.len())).collect();
        shown.extend((!note.is_empty()).then(|| format!("{NOTE_INDENT}{note}")));
    }
    shown.join("\n")
}

fn row(job: &Job) -> [String; 7] {
    [
        job.id.clone(),
        job.state.clone(),
        job.kind.clone(),
        job.queue.clone(),
        attempts(job),
        job.created_at.clone().unwrap_or_default(),
        note(job).chars().take(NOTE_CHARS_MAX).collect(),
    ]
}

fn narrow_row(job: &Job, now: &str) -> [String; 5] {
    let age = job.created_at.as_deref().and_then(|created| quantities::between_us(created, now));
    // Whole seconds are enough to tell one from another.
    let age = age.map_or_else(String::new, |us| in_words(Duration::from_secs(us / 1_000_000)));
    [job.id.clone(), job.state.clone(), job.kind.clone(), attempts(job), age]
}

fn attempts(job: &Job) -> String {
    format!("{}/{}", job.attempt, job.max_attempts)
}

/// Why it failed, what it waits for, or how far it is.
fn note(job: &Job) -> String {
    match (&job.waiting, &job.error, &job.progress) {
        (_, Some(error), _) if matches!(job.state.as_str(), "failed" | "cancelled" | "retrying") => {
            format!("{}: {}", error.reason, error.message)
        }
        (Some(waiting), ..) => match &waiting.detail {
            Some(detail) => format!("{}: {detail}", waiting.reason),
            None => waiting.reason.clone(),
        },
        (None, _, Some(progress)) if job.state == "running" => {
            let total = progress.total.map_or_else(String::new, |total| format!(" of {total}"));
            format!("{}{total} done", progress.done)
        }
        _ => String::new(),
    }
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
        let shown = |columns, colours| jobs_table(&page.items, "2026-11-21T09:01:04Z", columns, colours);
        insta::assert_snapshot!(shown(None, Colours::Off));
        assert_eq!(shown(Some(120), Colours::Off), shown(None, Colours::Off));
        insta::assert_snapshot!(shown(Some(40), Colours::Off), @r"
        ID      STATE      KIND        ATTEMPT  AGE
        job_03  retrying   email.send  2/10     1m 1s
            handler_error: mailbox\u{1b}[2J busy
        job_02  ready      hello       0/10     1m 2s
            behind: 12 jobs come first
        job_01  succeeded  hello       1/10     1m 3s
        ");
        let coloured = shown(None, Colours::On);
        assert!(coloured.contains("\x1b[32msucceeded\x1b[0m"), "{coloured:?}");
        assert!(!coloured.contains("\x1b[2J"), "{coloured:?}");
    }

    #[test]
    fn a_job_that_goes_on_says_what_it_waits_for_and_not_what_it_failed_of() {
        let told = |state: &str| {
            let json = format!(
                r#"{{"state":"{state}","waiting":{{"reason":"behind"}},"error":{{"reason":"trap","message":"m"}}}}"#
            );
            note(&serde_json::from_str(&json).unwrap())
        };
        assert_eq!([told("ready"), told("scheduled"), told("failed")], ["behind", "behind", "trap: m"]);
    }
}
