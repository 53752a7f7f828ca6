//! `stoker operations`: actions on many jobs, and how far they are.

use std::fmt::Write as _;
use std::process::ExitCode;

use anyhow::Context;
use serde::Deserialize;

use super::client::{Client, Connection};
use super::hints::addressed;
use super::table::table;
use super::terminal::{self, Colours, Tone, line};
use crate::job::OperationId;

/// Operations the host lists at once.
const PAGE_OPERATIONS_MAX: usize = 500;
/// Pages asked for.
const PAGES_MAX: usize = 4;

/// List actions on many jobs, show one, or cancel one
///
/// `stoker retry`, `cancel`, `run-now` and `bulk` with a filter make one. The host works it off in the background, through
/// restarts; finished ones are kept for 7 days.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  stoker operations
  stoker operations op_01ARZ3NDEKTSV4RRFFQ69G5FAV
  stoker operations op_01ARZ3NDEKTSV4RRFFQ69G5FAV --cancel     # what it has done stays done")]
pub(super) struct Arguments {
    /// The operation to show [default: all]
    id: Option<OperationId>,
    /// Do no more of it
    #[arg(long, requires = "id")]
    cancel: bool,
    #[command(flatten)]
    connection: Connection,
}

/// What is read of an operation.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Operation {
    pub(super) id: String,
    state: String,
    action: String,
    matched: u64,
    changed: u64,
    skipped: u64,
    failed: u64,
    errors: Vec<OperationError>,
    created_at: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct OperationError {
    job: Option<String>,
    message: String,
}

impl Operation {
    pub(super) fn is_finished(&self) -> bool {
        matches!(self.state.as_str(), "done" | "cancelled" | "failed")
    }

    /// It is over, and nothing was in the way.
    pub(super) fn is_success(&self) -> bool {
        self.state == "done" && self.failed == 0
    }
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let client = arguments.connection.client()?;
    let Some(id) = arguments.id else {
        return list(&client, arguments.connection.json).map(|()| ExitCode::SUCCESS);
    };
    let path = format!("/v1/operations/{id}");
    let answer =
        if arguments.cancel { client.post(&format!("{path}/cancel")).send()? } else { client.get(&path).send()? };
    if arguments.connection.json {
        answer.print()?;
    } else {
        terminal::print(&said(&answer.parse()?))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// One line, and what was in the way.
pub(super) fn said(operation: &Operation) -> String {
    let Operation { id, state, action, changed, skipped, failed, errors, .. } = operation;
    let mut text = format!("{} {} {}: {changed} changed", line(id), line(action), line(state));
    // Writing to a string can't fail.
    for (count, word) in [(skipped, "skipped"), (failed, "failed")] {
        if *count > 0 {
            let _infallible = write!(text, ", {count} {word}");
        }
    }
    for OperationError { job, message } in errors {
        let job = job.as_deref().map(|job| format!("{}: ", line(job))).unwrap_or_default();
        let _infallible = write!(text, "\n  {job}{}", line(message));
    }
    text
}

fn list(client: &Client, as_json: bool) -> anyhow::Result<()> {
    let page = client.pages("/v1/operations", PAGE_OPERATIONS_MAX, PAGES_MAX)?;
    if as_json {
        return Ok(terminal::print(&terminal::json(&serde_json::to_string(&page)?))?);
    }
    let read = page.items.iter().map(|operation| serde_json::from_str(operation.get()));
    let operations: Vec<Operation> =
        read.collect::<Result<_, _>>().context("the host's list of operations can't be understood")?;
    if operations.is_empty() {
        terminal::remark(&addressed("there are no operations; `stoker retry --state failed` would be one"));
        return Ok(());
    }
    Ok(terminal::print(&operations_table(&operations, Colours::of_stdout()))?)
}

fn operations_table(operations: &[Operation], colours: Colours) -> String {
    let row = |operation: &Operation| {
        [
            operation.id.clone(),
            operation.action.clone(),
            operation.state.clone(),
            operation.matched.to_string(),
            operation.changed.to_string(),
            operation.skipped.to_string(),
            operation.failed.to_string(),
            operation.created_at.clone(),
        ]
    };
    let rows: Vec<_> = operations.iter().map(row).collect();
    let headings = ["ID", "ACTION", "STATE", "MATCHED", "CHANGED", "SKIPPED", "FAILED", "CREATED"];
    table(headings, &rows, colours, |row, column| match (column, operations[row].state.as_str()) {
        (2, "failed") => Some(Tone::Bad),
        (2, "running" | "queued") => Some(Tone::Notable),
        (6, _) if operations[row].failed > 0 => Some(Tone::Bad),
        _ => None,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_is_a_line_and_what_was_in_the_way() {
        let json = r#"[
            {"id":"op_02","action":"retry","state":"done","matched":12,"changed":10,"skipped":1,"failed":1,
             "created_at":"2026-11-21T09:00:00Z","errors":[{"job":"job_01","message":"its kind\u001b is gone"}]},
            {"id":"op_01","action":"cancel","state":"running","matched":3,"changed":3,"created_at":"2026-11-21T08:00:00Z"}]"#;
        let operations: Vec<Operation> = serde_json::from_str(json).unwrap();
        insta::assert_snapshot!(said(&operations[0]), @r"
        op_02 retry done: 10 changed, 1 skipped, 1 failed
          job_01: its kind\u{1b} is gone
        ");
        assert_eq!(said(&operations[1]), "op_01 cancel running: 3 changed");
        assert!(operations[0].is_finished() && !operations[0].is_success() && !operations[1].is_finished());
        insta::assert_snapshot!(operations_table(&operations, Colours::Off), @r"
        ID     ACTION  STATE    MATCHED  CHANGED  SKIPPED  FAILED  CREATED
        op_02  retry   done     12       10       1        1       2026-11-21T09:00:00Z
        op_01  cancel  running  3        3        0        0       2026-11-21T08:00:00Z
        ");
    }
}
