//! A queue filled as fast as the host takes it, for scenarios about what comes after.

use crate::host::Host;
use crate::job_counts::jobs_in;
use crate::load::{self, Until};
use crate::template::Template;

use super::enqueue::BATCH_JOBS;

/// Two are enough to keep the writer busy.
const CONNECTIONS: usize = 2;

/// Enqueues so many no-op jobs; how many it were, whole requests being sent.
pub(super) fn fill(host: &Host, jobs: u64) -> anyhow::Result<u64> {
    let template = Template::batch(host.address, BATCH_JOBS);
    let result = load::run(host.address, &template, CONNECTIONS, Until::Jobs(jobs))?;
    let ready = jobs_in(&mut host.client()?, "ready")?;
    anyhow::ensure!(ready == result.jobs, "{} jobs were acknowledged, {ready} are queued", result.jobs);
    Ok(result.jobs)
}
