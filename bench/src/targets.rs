//! What is to be reached, as ratios of the floors of the same run, and whether it was. Pure.

use std::fmt::Write as _;

use crate::arguments::Scenario;
use crate::measurement::Measurement;

/// Under this rate on two cores (half of it on one) something else was using the machine: the run says nothing.
const SANDBOX_FLOOR_MIN: f64 = 60_000.0;
/// Beside the time of an fsync, how long a job may take to its handler on an idle host.
const ENTRY_P50_ADDED_US: f64 = 500.0;
const ENTRY_P50_FSYNC_RATIO: f64 = 1.5;
const ENTRY_P99_MAX_US: f64 = 10_000.0;
/// From the request to the commit.
const CANCEL_P99_MAX_US: f64 = 50_000.0;
const RSS_QUEUED_MAX_BYTES: f64 = (120_u64 << 20) as f64;
const RSS_SCHEDULED_MAX_BYTES: f64 = (150_u64 << 20) as f64;
const LATE_P99_MAX_US: f64 = 20_000.0;
/// Of the drain without limits, per cent.
const LIMITED_PERCENT_MIN: f64 = 60.0;
const BLOCKED_PERCENT_MIN: f64 = 90.0;
/// Of a thousand tenants, of the drain of one, per cent.
const TENANTS_PERCENT_MIN: f64 = 90.0;
/// Of the run time a tenant is due by its weight, per cent.
const SHARE_OFF_PERCENT_MAX: f64 = 10.0;
/// Beside twice the median job of the tenant that floods the host, how long another one's job may wait.
const WAIT_P99_ADDED_US: f64 = 20_000.0;
/// What a step may cost a job on an idle host, commits.
const COMMITS_PER_STEP_MAX: f64 = 1.0;

/// What a whole run came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Every target that was measured was met.
    Met,
    /// At least one was not.
    Missed,
    /// The machine was too slow or busy for the numbers to mean anything.
    Invalid,
}

/// One target beside what was measured.
#[derive(Clone, Debug)]
struct Row {
    target: &'static str,
    measured: f64,
    wanted: f64,
    unit: &'static str,
    /// More is better; otherwise less is.
    at_least: bool,
    /// How the wanted number came about.
    rule: String,
}

impl Row {
    fn met(&self) -> bool {
        if self.at_least { self.measured >= self.wanted } else { self.measured <= self.wanted }
    }
}

