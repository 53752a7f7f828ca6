//! `stoker cancel`: end a job.

use std::process::ExitCode;

use super::client::Connection;
use super::terminal::{self, line};
use super::wire::Job;
use crate::job::JobId;

/// Cancel a waiting job, or interrupt a running one
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  stoker cancel job_01ARZ3NDEKTSV4RRFFQ69G5FAV")]
pub(super) struct Arguments {
    /// The job
    id: JobId,
    #[command(flatten)]
    connection: Connection,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let answer = arguments.connection.client()?.post(&format!("/v1/jobs/{}/cancel", arguments.id)).send()?;
    if arguments.connection.json {
        answer.print()?;
    } else {
        let job: Job = answer.parse()?;
        // A running guest ends shortly after, not at once.
        let what = if job.is_terminal() { line(&job.state) } else { "will be interrupted".into() };
        terminal::print(&format!("{} {what}", line(&job.id)))?;
    }
    Ok(ExitCode::SUCCESS)
}
