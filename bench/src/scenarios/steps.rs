//! `steps`: what five recorded steps cost. On an idle host one job after the other, with five steps and with none, by turns: the
//! difference beside the time of a commit. And a full queue of jobs with five steps each: how many steps share a commit.

use std::time::Instant;

use anyhow::Context as _;

use super::latency_idle;
use crate::arguments::{Arguments, Scenario};
use crate::client::Client;
use crate::host::{DataDir, Host, Workers};
use crate::job_counts::{jobs_in, wait_for_succeeded};
use crate::measurement::Measurement;
use crate::samples::Samples;

/// Steps of each job that has some.
const STEPS: u64 = 5;
/// Rows of one commit of the floor.
const FLOOR_COMMIT_ROWS: f64 = 32.0;
const JOBS_IDLE: usize = 200;
const JOBS_IDLE_QUICK: usize = 50;
const JOBS_LOADED: u64 = 20_000;
const JOBS_LOADED_QUICK: u64 = 2_000;
/// Not measured: the module is loaded, statements are prepared.
const WARM_UP_JOBS: usize = 10;
/// Jobs of one request.
const BATCH_JOBS: u64 = 1_000;

pub(crate) fn measure(arguments: &Arguments, commits_per_second: f64) -> anyhow::Result<Measurement> {
    let dir = DataDir::new(arguments)?;
    let host = Host::start(arguments, &dir, Workers::Slots(arguments.workers))?;
    host.upload_guest(arguments)?;
    let mut client = host.client()?;
    let (plain, stepped) = idle(arguments, &mut client)?;
    let commit_us = 1e6 / commits_per_second;
    let more_us = (f64::from(stepped.p50_us) - f64::from(plain.p50_us)).max(0.0);
    let measurement = Measurement::new(Scenario::Steps)
        .latency("plain", plain)
        .latency("stepped", stepped)
        .rate("more_p50_us", more_us)
        .rate("commit_us", commit_us)
        .with("commits_per_step", (more_us / commit_us / STEPS as f64 * 100.0).round() / 100.0);
    let measurement = loaded(arguments, &mut client, measurement)?;
    host.stop()?;
    Ok(measurement)
}

/// Transactions of the commit floor in a second, of its rows in a second.
pub(super) fn commits_per_second(rows_per_second: f64) -> f64 {
    rows_per_second / FLOOR_COMMIT_ROWS
}

type Summaries = (crate::samples::Summary, crate::samples::Summary);

/// From the request to the result, without steps and with.
fn idle(arguments: &Arguments, client: &mut Client) -> anyhow::Result<Summaries> {
    let headers = [("Content-Type", "application/json"), ("Prefer", "wait=30")];
    let plain = latency_idle::request(client);
    let stepped = client.prepare(
        "POST /v1/jobs",
        &headers,
        format!("{{\"kind\":\"stepped\",\"payload\":{{\"steps\":{STEPS}}}}}").as_bytes(),
    );
    let jobs = if arguments.quick { JOBS_IDLE_QUICK } else { JOBS_IDLE };
    let (mut without, mut with) = (Samples::with_capacity(jobs), Samples::with_capacity(jobs));
    for job in 0..jobs + WARM_UP_JOBS {
        for (request, samples) in [(&plain, &mut without), (&stepped, &mut with)] {
            let timing = latency_idle::run_one(client, request)?;
            if job >= WARM_UP_JOBS {
                samples.record(timing.result);
            }
        }
    }
    Ok((without.summary(), with.summary()))
}

/// Many jobs at once; how many steps a second, and how many for each commit.
fn loaded(arguments: &Arguments, client: &mut Client, measurement: Measurement) -> anyhow::Result<Measurement> {
    let jobs = if arguments.quick { JOBS_LOADED_QUICK } else { JOBS_LOADED };
    let before = jobs_in(client, "succeeded")?;
    let commits_before = commits(client)?;
    let line = format!("{{\"kind\":\"stepped\",\"payload\":{{\"steps\":{STEPS}}}}}\n");
    let headers = [("Content-Type", "application/x-ndjson")];
    let body = line.repeat(usize::try_from(BATCH_JOBS)?);
    let request = client.prepare("POST /v1/jobs/batch", &headers, body.as_bytes());
    let began = Instant::now();
    for _ in 0..jobs / BATCH_JOBS {
        client.send(&request)?;
    }
    let ended = wait_for_succeeded(client, before + jobs)?;
    let seconds = (ended - began).as_secs_f64();
    let steps = (jobs * STEPS) as f64;
    let commits = commits(client)? - commits_before;
    Ok(measurement
        .with("jobs", jobs)
        .rate("steps_per_second", steps / seconds)
        .rate("steps_per_commit", steps / commits))
}

/// Transactions the host has committed.
fn commits(client: &mut Client) -> anyhow::Result<f64> {
    let request = client.prepare("GET /metrics", &[], b"");
    let text = String::from_utf8_lossy(client.send(&request)?).into_owned();
    let line = text.lines().find(|line| line.starts_with("stoker_store_commits_total"));
    let value = line.and_then(|line| line.split_whitespace().nth(1)).context("no stoker_store_commits_total")?;
    Ok(value.parse()?)
}
