//! The plan, scenario by scenario: a JSON line each, the table at the end.

use std::io::Write;

use anyhow::Context as _;

use super::{
    cancel, cold_start, drain, end_to_end, enqueue, fairness, fifo_keys, latency_idle, limits, rss, scheduled, steps,
};
use crate::arguments::{Arguments, Scenario};
use crate::floors;
use crate::measurement::Measurement;
use crate::targets::{self, Verdict};

/// Runs what was asked for.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Verdict> {
    let cores = std::thread::available_parallelism()?.get();
    let mut output = std::io::stdout();
    let mut measurements = Vec::new();
    for scenario in arguments.plan() {
        eprintln!("stoker-bench: {} …", scenario.as_str());
        let measurement = beside_its_floor(scenario, arguments, cores)?;
        writeln!(output, "{}", measurement.line())?;
        output.flush()?;
        measurements.push(measurement);
    }
    let (verdict, table) = targets::judge(&measurements, cores);
    writeln!(output, "\n{table}")?;
    if arguments.quick {
        writeln!(output, "A quick run: its numbers are no result.")?;
    }
    Ok(verdict)
}

/// What a machine shared with others can do changes within a minute: what is judged as a ratio has its floor measured
/// again right before and right after it.
fn beside_its_floor(scenario: Scenario, arguments: &Arguments, cores: usize) -> anyhow::Result<Measurement> {
    let Some(floor) = scenario.floor() else { return measure(scenario, arguments, cores) };
    let again = || {
        let measured = floors::again(floor, arguments, cores)?;
        measured.number(floor.number()).with_context(|| format!("{} has no {}", floor.as_str(), floor.number()))
    };
    let before = again()?;
    let measurement = measure(scenario, arguments, cores)?;
    let after = again()?;
    Ok(measurement.rate("floor_before", before).rate("floor_after", after))
}

fn measure(scenario: Scenario, arguments: &Arguments, cores: usize) -> anyhow::Result<Measurement> {
    match scenario {
        Scenario::SandboxFloor | Scenario::SqliteFloor | Scenario::CommitFloor | Scenario::FsyncFloor => {
            floors::measure(scenario, arguments, cores)
        }
        Scenario::EnqueueSingle => enqueue::single(arguments),
        Scenario::EnqueueBatch => enqueue::batch(arguments),
        Scenario::Drain => drain::measure(arguments),
        Scenario::EndToEnd => end_to_end::measure(arguments),
        Scenario::LatencyIdle => latency_idle::measure(arguments),
        Scenario::ColdStart => cold_start::measure(arguments),
        Scenario::Rss => rss::measure(arguments),
        Scenario::Limits => limits::measure(arguments),
        Scenario::FifoKeys => fifo_keys::measure(arguments),
        Scenario::Scheduled => scheduled::measure(arguments),
        Scenario::FairnessFlood => fairness::flood(arguments),
        Scenario::FairnessWeights => fairness::weights(arguments),
        Scenario::FairnessTenants => fairness::tenants(arguments),
        Scenario::Cancel => cancel::measure(arguments),
        Scenario::Steps => {
            let floor = floors::again(Scenario::CommitFloor, arguments, cores)?;
            let rows = floor.number(Scenario::CommitFloor.number()).context("commit_floor has no number")?;
            steps::measure(arguments, steps::commits_per_second(rows))
        }
    }
}
