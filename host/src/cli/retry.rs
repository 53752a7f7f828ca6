//! `stoker retry`: bring a job back.

use std::process::ExitCode;

use super::client::Connection;
use super::each_job::each_job;
use super::terminal::line;
use super::which::Which;
use crate::job::JobId;

/// Bring failed or cancelled jobs back, or run waiting retries at once
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  stoker retry job_01ARZ3NDEKTSV4RRFFQ69G5FAV
  stoker retry --state failed --kind email.send
  stoker retry --state failed --reason timeout --since 2h --rate 10/s
  stoker retry --group group_0123456789abcdef0123456789abcdef --rate 10/s     # as `stoker dead-letters` lists them")]
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
        return arguments.which.carry_out(&arguments.connection, "retry", None);
    }
    each_job(&arguments.connection, &arguments.ids, "retry", |job| {
        format!("{} is {} again", line(&job.id), line(&job.state))
    })
}
