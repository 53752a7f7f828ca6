//! `stoker retry`: bring a job back.

use std::process::ExitCode;

use super::client::Connection;
use super::terminal::{self, line};
use super::wire::Job;
use crate::job::JobId;

/// Bring a failed or cancelled job back, or run a waiting retry at once
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  stoker retry job_01ARZ3NDEKTSV4RRFFQ69G5FAV")]
pub(super) struct Arguments {
    /// The job
    id: JobId,
    #[command(flatten)]
    connection: Connection,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let answer = arguments.connection.client()?.post(&format!("/v1/jobs/{}/retry", arguments.id)).send()?;
    if arguments.connection.json {
        answer.print()?;
    } else {
        let job: Job = answer.parse()?;
        terminal::print(&format!("{} is {} again", line(&job.id), line(&job.state)))?;
    }
    Ok(ExitCode::SUCCESS)
}
