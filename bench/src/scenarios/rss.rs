//! `rss`: memory the host holds when idle, with a full queue, and when started over one.

use super::queue_fill;
use crate::arguments::{Arguments, Scenario};
use crate::host::{DataDir, Host, Workers};
use crate::measurement::Measurement;

pub(crate) fn measure(arguments: &Arguments) -> anyhow::Result<Measurement> {
    let dir = DataDir::new(arguments)?;
    let host = Host::start(arguments, &dir, Workers::None)?;
    host.upload_guest(arguments)?;
    let idle = host.memory()?;
    let jobs = queue_fill::fill(&host, arguments.jobs())?;
    let queued = host.memory()?;
    host.stop()?;

    let host = Host::start(arguments, &dir, Workers::None)?;
    host.client()?.get("/v1/queues")?;
    let restarted = host.memory()?;
    host.stop()?;
    Ok(Measurement::new(Scenario::Rss)
        .with("jobs", jobs)
        .with("idle_rss_bytes", idle.rss_bytes)
        .with("queued_rss_bytes", queued.rss_bytes)
        .with("queued_peak_bytes", queued.peak_bytes)
        .with("restarted_rss_bytes", restarted.rss_bytes))
}
