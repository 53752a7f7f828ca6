//! A limit that was met, and the value to try next: more than the one in force, never more than the host's ceiling.
//! Where there is no more to be had, that is said, with what else can be done.

use super::wire::{Job, JobLimit};
use crate::job::{ByteSize, Limits, Span};

/// So many times the value in force is proposed for a kind: enough to help, little enough to notice what grows …
const FACTOR: u64 = 2;
/// … of fuel, of which nobody knows how much a piece of work takes.
const FUEL_FACTOR: u64 = 10;
/// … and for a single run, which is to show how much it takes.
const RUN_FACTOR: u64 = 10;

/// A limit with a reason of its own for failing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Limited {
    Timeout,
    Fuel,
    Memory,
    Output,
    HostCalls,
}

impl Limited {
    /// The name of the setting; that of its ceiling ends in `_max`.
    const fn setting(self) -> &'static str {
        match self {
            Limited::Timeout => "timeout",
            Limited::Fuel => "fuel",
            Limited::Memory => "memory",
            Limited::Output => "output",
            Limited::HostCalls => "host_calls",
        }
    }

    /// For a failed job, as the host describes its limits: raise it, or do `less`. What was met is what its last execution
    /// had; what helps is more than that, and may be there already.
    pub(super) fn advice(self, job: &Job, less: &str) -> String {
        let (setting, kind) = (self.setting(), &job.kind);
        let known = job.limits.get(setting);
        let values = known.and_then(|limit| Some((limit, self.read(&limit.value)?, self.read(&limit.ceiling)?)));
        let Some((JobLimit { from, .. }, value, ceiling)) = values else {
            // A host that does not say.
            return format!(
                "raise `{setting}` above what `stoker kinds {kind}` shows (`--set {setting}=…`), or {less}"
            );
        };
        // What was met may have been changed since.
        let held = job.receipt.as_ref().and_then(|receipt| self.read(receipt.limits.get(setting)?)).unwrap_or(value);
        let changed = || format!("it had {setting} {}, and would have {} now", self.shown(held), self.shown(value));
        if held < value {
            return format!("{}: see whether that is enough, or {less}", changed());
        }
        let more = self.proposed(held, ceiling);
        if held > value {
            let raise = match more {
                Some(more) if from != "job" => {
                    format!("raise it (`stoker kinds {kind} --set {setting}={}`)", self.shown(more))
                }
                _ => format!("raise `{setting}_max` of the host and then the kind's `{setting}`"),
            };
            return format!("{}: {raise}, or {less}", changed());
        }
        match more {
            None => format!(
                "it had the most this host gives, {setting} {}: {less}, or raise `{setting}_max` of the host and then the \
                 kind's `{setting}`",
                self.shown(ceiling)
            ),
            Some(more) if from == "job" => format!(
                "the job itself asks for {setting} {}, whatever its kind has: enqueue it anew with more, e.g. \"{setting}\": \
                 {}, or {less}",
                self.shown(value),
                self.json(more)
            ),
            Some(more) => {
                format!(
                    "raise it from {} (`stoker kinds {kind} --set {setting}={}`), or {less}",
                    self.shown(value),
                    self.shown(more)
                )
            }
        }
    }

    /// For one execution without a host that was allowed `limits`.
    pub(super) fn run_advice(self, limits: &Limits, ceilings: &Limits) -> String {
        let (setting, value, ceiling) = (self.setting(), self.of(limits), self.of(ceilings));
        let Some(more) = higher(value, ceiling, RUN_FACTOR) else {
            return format!(
                "that is the most a host gives, unless its `{setting}_max` is raised (in stoker.toml, or --config FILE)"
            );
        };
        match self {
            Limited::Timeout | Limited::Fuel | Limited::Memory => {
                format!("to see how much it takes: --{setting} {}", self.shown(more))
            }
            Limited::Output | Limited::HostCalls => {
                format!("to let it pass here: --settings '{{\"{setting}\":{}}}'", self.json(more))
            }
        }
    }

    /// For a kind or a job; nothing where the ceiling is reached. Below what there is by default, that: whoever had less
    /// chose it too small.
    fn proposed(self, value: u64, ceiling: u64) -> Option<u64> {
        let default = self.of(&Limits::default());
        let factor = if self == Limited::Fuel { FUEL_FACTOR } else { FACTOR };
        if value < default && value < ceiling {
            return Some(default.min(ceiling));
        }
        higher(value, ceiling, factor)
    }

    /// In the unit of the limit: ms, bytes, or none.
    fn of(self, limits: &Limits) -> u64 {
        match self {
            Limited::Timeout => Span(limits.timeout).as_ms(),
            Limited::Fuel => limits.fuel,
            Limited::Memory => limits.memory_bytes,
            Limited::Output => limits.output_bytes,
            Limited::HostCalls => limits.host_calls,
        }
    }

    fn read(self, value: &serde_json::Value) -> Option<u64> {
        match self {
            Limited::Timeout => serde_json::from_value::<Span>(value.clone()).ok().map(Span::as_ms),
            Limited::Memory | Limited::Output => {
                serde_json::from_value::<ByteSize>(value.clone()).ok().map(|size| size.0)
            }
            Limited::Fuel | Limited::HostCalls => value.as_u64(),
        }
    }

    fn shown(self, value: u64) -> String {
        match self {
            Limited::Timeout => Span::from_ms(value).to_string(),
            Limited::Memory | Limited::Output => ByteSize(value).to_string(),
            Limited::Fuel | Limited::HostCalls => value.to_string(),
        }
    }

    fn json(self, value: u64) -> String {
        match self {
            Limited::Fuel | Limited::HostCalls => self.shown(value),
            Limited::Timeout | Limited::Memory | Limited::Output => format!("\"{}\"", self.shown(value)),
        }
    }
}

