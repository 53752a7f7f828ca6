//! `stoker cancel`: end a job.

use std::process::ExitCode;

use super::client::Connection;
use super::each_job::each_job;
use super::terminal::line;
use super::which::Which;
use crate::job::JobId;

/// Cancel waiting jobs, or interrupt running ones
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  stoker cancel job_01ARZ3NDEKTSV4RRFFQ69G5FAV
  stoker cancel --unfinished --queue imports
  stoker cancel --state scheduled --kind report.daily --no-wait")]
pub(super) struct Arguments {
    /// The jobs, one or more
    #[arg(required_unless_present = "which", conflicts_with = "which", value_name = "ID")]
    ids: Vec<JobId>,
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    connection: Connection,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    if arguments.ids.is_empty() {
        return arguments.which.carry_out(&arguments.connection, "cancel", None);
    }
    each_job(&arguments.connection, &arguments.ids, "cancel", |job| {
        // A running guest ends shortly after, not at once.
        let what = if job.is_terminal() { line(&job.state) } else { "will be interrupted".into() };
        format!("{} {what}", line(&job.id))
    })
}
