//! `latency_idle`: one job after the other on a host that has nothing else to do. From the sending of the request to
//! the handler's first line, by the wall clock the handler returns, and to the result.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use serde_json::Value;

use crate::arguments::{Arguments, Scenario};
use crate::client::Client;
use crate::host::{DataDir, Host, Workers};
use crate::measurement::Measurement;
use crate::samples::Samples;

const JOBS: usize = 200;
const JOBS_QUICK: usize = 50;
/// Not measured: the module is loaded, statements are prepared.
const WARM_UP_JOBS: usize = 10;

/// How long one job took.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timing {
    /// From sending to the handler's entry.
    pub(super) entry: Duration,
    /// From sending to the answer that holds the output.
    pub(super) result: Duration,
}

/// The request whose answer is the finished `entered` job.
pub(super) fn request(client: &Client) -> Vec<u8> {
    let headers = [("Content-Type", "application/json"), ("Prefer", "wait=30")];
    client.prepare("POST /v1/jobs", &headers, br#"{"kind":"entered","payload":{}}"#)
}

/// Runs one job and waits for it.
pub(super) fn run_one(client: &mut Client, request: &[u8]) -> anyhow::Result<Timing> {
    let sent_at = wall_clock_us()?;
    let sent = Instant::now();
    let answer = client.send(request)?;
    let result = sent.elapsed();
    let job: Value = serde_json::from_slice(answer)?;
    anyhow::ensure!(job["state"] == "succeeded", "the job did not succeed: {job}");
    let entered_at = job["output"]["entered_at_us"].as_u64().context("no entered_at_us in the output")?;
    let entry = Duration::from_micros(entered_at.saturating_sub(sent_at));
    Ok(Timing { entry, result })
}

fn wall_clock_us() -> anyhow::Result<u64> {
    Ok(u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_micros())?)
}

pub(crate) fn measure(arguments: &Arguments) -> anyhow::Result<Measurement> {
    let dir = DataDir::new(arguments)?;
    let host = Host::start(arguments, &dir, Workers::Slots(arguments.workers))?;
    host.upload_guest(arguments)?;
    let mut client = host.client()?;
    let request = request(&client);
    for _ in 0..WARM_UP_JOBS {
        run_one(&mut client, &request)?;
    }
    let jobs = if arguments.quick { JOBS_QUICK } else { JOBS };
    let (mut entry, mut result) = (Samples::with_capacity(jobs), Samples::with_capacity(jobs));
    for _ in 0..jobs {
        let timing = run_one(&mut client, &request)?;
        entry.record(timing.entry);
        result.record(timing.result);
    }
    host.stop()?;
    Ok(Measurement::new(Scenario::LatencyIdle)
        .with("jobs", jobs)
        .latency("entry", entry.summary())
        .latency("result", result.summary()))
}
