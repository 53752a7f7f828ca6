//! `stoker audit`: who changed what.

use std::process::ExitCode;

use anyhow::Context;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::client::Connection;
use super::filter::moment;
use super::table::table;
use super::terminal::{self, Colours, Tone};
use super::wire::Page;

/// Rows the host lists at once.
const PAGE_ROWS_MAX: usize = 500;
/// Rows shown unless said.
const ROWS_DEFAULT: usize = 50;
/// Rows shown at most.
const ROWS_MAX: usize = 10_000;
/// Pages asked for: one can be short, or empty, and still have a next one.
const PAGES_MAX: usize = 200;

/// List who changed what, newest first
///
/// Every change made through the API, these commands or the dashboard. With --json also what was there before and after.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  stoker audit
  stoker audit --action queue. --since 2h
  stoker audit --object queue/mail --json
  stoker audit --who key:ci:stk_0123abcd --limit 500")]
pub(super) struct Arguments {
    /// Only by this caller, as the list shows it
    #[arg(long)]
    who: Option<String>,
    /// Only what begins so, e.g. `queue.` or `job.cancel`
    #[arg(long)]
    action: Option<String>,
    /// Only to this thing, e.g. `queue/mail`
    #[arg(long)]
    object: Option<String>,
    /// Only since: `10m` ago, or a time like 2026-11-21T09:00:00Z
    #[arg(long, value_name = "TIME", value_parser = moment)]
    since: Option<jiff::Timestamp>,
    /// Only before: `10m` ago, or a time
    #[arg(long, value_name = "TIME", value_parser = moment)]
    until: Option<jiff::Timestamp>,
    /// Only of the tenant that was called so and is deleted; for admins
    #[arg(long, value_name = "NAME")]
    deleted_tenant: Option<String>,
    /// So many at most
    #[arg(long, default_value_t = ROWS_DEFAULT, value_parser = rows)]
    limit: usize,
    #[command(flatten)]
    connection: Connection,
}

/// A change as the API shows it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Entry {
    at: String,
    tenant: Option<String>,
    who: String,
    via: String,
    action: String,
    object: String,
}

fn rows(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(rows) if (1..=ROWS_MAX).contains(&rows) => Ok(rows),
        _ => Err(format!("must be 1 to {ROWS_MAX}")),
    }
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let client = arguments.connection.client()?;
    let mut all: Page<Box<RawValue>> = Page { items: Vec::new(), next_cursor: None };
    for _ in 0..PAGES_MAX {
        let left = (arguments.limit - all.items.len()).min(PAGE_ROWS_MAX);
        let call = client
            .get("/v1/audit")
            .query("limit", Some(&left.to_string()))
            .query("who", arguments.who.as_deref())
            .query("action", arguments.action.as_deref())
            .query("object", arguments.object.as_deref())
            .query("since", arguments.since.map(|at| at.to_string()).as_deref())
            .query("until", arguments.until.map(|at| at.to_string()).as_deref())
            .query("deleted_tenant", arguments.deleted_tenant.as_deref())
            .query("cursor", all.next_cursor.as_deref());
        let mut page: Page<Box<RawValue>> = call.send()?.parse()?;
        all.items.append(&mut page.items);
        all.next_cursor = page.next_cursor;
        if all.next_cursor.is_none() || all.items.len() >= arguments.limit {
            break;
        }
    }
    if arguments.connection.json {
        terminal::print(&terminal::json(&serde_json::to_string(&all)?))?;
        return Ok(ExitCode::SUCCESS);
    }
    let read = all.items.iter().map(|entry| serde_json::from_str(entry.get()));
    let entries: Vec<Entry> = read.collect::<Result<_, _>>().context("the host's audit log can't be understood")?;
    if entries.is_empty() {
        terminal::remark("no such changes");
        return Ok(ExitCode::SUCCESS);
    }
    let rows: Vec<[String; 6]> = entries
        .into_iter()
        .map(|entry| {
            let tenant = entry.tenant.unwrap_or_else(|| "(host)".to_owned());
            [entry.at, entry.who, entry.via, tenant, entry.action, entry.object]
        })
        .collect();
    let tone = |_: usize, column: usize| (column == 0).then_some(Tone::Faint);
    terminal::print(&table(["AT", "WHO", "VIA", "TENANT", "ACTION", "OBJECT"], &rows, Colours::of_stdout(), tone))?;
    Ok(ExitCode::SUCCESS)
}
