//! `stoker cancel`: end a job.

use std::process::ExitCode;

use super::client::Connection;
use super::each_job::each_job;
use super::terminal::line;
use crate::job::JobId;

/// Cancel waiting jobs, or interrupt running ones
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  stoker cancel job_01ARZ3NDEKTSV4RRFFQ69G5FAV
  stoker jobs --state scheduled --limit 1000 --quiet | xargs -r stoker cancel")]
pub(super) struct Arguments {
    /// The jobs, one or more
    #[arg(required = true, value_name = "ID")]
    ids: Vec<JobId>,
    #[command(flatten)]
    connection: Connection,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    each_job(&arguments.connection, &arguments.ids, "cancel", |job| {
        // A running guest ends shortly after, not at once.
        let what = if job.is_terminal() { line(&job.state) } else { "will be interrupted".into() };
        format!("{} {what}", line(&job.id))
    })
}
