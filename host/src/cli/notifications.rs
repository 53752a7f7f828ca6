//! `stoker notifications`: what handlers told users.

use std::process::ExitCode;

use anyhow::Context;

use super::client::{Connection, segment};
use super::hints::addressed;
use super::table::table;
use super::terminal::{self, Colours, Tone};
use super::wire::Notification;
use crate::job::UserName;

/// Notifications the host lists at once.
const PAGE_NOTIFICATIONS_MAX: usize = 500;
/// Pages asked for.
const PAGES_MAX: usize = 20;
/// Characters of a message on a line.
const MESSAGE_CHARS_MAX: usize = 80;

/// List what handlers told users
///
/// The newest first. Handlers of kinds that are granted it tell users of your application (`stoker kinds KIND --set
/// grants='{"notify":true}'`), who read it in their inbox, as a stream, or on the hub.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  stoker notifications
  stoker notifications --user ann --unread
  stoker notifications --user ann --json")]
pub(super) struct Arguments {
    /// Only of this user
    #[arg(long)]
    user: Option<UserName>,
    /// Only those that were not read
    #[arg(long)]
    unread: bool,
    #[command(flatten)]
    connection: Connection,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let Arguments { user, unread, connection } = arguments;
    let mut path = format!("/v1/notifications?unread={unread}");
    if let Some(user) = user {
        path.push_str("&user=");
        path.push_str(&segment(user.as_str()));
    }
    let page = connection.client()?.pages(&path, PAGE_NOTIFICATIONS_MAX, PAGES_MAX)?;
    if connection.json {
        terminal::print(&terminal::json(&serde_json::to_string(&page)?))?;
        return Ok(ExitCode::SUCCESS);
    }
    let read = page.items.iter().map(|notification| serde_json::from_str(notification.get()));
    let notifications: Vec<Notification> =
        read.collect::<Result<_, _>>().context("the host's list of notifications can't be understood")?;
    if notifications.is_empty() {
        terminal::remark(&addressed("there are no such notifications"));
        return Ok(ExitCode::SUCCESS);
    }
    terminal::print(&notifications_table(&notifications, Colours::of_stdout()))?;
    Ok(ExitCode::SUCCESS)
}

fn notifications_table(notifications: &[Notification], colours: Colours) -> String {
    let row = |notification: &Notification| {
        let Notification { id, user, level, message, created_at, read_at } = notification;
        let mut shown: String = message.chars().take(MESSAGE_CHARS_MAX).collect();
        if shown.len() < message.len() {
            shown.push('…');
        }
        let read = if read_at.is_some() { "yes" } else { "" };
        [id.clone(), created_at.clone(), user.clone(), level.clone(), read.to_owned(), shown]
    };
    let rows: Vec<_> = notifications.iter().map(row).collect();
    table(["ID", "AT", "USER", "LEVEL", "READ", "MESSAGE"], &rows, colours, |row, column| {
        match notifications.get(row)?.level.as_str() {
            "error" if column == 3 => Some(Tone::Bad),
            "success" if column == 3 => Some(Tone::Good),
            _ => None,
        }
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_notification_is_a_line() {
        let one = |level: &str, message: &str, read_at: Option<&str>| {
            json!({"id": "ntf_01ARZ3NDEKTSV4RRFFQ69G5FAV", "user": "ann", "level": level, "message": message, "data": {},
                "job": "job_01ARZ3NDEKTSV4RRFFQ69G5FAV", "created_at": "2026-11-22T09:30:00.000Z", "read_at": read_at})
        };
        let long = format!("a\u{1b}[2J {}", "x".repeat(MESSAGE_CHARS_MAX));
        let listed = json!([one("error", &long, None), one("success", "done", Some("2026-11-22T09:31:00.000Z"))]);
        let notifications: Vec<Notification> = serde_json::from_value(listed).unwrap();
        let shown = notifications_table(&notifications, Colours::Off);
        assert!(!shown.contains('\u{1b}') && shown.lines().count() == 3, "{shown}");
        assert!(shown.lines().nth(1).unwrap().ends_with("x…"), "{shown}");
        assert!(shown.lines().nth(2).unwrap().ends_with("ann   success  yes   done"), "{shown}");
    }
}
