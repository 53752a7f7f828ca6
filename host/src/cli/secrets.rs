//! `stoker secrets`: set, list and remove what handlers may be given and nobody may see.

use std::process::ExitCode;

use anyhow::Context;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use serde_json::json;
use zeroize::Zeroizing;

use super::client::{Connection, segment};
use super::hints::addressed;
use super::secret_value;
use super::table::table;
use super::terminal::{self, Colours};
use super::wire::{DeletedSecret, Secret};
use crate::job::SecretName;

/// Secrets the host lists at once.
const PAGE_SECRETS_MAX: usize = 500;
/// Pages asked for.
const PAGES_MAX: usize = 20;

/// Set, list or remove secrets
///
/// A secret is encrypted on the host and given to the handlers of the kinds that are granted it (`stoker kinds KIND --set
/// grants='{"secrets":["NAME"]}'`). Nothing shows its value again.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  stoker secrets set stripe-key @stripe.key
  pass show stripe | stoker secrets set stripe-key
  stoker secrets list --json
  stoker secrets delete stripe-key")]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Set a secret: new, or in the place of another value
    ///
    /// The value is read from a file or from standard input, never from the command line, where the shell's history and other
    /// users of the machine would see it. One end of a line at its end is left out.
    Set {
        /// What it is called
        name: SecretName,
        /// `@FILE`, or `-` for standard input
        #[arg(default_value = "-", value_parser = source)]
        value: Source,
        #[command(flatten)]
        connection: Connection,
    },
    /// List secrets, without their values
    List {
        #[command(flatten)]
        connection: Connection,
    },
    /// Remove a secret, also where kinds are granted it: it says which
    Delete {
        /// Which
        name: SecretName,
        #[command(flatten)]
        connection: Connection,
    },
}

/// Where a value comes from.
#[derive(Clone, Debug)]
enum Source {
    File(String),
    Stdin,
}

fn source(text: &str) -> Result<Source, String> {
    match text.strip_prefix('@') {
        Some(file) if !file.is_empty() => Ok(Source::File(file.to_owned())),
        None if text == "-" => Ok(Source::Stdin),
        // Not quoted back: it may be the value.
        _ => {
            Err("write @FILE, or - for standard input; a value on the command line would be seen by others".to_owned())
        }
    }
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    match &arguments.action {
        Action::Set { name, value, connection } => set(name, value, connection)?,
        Action::List { connection } => list(connection)?,
        Action::Delete { name, connection } => delete(name, connection)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn set(name: &SecretName, source: &Source, connection: &Connection) -> anyhow::Result<()> {
    let client = connection.client()?;
    let value = match source {
        Source::File(file) => secret_value::of_file(file)?,
        Source::Stdin => secret_value::of_stdin()?,
    };
    let encoded = Zeroizing::new(STANDARD.encode(value.reveal()));
    let body = serde_json::to_vec(&json!({"value_base64": encoded.as_str()}))?;
    let answer = client.call(Method::PUT, &path(name)).send_body("application/json", body)?;
    if connection.json {
        return answer.print();
    }
    let what = if answer.status == 201 { "is set" } else { "has another value now" };
    Ok(terminal::print(&format!("{name} {what}"))?)
}

fn list(connection: &Connection) -> anyhow::Result<()> {
    let page = connection.client()?.pages("/v1/secrets", PAGE_SECRETS_MAX, PAGES_MAX)?;
    if connection.json {
        return Ok(terminal::print(&terminal::json(&serde_json::to_string(&page)?))?);
    }
    let read = page.items.iter().map(|secret| serde_json::from_str(secret.get()));
    let secrets: Vec<Secret> =
        read.collect::<Result<_, _>>().context("the host's list of secrets can't be understood")?;
    if secrets.is_empty() {
        terminal::remark(&addressed("there are no secrets yet; `stoker secrets set NAME @FILE` makes one"));
        return Ok(());
    }
    Ok(terminal::print(&secrets_table(&secrets, Colours::of_stdout()))?)
}

fn secrets_table(secrets: &[Secret], colours: Colours) -> String {
    let row = |secret: &Secret| {
        let Secret { name, version, key, updated_at } = secret;
        [name.clone(), version.to_string(), updated_at.clone(), key.clone()]
    };
    let rows: Vec<_> = secrets.iter().map(row).collect();
    table(["SECRET", "VERSION", "SET AT", "KEY"], &rows, colours, |_, _| None)
}

fn delete(name: &SecretName, connection: &Connection) -> anyhow::Result<()> {
    let answer = connection.client()?.call(Method::DELETE, &path(name)).send()?;
    if connection.json {
        return answer.print();
    }
    let DeletedSecret { granted_to } = answer.parse()?;
    terminal::print(&format!("{name} is deleted"))?;
    if !granted_to.is_empty() {
        let kinds = granted_to.join(", ");
        terminal::remark(&terminal::line(&format!("still granted it, and finding none from now on: {kinds}")));
    }
    Ok(())
}

fn path(name: &SecretName) -> String {
    format!("/v1/secrets/{}", segment(name))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_a_line() {
        let secrets: Vec<Secret> = serde_json::from_value(json!([
            {"name": "stripe-key", "version": 3, "key": "0123456789abcdef", "updated_at": "2026-11-22T09:30:00.000Z",
                "created_at": "2026-11-20T09:30:00.000Z"},
        ]))
        .unwrap();
        insta::assert_snapshot!(secrets_table(&secrets, Colours::Off), @r"
        SECRET      VERSION  SET AT                    KEY
        stripe-key  3        2026-11-22T09:30:00.000Z  0123456789abcdef
        ");
    }

    #[test]
    fn a_value_on_the_command_line_is_refused_without_quoting_it() {
        assert!(matches!(source("@a b.key"), Ok(Source::File(file)) if file == "a b.key"));
        assert!(matches!(source("-"), Ok(Source::Stdin)));
        for text in ["sk_live_1234", "@", ""] {
            let error = source(text).unwrap_err();
            assert!(error.contains("@FILE") && !error.contains("sk_live"), "{error}");
        }
    }
}
