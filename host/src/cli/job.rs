//! `stoker job`: one job, readable.

use std::process::ExitCode;

use super::client::{Answer, Client, ClientError, Connection};
use super::job_view::{View, render};
use super::terminal::{self, Colours};
use super::{quantities, wire};
use crate::job::JobId;

/// Show one job: where it stands and why, what happened, what it cost
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  stoker job job_01ARZ3NDEKTSV4RRFFQ69G5FAV
  stoker job job_01ARZ3NDEKTSV4RRFFQ69G5FAV --json | jq .receipt")]
pub(super) struct Arguments {
    /// The job
    id: JobId,
    #[command(flatten)]
    connection: Connection,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let client = arguments.connection.client()?;
    let id = arguments.id;
    let answer = client.get(&format!("/v1/jobs/{id}")).send()?;
    if arguments.connection.json {
        answer.print()?;
        return Ok(ExitCode::SUCCESS);
    }
    let attempts: wire::Page<wire::Execution> = part(&client, id, "attempts")?.parse()?;
    let history: wire::Page<wire::HistoryEntry> = part(&client, id, "history")?.parse()?;
    let view = View { job: answer.parse()?, attempts: attempts.items, history: history.items };
    terminal::print(&render(&view, &quantities::now(), Colours::of_stdout()))?;
    Ok(ExitCode::SUCCESS)
}

fn part(client: &Client, id: JobId, name: &str) -> Result<Answer, ClientError> {
    client.get(&format!("/v1/jobs/{id}/{name}")).send()
}
