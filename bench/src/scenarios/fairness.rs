//! `fairness_flood`, `fairness_weights` and `fairness_tenants`: what tenants get of a host that has more to do than it can, and what
//! it costs to share it. Tenants are told apart by the header `Stoker-Tenant`, as an admin's requests are.

use std::time::{Duration, Instant};

use anyhow::Context;
use serde_json::{Value, json};

use crate::arguments::{Arguments, Scenario};
use crate::client::Client;
use crate::host::{DataDir, Host, Workers};
use crate::measurement::Measurement;
use crate::samples::Samples;
use crate::template;

const BATCH_JOBS: u64 = 1_000;
const FLOOD_JOBS: u64 = 100_000;
const FLOOD_JOBS_QUICK: u64 = 20_000;
/// How long a job of the flood computes, µs.
const FLOOD_JOB_US: u64 = 1_000;
/// Between two jobs of the tenant beside it.
const ENQUEUE_EVERY: Duration = Duration::from_secs(1);
const ENQUEUE_EVERY_QUICK: Duration = Duration::from_millis(100);
/// By weight, and with jobs of different lengths, µs.
const WEIGHTED: [(&str, u32, u64); 3] = [("three", 30, 2_000), ("two", 20, 500), ("one", 10, 4_000)];
/// What each of them has to do, s of one core: more than is done while it is measured.
const WEIGHTED_WORK_S: u64 = 60;
const TENANTS: u64 = 1_000;
/// Drains of one tenant and of many, by turns.
const TURNS: usize = 3;
/// Between two looks at the counter, whose page has lines for each tenant: half of the time that is left, within bounds.
const LOOK_EVERY_MIN: Duration = Duration::from_millis(50);
const LOOK_EVERY_MAX: Duration = Duration::from_secs(1);
const SUCCEEDED: &str = "stoker_executions_total{outcome=\"succeeded\"}";
/// With nothing done for so long the host is taken for stuck.
const SILENCE_MAX: Duration = Duration::from_mins(2);

/// One tenant's requests.
struct Tenant {
    client: Client,
    name: String,
}

impl Tenant {
    /// Makes it, with a module of its own.
    fn new(host: &Host, arguments: &Arguments, name: &str, weight: u32) -> anyhow::Result<Self> {
        let mut client = host.client()?;
        let new = json!({"name": name, "weight": weight}).to_string();
        client.call("POST /v1/tenants", &[("Content-Type", "application/json")], new.as_bytes())?;
        let mut tenant = Self { client, name: name.to_owned() };
        let wasm = std::fs::read(&arguments.guest).context("cannot read the guest")?;
        tenant.call("PUT /v1/modules/bench", &[("Content-Type", "application/wasm")], &wasm)?;
        Ok(tenant)
    }

    fn call(&mut self, line: &str, headers: &[(&str, &str)], body: &[u8]) -> anyhow::Result<Value> {
        let mut all = vec![("Stoker-Tenant", self.name.as_str())];
        all.extend_from_slice(headers);
        self.client.call(line, &all, body)
    }

    /// Enqueues so many jobs, all like this one.
    fn fill(&mut self, jobs: u64, job: &str) -> anyhow::Result<()> {
        let headers = [("Stoker-Tenant", self.name.as_str()), ("Content-Type", "application/x-ndjson")];
        let mut left = jobs;
        while left > 0 {
            let lines = left.min(BATCH_JOBS);
            let body = format!("{job}\n").repeat(usize::try_from(lines)?);
            let request = self.client.prepare("POST /v1/jobs/batch", &headers, body.as_bytes());
            self.client.send(&request)?;
            left -= lines;
        }
        Ok(())
    }

    /// How long its guests have run, µs.
    fn run_us(&mut self) -> anyhow::Result<u64> {
        let usage = self.call("GET /v1/usage", &[], b"")?;
        let rows = usage["items"].as_array().context("no usage")?;
        Ok(rows.iter().filter_map(|row| row["run_us"].as_u64()).sum())
    }

