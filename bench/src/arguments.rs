//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};

/// Measures a release build of the host against the floors of this machine.
#[derive(Debug, Parser)]
#[command(name = "stoker-bench", version, after_help = "Example: cargo xtask bench -- --scenario drain --jobs 20000")]
pub(crate) struct Arguments {
    /// Run only this scenario (may be given several times). The floors its target needs run as well.
    #[arg(long, value_name = "NAME")]
    pub(crate) scenario: Vec<Scenario>,
    /// Jobs of `drain` and `rss`. Default 100,000; 10,000 with --quick.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1_000..=10_000_000))]
    jobs: Option<u64>,
    /// Length of the scenarios that run by the clock, seconds. Default 10; 2 with --quick.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=3_600))]
    seconds: Option<u64>,
    /// A short run, to see that everything works. Its numbers are no result.
    #[arg(long)]
    pub(crate) quick: bool,
    /// Slots of the host where jobs run. Default: the host's own.
    #[arg(long, value_name = "N")]
    pub(crate) workers: Option<u32>,
    /// Exit with 1 when a target is missed or the run is invalid.
    #[arg(long)]
    pub(crate) strict: bool,
    /// The host to measure; a release build.
    #[arg(long, value_name = "FILE", default_value = "target/release/stoker")]
    pub(crate) stoker: PathBuf,
    /// The guest with the kinds `noop`, `entered`, `hold`, `work` and `stepped`.
    #[arg(long, value_name = "FILE", default_value = "target/guests/bench-guest.wasm")]
    pub(crate) guest: PathBuf,
    /// Where data directories are made: on a real disk, or fsync costs nothing.
    #[arg(long, value_name = "DIR", default_value = "target/bench-data")]
    pub(crate) data_dir: PathBuf,
}

/// What can be measured, in the order it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(crate) enum Scenario {
    /// Bare instantiate and call on all cores, same engine settings.
    SandboxFloor,
    /// The production tables, rows and indexes, 1,000 rows a transaction.
    SqliteFloor,
    /// The same, 32 rows a commit.
    CommitFloor,
    /// A 4 KiB write and fdatasync.
    FsyncFloor,
    /// One job per request, 32 connections.
    EnqueueSingle,
    /// NDJSON, 1,000 jobs per request.
    EnqueueBatch,
    /// A full queue after a restart.
    Drain,
    /// Enqueue and run at once, 32 connections.
    EndToEnd,
    /// One job at a time on an idle host.
    LatencyIdle,
    /// The first job after an upload and after a restart.
    ColdStart,
    /// Memory of the host, idle and with a full queue.
    Rss,
    /// The same drain without limits, with many, and behind many jobs that are blocked.
    Limits,
    /// The same drain without limits, with the jobs under thousands of keys, first in, first out, and one of a key at a time.
    FifoKeys,
    /// A million jobs for tomorrow, and how late those for now are entered.
    Scheduled,
    /// One tenant floods the host, another one enqueues a job a second.
    FairnessFlood,
    /// Three tenants with weights 3, 2 and 1 and more than can be done.
    FairnessWeights,
    /// The same drain for one tenant and for a thousand.
    FairnessTenants,
    /// Ending running guests, small, large and waiting ones.
    Cancel,
    /// Jobs with five steps beside jobs without, on an idle host; and how many steps share a commit under load.
    Steps,
}

