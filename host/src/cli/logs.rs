//! `stoker logs`: what a job's executions wrote.

use std::process::ExitCode;

use super::client::Connection;
use super::terminal::{self, Colours, Tone, line};
use super::wire::{AttemptLog, Page};
use crate::job::JobId;

/// Print what a job logged, and what it wrote to standard output and error
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  stoker logs job_01ARZ3NDEKTSV4RRFFQ69G5FAV
  stoker logs job_01ARZ3NDEKTSV4RRFFQ69G5FAV --attempt 2")]
pub(super) struct Arguments {
    /// The job
    id: JobId,
    /// Only this attempt, from 1
    #[arg(long)]
    attempt: Option<u32>,
    #[command(flatten)]
    connection: Connection,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let client = arguments.connection.client()?;
    let path = format!("/v1/jobs/{}/logs", arguments.id);
    let answer = client.get(&path).send()?;
    if arguments.connection.json {
        answer.print()?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut page: Page<AttemptLog> = answer.parse()?;
    while let Some(cursor) = page.next_cursor.take() {
        let earlier: Page<AttemptLog> = client.get(&format!("{path}?cursor={cursor}")).send()?.parse()?;
        page.next_cursor = earlier.next_cursor;
        page.items.splice(..0, earlier.items);
    }
    page.items.retain(|log| arguments.attempt.is_none_or(|attempt| log.attempt == attempt));
    let text = shown(&page.items, Colours::of_stdout());
    if text.is_empty() {
        terminal::remark("nothing was logged");
    } else {
        terminal::print(&text)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn shown(logs: &[AttemptLog], colours: Colours) -> String {
    let mut rows = Vec::new();
    for log in logs {
        for logged in &log.lines {
            let tone = match logged.level.as_str() {
                "error" | "stderr" => Tone::Bad,
                "warn" => Tone::Notable,
                "info" | "stdout" => Tone::Strong,
                _ => Tone::Faint,
            };
            let level = colours.paint(tone, &format!("{:<6}", line(&logged.level)));
            rows.push(format!("{} #{} {level} {}", line(&logged.at), log.attempt, line(&logged.message)));
        }
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
}
