//! `scheduled`: a million jobs that are due tomorrow, the memory they cost the host, and how late jobs are entered that become
//! due meanwhile: the queue wait of their receipts, which counts from when they were due.

use std::time::Duration;

use anyhow::Context as _;
use serde_json::Value;

use super::queue_fill;
use crate::arguments::{Arguments, Scenario};
use crate::host::{DataDir, Host, Workers};
use crate::job_counts::wait_for_succeeded;
use crate::measurement::Measurement;
use crate::samples::Samples;

const SCHEDULED_JOBS: u64 = 1_000_000;
const SCHEDULED_JOBS_QUICK: u64 = 50_000;
/// Jobs that become due while it is measured, one after the other.
const DUE_JOBS: u64 = 500;
const DUE_APART_MS: u64 = 10;
/// They are all enqueued before the first is due.
const FIRST_DUE_MS: u64 = 2_000;

pub(crate) fn measure(arguments: &Arguments) -> anyhow::Result<Measurement> {
    let dir = DataDir::new(arguments)?;
    let host = Host::start(arguments, &dir, Workers::Slots(arguments.workers))?;
    host.upload_guest(arguments)?;
    let asked = if arguments.quick { SCHEDULED_JOBS_QUICK } else { SCHEDULED_JOBS };
    let jobs = queue_fill::fill_with(&host, asked, |_| r#""delay":"24h","#.to_owned())?;
    let filled = host.memory()?;

    let mut client = host.client()?;
    let lines: Vec<String> = (0..DUE_JOBS)
        .map(|job| {
            format!("{{\"kind\":\"entered\",\"payload\":{{}},\"delay\":{}}}\n", FIRST_DUE_MS + job * DUE_APART_MS)
        })
        .collect();
    let headers = [("Content-Type", "application/x-ndjson")];
    let answer = client.call("POST /v1/jobs/batch", &headers, lines.concat().as_bytes())?;
    wait_for_succeeded(&mut client, DUE_JOBS)?;
    let mut late = Samples::default();
    for result in answer["results"].as_array().context("a batch is answered with results")? {
        let id = result["id"].as_str().with_context(|| format!("a job was refused: {result}"))?;
        let job = client.get(&format!("/v1/jobs/{id}"))?;
        late.record(Duration::from_micros(queue_wait_us(&job)?));
    }
    let memory = host.memory()?;
    host.stop()?;
    Ok(Measurement::new(Scenario::Scheduled)
        .with("jobs", jobs)
        .with("filled_rss_bytes", filled.rss_bytes)
        .with("rss_bytes", memory.rss_bytes)
        .with("peak_bytes", memory.peak_bytes)
        .latency("late", late.summary()))
}

fn queue_wait_us(job: &Value) -> anyhow::Result<u64> {
    job["receipt"]["queue_wait_us"].as_u64().with_context(|| format!("a job without a receipt: {job}"))
}
