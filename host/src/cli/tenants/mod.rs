//! `stoker tenants`: for admins: who shares the host, and how much each may use.

mod export;
mod set;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use http::Method;
use serde::Deserialize;
use serde_json::Value;

use super::client::{Answer, Connection, segment};
use super::hints::addressed;
use super::quantities;
use super::table::table;
use super::terminal::{self, Colours, Tone, line};
use crate::job::TenantName;
use crate::job::duration::in_words;

/// Tenants the host lists at once.
const PAGE_TENANTS_MAX: usize = 500;
/// Pages asked for.
const PAGES_MAX: usize = 20;

/// Make, list, set, suspend, export and delete tenants
///
/// A tenant has its own jobs, queues, kinds, modules and schedules, sees nothing of the others, and gets its share of the run time
/// by its weight. Other commands act inside one with `--tenant NAME`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  stoker tenants list --json
  stoker tenants create acme --weight 30 --quota running_jobs=4 --quota stored_bytes=10GiB
  stoker tenants show acme
  stoker tenants set acme --quota running_jobs=none --retention failed=90d
  stoker tenants suspend acme
  stoker tenants resume acme
  stoker tenants export acme acme.ndjson
  stoker tenants delete acme
  stoker jobs --tenant acme")]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Make a tenant
    Create(set::Arguments),
    /// List all tenants
    List(ListArguments),
    /// Show a tenant: what is set on it, and how much of each quota it uses
    Show(OneArguments),
    /// Change what is set on a tenant
    Set(set::Arguments),
    /// Let no job of it begin; those that run go on, and new ones wait
    Suspend(OneArguments),
    /// Let its jobs begin again
    Resume(OneArguments),
    /// Write everything a tenant has to a file, one JSON object a line
    Export(export::Arguments),
    /// Delete a tenant with everything it has, piece by piece
    Delete(DeleteArguments),
}

#[derive(Debug, clap::Args)]
struct ListArguments {
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, clap::Args)]
struct OneArguments {
    /// The tenant
    name: TenantName,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, clap::Args)]
struct DeleteArguments {
    /// The tenant
    name: TenantName,
    /// What it has is not needed any more; else it must have been exported within the last 24 h
    #[arg(long)]
    without_export: bool,
    #[command(flatten)]
    connection: Connection,
}

