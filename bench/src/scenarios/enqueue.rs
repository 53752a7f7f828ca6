//! `enqueue_single` and `enqueue_batch`: durable enqueues, nothing runs.

use std::time::Duration;

use crate::arguments::{Arguments, Scenario};
use crate::host::{DataDir, Host, Workers};
use crate::job_counts::jobs_in;
use crate::load::{self, LoadResult, Until};
use crate::measurement::Measurement;
use crate::template::Template;

/// As many callers as the targets are stated for.
pub(crate) const CONNECTIONS: usize = 32;
/// Enough that one request is on its way while another is written.
const BATCH_CONNECTIONS: usize = 4;
pub(super) const BATCH_JOBS: usize = 1_000;
/// Not measured: statements are prepared, files grow for the first time.
pub(super) const WARM_UP: Duration = Duration::from_secs(1);

/// One job per request.
pub(crate) fn single(arguments: &Arguments) -> anyhow::Result<Measurement> {
    measure(arguments, Scenario::EnqueueSingle, CONNECTIONS, Template::single)
}

/// 1,000 jobs per request.
pub(crate) fn batch(arguments: &Arguments) -> anyhow::Result<Measurement> {
    measure(arguments, Scenario::EnqueueBatch, BATCH_CONNECTIONS, |address| Template::batch(address, BATCH_JOBS))
}

fn measure(
    arguments: &Arguments,
    scenario: Scenario,
    connections: usize,
    template: impl FnOnce(std::net::SocketAddr) -> Template,
) -> anyhow::Result<Measurement> {
    let dir = DataDir::new(arguments)?;
    let host = Host::start(arguments, &dir, Workers::None)?;
    host.upload_guest(arguments)?;
    let template = template(host.address);
    let until = Until::Elapsed { warm_up: WARM_UP, window: arguments.window() };
    let cpu_before = host.cpu_time()?;
    let result = load::run(host.address, &template, connections, until)?;
    let cpu = host.cpu_time()?.saturating_sub(cpu_before);
    check_all_are_there(&host, &result)?;
    let memory = host.memory()?;
    host.stop()?;
    Ok(Measurement::new(scenario)
        .rate("per_second", result.rate())
        .with("jobs", result.jobs_measured)
        .with("seconds", result.measured.as_secs_f64())
        .with("connections", connections)
        .with("jobs_per_request", template.jobs())
        .latency("", result.latency)
        .cpu_per_job(cpu, result.jobs)
        .with("peak_rss_bytes", memory.peak_bytes))
}

/// What was acknowledged must be there: a refusal inside the answer to a batch shows here.
fn check_all_are_there(host: &Host, result: &LoadResult) -> anyhow::Result<()> {
    let ready = jobs_in(&mut host.client()?, "ready")?;
    anyhow::ensure!(ready == result.jobs, "{} jobs were acknowledged, {ready} are queued", result.jobs);
    Ok(())
}
