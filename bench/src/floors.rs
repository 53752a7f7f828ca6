//! What this machine does at best: the sandbox alone, the tables alone, the disk alone. Measured in this process, the
//! first two by the host's own code, so that a target is a ratio and not a number from another machine.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context;
use stoker::sandbox::sandbox_floor;
use stoker::store::floor::{FloorError, commit_floor, enqueue_floor};

use crate::arguments::{Arguments, Scenario};
use crate::host::DataDir;
use crate::measurement::Measurement;
use crate::samples::Samples;
use crate::template;

const SANDBOX_CALLS: u64 = 200_000;
const SQLITE_ROWS: u64 = 200_000;
const COMMIT_ROWS: u64 = 32_000;
const FSYNCS: u64 = 1_000;
/// One page of the database.
const FSYNC_BYTES: usize = 4_096;
/// A quick run does this fraction.
const QUICK_DIVISOR: u64 = 10;
/// A floor measured again beside a scenario does this fraction.
const AGAIN_DIVISOR: u64 = 4;

/// A floor by its name, in full.
pub(crate) fn measure(floor: Scenario, arguments: &Arguments, cores: usize) -> anyhow::Result<Measurement> {
    part(floor, arguments, cores, 1)
}

/// The same, shorter.
pub(crate) fn again(floor: Scenario, arguments: &Arguments, cores: usize) -> anyhow::Result<Measurement> {
    part(floor, arguments, cores, AGAIN_DIVISOR)
}

fn part(floor: Scenario, arguments: &Arguments, cores: usize, divisor: u64) -> anyhow::Result<Measurement> {
    let count = |whole: u64| whole / divisor / if arguments.quick { QUICK_DIVISOR } else { 1 };
    match floor {
        Scenario::SandboxFloor => sandbox(arguments, cores, count(SANDBOX_CALLS)),
        Scenario::SqliteFloor => rows(arguments, floor, count(SQLITE_ROWS), enqueue_floor),
        Scenario::CommitFloor => rows(arguments, floor, count(COMMIT_ROWS), commit_floor),
        Scenario::FsyncFloor => fsync(arguments, count(FSYNCS)),
        other => anyhow::bail!("{} is no floor", other.as_str()),
    }
}

/// Bare instantiate and typed call of `noop`, on all cores.
fn sandbox(arguments: &Arguments, cores: usize, calls: u64) -> anyhow::Result<Measurement> {
    let wasm = std::fs::read(&arguments.guest)
        .with_context(|| format!("cannot read {}; `cargo xtask guests` builds it", arguments.guest.display()))?;
    let per_second = sandbox_floor(&wasm, "noop", &template::payload(), cores, calls)?;
    Ok(Measurement::new(Scenario::SandboxFloor)
        .rate("per_second", per_second)
        .with("calls", calls)
        .with("cores", cores))
}

/// The production tables, rows and indexes, inserted and committed.
fn rows(
    arguments: &Arguments,
    scenario: Scenario,
    rows: u64,
    insert: fn(&Path, usize) -> Result<Duration, FloorError>,
) -> anyhow::Result<Measurement> {
    let dir = DataDir::new(arguments)?;
    let seconds = insert(dir.path(), usize::try_from(rows)?)?.as_secs_f64();
    Ok(Measurement::new(scenario).rate("per_second", rows as f64 / seconds).with("rows", rows).with("seconds", seconds))
}

/// A page written at the end of a growing file, as the log does, and fdatasync.
fn fsync(arguments: &Arguments, fsyncs: u64) -> anyhow::Result<Measurement> {
    let dir = DataDir::new(arguments)?;
    let file = OpenOptions::new().create_new(true).write(true).open(dir.path().join("fsync"))?;
    let page = [7; FSYNC_BYTES];
    let mut samples = Samples::default();
    for number in 0..fsyncs {
        let started = Instant::now();
        file.write_all_at(&page, number * FSYNC_BYTES as u64)?;
        file.sync_data()?;
        samples.record(started.elapsed());
    }
    Ok(Measurement::new(Scenario::FsyncFloor).latency("", samples.summary()))
}
