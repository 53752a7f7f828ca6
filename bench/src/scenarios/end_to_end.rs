//! `end_to_end`: 32 connections enqueue while the same host runs the jobs. The rate counts finished jobs from the
//! first request until the last job has succeeded, so that a backlog left behind is paid for.

use super::enqueue::CONNECTIONS;
use super::receipts;
use crate::arguments::{Arguments, Scenario};
use crate::host::{DataDir, Host, Workers};
use crate::job_counts::{jobs_in, wait_for_succeeded};
use crate::load::{self, Until};
use crate::measurement::Measurement;
use crate::template::Template;

/// Run before the clock starts: the module is loaded, statements are prepared.
const WARM_UP_JOBS: u64 = 2_000;

pub(crate) fn measure(arguments: &Arguments) -> anyhow::Result<Measurement> {
    let dir = DataDir::new(arguments)?;
    let host = Host::start(arguments, &dir, Workers::Slots(arguments.workers))?;
    host.upload_guest(arguments)?;
    let mut client = host.client()?;
    let template = Template::single(host.address);
    let warm_up = load::run(host.address, &template, CONNECTIONS, Until::Jobs(WARM_UP_JOBS))?;
    wait_for_succeeded(&mut client, warm_up.jobs)?;

    let until = Until::Elapsed { warm_up: std::time::Duration::ZERO, window: arguments.window() };
    let cpu_before = host.cpu_time()?;
    let result = load::run(host.address, &template, CONNECTIONS, until)?;
    let backlog = (warm_up.jobs + result.jobs).saturating_sub(jobs_in(&mut client, "succeeded")?);
    let done = wait_for_succeeded(&mut client, warm_up.jobs + result.jobs)?;
    let cpu = host.cpu_time()?.saturating_sub(cpu_before);
    let seconds = (done - result.started).as_secs_f64();
    let measurement = Measurement::new(Scenario::EndToEnd)
        .rate("per_second", result.jobs as f64 / seconds)
        .with("jobs", result.jobs)
        .with("seconds", seconds)
        .with("connections", CONNECTIONS)
        .rate("enqueued_per_second", result.rate())
        .with("backlog_jobs", backlog)
        .latency("", result.latency)
        .cpu_per_job(cpu, result.jobs)
        .with("peak_rss_bytes", host.memory()?.peak_bytes);
    let measurement = receipts::add(&mut client, measurement)?;
    host.stop()?;
    Ok(measurement)
}
