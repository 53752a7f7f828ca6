//! `fifo_keys`: a full queue drained three times, one after the other: with no limit set anywhere; with its jobs under 5,000 keys
//! whose jobs run first in, first out; and under as many keys that let one run at a time. Ratios of the first: with almost all
//! keys waiting for a slot at once, they show what a limit that has room costs a claim that does not take from it.

use serde_json::{Value, json};

use super::limits::{drained, plain, set};
use super::queue_fill;
use crate::arguments::{Arguments, Scenario};
use crate::host::{DataDir, Host, Workers};
use crate::measurement::Measurement;

const KEYS: u64 = 5_000;

pub(crate) fn measure(arguments: &Arguments) -> anyhow::Result<Measurement> {
    let plain = plain(arguments)?;
    let fifo = keyed(arguments, &json!({"key_order": "fifo"}))?;
    let single = keyed(arguments, &json!({"key_concurrency": 1}))?;
    let measurement = Measurement::new(Scenario::FifoKeys)
        .with("jobs", arguments.jobs())
        .with("keys", KEYS)
        .rate("plain_per_second", plain)
        .rate("fifo_per_second", fifo)
        .rate("single_per_second", single)
        .rate("fifo_percent", 100.0 * fifo / plain)
        .rate("single_percent", 100.0 * single / plain);
    Ok(measurement)
}

/// The jobs of a key are as far apart in the queue as there are keys.
fn keyed(arguments: &Arguments, settings: &Value) -> anyhow::Result<f64> {
    let dir = DataDir::new(arguments)?;
    let filling = Host::start(arguments, &dir, Workers::None)?;
    filling.upload_guest(arguments)?;
    set(&filling, "PUT /v1/kinds/noop/settings", settings)?;
    let jobs = queue_fill::fill_with(&filling, arguments.jobs(), |job| {
        format!(r#""concurrency_key":"customer {}","#, job % KEYS)
    })?;
    filling.stop()?;
    drained(arguments, &dir, jobs, 0)
}
