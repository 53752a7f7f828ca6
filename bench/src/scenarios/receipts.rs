//! Where the time of a job goes, from the receipts of the last jobs a scenario ran.

use serde_json::Value;

use crate::client::Client;
use crate::measurement::Measurement;
use crate::samples::Samples;

/// A page of jobs; the most the API gives.
const JOBS_READ: usize = 500;
/// Fields of a receipt that are reported.
const FIELDS: [&str; 3] = ["queue_wait_us", "instantiate_us", "run_us"];

/// Adds percentiles over the newest jobs. Asked for after the clock has stopped.
pub(super) fn add(client: &mut Client, measurement: Measurement) -> anyhow::Result<Measurement> {
    let page = client.get(&format!("/v1/jobs?state=succeeded&limit={JOBS_READ}"))?;
    let jobs = page["items"].as_array().map(Vec::as_slice).unwrap_or_default();
    Ok(FIELDS.iter().fold(measurement, |measurement, field| {
        let name = field.strip_suffix("_us").unwrap_or(field);
        measurement.latency(name, of_field(jobs, field).summary())
    }))
}

fn of_field(jobs: &[Value], field: &str) -> Samples {
    let mut samples = Samples::default();
    for micros in jobs.iter().filter_map(|job| job["receipt"][field].as_u64()) {
        samples.record_us(u32::try_from(micros).unwrap_or(u32::MAX));
    }
    samples
}
