//! What a scenario measured: one JSON line, printed as soon as it is known.

use serde_json::{Map, Value};

use crate::arguments::Scenario;
use crate::samples::Summary;

/// Named numbers of one scenario.
#[derive(Clone, Debug)]
pub(crate) struct Measurement {
    pub(crate) scenario: Scenario,
    fields: Map<String, Value>,
}

impl Measurement {
    pub(crate) fn new(scenario: Scenario) -> Self {
        Self { scenario, fields: Map::new() }
    }

    /// A count, bytes, microseconds.
    #[must_use]
    pub(crate) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.fields.insert(name.to_owned(), value.into());
        self
    }

    /// A rate or ratio, to a tenth.
    #[must_use]
    pub(crate) fn rate(self, name: &str, per_second: f64) -> Self {
        self.with(name, (per_second * 10.0).round() / 10.0)
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
        self.fields.get(name)?.as_f64()
    }

    /// `{"scenario":…}` and the rest.
    pub(crate) fn line(&self) -> String {
        let mut line = Map::from_iter([("scenario".to_owned(), Value::from(self.scenario.as_str()))]);
        line.extend(self.fields.clone());
        Value::Object(line).to_string()
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
