//! What a scenario measured: one JSON line, printed as soon as it is known.

use std::fmt::Write as _;

use serde_json::Value;

use crate::arguments::Scenario;
use crate::samples::Summary;

/// Named numbers of one scenario.
#[derive(Clone, Debug)]
pub(crate) struct Measurement {
    pub(crate) scenario: Scenario,
    /// In the order of the report.
    fields: Vec<(String, Value)>,
}

impl Measurement {
    pub(crate) fn new(scenario: Scenario) -> Self {
        Self { scenario, fields: Vec::new() }
    }

    /// A count, bytes, microseconds.
    #[must_use]
    pub(crate) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.fields.push((name.to_owned(), value.into()));
        self
    }

    /// A rate or ratio, to a tenth.
    #[must_use]
    pub(crate) fn rate(self, name: &str, per_second: f64) -> Self {
        self.with(name, (per_second * 10.0).round() / 10.0)
    }

    /// Processor time per job, µs to a tenth: what other users of the machine change least.
    #[must_use]
    pub(crate) fn cpu_per_job(self, cpu: std::time::Duration, jobs: u64) -> Self {
        self.rate("host_cpu_us_per_job", cpu.as_secs_f64() * 1e6 / jobs.max(1) as f64)
    }

    /// Percentiles as `p50_us`, `p99_us`, `max_us`, with what they are of before them unless that is empty.
    #[must_use]
    pub(crate) fn latency(self, of: &str, summary: Summary) -> Self {
        let name = |field: &str| if of.is_empty() { field.to_owned() } else { format!("{of}_{field}") };
        self.with(&name("samples"), summary.count)
            .with(&name("p50_us"), summary.p50_us)
            .with(&name("p99_us"), summary.p99_us)
            .with(&name("max_us"), summary.max_us)
    }

    /// A number by its name.
    pub(crate) fn number(&self, name: &str) -> Option<f64> {
        self.fields.iter().find(|(field, _)| field == name)?.1.as_f64()
    }

    /// `{"scenario":…` and the rest. Names are plain words: nothing in them needs escaping.
    pub(crate) fn line(&self) -> String {
        let mut line = format!("{{\"scenario\":\"{}\"", self.scenario.as_str());
        for (name, value) in &self.fields {
            let _ = write!(line, ",\"{name}\":{value}");
        }
        line.push('}');
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_one_json_object() {
        let summary = Summary { count: 3, p50_us: 1, p99_us: 2, max_us: 2 };
        let measurement =
            Measurement::new(Scenario::Drain).with("jobs", 3).rate("per_second", 10.26).latency("run", summary);
        assert_eq!(measurement.number("per_second"), Some(10.3));
        assert_eq!(measurement.number("run_p99_us"), Some(2.0));
        let line: Result<Value, _> = serde_json::from_str(&measurement.line());
        assert!(line.is_ok_and(|line| line["scenario"] == "drain" && line["run_samples"] == 3));
    }
}
