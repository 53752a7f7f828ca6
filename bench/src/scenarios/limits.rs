//! `limits`: a full queue drained three times, one after the other: with no limit set anywhere; in ten queues and under a
//! thousand keys, all with limits; and with 100,000 jobs in front that are blocked on one key. Ratios of the first.

use serde_json::json;

use super::queue_fill;
use crate::arguments::{Arguments, Scenario};
use crate::host::{DataDir, Host, Workers};
use crate::job_counts::wait_for_succeeded;
use crate::measurement::Measurement;

const QUEUES: u64 = 10;
const KEYS: u64 = 1_000;
const BLOCKED_JOBS: u64 = 100_000;
const BLOCKED_JOBS_QUICK: u64 = 10_000;
const JSON: (&str, &str) = ("Content-Type", "application/json");

pub(crate) fn measure(arguments: &Arguments) -> anyhow::Result<Measurement> {
    let plain = plain(arguments)?;
    let limited = limited(arguments)?;
    let blocked = blocked(arguments)?;
    let measurement = Measurement::new(Scenario::Limits)
        .with("jobs", arguments.jobs())
        .rate("plain_per_second", plain)
        .rate("limited_per_second", limited)
        .rate("blocked_per_second", blocked)
        .rate("limited_percent", 100.0 * limited / plain)
        .rate("blocked_percent", 100.0 * blocked / plain);
    Ok(measurement)
}

/// Without any limit, jobs a second.
pub(super) fn plain(arguments: &Arguments) -> anyhow::Result<f64> {
    let dir = DataDir::new(arguments)?;
    let filling = Host::start(arguments, &dir, Workers::None)?;
    filling.upload_guest(arguments)?;
    let jobs = queue_fill::fill_with(&filling, arguments.jobs(), |_| String::new())?;
    filling.stop()?;
    drained(arguments, &dir, jobs, 0)
}

/// Limits of every sort, none of which is in the way for long: what asking costs.
fn limited(arguments: &Arguments) -> anyhow::Result<f64> {
    let dir = DataDir::new(arguments)?;
    let filling = Host::start(arguments, &dir, Workers::None)?;
    filling.upload_guest(arguments)?;
    let wide = json!({"limit": 1_000_000, "per": "1s"});
    set(
        &filling,
        "PUT /v1/kinds/noop/settings",
        &json!({
            "concurrency": 1_000, "rate": wide, "key_concurrency": 2, "key_rate": wide,
        }),
    )?;
    for queue in 0..QUEUES {
        set(&filling, &format!("PUT /v1/queues/q{queue}"), &json!({"concurrency": 500, "rate": wide}))?;
    }
    let jobs = queue_fill::fill_with(&filling, arguments.jobs(), |job| {
        format!(r#""queue":"q{}","concurrency_key":"customer {}","#, job % QUEUES, job % KEYS)
    })?;
    filling.stop()?;
    drained(arguments, &dir, jobs, 0)
}

/// Jobs without a key, behind many whose key has no permit left today.
fn blocked(arguments: &Arguments) -> anyhow::Result<f64> {
    let dir = DataDir::new(arguments)?;
    let filling = Host::start(arguments, &dir, Workers::Slots(arguments.workers))?;
    filling.upload_guest(arguments)?;
    set(&filling, "PUT /v1/kinds/noop/settings", &json!({"key_rate": {"limit": 1, "per": "24h"}}))?;
    let blocked = if arguments.quick { BLOCKED_JOBS_QUICK } else { BLOCKED_JOBS };
    queue_fill::fill_with(&filling, blocked, |_| r#""concurrency_key":"blocked","#.to_owned())?;
    filling.stop()?;
    let filling = Host::start(arguments, &dir, Workers::None)?;
    let jobs = queue_fill::fill_with(&filling, arguments.jobs(), |_| String::new())?;
    filling.stop()?;
    drained(arguments, &dir, jobs, 1)
}

/// Jobs a second; `before` have succeeded already.
pub(super) fn drained(arguments: &Arguments, dir: &DataDir, jobs: u64, before: u64) -> anyhow::Result<f64> {
    let host = Host::start(arguments, dir, Workers::Slots(arguments.workers))?;
    let mut client = host.client()?;
    let done = wait_for_succeeded(&mut client, jobs + before)?;
    let per_second = jobs as f64 / (done - host.listening).as_secs_f64();
    host.stop()?;
    Ok(per_second)
}

/// Sets limits by a request.
pub(super) fn set(host: &Host, line: &str, settings: &serde_json::Value) -> anyhow::Result<()> {
    host.client()?.call(line, &[JSON], settings.to_string().as_bytes()).map(drop)
}
