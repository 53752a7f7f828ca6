//! `stoker logs`: what a job's executions wrote.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::bail;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::client::{Client, ClientError, Connection};
use super::hints::addressed;
use super::logs_follow::follow;
use super::terminal::{self, Colours, Tone, line};
use super::wire::{AttemptLog, Execution, Job, LogLine, Page};
use crate::job::JobId;

/// Pages asked for. The host keeps the logs of a job's last executions only, and has at least one on a page.
const PAGES_MAX: usize = 1_000;
/// How often a page is asked for again whose last log ended while it was read.
const ASKED_AGAIN_MAX: usize = 20;
/// Before each of these: the log is on its way into the store.
const ASK_AGAIN_MS: u64 = 100;

/// Print what a job logged, and what it wrote to standard output and error
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  stoker logs job_01ARZ3NDEKTSV4RRFFQ69G5FAV
  stoker logs job_01ARZ3NDEKTSV4RRFFQ69G5FAV --attempt 2
  stoker logs -f job_01ARZ3NDEKTSV4RRFFQ69G5FAV   # until it has ended, through all its attempts")]
pub(super) struct Arguments {
    /// The job
    id: JobId,
    /// Only this attempt, from 1
    #[arg(long)]
    attempt: Option<u32>,
    /// Follow the job until it has ended; the exit code is 0 only if it succeeded. With --json one object per line
    #[arg(short, long, conflicts_with = "attempt")]
    follow: bool,
    #[command(flatten)]
    connection: Connection,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let client = arguments.connection.client()?;
    if arguments.follow {
        return follow(&client, arguments.id, arguments.connection.json);
    }
    let logs = logs(&client, arguments)?;
    if let Some(attempt) = arguments.attempt.filter(|_| logs.items.is_empty()) {
        see_attempt(&client, arguments.id, attempt)?;
    }
    if logs.items.iter().any(|log| is_incomplete(log)) {
        terminal::remark("… lines are missing: an attempt ended while its log was read; ask again for all of them");
    }
    if arguments.connection.json {
        terminal::print(&terminal::json(&serde_json::to_string(&logs)?))?;
        return Ok(ExitCode::SUCCESS);
    }
    let logs: Vec<AttemptLog> =
        logs.items.iter().map(|log| serde_json::from_str(log.get())).collect::<Result<_, _>>()?;
    let text = shown(&logs, Colours::of_stdout());
    if text.is_empty() {
        terminal::remark("nothing was logged");
    } else {
        terminal::print(&text)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// All logs that were asked for, as one page, oldest first. The host gives the newest first, page by page.
fn logs(client: &Client, arguments: &Arguments) -> Result<Page<Box<RawValue>>, ClientError> {
    /// What it takes to choose.
    #[derive(Deserialize)]
    struct Numbered {
        attempt: u32,
    }
    let path = format!("/v1/jobs/{}/logs", arguments.id);
    let mut all: Page<Box<RawValue>> = Page { items: Vec::new(), next_cursor: None };
    for _ in 0..PAGES_MAX {
        let ask = || client.get(&path).query("cursor", all.next_cursor.as_deref()).send()?.parse();
        let mut page: Page<Box<RawValue>> = ask()?;
        for _ in 0..ASKED_AGAIN_MAX {
            if !page.items.iter().any(|log| is_incomplete(log)) {
                break;
            }
            std::thread::sleep(Duration::from_millis(ASK_AGAIN_MS));
            page = ask()?;
        }
        if let Some(attempt) = arguments.attempt {
            page.items.retain(|log| serde_json::from_str(log.get()).is_ok_and(|log: Numbered| log.attempt == attempt));
        }
        all.items.splice(..0, page.items);
        all.next_cursor = page.next_cursor;
        if all.next_cursor.is_none() {
            break;
        }
    }
    Ok(all)
}

/// Whether its execution ended while it was read.
fn is_incomplete(log: &RawValue) -> bool {
    serde_json::from_str(log.get()).is_ok_and(|log: AttemptLog| log.incomplete)
}

/// That there is, or was, such an attempt: one that logged nothing.
fn see_attempt(client: &Client, id: JobId, asked: u32) -> anyhow::Result<()> {
    let job: Job = client.get(&format!("/v1/jobs/{id}")).send()?.parse()?;
    let executions: Page<Execution> = client.get(&format!("/v1/jobs/{id}/attempts")).send()?.parse()?;
    let mut known: Vec<u32> = executions.items.iter().map(|execution| execution.attempt).collect();
    known.extend((job.state == "running").then_some(job.attempt));
    known.dedup();
    match known.as_slice() {
        known if known.contains(&asked) => Ok(()),
        [] => {
            let why = addressed(format!("`stoker job {id}` says why"));
            bail!("there is no attempt {asked} of {id}: it has not run yet; {why}")
        }
        [only] => bail!("there is no attempt {asked} of {id}, only {only}"),
        [first, .., last] => bail!("there is no attempt {asked} of {id}; what is known of it are {first} to {last}"),
    }
}

/// One line of an attempt.
pub(super) fn shown_line(attempt: u32, logged: &LogLine, colours: Colours) -> String {
    let tone = match logged.level.as_str() {
        "error" | "stderr" => Tone::Bad,
        "warn" => Tone::Notable,
        "info" | "stdout" => Tone::Strong,
        _ => Tone::Faint,
    };
    let level = colours.paint(tone, &format!("{:<6}", line(&logged.level)));
    format!("{} #{attempt} {level} {}", line(&logged.at), line(&logged.message))
}

fn shown(logs: &[AttemptLog], colours: Colours) -> String {
    let mut rows = Vec::new();
    for log in logs {
        rows.extend(log.lines.iter().map(|logged| shown_line(log.attempt, logged, colours)));
        if log.dropped > 0 {
            rows.push(format!("… {} more lines of attempt {} were dropped at its log limit", log.dropped, log.attempt));
        }
    }
    rows.join("\n")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;
    use crate::cli::fake_host::{Prepared, answer_each};

    #[test]
    fn lines_stand_in_order_and_can_not_forge_others() {
        let page: Page<AttemptLog> = serde_json::from_str(
            r#"{"items":[
            {"execution":1,"attempt":1,"lines":[
                {"at":"2026-11-21T09:00:00.012Z","level":"info","message":"one"},
                {"at":"2026-11-21T09:00:00.013Z","level":"stderr","message":"two\n2026 #1 info forged\u001b[2J"}],"dropped":3},
            {"execution":2,"attempt":2,"lines":[{"at":"2026-11-21T09:00:05.000Z","level":"warn","message":"three"}]}]}"#,
        )
        .unwrap();
        insta::assert_snapshot!(shown(&page.items, Colours::Off), @r"
        2026-11-21T09:00:00.012Z #1 info   one
        2026-11-21T09:00:00.013Z #1 stderr two\n2026 #1 info forged\u{1b}[2J
        … 3 more lines of attempt 1 were dropped at its log limit
        2026-11-21T09:00:05.000Z #2 warn   three
        ");
    }

    #[test]
    fn a_log_that_ended_while_it_was_read_is_asked_for_again() {
        const CUT: &str = r#"{"items":[{"attempt":1,"lines":[],"running":true,"incomplete":true}],"next_cursor":null}"#;
        const WHOLE: &str = r#"{"items":[{"attempt":1,"lines":[{"message":"a"}],"running":false}],"next_cursor":null}"#;
        let id = "job_01ARZ3NDEKTSV4RRFFQ69G5FAV";
        let (url, server) = answer_each(vec![Prepared("200 OK", CUT), Prepared("200 OK", WHOLE)]);
        let connection = Connection::for_test(&url);
        let client = connection.client().unwrap();
        let arguments = Arguments { id: id.parse().unwrap(), attempt: None, follow: false, connection };
        let logs = logs(&client, &arguments).unwrap();
        assert!(logs.items.len() == 1 && logs.items[0].get().contains(r#""message":"a""#), "{logs:?}");
        assert!(!is_incomplete(&logs.items[0]));
        assert_eq!(server.join().unwrap().len(), 2);
    }

    #[test]
    fn logs_are_whole_and_of_the_attempt_asked_for() {
        const NEWEST: &str = r#"{"items":[{"attempt":2,"lines":["c"]},{"attempt":3,"lines":["d"]}],"next_cursor":"7"}"#;
        const OLDEST: &str =
            r#"{"items":[{"attempt":1,"lines":["a"]},{"attempt":2,"lines":["b"]}],"next_cursor":null}"#;
        let id = "job_01ARZ3NDEKTSV4RRFFQ69G5FAV";
        for (attempt, lines) in [(None, "abcd"), (Some(2), "bc"), (Some(9), "")] {
            let (url, server) = answer_each(vec![Prepared("200 OK", NEWEST), Prepared("200 OK", OLDEST)]);
            let connection = Connection::for_test(&url);
            let client = connection.client().unwrap();
            let arguments = Arguments { id: id.parse().unwrap(), attempt, follow: false, connection };
            let logs = serde_json::to_value(logs(&client, &arguments).unwrap()).unwrap();
            let found: String =
                logs["items"].as_array().unwrap().iter().filter_map(|log| log["lines"][0].as_str()).collect();
            assert_eq!((found.as_str(), &logs["next_cursor"]), (lines, &serde_json::Value::Null));
            assert!(server.join().unwrap()[1].contains("cursor=7"));
        }
    }
}