    /// The median run time of jobs that succeeded lately, µs.
    fn run_p50_us(&mut self) -> anyhow::Result<u32> {
        let page = self.call("GET /v1/jobs?state=succeeded&limit=500", &[], b"")?;
        let mut samples = Samples::with_capacity(500);
        for job in page["items"].as_array().context("no jobs")? {
            samples.record_us(u32::try_from(job["receipt"]["run_us"].as_u64().unwrap_or(0))?);
        }
        Ok(samples.summary().p50_us)
    }
}

fn work(us: u64) -> String {
    format!("{{\"kind\":\"work\",\"payload\":{{\"us\":{us}}}}}")
}

/// What the jobs of one wait for that enqueues one a second, while another one has enqueued 100,000.
pub(crate) fn flood(arguments: &Arguments) -> anyhow::Result<Measurement> {
    let dir = DataDir::new(arguments)?;
    let host = Host::start(arguments, &dir, Workers::Slots(arguments.workers))?;
    let mut flood = Tenant::new(&host, arguments, "flood", 10)?;
    let mut beside = Tenant::new(&host, arguments, "beside", 10)?;
    let (jobs, every) =
        if arguments.quick { (FLOOD_JOBS_QUICK, ENQUEUE_EVERY_QUICK) } else { (FLOOD_JOBS, ENQUEUE_EVERY) };
    flood.fill(jobs, &work(FLOOD_JOB_US))?;
    let headers = [("Content-Type", "application/json"), ("Prefer", "wait=30")];
    let mut waits = Samples::with_capacity(1_000);
    let begun = Instant::now();
    let mut next = begun;
    // As long as the flood lasts, and no longer than three windows.
    while begun.elapsed() < arguments.window() * 3 && is_flooded(&mut flood)? {
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
        next += every;
        let job = beside.call("POST /v1/jobs", &headers, br#"{"kind":"entered","payload":{}}"#)?;
        anyhow::ensure!(job["state"] == "succeeded", "the job did not succeed: {job}");
        let wait_us = job["receipt"]["queue_wait_us"].as_u64().context("a job without a receipt")?;
        waits.record_us(u32::try_from(wait_us)?);
    }
    let flood_run_p50_us = flood.run_p50_us()?;
    let measurement = Measurement::new(Scenario::FairnessFlood)
        .with("flood_jobs", jobs)
        .with("flood_run_p50_us", flood_run_p50_us)
        .latency("wait", waits.summary());
    host.stop()?;
    Ok(measurement)
}

/// Whether there is more for it to do than a claim takes.
fn is_flooded(tenant: &mut Tenant) -> anyhow::Result<bool> {
    let queues = tenant.call("GET /v1/queues", &[], b"")?;
    Ok(queues["items"][0]["depth"].as_u64().unwrap_or(0) > BATCH_JOBS)
}

/// How far the run times of three tenants are off what their weights say.
pub(crate) fn weights(arguments: &Arguments) -> anyhow::Result<Measurement> {
    let dir = DataDir::new(arguments)?;
    let host = Host::start(arguments, &dir, Workers::Slots(arguments.workers))?;
    let mut tenants = Vec::new();
    for (name, weight, job_us) in WEIGHTED {
        let mut tenant = Tenant::new(&host, arguments, name, weight)?;
        tenant.fill(WEIGHTED_WORK_S * 1_000_000 / job_us, &work(job_us))?;
        tenants.push(tenant);
    }
    // From here on all three have something to do.
    let run_us =
        |tenants: &mut Vec<Tenant>| -> anyhow::Result<Vec<u64>> { tenants.iter_mut().map(Tenant::run_us).collect() };
    let before = run_us(&mut tenants)?;
    std::thread::sleep(arguments.window());
    let after = run_us(&mut tenants)?;
    for tenant in &mut tenants {
        anyhow::ensure!(is_flooded(tenant)?, "tenant {} ran out of jobs; measure for less long", tenant.name);
    }
    let used: Vec<f64> = after.iter().zip(&before).map(|(after, before)| (after - before) as f64).collect();
    let (all, weights) =
        (used.iter().sum::<f64>(), WEIGHTED.iter().map(|(_, weight, _)| f64::from(*weight)).sum::<f64>());
    let mut measurement = Measurement::new(Scenario::FairnessWeights).with("run_us", all as u64);
    let mut off_percent = 0.0_f64;
    for ((name, weight, _), used) in WEIGHTED.iter().zip(&used) {
        let due = all * f64::from(*weight) / weights;
        off_percent = off_percent.max(100.0 * (used - due).abs() / due);
        measurement = measurement.rate(&format!("{name}_percent"), 100.0 * used / all);
    }
    host.stop()?;
    Ok(measurement.rate("off_percent", off_percent))
}

/// The drain of a thousand tenants as a ratio of that of one, by turns, so that both see the same machine.
pub(crate) fn tenants(arguments: &Arguments) -> anyhow::Result<Measurement> {
    let (mut one, mut many) = (Vec::new(), Vec::new());
    for _ in 0..TURNS {
        one.push(drained(arguments, 1)?);
        many.push(drained(arguments, TENANTS)?);
    }
    let median = |rates: &mut Vec<f64>| {
        rates.sort_by(f64::total_cmp);
        rates[rates.len() / 2]
    };
    let (one, many) = (median(&mut one), median(&mut many));
    Ok(Measurement::new(Scenario::FairnessTenants)
        .with("jobs", arguments.jobs())
        .with("tenants", TENANTS)
        .rate("one_per_second", one)
        .rate("tenants_per_second", many)
        .rate("tenants_percent", 100.0 * many / one))
}

/// Jobs a second of so many tenants, each with its part of all jobs.
fn drained(arguments: &Arguments, tenants: u64) -> anyhow::Result<f64> {
    let dir = DataDir::new(arguments)?;
    let filling = Host::start(arguments, &dir, Workers::None)?;
    let job = format!("{{\"kind\":\"noop\",\"payload\":{}}}", template::payload());
    let each = (arguments.jobs() / tenants).max(1);
    for index in 0..tenants {
        Tenant::new(&filling, arguments, &format!("t{index}"), 10)?.fill(each, &job)?;
    }
    filling.stop()?;
    let host = Host::start(arguments, &dir, Workers::Slots(arguments.workers))?;
    let (mut client, all) = (host.client()?, each * tenants);
    let mut last = (0, Instant::now());
    loop {
        let succeeded = succeeded(&mut client)?;
        if succeeded >= all {
            break;
        }
        if succeeded > last.0 {
            last = (succeeded, Instant::now());
        }
        anyhow::ensure!(last.1.elapsed() < SILENCE_MAX, "{succeeded} of {all} jobs have succeeded, and none since");
        let left = host.listening.elapsed().mul_f64((all - succeeded) as f64 / succeeded.max(1) as f64);
        std::thread::sleep((left / 2).clamp(LOOK_EVERY_MIN, LOOK_EVERY_MAX));
    }
    let per_second = all as f64 / host.listening.elapsed().as_secs_f64();
    host.stop()?;
    Ok(per_second)
}

/// Executions by this host that succeeded, from its metrics: one counter, so that asking costs the same however many tenants
/// there are.
fn succeeded(client: &mut Client) -> anyhow::Result<u64> {
    let request = client.prepare("GET /metrics", &[], b"");
    let page = std::str::from_utf8(client.send(&request)?)?;
    let line = page.lines().find_map(|line| line.strip_prefix(SUCCEEDED)).context("no counter of executions")?;
    line.trim().parse().context("a counter that is no number")
}
