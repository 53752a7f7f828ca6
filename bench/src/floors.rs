//! What this machine does at best: the sandbox alone, the tables alone, the disk alone. Measured in this process, by
//! the host's own code, so that a target is a ratio and not a number from another machine.

use anyhow::Context;
use stoker::sandbox::floor::sandbox_floor;
use stoker::store::floor::{commit_floor, enqueue_floor, fsync_floor};

use crate::arguments::{Arguments, Scenario};
use crate::host::DataDir;
use crate::measurement::Measurement;
use crate::samples::Samples;

const SANDBOX_CALLS: usize = 200_000;
const SQLITE_ROWS: usize = 200_000;
const COMMITS: usize = 1_000;
const FSYNCS: usize = 1_000;
/// A quick run does this fraction.
const QUICK_DIVISOR: usize = 10;

/// Bare instantiate and typed call of `noop`, on all cores.
pub(crate) fn sandbox(arguments: &Arguments, cores: usize) -> anyhow::Result<Measurement> {
    let wasm = std::fs::read(&arguments.guest)
        .with_context(|| format!("cannot read {}; `cargo xtask guests` builds it", arguments.guest.display()))?;
    let calls = scaled(arguments, SANDBOX_CALLS);
    let per_second = sandbox_floor(&wasm, cores, calls)?;
    Ok(Measurement::new(Scenario::SandboxFloor)
        .rate("per_second", per_second)
        .with("calls", calls)
        .with("cores", cores))
}

/// The production tables, rows and indexes in 1,000-row transactions.
pub(crate) fn sqlite(arguments: &Arguments) -> anyhow::Result<Measurement> {
    let dir = DataDir::new(arguments)?;
    let rows = scaled(arguments, SQLITE_ROWS);
    let seconds = enqueue_floor(dir.path(), rows)?.as_secs_f64();
    Ok(Measurement::new(Scenario::SqliteFloor)
        .rate("per_second", rows as f64 / seconds)
        .with("rows", rows)
        .with("seconds", seconds))
}

/// 32 rows a commit, each commit fsynced.
pub(crate) fn commit(arguments: &Arguments) -> anyhow::Result<Measurement> {
    let dir = DataDir::new(arguments)?;
    let summary = Samples::from_iter(commit_floor(dir.path(), scaled(arguments, COMMITS))?).summary();
    Ok(Measurement::new(Scenario::CommitFloor).latency("", summary))
}

/// A 4 KiB write and fdatasync.
pub(crate) fn fsync(arguments: &Arguments) -> anyhow::Result<Measurement> {
    let dir = DataDir::new(arguments)?;
    let summary = Samples::from_iter(fsync_floor(dir.path(), scaled(arguments, FSYNCS))?).summary();
    Ok(Measurement::new(Scenario::FsyncFloor).latency("", summary))
}

fn scaled(arguments: &Arguments, count: usize) -> usize {
    if arguments.quick { count / QUICK_DIVISOR } else { count }
}
