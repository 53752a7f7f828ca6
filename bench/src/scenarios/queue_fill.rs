//! A queue filled as fast as the host takes it, for scenarios about what comes after.

use crate::host::Host;
use crate::job_counts::{jobs_in, unfinished_jobs};
use crate::load::{self, Until};
use crate::template::{self, Template};

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

/// Enqueues so many no-op jobs, a batch after the other, each job with the fields `extra` gives it (`"name":value,` as JSON
/// text). How many it were.
pub(super) fn fill_with(host: &Host, jobs: u64, extra: impl Fn(u64) -> String) -> anyhow::Result<u64> {
    let mut client = host.client()?;
    let (before, payload) = (unfinished_jobs(&mut client)?, template::payload());
    let headers = [("Content-Type", "application/x-ndjson")];
    let mut sent = 0;
    while sent < jobs {
        let lines: Vec<String> = (sent..sent + BATCH_JOBS as u64)
            .map(|job| format!("{{\"kind\":\"noop\",{}\"payload\":{payload}}}\n", extra(job)))
            .collect();
        let request = client.prepare("POST /v1/jobs/batch", &headers, lines.concat().as_bytes());
        client.send(&request)?;
        sent += BATCH_JOBS as u64;
    }
    let queued = unfinished_jobs(&mut client)? - before;
    // Some may have run: where they may, the caller knows how many.
    anyhow::ensure!(queued + 1 >= sent, "{sent} jobs were sent, {queued} are queued");
    Ok(sent)
}
