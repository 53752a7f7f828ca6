//! `stoker run-now`: a job that waits for its time need not.

use std::process::ExitCode;

use super::client::Connection;
use super::each_job::each_job;
use super::terminal::line;
use super::which::Which;
use crate::job::JobId;

/// Make scheduled, snoozed or retrying jobs ready at once
///
/// Their attempts stay as they are; `stoker retry` begins them anew.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  stoker run-now job_01ARZ3NDEKTSV4RRFFQ69G5FAV
  stoker run-now --state scheduled --kind report.daily")]
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
        return arguments.which.carry_out(&arguments.connection, "run", None);
    }
    each_job(&arguments.connection, &arguments.ids, "run", |job| format!("{} is {}", line(&job.id), line(&job.state)))
}
