//! `stoker keys`: makes keys of the API, lists and revokes them.

use std::process::ExitCode;

use anyhow::Context;
use http::Method;
use serde::Deserialize;
use serde_json::{Map, json};

use super::client::{Client, Connection};
use super::hints::addressed;
use super::keys_reset;
use super::table::table;
use super::terminal::{self, Colours, Tone, line};
use crate::job::{KeyId, KeyName, Role, Span};

/// Keys the host lists at once.
const PAGE_KEYS_MAX: usize = 500;
/// Pages asked for.
const PAGES_MAX: usize = 20;

/// Make, list, revoke and reset keys of the API
///
/// A key is an operator's, producer's or viewer's of one tenant (`--tenant`), or an admin's. It is shown once, when it is made.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  stoker keys create me --role admin                    # the first key of a host; from then on it asks for one
  stoker keys create ci --role producer --expires-in 90d
  stoker keys create acme-ops --role operator --tenant acme --json
  stoker keys list
  stoker keys revoke key_01ARZ3NDEKTSV4RRFFQ69G5FAV     # from now on it is worth nothing
  stoker keys reset --data-dir /var/lib/stoker          # no admin's key is left: begin anew, while the host is stopped")]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Make a key, and print it
    Create {
        /// What people call it: letters, digits, `.`, `_` and `-`
        name: KeyName,
        /// What it may do: viewer, producer, operator or admin
        #[arg(long)]
        role: Role,
        /// After so long it is worth nothing [default: never]
        #[arg(long, value_name = "DURATION")]
        expires_in: Option<Span>,
        #[command(flatten)]
        connection: Connection,
    },
    /// List keys, without their secrets
    List {
        #[command(flatten)]
        connection: Connection,
    },
    /// Revoke keys; the sessions opened with them end
    Revoke {
        /// Their ids, as `list` shows them
        #[arg(required = true)]
        keys: Vec<KeyId>,
        #[command(flatten)]
        connection: Connection,
    },
    /// Forget every key and session of a host that is stopped, as if there had never been one
    ///
    /// For when no admin's key is left, or known. On loopback the host asks for no key then, until the first is made.
    Reset(keys_reset::Arguments),
}

/// A key as the API shows it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Key {
    id: String,
    name: String,
    role: String,
    tenant: Option<String>,
    prefix: String,
    expires_at: Option<String>,
    last_used_at: Option<String>,
    #[serde(rename = "key")]
    secret: Option<String>,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    match &arguments.action {
        Action::Create { name, role, expires_in, connection } => {
            anyhow::ensure!(
                *role != Role::Admin || !connection.names_tenant(),
                "an admin's key is the host's, not a tenant's: leave out `--tenant` (and STOKER_TENANT), or make an operator's key"
            );
            create(&connection.client()?, (name, *role, *expires_in), connection.json)?;
        }
        Action::List { connection } => list(&connection.client()?, connection.json)?,
        Action::Revoke { keys, connection } => revoke(&connection.client()?, keys, connection.json)?,
        Action::Reset(arguments) => keys_reset::run(arguments)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn create(
    client: &Client,
    (name, role, expires_in): (&KeyName, Role, Option<Span>),
    is_json: bool,
) -> anyhow::Result<()> {
    let mut body = Map::new();
    body.insert("name".to_owned(), json!(name));
    body.insert("role".to_owned(), json!(role.as_str()));
    if let Some(span) = expires_in {
        body.insert("expires_in".to_owned(), json!(span.to_string()));
    }
    let answer = client.post("/v1/keys").send_body("application/json", serde_json::to_vec(&body)?)?;
    if is_json {
        return answer.print();
    }
    let made: Key = answer.parse()?;
    let secret = made.secret.context("the host's answer holds no key")?;
    terminal::print(&line(&secret))?;
    terminal::remark(&addressed(format!(
        "{} `{}` is made. It is shown this once: keep it, and give it to commands as STOKER_KEY",
        line(&made.role),
        line(&made.name)
    )));
    Ok(())
}

fn list(client: &Client, is_json: bool) -> anyhow::Result<()> {
    let page = client.pages("/v1/keys", PAGE_KEYS_MAX, PAGES_MAX)?;
    if is_json {
        return Ok(terminal::print(&terminal::json(&serde_json::to_string(&page)?))?);
    }
    let read = page.items.iter().map(|key| serde_json::from_str(key.get()));
    let keys: Vec<Key> = read.collect::<Result<_, _>>().context("the host's list of keys can't be understood")?;
    if keys.is_empty() {
        terminal::remark(&addressed("no keys; `stoker keys create NAME --role admin` makes the first"));
        return Ok(());
    }
    let rows: Vec<[String; 7]> = keys
        .into_iter()
        .map(|key| {
            let never = || "never".to_owned();
            [
                key.name,
                key.role,
                key.tenant.unwrap_or_else(|| "(host)".to_owned()),
                key.prefix,
                key.last_used_at.unwrap_or_else(never),
                key.expires_at.unwrap_or_else(never),
                key.id,
            ]
        })
        .collect();
    let headings = ["NAME", "ROLE", "TENANT", "PREFIX", "LAST USED", "EXPIRES", "ID"];
    let tone = |_: usize, column: usize| (column == 6).then_some(Tone::Faint);
    terminal::print(&table(headings, &rows, Colours::of_stdout(), tone))?;
    Ok(())
}

fn revoke(client: &Client, keys: &[KeyId], is_json: bool) -> anyhow::Result<()> {
    for key in keys {
        client.call(Method::DELETE, &format!("/v1/keys/{key}")).send()?;
        if is_json {
            terminal::print(&json!({"id": key.to_string(), "revoked": true}).to_string())?;
        } else {
            terminal::print(&format!("{key} is revoked"))?;
        }
    }
    Ok(())
}
