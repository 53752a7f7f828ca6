//! `stoker modules`: what is deployed, and the versions of one module.

use std::process::ExitCode;

use serde_json::value::RawValue;

use super::advice;
use super::client::{Client, ClientError, Connection};
use super::hints::addressed;
use super::quantities;
use super::table::table;
use super::terminal::{self, Colours, Tone};
use super::versions::{parsed, short, versions};
use super::wire::{Deployed, Page};
use crate::job::ModuleName;

/// Modules the host lists at once.
const PAGE_MODULES_MAX: usize = 500;
/// Pages asked for.
const PAGES_MAX: usize = 20;

/// List modules, or the versions of one
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  stoker modules
  stoker modules greet           # its versions, newest first
  stoker modules greet --json | jq '.items[].digest'")]
pub(super) struct Arguments {
    /// The module whose versions are shown [default: all modules]
    module: Option<ModuleName>,
    #[command(flatten)]
    connection: Connection,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let client = arguments.connection.client()?;
    let page = match &arguments.module {
        Some(module) => versions(&client, module).map_err(|error| advice::on_refusal(error.into()))?,
        None => modules(&client)?,
    };
    if arguments.connection.json {
        terminal::print(&terminal::json(&serde_json::to_string(&page)?))?;
        return Ok(ExitCode::SUCCESS);
    }
    let found = parsed(&page)?;
    let colours = Colours::of_stdout();
    if found.is_empty() {
        terminal::remark(&addressed("there are no modules yet; `stoker deploy FILE` uploads one"));
    } else if let Some(module) = &arguments.module {
        terminal::print(&versions_table(&found, colours))?;
        if found.len() > 1 {
            terminal::remark(&addressed(format!("`stoker rollback {module} [DIGEST]` makes another one active")));
        }
    } else {
        terminal::print(&modules_table(&found, colours))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn modules(client: &Client) -> Result<Page<Box<RawValue>>, ClientError> {
    client.pages("/v1/modules", PAGE_MODULES_MAX, PAGES_MAX)
}

fn modules_table(modules: &[Deployed], colours: Colours) -> String {
    let row = |module: &Deployed| {
        [
            module.name.clone(),
            if module.active { "active".to_owned() } else { "not active".to_owned() },
            short(&module.digest.to_string()).into_owned(),
            module.guest.replace('_', " "),
            quantities::bytes(module.size_bytes),
            moment(module.activated_at.as_deref()),
            module.kinds.join(", "),
        ]
    };
    let rows: Vec<_> = modules.iter().map(row).collect();
    let headings = ["MODULE", "STATE", "VERSION", "TYPE", "SIZE", "ACTIVE SINCE", "KINDS"];
    table(headings, &rows, colours, |row, column| (column == 1).then(|| tone(&modules[row])))
}

fn versions_table(versions: &[Deployed], colours: Colours) -> String {
    let row = |version: &Deployed| {
        [
            short(&version.digest.to_string()).into_owned(),
            if version.active { "active".to_owned() } else { String::new() },
            moment(version.created_at.as_deref()),
            version.activated_at.as_deref().map_or_else(|| "never".to_owned(), |at| moment(Some(at))),
            quantities::bytes(version.size_bytes),
            version.kinds.join(", "),
        ]
    };
    let rows: Vec<_> = versions.iter().map(row).collect();
    let headings = ["VERSION", "STATE", "UPLOADED", "LAST ACTIVATED", "SIZE", "KINDS"];
    table(headings, &rows, colours, |row, column| (column == 1).then(|| tone(&versions[row])))
}

fn tone(version: &Deployed) -> Tone {
    if version.active { Tone::Good } else { Tone::Notable }
}

/// To the second: `2026-11-21T09:00:00Z`.
fn moment(at: Option<&str>) -> String {
    let at = at.unwrap_or_default();
    at.split_once('.').map_or_else(|| at.to_owned(), |(seconds, _)| format!("{seconds}Z"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn versions_say_which_is_active_and_which_was() {
        let digest = |word: &str| format!("sha256:{word:0<64}");
        let versions: Vec<Deployed> = serde_json::from_value(serde_json::json!([
            {"name": "mail", "digest": digest("c3"), "size_bytes": 121_139, "kinds": ["email.send", "email.new"],
                "type": "handler", "created_at": "2026-11-21T09:00:03.120Z", "activated_at": null, "active": false},
            {"name": "mail", "digest": digest("b2"), "size_bytes": 120_001, "kinds": ["email.send"], "type": "handler",
                "created_at": "2026-11-21T09:00:02.000Z", "activated_at": "2026-11-21T09:00:02.500Z", "active": true},
        ]))
        .unwrap();
        insta::assert_snapshot!(versions_table(&versions, Colours::Off));
        insta::assert_snapshot!(modules_table(&versions, Colours::Off));
    }
}
