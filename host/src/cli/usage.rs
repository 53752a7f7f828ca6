//! `stoker usage`: what was used, by day and kind, as bills are made of it.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use serde::Deserialize;

use super::client::Connection;
use super::table::table;
use super::terminal::{self, Colours};
use super::{hints, quantities};
use crate::job::KindName;
use crate::job::duration::in_words;

/// Rows the host lists at once.
const PAGE_ROWS_MAX: usize = 500;
/// Pages asked for.
const PAGES_MAX: usize = 200;

/// Show what was used, by day (UTC) and kind
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  stoker usage
  stoker usage --since 2026-11-01 --until 2026-12-01
  stoker usage --kind email.send --tenant acme
  stoker usage --all-tenants --json")]
pub(super) struct Arguments {
    /// From this day on, like 2026-11-01
    #[arg(long, value_name = "DATE", value_parser = date)]
    since: Option<String>,
    /// Before this day
    #[arg(long, value_name = "DATE", value_parser = date)]
    until: Option<String>,
    /// Only of this kind
    #[arg(long)]
    kind: Option<KindName>,
    /// Of all tenants, those that were deleted too; for admins
    #[arg(long, conflicts_with = "tenant")]
    all_tenants: bool,
    #[command(flatten)]
    connection: Connection,
}

/// A row as the host shows it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Usage {
    tenant: Option<String>,
    day: String,
    kind: String,
    jobs: u64,
    attempts: u64,
    fuel: u64,
    run_us: u64,
    bytes_in: u64,
    bytes_out: u64,
    bytes_stored: u64,
    http_calls: u64,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let client = arguments.connection.client()?;
    let kind = arguments.kind.as_ref().map(KindName::as_str);
    let asked = [
        ("since", arguments.since.as_deref()),
        ("until", arguments.until.as_deref()),
        ("kind", kind),
        ("all_tenants", arguments.all_tenants.then_some("true")),
    ];
    let page = client.pages_of("/v1/usage", &asked, PAGE_ROWS_MAX, PAGES_MAX)?;
    if arguments.connection.json {
        terminal::print(&terminal::json(&serde_json::to_string(&page)?))?;
        return Ok(ExitCode::SUCCESS);
    }
    let read = page.items.iter().map(|row| serde_json::from_str(row.get()));
    let rows: Vec<Usage> = read.collect::<Result<_, _>>().context("the host's usage can't be understood")?;
    if rows.is_empty() {
        terminal::remark(&hints::addressed("nothing was used in this time"));
        return Ok(ExitCode::SUCCESS);
    }
    terminal::print(&usage_table(&rows, Colours::of_stdout()))?;
    Ok(ExitCode::SUCCESS)
}

/// Whether it is one is for the host to say; that it looks like one is said at once.
fn date(text: &str) -> Result<String, String> {
    let looks_so = text.len() == 10
        && text
            .bytes()
            .enumerate()
            .all(|(at, byte)| if at == 4 || at == 7 { byte == b'-' } else { byte.is_ascii_digit() });
    if looks_so { Ok(text.to_owned()) } else { Err("write a date like 2026-11-01".to_owned()) }
}

fn usage_table(rows: &[Usage], colours: Colours) -> String {
    let row = |usage: &Usage| {
        [
            usage.day.clone(),
            usage.tenant.clone().unwrap_or_default(),
            usage.kind.clone(),
            usage.jobs.to_string(),
            usage.attempts.to_string(),
            usage.fuel.to_string(),
            in_words(Duration::from_micros(usage.run_us)),
            quantities::bytes(usage.bytes_in),
            quantities::bytes(usage.bytes_out),
            quantities::bytes(usage.bytes_stored),
            usage.http_calls.to_string(),
        ]
    };
    let rows: Vec<_> = rows.iter().map(row).collect();
    let headings =
        ["DAY", "TENANT", "KIND", "JOBS", "ATTEMPTS", "FUEL", "RUN TIME", "IN", "OUT", "STORED", "HTTP CALLS"];
    table(headings, &rows, colours, |_, _| None)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_a_line() {
        let usage = Usage { day: "2026-11-22".into(), kind: "greet".into(), jobs: 3, ..Usage::default() };
        let text = usage_table(&[usage], Colours::Off);
        assert!(text.lines().nth(1).unwrap().starts_with("2026-11-22"), "{text}");
        assert!(date("2026-11-01").is_ok() && date("today").is_err() && date("2026-1-001").is_err());
    }
}