/// A tenant as the host shows it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Tenant {
    name: String,
    state: String,
    weight: Option<u32>,
    settings: Settings,
    exported_at: Option<String>,
    quota_uses: Vec<QuotaUse>,
    counts: BTreeMap<String, u64>,
    deletion: Option<Deletion>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Settings {
    /// How long, by the state jobs ended in.
    retention: BTreeMap<String, String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct QuotaUse {
    quota: String,
    most: Option<u64>,
    used: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Deletion {
    removed_jobs: u64,
    left_jobs: u64,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    match &arguments.action {
        Action::Create(arguments) => set::create(arguments),
        Action::List(arguments) => list(&arguments.connection),
        Action::Show(arguments) => call(arguments, Method::GET, ""),
        Action::Set(arguments) => set::change(arguments),
        Action::Suspend(arguments) => call(arguments, Method::POST, "/suspend"),
        Action::Resume(arguments) => call(arguments, Method::POST, "/resume"),
        Action::Export(arguments) => export::run(arguments),
        Action::Delete(arguments) => delete(arguments),
    }?;
    Ok(ExitCode::SUCCESS)
}

fn path(name: &TenantName) -> String {
    format!("/v1/tenants/{}", segment(name))
}

fn call(arguments: &OneArguments, method: Method, action: &str) -> anyhow::Result<()> {
    let client = arguments.connection.client()?;
    let answer = client.call(method, &format!("{}{action}", path(&arguments.name))).send()?;
    show(&answer, arguments.connection.json)
}

fn delete(arguments: &DeleteArguments) -> anyhow::Result<()> {
    let client = arguments.connection.client()?;
    let asked = arguments.without_export.then_some("true");
    let answer = client.call(Method::DELETE, &path(&arguments.name)).query("without_export", asked).send()?;
    show(&answer, arguments.connection.json)
}

fn list(connection: &Connection) -> anyhow::Result<()> {
    let page = connection.client()?.pages("/v1/tenants", PAGE_TENANTS_MAX, PAGES_MAX)?;
    if connection.json {
        return Ok(terminal::print(&terminal::json(&serde_json::to_string(&page)?))?);
    }
    let read = page.items.iter().map(|tenant| serde_json::from_str(tenant.get()));
    let tenants: Vec<Tenant> =
        read.collect::<Result<_, _>>().context("the host's list of tenants can't be understood")?;
    terminal::print(&tenants_table(&tenants, Colours::of_stdout()))?;
    if tenants.len() == 1 {
        terminal::remark(&addressed("`stoker tenants create NAME` makes another one"));
    }
    Ok(())
}

/// One tenant and the quotas in force.
fn show(answer: &Answer, as_json: bool) -> anyhow::Result<()> {
    if as_json {
        return answer.print();
    }
    let tenant: Tenant = answer.parse()?;
    let mut text = tenants_table(std::slice::from_ref(&tenant), Colours::of_stdout());
    text.push_str(&set_lines(&tenant));
    let limited: Vec<&QuotaUse> = tenant
        .quota_uses
        .iter()
        .filter(|quota| quota.most.is_some() || quota.used.is_some_and(|used| used > 0))
        .collect();
    if !limited.is_empty() {
        text.push_str("\n\n");
        text.push_str(&quotas_table(&limited, Colours::of_stdout()));
    }
    Ok(terminal::print(&text)?)
}

fn tenants_table(tenants: &[Tenant], colours: Colours) -> String {
    let row = |tenant: &Tenant| {
        let count = |state: &str| tenant.counts.get(state).copied().unwrap_or(0);
        let waiting = ["ready", "scheduled", "blocked", "retrying"].into_iter().map(count).sum::<u64>();
        let state = match &tenant.deletion {
            Some(Deletion { removed_jobs, left_jobs }) => {
                format!("{}: {removed_jobs} of {} jobs are gone", tenant.state, removed_jobs + left_jobs)
            }
            None if tenant.state == "active" => String::new(),
            None => tenant.state.clone(),
        };
        [
            tenant.name.clone(),
            state,
            tenant.weight.map_or_else(String::new, |weight| weight.to_string()),
            waiting.to_string(),
            count("running").to_string(),
            count("failed").to_string(),
        ]
    };
    let rows: Vec<_> = tenants.iter().map(row).collect();
    table(["TENANT", "STATE", "WEIGHT", "WAITING", "RUNNING", "FAILED"], &rows, colours, |row, column| {
        (column == 1 && tenants[row].state != "active").then_some(Tone::Notable)
    })
}

/// What is set beside weight and quotas, a line each.
fn set_lines(tenant: &Tenant) -> String {
    let keeps: Vec<String> =
        tenant.settings.retention.iter().map(|(state, keep)| format!("{}={}", line(state), line(keep))).collect();
    let retention = (!keeps.is_empty()).then(|| format!("retention: {}", keeps.join(", ")));
    let exported = tenant.exported_at.as_deref().map(|at| format!("exported: {}", line(at)));
    let lines: Vec<String> = [retention, exported].into_iter().flatten().collect();
    if lines.is_empty() { String::new() } else { format!("\n\n{}", lines.join("\n")) }
}

fn quotas_table(quotas: &[&QuotaUse], colours: Colours) -> String {
    let shown = |quota: &str, value: u64| match quota {
        "run_time_per_day" => in_words(Duration::from_millis(value)),
        _ if quota.ends_with("_bytes") => quantities::bytes(value),
        _ => value.to_string(),
    };
    let row = |quota: &&QuotaUse| {
        let most = quota.most.map_or_else(|| "any".to_owned(), |most| shown(&quota.quota, most));
        let used = quota.used.map_or_else(String::new, |used| shown(&quota.quota, used));
        [quota.quota.clone(), used, most]
    };
    let rows: Vec<_> = quotas.iter().map(row).collect();
    table(["QUOTA", "USED", "MOST"], &rows, colours, |row, column| {
        let is_used_up = quotas[row].most.zip(quotas[row].used).is_some_and(|(most, used)| used >= most);
        (column == 1 && is_used_up).then_some(Tone::Notable)
    })
}

/// The members of a quota or retention that are set, by name.
type Members = serde_json::Map<String, Value>;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_tenant_is_a_line_and_a_quota_too() {
        let tenants: Vec<Tenant> = serde_json::from_value(json!([
            {"name": "acme", "state": "suspended", "weight": 30, "counts": {"ready": 2, "blocked": 1, "failed": 7}},
            {"name": "default", "state": "active", "weight": 10, "counts": {"running": 1}},
            {"name": "gone", "state": "deleting", "weight": 10, "deletion": {"removed_jobs": 3, "left_jobs": 4}},
        ]))
        .unwrap();
        let text = tenants_table(&tenants, Colours::Off);
        let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(lines[1], ["acme", "suspended", "30", "3", "0", "7"]);
        assert_eq!(lines[2], ["default", "10", "0", "1", "0"]);
        assert!(text.contains("deleting: 3 of 7 jobs are gone"), "{text}");
        let uses: Vec<QuotaUse> = serde_json::from_value(json!([
            {"quota": "stored_bytes", "most": null, "used": 2048},
            {"quota": "modules", "most": 3, "used": 1},
            {"quota": "run_time_per_day", "most": 28_800_000, "used": 90_000},
        ]))
        .unwrap();
        let text = quotas_table(&uses.iter().collect::<Vec<_>>(), Colours::Off);
        let lines: Vec<String> =
            text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        assert!(lines[1].starts_with("stored_bytes 2") && lines[1].ends_with("any"), "{text}");
        assert_eq!(lines[2], "modules 1 3");
        assert_eq!(lines[3], "run_time_per_day 1m 30s 8h");
    }

    #[test]
    fn what_is_set_on_a_tenant_is_shown() {
        let tenant: Tenant = serde_json::from_value(json!({
            "name": "acme", "settings": {"retention": {"failed": "90d", "succeeded": "1h"}},
            "exported_at": "2026-11-22T10:00:00.000Z",
        }))
        .unwrap();
        assert_eq!(set_lines(&tenant), "\n\nretention: failed=90d, succeeded=1h\nexported: 2026-11-22T10:00:00.000Z");
        assert_eq!(set_lines(&Tenant::default()), "");
    }
}
