//! `stoker tenants create` and `set`.

use http::Method;
use serde_json::{Map, Value, json};

use super::super::client::Connection;
use super::{Members, path, show};
use crate::job::most::ANY;
use crate::job::{ByteSize, Keep, QuotaName, Span, TenantName};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The tenant: 1 to 63 characters of a-z, 0-9 and -
    name: TenantName,
    /// Its share of the run time beside the weights of the others, 1 to 1000 [default: 10]
    #[arg(long, value_name = "N")]
    weight: Option<u32>,
    /// What it may use, like `running_jobs=4`, `stored_bytes=10GiB` or `run_time_per_day=8h`; `NAME=any`: any number;
    /// `NAME=none`: as much as the host says; repeat for more
    #[arg(long = "quota", value_name = "NAME=MOST", value_parser = quota)]
    quotas: Vec<(&'static str, Value)>,
    /// Keep its finished jobs so long: STATE=DURATION (`forever`, or `none`: as the host has it), with succeeded, cancelled or
    /// failed; repeat for more
    #[arg(long = "retention", value_name = "STATE=DURATION", value_parser = retention)]
    retention: Vec<(&'static str, Value)>,
    #[command(flatten)]
    connection: Connection,
}

pub(super) fn create(arguments: &Arguments) -> anyhow::Result<()> {
    let mut new = asked(arguments);
    new.insert("name".to_owned(), json!(arguments.name));
    let call = arguments.connection.client()?;
    let answer = call.post("/v1/tenants").send_body("application/json", serde_json::to_vec(&new)?)?;
    show(&answer, arguments.connection.json)
}

pub(super) fn change(arguments: &Arguments) -> anyhow::Result<()> {
    let changes = asked(arguments);
    anyhow::ensure!(!changes.is_empty(), "say what to change: --weight, --quota or --retention");
    let client = arguments.connection.client()?;
    let call = client.call(Method::PATCH, &path(&arguments.name));
    let answer = call.send_body("application/merge-patch+json", serde_json::to_vec(&changes)?)?;
    show(&answer, arguments.connection.json)
}

/// `null` for what is to be left to the host.
fn asked(arguments: &Arguments) -> Members {
    let members = |set: &[(&'static str, Value)]| -> Members {
        set.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
    };
    let mut asked = Map::new();
    if let Some(weight) = arguments.weight {
        asked.insert("weight".to_owned(), json!(weight));
    }
    if !arguments.quotas.is_empty() {
        asked.insert("quotas".to_owned(), Value::Object(members(&arguments.quotas)));
    }
    if !arguments.retention.is_empty() {
        asked.insert("settings".to_owned(), json!({"retention": members(&arguments.retention)}));
    }
    asked
}

/// `NAME=MOST`.
fn quota(text: &str) -> Result<(&'static str, Value), String> {
    let (name, most) = text.split_once('=').ok_or("write it as NAME=MOST, e.g. running_jobs=4")?;
    let known = QuotaName::ALL.iter().find(|known| known.as_str() == name).ok_or_else(|| {
        let names: Vec<&str> = QuotaName::ALL.iter().map(|known| known.as_str()).collect();
        format!("there is no quota `{name}`; there are {}", names.join(", "))
    })?;
    let value = match (most, known) {
        ("none", _) => Value::Null,
        (ANY, _) => json!(ANY),
        (_, QuotaName::StoredBytes | QuotaName::ModuleBytes | QuotaName::KvBytes | QuotaName::DatabaseBytes) => {
            json!(most.parse::<ByteSize>().map_err(|error| error.to_string())?)
        }
        (_, QuotaName::RunTimePerDay) => json!(most.parse::<Span>().map_err(|error| error.to_string())?),
        _ => json!(most.parse::<u64>().map_err(|_| {
            format!("`{most}` is no number; `{ANY}` stands for any number, `none` leaves it to the host")
        })?),
    };
    Ok((known.as_str(), value))
}

/// `STATE=DURATION`.
fn retention(text: &str) -> Result<(&'static str, Value), String> {
    let (state, keep) = text.split_once('=').ok_or("write it as STATE=DURATION, e.g. failed=90d")?;
    let known = ["succeeded", "cancelled", "failed"].into_iter().find(|known| *known == state);
    let state = known.ok_or("only what has succeeded, cancelled or failed is kept for a time, e.g. failed=90d")?;
    if keep == "none" {
        return Ok((state, Value::Null));
    }
    let keep: Keep = keep.parse().map_err(|error| format!("{error}"))?;
    Ok((state, json!(keep.to_string())))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn quotas_are_read_as_people_write_them() {
        for (text, expected) in [
            ("running_jobs=4", Some(json!(4))),
            ("running_jobs=none", Some(Value::Null)),
            ("waiting_jobs=any", Some(json!("any"))),
            ("stored_bytes=10GiB", Some(json!(10_u64 << 30))),
            ("stored_bytes=any", Some(json!("any"))),
            ("stored_bytes=lots", None),
            ("running_jobs=-1", None),
            ("jobs=4", None),
            ("running_jobs", None),
        ] {
            assert_eq!(quota(text).ok().map(|(_, value)| value), expected, "{text}");
        }
    }
}
