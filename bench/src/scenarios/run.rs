//! The plan, scenario by scenario: a JSON line each, the table at the end.

use std::io::Write;

use super::{cold_start, drain, end_to_end, enqueue, latency_idle, rss};
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
        let measurement = measure(scenario, arguments, cores)?;
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

fn measure(scenario: Scenario, arguments: &Arguments, cores: usize) -> anyhow::Result<Measurement> {
    match scenario {
        Scenario::SandboxFloor => floors::sandbox(arguments, cores),
        Scenario::SqliteFloor => floors::sqlite(arguments),
        Scenario::CommitFloor => floors::commit(arguments),
        Scenario::FsyncFloor => floors::fsync(arguments),
        Scenario::EnqueueSingle => enqueue::single(arguments),
        Scenario::EnqueueBatch => enqueue::batch(arguments),
        Scenario::Drain => drain::measure(arguments),
        Scenario::EndToEnd => end_to_end::measure(arguments),
        Scenario::LatencyIdle => latency_idle::measure(arguments),
        Scenario::ColdStart => cold_start::measure(arguments),
        Scenario::Rss => rss::measure(arguments),
    }
}
