//! `stoker bulk`: any action on all jobs a filter lets through.

use std::process::ExitCode;

use super::client::Connection;
use super::which::Which;

/// Do one thing to all jobs a filter lets through
///
/// Jobs enqueued later are never meant, and each job is changed at most once, whatever happens to the host meanwhile.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  stoker bulk retry --state failed --kind email.send --rate 10/s
  stoker bulk delete --state succeeded --until 24h
  stoker bulk set-priority --priority 1 --unfinished --tag urgent
  stoker bulk cancel --queue imports --unfinished --no-wait; stoker operations")]
pub(super) struct Arguments {
    /// What to do
    action: Action,
    /// With set-priority: 0 to 9, lower first
    #[arg(long, value_parser = clap::value_parser!(u8).range(0..=9), required_if_eq("action", "set-priority"))]
    priority: Option<u8>,
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Action {
    /// Bring failed, cancelled and retrying jobs back
    Retry,
    /// Cancel what has not ended
    Cancel,
    /// Remove what has ended
    Delete,
    /// Don't wait for the time of scheduled and retrying jobs
    RunNow,
    /// Change the priority of what waits
    SetPriority,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let action = match arguments.action {
        Action::Retry => "retry",
        Action::Cancel => "cancel",
        Action::Delete => "delete",
        Action::RunNow => "run",
        Action::SetPriority => "set_priority",
    };
    arguments.which.carry_out(&arguments.connection, action, arguments.priority)
}
