//! `stoker kv`: a look into the key-value store of handlers, and a hand in it.

use std::process::ExitCode;

use anyhow::Context;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use serde_json::json;

use super::client::{Connection, segment};
use super::hints::addressed;
use super::table::table;
use super::terminal::{self, Colours};
use super::wire::{KvBucket, KvEntry, KvListedKey};
use super::{payload, quantities};
use crate::job::{BucketName, KvKey};

/// Keys or buckets the host lists at once.
const PAGE_KEYS_MAX: usize = 500;
/// Pages asked for.
const PAGES_MAX: usize = 20;

/// Look into the key-value store, or change it
///
/// Handlers keep things in it, each tenant its own: keys in buckets that are granted to their kinds (`stoker kinds KIND --set
/// grants='{"kv":["BUCKET"]}'`). A change acts at once.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  stoker kv list
  stoker kv list sessions --prefix user/
  stoker kv get sessions user/42 --json
  stoker kv set sessions user/42 @session.json
  stoker kv delete sessions user/42")]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Print a key's value
    ///
    /// A text is printed as it is, and what is none as base64.
    Get {
        /// In which bucket
        bucket: BucketName,
        /// Which key
        // `key` is the caller's.
        #[arg(id = "entry", value_name = "KEY")]
        key: KvKey,
        #[command(flatten)]
        connection: Connection,
    },
    /// Set a key
    Set {
        /// In which bucket
        bucket: BucketName,
        /// Which key
        // `key` is the caller's.
        #[arg(id = "entry", value_name = "KEY")]
        key: KvKey,
        /// A text, `@FILE`, or `-` for standard input
        value: String,
        #[command(flatten)]
        connection: Connection,
    },
    /// Remove a key
    Delete {
        /// In which bucket
        bucket: BucketName,
        /// Which key
        // `key` is the caller's.
        #[arg(id = "entry", value_name = "KEY")]
        key: KvKey,
        #[command(flatten)]
        connection: Connection,
    },
    /// List buckets, or the keys of one
    List {
        /// Which bucket [default: list the buckets]
        bucket: Option<BucketName>,
        /// What the keys begin with
        #[arg(long, requires = "bucket")]
        prefix: Option<String>,
        #[command(flatten)]
        connection: Connection,
    },
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    match &arguments.action {
        Action::Get { bucket, key, connection } => get(bucket, key, connection)?,
        Action::Set { bucket, key, value, connection } => set(bucket, key, value, connection)?,
        Action::Delete { bucket, key, connection } => {
            connection.client()?.call(Method::DELETE, &path(bucket, key)).send()?;
            done(bucket, key, "is deleted", connection)?;
        }
        Action::List { bucket: None, connection, .. } => list_buckets(connection)?,
        Action::List { bucket: Some(bucket), prefix, connection } => list_keys(bucket, prefix.as_deref(), connection)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn get(bucket: &BucketName, key: &KvKey, connection: &Connection) -> anyhow::Result<()> {
    let answer = connection.client()?.get(&path(bucket, key)).send()?;
    if connection.json {
        return answer.print();
    }
    let KvEntry { value, value_base64 } = answer.parse()?;
    Ok(terminal::print(&terminal::block(&value.or(value_base64).unwrap_or_default()))?)
}

fn set(bucket: &BucketName, key: &KvKey, value: &str, connection: &Connection) -> anyhow::Result<()> {
    let client = connection.client()?;
    let body = json!({"value_base64": STANDARD.encode(payload::bytes(value, "value")?)});
    client.call(Method::PUT, &path(bucket, key)).send_body("application/json", serde_json::to_vec(&body)?)?;
    done(bucket, key, "is set", connection)
}

fn done(bucket: &BucketName, key: &KvKey, what: &str, connection: &Connection) -> anyhow::Result<()> {
    if connection.json {
        let told = json!({"bucket": bucket.as_str(), "key": key.as_str(), "done": what.trim_start_matches("is ")});
        return Ok(terminal::print(&terminal::json(&told.to_string()))?);
    }
    Ok(terminal::print(&terminal::line(&format!("{key} in {bucket} {what}")))?)
}

fn list_buckets(connection: &Connection) -> anyhow::Result<()> {
    let page = connection.client()?.pages("/v1/kv", PAGE_KEYS_MAX, PAGES_MAX)?;
    if connection.json {
        return Ok(terminal::print(&terminal::json(&serde_json::to_string(&page)?))?);
    }
    let read = page.items.iter().map(|bucket| serde_json::from_str(bucket.get()));
    let buckets: Vec<KvBucket> =
        read.collect::<Result<_, _>>().context("the host's list of buckets can't be understood")?;
    if buckets.is_empty() {
        terminal::remark(&addressed("there is nothing in the key-value store yet"));
        return Ok(());
    }
    let rows: Vec<_> = buckets.into_iter().map(|bucket| [bucket.bucket]).collect();
    Ok(terminal::print(&table(["BUCKET"], &rows, Colours::of_stdout(), |_, _| None))?)
}

fn list_keys(bucket: &BucketName, prefix: Option<&str>, connection: &Connection) -> anyhow::Result<()> {
    let prefix = prefix.map(|prefix| format!("?prefix={}", segment(prefix))).unwrap_or_default();
    let path = format!("/v1/kv/{}{prefix}", segment(bucket));
    let page = connection.client()?.pages(&path, PAGE_KEYS_MAX, PAGES_MAX)?;
    if connection.json {
        return Ok(terminal::print(&terminal::json(&serde_json::to_string(&page)?))?);
    }
    let read = page.items.iter().map(|key| serde_json::from_str(key.get()));
    let keys: Vec<KvListedKey> =
        read.collect::<Result<_, _>>().context("the host's list of keys can't be understood")?;
    if keys.is_empty() {
        terminal::remark(&addressed("there are no such keys"));
        return Ok(());
    }
    Ok(terminal::print(&keys_table(&keys, Colours::of_stdout()))?)
}

fn keys_table(keys: &[KvListedKey], colours: Colours) -> String {
    let row = |listed: &KvListedKey| {
        let KvListedKey { key, size_bytes, version, updated_at } = listed;
        [key.clone(), quantities::bytes(*size_bytes), version.to_string(), updated_at.clone()]
    };
    let rows: Vec<_> = keys.iter().map(row).collect();
    table(["KEY", "SIZE", "VERSION", "SET AT"], &rows, colours, |_, _| None)
}

fn path(bucket: &BucketName, key: &KvKey) -> String {
    format!("/v1/kv/{}/{}", segment(bucket), segment(key.as_str()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_a_line() {
        let keys: Vec<KvListedKey> = serde_json::from_value(json!([
            {"key": "user/42", "size_bytes": 2_048, "version": 17, "updated_at": "2026-11-22T09:30:00.000Z"},
            {"key": "a\u{1b}[2J", "size_bytes": 0, "version": 18, "updated_at": "2026-11-22T09:30:00.000Z"},
        ]))
        .unwrap();
        let shown = keys_table(&keys, Colours::Off);
        assert!(shown.contains("user/42") && shown.contains("17") && !shown.contains('\u{1b}'), "{shown}");
        assert_eq!(path(&"b".parse().unwrap(), &"a/b c".parse().unwrap()), "/v1/kv/b/a%2Fb%20c");
    }
}