/// The verdict, and the table that explains it.
#[allow(clippy::too_many_lines)] // One line per target.
pub(crate) fn judge(measurements: &[Measurement], cores: usize) -> (Verdict, String) {
    let number = |scenario: Scenario, name: &str| {
        let measured = measurements.iter().find(|measurement| measurement.scenario == scenario)?;
        // A scenario that ran without its number has missed its target: NaN is on neither side of any.
        Some(measured.number(name).unwrap_or(f64::NAN))
    };
    // What its floor was while a scenario ran: the mean of before and after.
    let floor_of = |scenario: Scenario| {
        let (before, after) = (number(scenario, "floor_before")?, number(scenario, "floor_after")?);
        Some(f64::midpoint(before, after))
    };
    let of_floor = |target, scenario: Scenario, ratio: f64| {
        let (measured, base, floor) = (number(scenario, "per_second")?, floor_of(scenario)?, scenario.floor()?);
        let rule = format!("{ratio} × {} ({:.3} reached)", floor.as_str(), measured / base);
        Some(Row { target, measured, wanted: ratio * base, unit: "/s", at_least: true, rule })
    };
    let at_most = |target, measured: Option<f64>, wanted: Option<f64>, unit, rule: &str| {
        Some(Row { target, measured: measured?, wanted: wanted?, unit, at_least: false, rule: rule.to_owned() })
    };
    let at_least = |target, measured: Option<f64>, wanted: f64, unit, rule: &str| {
        Some(Row { target, measured: measured?, wanted, unit, at_least: true, rule: rule.to_owned() })
    };
    let cancel = |target, name| at_most(target, number(Scenario::Cancel, name), Some(CANCEL_P99_MAX_US), "µs", "50 ms");
    let entry_wanted = floor_of(Scenario::LatencyIdle).map(|p50| p50 * ENTRY_P50_FSYNC_RATIO + ENTRY_P50_ADDED_US);
    let rows: Vec<Row> = [
        at_most(
            "a step of a job on an idle host",
            number(Scenario::Steps, "commits_per_step"),
            Some(COMMITS_PER_STEP_MAX),
            "commits",
            "the time of one commit of commit_floor",
        ),
        of_floor("drain", Scenario::Drain, 0.25),
        of_floor("end_to_end", Scenario::EndToEnd, 0.15),
        of_floor("enqueue_single", Scenario::EnqueueSingle, 0.25),
        of_floor("enqueue_batch", Scenario::EnqueueBatch, 0.5),
        at_most(
            "latency_idle p50 to entry",
            number(Scenario::LatencyIdle, "entry_p50_us"),
            entry_wanted,
            "µs",
            "1.5 × fsync_floor p50 + 0.5 ms",
        ),
        at_most(
            "latency_idle p99 to entry",
            number(Scenario::LatencyIdle, "entry_p99_us"),
            Some(ENTRY_P99_MAX_US),
            "µs",
            "10 ms",
        ),
        at_most(
            "rss queued",
            number(Scenario::Rss, "queued_rss_bytes").map(mib),
            Some(mib(RSS_QUEUED_MAX_BYTES)),
            "MiB",
            "120 MiB with a full queue",
        ),
        at_least(
            "drain under limits",
            number(Scenario::Limits, "limited_percent"),
            LIMITED_PERCENT_MIN,
            "%",
            "60 % of the drain without limits: 10 queues, 1,000 keys, rates",
        ),
        at_least(
            "drain behind a key",
            number(Scenario::Limits, "blocked_percent"),
            BLOCKED_PERCENT_MIN,
            "%",
            "90 % of the drain without limits: 100,000 jobs blocked on one key",
        ),
        at_most(
            "rss scheduled",
            number(Scenario::Scheduled, "rss_bytes").map(mib),
            Some(mib(RSS_SCHEDULED_MAX_BYTES)),
            "MiB",
            "150 MiB with 1,000,000 scheduled jobs",
        ),
        at_most(
            "scheduled p99 to entry",
            number(Scenario::Scheduled, "late_p99_us"),
            Some(LATE_P99_MAX_US),
            "µs",
            "20 ms after its time",
        ),
        at_most(
            "wait p99 beside a flood",
            number(Scenario::FairnessFlood, "wait_p99_us"),
            number(Scenario::FairnessFlood, "flood_run_p50_us").map(|p50| 2.0 * p50 + WAIT_P99_ADDED_US),
            "µs",
            "2 × the flood's median job + 20 ms",
        ),
        at_most(
            "run time by weight",
            number(Scenario::FairnessWeights, "off_percent"),
            Some(SHARE_OFF_PERCENT_MAX),
            "%",
            "10 % off what weights 3:2:1 say, at most",
        ),
        at_least(
            "drain of 1,000 tenants",
            number(Scenario::FairnessTenants, "tenants_percent"),
            TENANTS_PERCENT_MIN,
            "%",
            "90 % of the drain of one tenant",
        ),
        cancel("cancel p99, small", "small_p99_us"),
        cancel("cancel p99, in a host call", "sleeping_p99_us"),
        cancel("cancel p99, almost 1 GiB", "large_p99_us"),
    ]
    .into_iter()
    .flatten()
    .collect();

    let floor_wanted = SANDBOX_FLOOR_MIN * cores.min(2) as f64 / 2.0;
    let of_sandbox = |measurement: &&Measurement| measurement.scenario.floor() == Some(Scenario::SandboxFloor);
    let beside = measurements.iter().filter(of_sandbox).filter_map(|measurement| floor_of(measurement.scenario));
    let sandbox_floors = beside.chain(number(Scenario::SandboxFloor, "per_second"));
    let invalid = sandbox_floors.reduce(f64::min).filter(|floor| *floor < floor_wanted);
    let table = table(&rows, invalid, floor_wanted, cores);
    let verdict = match invalid {
        Some(_) => Verdict::Invalid,
        None if rows.iter().all(Row::met) => Verdict::Met,
        None => Verdict::Missed,
    };
    (verdict, table)
}