impl Scenario {
    /// The name on the command line and in the JSON line.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Scenario::SandboxFloor => "sandbox_floor",
            Scenario::SqliteFloor => "sqlite_floor",
            Scenario::CommitFloor => "commit_floor",
            Scenario::FsyncFloor => "fsync_floor",
            Scenario::EnqueueSingle => "enqueue_single",
            Scenario::EnqueueBatch => "enqueue_batch",
            Scenario::Drain => "drain",
            Scenario::EndToEnd => "end_to_end",
            Scenario::LatencyIdle => "latency_idle",
            Scenario::ColdStart => "cold_start",
            Scenario::Rss => "rss",
            Scenario::Limits => "limits",
            Scenario::FifoKeys => "fifo_keys",
            Scenario::Scheduled => "scheduled",
            Scenario::FairnessFlood => "fairness_flood",
            Scenario::FairnessWeights => "fairness_weights",
            Scenario::FairnessTenants => "fairness_tenants",
            Scenario::Cancel => "cancel",
            Scenario::Steps => "steps",
        }
    }

    /// The number that says what it came to.
    pub(crate) const fn number(self) -> &'static str {
        match self {
            Scenario::SandboxFloor
            | Scenario::SqliteFloor
            | Scenario::CommitFloor
            | Scenario::EnqueueSingle
            | Scenario::EnqueueBatch
            | Scenario::Drain
            | Scenario::EndToEnd => "per_second",
            Scenario::FsyncFloor => "p50_us",
            Scenario::LatencyIdle => "entry_p50_us",
            Scenario::ColdStart => "first_start_p50_us",
            Scenario::Rss => "queued_rss_bytes",
            Scenario::Limits => "limited_percent",
            Scenario::FifoKeys => "fifo_percent",
            Scenario::Scheduled => "late_p99_us",
            Scenario::FairnessFlood => "wait_p99_us",
            Scenario::FairnessWeights => "off_percent",
            Scenario::FairnessTenants => "tenants_percent",
            Scenario::Cancel => "large_p99_us",
            Scenario::Steps => "commits_per_step",
        }
    }

    /// The floor its target is a ratio of.
    pub(crate) const fn floor(self) -> Option<Scenario> {
        match self {
            Scenario::EnqueueSingle | Scenario::Drain | Scenario::EndToEnd => Some(Scenario::SandboxFloor),
            Scenario::EnqueueBatch => Some(Scenario::SqliteFloor),
            Scenario::LatencyIdle => Some(Scenario::FsyncFloor),
            Scenario::SandboxFloor
            | Scenario::SqliteFloor
            | Scenario::CommitFloor
            | Scenario::FsyncFloor
            | Scenario::ColdStart
            | Scenario::Rss
            | Scenario::Limits
            | Scenario::FifoKeys
            | Scenario::Scheduled
            | Scenario::FairnessFlood
            | Scenario::FairnessWeights
            | Scenario::FairnessTenants
            | Scenario::Cancel
            | Scenario::Steps => None,
        }
    }
}

impl Arguments {
    /// What to run, floors first.
    pub(crate) fn plan(&self) -> Vec<Scenario> {
        if self.scenario.is_empty() {
            return Scenario::value_variants().to_vec();
        }
        let mut plan: Vec<Scenario> =
            self.scenario.iter().flat_map(|one| [Some(*one), one.floor()]).flatten().collect();
        plan.sort_unstable();
        plan.dedup();
        plan
    }

    /// Jobs of the scenarios that run by number.
    pub(crate) fn jobs(&self) -> u64 {
        self.jobs.unwrap_or(if self.quick { 10_000 } else { 100_000 })
    }

    /// Length of the scenarios that run by the clock.
    pub(crate) fn window(&self) -> Duration {
        Duration::from_secs(self.seconds.unwrap_or(if self.quick { 2 } else { 10 }))
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_scenario_brings_its_floor_and_floors_come_first() {
        let arguments = Arguments::parse_from(["stoker-bench", "--scenario", "drain", "--scenario", "end_to_end"]);
        assert_eq!(arguments.plan(), [Scenario::SandboxFloor, Scenario::Drain, Scenario::EndToEnd]);
    }

    #[test]
    fn names_on_the_command_line_are_those_of_the_report() {
        for scenario in Scenario::value_variants() {
            assert_eq!(
                scenario.to_possible_value().map(|value| value.get_name().to_owned()).as_deref(),
                Some(scenario.as_str())
            );
        }
    }
}
