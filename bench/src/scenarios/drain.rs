//! `drain`: a full queue, a restart, and how long until all of it has succeeded.

use super::{queue_fill, receipts};
use crate::arguments::{Arguments, Scenario};
use crate::host::{DataDir, Host, Workers};
use crate::job_counts::wait_for_succeeded;
use crate::measurement::Measurement;

pub(crate) fn measure(arguments: &Arguments) -> anyhow::Result<Measurement> {
    let dir = DataDir::new(arguments)?;
    let filling = Host::start(arguments, &dir, Workers::None)?;
    filling.upload_guest(arguments)?;
    let jobs = queue_fill::fill(&filling, arguments.jobs())?;
    filling.stop()?;

    let host = Host::start(arguments, &dir, Workers::Slots(arguments.workers))?;
    let mut client = host.client()?;
    let done = wait_for_succeeded(&mut client, jobs)?;
    let cpu = host.cpu_time()?;
    let seconds = (done - host.listening).as_secs_f64();
    let measurement = Measurement::new(Scenario::Drain)
        .rate("per_second", jobs as f64 / seconds)
        .with("jobs", jobs)
        .with("seconds", seconds)
        .with("seconds_since_spawn", (done - host.spawned).as_secs_f64())
        .cpu_per_job(cpu, jobs)
        .with("peak_rss_bytes", host.memory()?.peak_bytes);
    let measurement = receipts::add(&mut client, measurement)?;
    host.stop()?;
    Ok(measurement)
}