fn table(rows: &[Row], invalid: Option<f64>, floor_wanted: f64, cores: usize) -> String {
    let mut table = format!("{:<26} {:>12} {:>12} {:<4} {:<6}  rule\n", "target", "measured", "wanted", "unit", "");
    for row in rows {
        let Row { target, measured, wanted, unit, at_least, rule } = row;
        let (sign, word) = (if *at_least { '≥' } else { '≤' }, if row.met() { "pass" } else { "MISS" });
        let _ = writeln!(table, "{target:<26} {measured:>12.0} {sign}{wanted:>11.0} {unit:<4} {word:<6}  {rule}");
    }
    if let Some(floor) = invalid {
        let _ = writeln!(
            table,
            "INVALID RUN: at its lowest sandbox_floor was {floor:.0}/s, under {floor_wanted:.0}/s on {cores} cores; the machine was busy or throttled."
        );
    }
    table
}

fn mib(bytes: f64) -> f64 {
    bytes / f64::from(1 << 20)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(scenario: Scenario, per_second: f64) -> Measurement {
        Measurement::new(scenario).rate("per_second", per_second)
    }

    fn beside(measurement: Measurement, before: f64, after: f64) -> Measurement {
        measurement.rate("floor_before", before).rate("floor_after", after)
    }

    #[test]
    fn ratios_of_the_floor_decide() {
        let drained = |per_second| beside(rate(Scenario::Drain, per_second), 70_000.0, 90_000.0);
        let floor = rate(Scenario::SandboxFloor, 100_000.0);
        let (met, _) = judge(&[floor.clone(), drained(20_000.0)], 2);
        assert_eq!(met, Verdict::Met, "the floor is the one beside it");
        let (missed, table) = judge(&[floor, drained(19_999.0)], 2);
        assert_eq!(missed, Verdict::Missed);
        assert!(table.contains("MISS") && table.contains("0.250 reached"), "{table}");
    }

    #[test]
    fn a_slow_machine_makes_the_run_invalid() {
        let drained = |floor| beside(rate(Scenario::Drain, 50_000.0), floor, floor);
        let (fast, slow) = (80_000.0, 59_000.0);
        for (floor, floor_beside, cores, expected) in [
            (fast, fast, 2, Verdict::Met),
            (slow, fast, 2, Verdict::Invalid),
            (fast, slow, 2, Verdict::Invalid),
            // One core is asked for half.
            (slow, slow, 1, Verdict::Met),
        ] {
            let (verdict, table) = judge(&[rate(Scenario::SandboxFloor, floor), drained(floor_beside)], cores);
            assert_eq!(verdict, expected, "{table}");
            assert_eq!(table.contains("INVALID RUN"), expected == Verdict::Invalid, "{table}");
        }
    }

    #[test]
    fn latency_is_judged_against_the_disk() {
        let latency = |p50: u32, p99: u32| {
            let measured = Measurement::new(Scenario::LatencyIdle).with("entry_p50_us", p50).with("entry_p99_us", p99);
            [beside(measured, 900.0, 1_100.0)]
        };
        assert_eq!(judge(&latency(2_000, 10_000), 2).0, Verdict::Met);
        assert_eq!(judge(&latency(2_001, 10_000), 2).0, Verdict::Missed);
        assert_eq!(judge(&latency(2_000, 10_001), 2).0, Verdict::Missed);
    }

    #[test]
    fn memory_is_judged_alone_and_what_was_not_run_is_left_out() {
        let rss = |bytes: u64| Measurement::new(Scenario::Rss).with("queued_rss_bytes", bytes);
        assert_eq!(judge(&[rss(120 << 20)], 2).0, Verdict::Met);
        let (verdict, table) = judge(&[rss((120 << 20) + 1)], 2);
        assert_eq!(verdict, Verdict::Missed);
        assert!(!table.contains("drain"), "{table}");
    }

    #[test]
    fn a_scenario_that_ran_without_its_number_has_missed() {
        assert_eq!(judge(&[Measurement::new(Scenario::Rss)], 2).0, Verdict::Missed);
    }
}