/// More than `value`, at most the ceiling; nothing where that is reached.
fn higher(value: u64, ceiling: u64, factor: u64) -> Option<u64> {
    (value < ceiling).then(|| value.saturating_mul(factor).clamp(value + 1, ceiling))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::job::LimitBounds;

    #[test]
    fn what_is_proposed_is_more_and_within_the_ceiling() {
        for (value, ceiling, expected) in [
            (1, 10, Some(10)),
            (10, 10, None),
            (12, 10, None),
            (0, 10, Some(10)),
            (64, 1 << 30, Some(128 << 20)),
            (128 << 20, 1 << 30, Some(256 << 20)),
            (768 << 20, 1 << 30, Some(1 << 30)),
            (u64::MAX - 1, u64::MAX, Some(u64::MAX)),
        ] {
            let more = Limited::Memory.proposed(value, ceiling);
            assert_eq!(more, expected, "{value} of {ceiling}");
        }
    }

    #[test]
    fn advice_follows_what_is_in_force_for_the_job() {
        for (limit, value, from, ceiling, said) in [
            (
                Limited::Timeout,
                json!("5s"),
                "module",
                json!("1h"),
                "raise it from 5s (`stoker kinds greet --set timeout=30s`), or LESS",
            ),
            (Limited::Timeout, json!("45m"), "operator", json!("1h"), "timeout=1h`"),
            (
                Limited::Timeout,
                json!("1h"),
                "operator",
                json!("1h"),
                "the most this host gives, timeout 1h: LESS, or raise `timeout_max`",
            ),
            (
                Limited::Timeout,
                json!("1s"),
                "job",
                json!("1h"),
                "the job itself asks for timeout 1s, whatever its kind has: enqueue it anew with more, e.g. \"timeout\": \"30s\", or LESS",
            ),
            (Limited::Fuel, json!(10_000_000_000_u64), "host", json!(1_000_000_000_000_u64), "fuel=100000000000`"),
            (Limited::Fuel, json!(90_000_000_000_u64), "host", json!(100_000_000_000_u64), "fuel=100000000000`"),
            (Limited::Fuel, json!(7), "job", json!(100), "\"fuel\": 100, "),
            (
                Limited::Memory,
                json!(512 << 20),
                "operator",
                json!(1 << 30),
                "raise it from 512MiB (`stoker kinds greet --set memory=1GiB`)",
            ),
            (Limited::Output, json!(16 << 20), "host", json!(16 << 20), "output 16MiB: LESS, or raise `output_max`"),
            (Limited::HostCalls, json!(200_000), "operator", json!(1_000_000), "host_calls=400000`"),
        ] {
            let limits = json!({limit.setting(): {"value": value, "from": from, "ceiling": ceiling}});
            let job: Job = serde_json::from_value(json!({"kind": "greet", "limits": limits})).unwrap();
            let advice = limit.advice(&job, "LESS");
            assert!(advice.contains(said), "{value} from {from}: {advice}");
        }
        for (held, value, ceiling, said) in [
            ("1s", "30s", "1h", "it had timeout 1s, and would have 30s now: see whether that is enough, or LESS"),
            (
                "2m",
                "30s",
                "1h",
                "it had timeout 2m, and would have 30s now: raise it (`stoker kinds greet --set timeout=4m`), or LESS",
            ),
            ("2m", "1m", "1m", "it had timeout 2m, and would have 1m now: raise `timeout_max` of the host"),
            ("30s", "30s", "1h", "raise it from 30s (`stoker kinds greet --set timeout=1m`), or LESS"),
        ] {
            let limits = json!({"timeout": {"value": value, "from": "operator", "ceiling": ceiling}});
            let receipt = json!({"limits": {"timeout": held}});
            let job: Job =
                serde_json::from_value(json!({"kind": "greet", "limits": limits, "receipt": receipt})).unwrap();
            let advice = Limited::Timeout.advice(&job, "LESS");
            assert!(advice.starts_with(said), "{held}, then {value}: {advice}");
        }
        let silent: Job = serde_json::from_value(json!({"kind": "greet"})).unwrap();
        let advice = Limited::Fuel.advice(&silent, "LESS");
        assert_eq!(advice, "raise `fuel` above what `stoker kinds greet` shows (`--set fuel=…`), or LESS");
    }

    #[test]
    fn a_run_tries_more_until_there_is_no_more() {
        let LimitBounds { defaults, ceilings } = LimitBounds::default();
        let long = Limits { timeout: Duration::from_mins(50), ..defaults };
        for (limit, limits, said) in [
            (Limited::Timeout, defaults, "to see how much it takes: --timeout 5m"),
            (Limited::Timeout, long, "--timeout 1h"),
            (Limited::Memory, defaults, "--memory 1GiB"),
            (Limited::Memory, ceilings, "the most a host gives, unless its `memory_max` is raised"),
            (Limited::Fuel, ceilings, "`fuel_max`"),
            (Limited::Output, defaults, "--settings '{\"output\":\"10MiB\"}'"),
            (Limited::HostCalls, defaults, "--settings '{\"host_calls\":100000}'"),
        ] {
            let advice = limit.run_advice(&limits, &ceilings);
            assert!(advice.contains(said), "{advice}");
        }
    }
}
