//! `stoker dead-letters`: what failed for good, by kind, reason and words; and the jobs of one such group.

use std::cmp::Reverse;
use std::process::ExitCode;

use anyhow::Context;

use super::client::{Client, Connection, segment};
use super::hints::addressed;
use super::jobs::jobs_table;
use super::quantities;
use super::table::table;
use super::terminal::{self, Colours, Tone, line};
use super::wire::{DeadLetterGroup, Job};
use crate::job::{FailureReason, GroupId, KindName};

/// Groups, or jobs, the host lists at once.
const PAGE_MAX: usize = 500;
/// Pages asked for.
const PAGES_MAX: usize = 20;
/// Characters of a message on a line.
const MESSAGE_CHARS_MAX: usize = 60;

/// List what failed for good, by kind, reason and message
///
/// Jobs that failed in the same words are one line, with how many there are; what differs from one to the next (numbers, ids) is
/// shown as `#`. With a group: its jobs.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  stoker dead-letters
  stoker dead-letters --kind email.send --reason timeout
  stoker dead-letters group_0123456789abcdef0123456789abcdef
  stoker retry --group group_0123456789abcdef0123456789abcdef --rate 10/s     # bring its jobs back, not all at once")]
pub(super) struct Arguments {
    /// The group whose jobs to list [default: all groups]
    group: Option<GroupId>,
    /// Only of this kind
    #[arg(long, conflicts_with = "group")]
    kind: Option<KindName>,
    /// Only for this reason, e.g. timeout
    #[arg(long, conflicts_with = "group")]
    reason: Option<FailureReason>,
    /// Print the ids of the group's jobs, and nothing else
    #[arg(long, short, requires = "group", conflicts_with = "json")]
    quiet: bool,
    #[command(flatten)]
    connection: Connection,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let client = arguments.connection.client()?;
    match arguments.group {
        Some(group) => jobs(&client, arguments, group)?,
        None => groups(&client, arguments)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn groups(client: &Client, arguments: &Arguments) -> anyhow::Result<()> {
    let mut path = "/v1/dead-letters".to_owned();
    let filters = [
        ("kind", arguments.kind.as_ref().map(KindName::as_str)),
        ("reason", arguments.reason.map(FailureReason::as_str)),
    ];
    for (name, value) in filters {
        let Some(value) = value else { continue };
        path.push(if path.contains('?') { '&' } else { '?' });
        path.push_str(name);
        path.push('=');
        path.push_str(&segment(value));
    }
    let page = client.pages(&path, PAGE_MAX, PAGES_MAX)?;
    if arguments.connection.json {
        return Ok(terminal::print(&terminal::json(&serde_json::to_string(&page)?))?);
    }
    let read = page.items.iter().map(|group| serde_json::from_str(group.get()));
    let mut groups: Vec<DeadLetterGroup> =
        read.collect::<Result<_, _>>().context("the host's list of dead letters can't be understood")?;
    if groups.is_empty() {
        terminal::remark("no such jobs");
        return Ok(());
    }
    groups.sort_by_key(|group| Reverse(group.jobs));
    terminal::print(&groups_table(&groups, Colours::of_stdout()))?;
    terminal::remark(&addressed(
        "`stoker dead-letters GROUP` lists the jobs of one, `stoker retry --group GROUP --rate 10/s` brings them back",
    ));
    Ok(())
}

fn jobs(client: &Client, arguments: &Arguments, group: GroupId) -> anyhow::Result<()> {
    // Says that there is none, where there is none.
    client.get(&format!("/v1/dead-letters/{group}")).send()?;
    let page = client.pages(&format!("/v1/jobs?group={group}"), PAGE_MAX, PAGES_MAX)?;
    if arguments.connection.json {
        return Ok(terminal::print(&terminal::json(&serde_json::to_string(&page)?))?);
    }
    let read = page.items.iter().map(|job| serde_json::from_str(job.get()));
    let jobs: Vec<Job> = read.collect::<Result<_, _>>().context("the host's list of jobs can't be understood")?;
    if arguments.quiet {
        let ids: Vec<_> = jobs.iter().map(|job| line(&job.id)).collect();
        return Ok(terminal::print(&ids.join("\n"))?);
    }
    Ok(terminal::print(&jobs_table(&jobs, &quantities::now(), terminal::columns(), Colours::of_stdout()))?)
}

fn groups_table(groups: &[DeadLetterGroup], colours: Colours) -> String {
    let row = |group: &DeadLetterGroup| {
        let message: String = group.message.chars().take(MESSAGE_CHARS_MAX).collect();
        let rest = if message.len() < group.message.len() { "…" } else { "" };
        [
            group.jobs.to_string(),
            line(&group.kind).into_owned(),
            line(&group.reason).into_owned(),
            format!("{}{rest}", line(&message)),
            line(&group.last_failed_at).into_owned(),
            line(&group.group).into_owned(),
        ]
    };
    let rows: Vec<_> = groups.iter().map(row).collect();
    let headings = ["JOBS", "KIND", "REASON", "MESSAGE", "LAST", "GROUP"];
    table(headings, &rows, colours, |_, column| (column == 0).then_some(Tone::Strong))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_a_line() {
        let groups: Vec<DeadLetterGroup> = serde_json::from_value(serde_json::json!([
            {"group": "group_01", "kind": "email.send", "reason": "handler_error", "message": "no user #", "jobs": 1_204,
                "last_failed_at": "2026-11-22T08:00:00.000Z"},
            {"group": "group_02", "kind": "report", "reason": "timeout", "message": "x".repeat(80), "jobs": 2,
                "last_failed_at": "2026-11-21T08:00:00.000Z"},
        ]))
        .unwrap();
        insta::assert_snapshot!(groups_table(&groups, Colours::Off));
    }
}
