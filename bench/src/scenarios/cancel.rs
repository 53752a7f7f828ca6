//! `cancel`: from the sending of a cancel to the commit that makes the job `cancelled`, as somebody learns it who waits for its
//! end. One running guest after the other: small and large ones that compute, and small ones that wait in a host call.

use std::time::{Duration, Instant};

use anyhow::Context;
use serde_json::{Value, json};

use crate::arguments::{Arguments, Scenario};
use crate::client::Client;
use crate::host::{DataDir, Host, Workers};
use crate::measurement::Measurement;
use crate::samples::{Samples, Summary};

const CANCELS: usize = 50;
const CANCELS_QUICK: usize = 5;
/// Memory of a large guest, all of it touched: with what the guest has beside it, just under the ceiling of 1 GiB.
const LARGE_MIB: u64 = 960;
/// Between two looks at a guest that is to be busy.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// Longest wait for it.
const BUSY_WAIT: Duration = Duration::from_mins(1);

pub(crate) fn measure(arguments: &Arguments) -> anyhow::Result<Measurement> {
    let dir = DataDir::new(arguments)?;
    let host = Host::start(arguments, &dir, Workers::Slots(arguments.workers))?;
    host.upload_guest(arguments)?;
    let cancels = if arguments.quick { CANCELS_QUICK } else { CANCELS };
    let small = cancelled(&host, cancels, &json!({"mib": 1, "sleeps": false}))?;
    let sleeping = cancelled(&host, cancels, &json!({"mib": 1, "sleeps": true}))?;
    let large = cancelled(&host, cancels, &json!({"mib": LARGE_MIB, "sleeps": false}))?;
    host.stop()?;
    Ok(Measurement::new(Scenario::Cancel)
        .with("large_mib", LARGE_MIB)
        .latency("small", small)
        .latency("sleeping", sleeping)
        .latency("large", large))
}

fn cancelled(host: &Host, cancels: usize, payload: &Value) -> anyhow::Result<Summary> {
    let body = json!({"kind": "hold", "payload": payload}).to_string();
    let headers = [("Content-Type", "application/json"), ("Prefer", "wait=60")];
    let mut samples = Samples::with_capacity(cancels);
    for _ in 0..cancels {
        let (mut waiting, mut acting) = (host.client()?, host.client()?);
        let request = waiting.prepare("POST /v1/jobs", &headers, body.as_bytes());
        let ended = std::thread::spawn(move || {
            let job: Value = serde_json::from_slice(waiting.send(&request)?)?;
            anyhow::Ok((job, Instant::now()))
        });
        let id = busy_job(&mut acting)?;
        let sent = Instant::now();
        acting.call(&format!("POST /v1/jobs/{id}/cancel"), &[], b"")?;
        let (job, ended_at) = ended.join().map_err(|_| anyhow::anyhow!("the waiting client panicked"))??;
        anyhow::ensure!(job["state"] == "cancelled", "the job was not cancelled: {job}");
        samples.record(ended_at.saturating_duration_since(sent));
    }
    Ok(samples.summary())
}

/// The job that says that it has touched its memory.
fn busy_job(client: &mut Client) -> anyhow::Result<String> {
    let begun = Instant::now();
    while begun.elapsed() < BUSY_WAIT {
        let page = client.get("/v1/jobs?unfinished=true&limit=1")?;
        let job = &page["items"][0];
        if job["state"] == "running" && job["progress"]["done"] == 1 {
            return Ok(job["id"].as_str().context("a job without an id")?.to_owned());
        }
        std::thread::sleep(LOOK_EVERY);
    }
    anyhow::bail!("no guest was busy within {BUSY_WAIT:?}")
}
