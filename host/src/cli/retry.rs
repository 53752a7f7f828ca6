//! `stoker retry`: bring a job back.

use std::process::ExitCode;

use super::client::Connection;
use super::each_job::each_job;
use super::terminal::line;
use crate::job::JobId;

/// Bring failed or cancelled jobs back, or run waiting retries at once
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  stoker retry job_01ARZ3NDEKTSV4RRFFQ69G5FAV
  stoker jobs --state failed --limit 1000 --quiet | xargs -r stoker retry")]
pub(super) struct Arguments {
    /// The jobs, one or more
    #[arg(required = true, value_name = "ID")]
    ids: Vec<JobId>,
    #[command(flatten)]
    connection: Connection,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    each_job(&arguments.connection, &arguments.ids, "retry", |job| {
        format!("{} is {} again", line(&job.id), line(&job.state))
    })
}
