//! What `stoker run --json` says about one run.

use std::fmt;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{LogLine, Progress};
use crate::Level;

/// One run in the sandbox, as a server would have recorded it.
///
/// ```no_run
/// # use stoker_sdk::testing::sandbox;
/// let run = sandbox().run("greet", &"");
/// assert_eq!((run.state.as_str(), run.delay_ms), ("retrying", Some(5_000)));
/// assert_eq!(run.error.unwrap().reason, "handler_error");
/// ```
#[derive(Clone, Debug, Deserialize)]
pub struct Run {
    /// The state the job would have now: `succeeded`, `retrying`, `failed`, `scheduled` (it snoozed) or `cancelled`.
    pub state: String,
    /// Why it did not succeed.
    pub error: Option<RunError>,
    /// Milliseconds until the next attempt, when retrying or scheduled.
    pub delay_ms: Option<u64>,
    /// The attempt this was.
    pub attempt: u32,
    /// Attempts in all.
    pub max_attempts: u32,
    /// What it cost: `fuel_used`, `memory_peak_bytes`, `run_us`, ….
    pub receipt: Value,
    /// The last progress reported.
    pub progress: Option<Progress>,
    output: Option<Value>,
    logs: Vec<Line>,
}

/// Why a run did not succeed.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct RunError {
    /// `handler_error`, `trap`, `timeout`, `fuel_exhausted`, ….
    pub reason: String,
    /// One sentence.
    pub message: String,
    /// A backtrace, the end of standard error.
    #[serde(default)]
    pub detail: Option<String>,
}

/// What a server would have refused before running anything, in its words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused(pub String);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refused {}

#[derive(Clone, Debug, Deserialize)]
struct Line {
    level: String,
    message: String,
}

impl Run {
    /// Reads what the program wrote.
    pub(super) fn from_json(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }

    /// The output.
    ///
    /// # Panics
    /// If the run did not succeed, with its error and log; if the output is of another type.
    #[track_caller]
    pub fn output<T: DeserializeOwned>(&self) -> T {
        match &self.output {
            Some(output) if self.state == "succeeded" => serde_json::from_value(output.clone())
                .unwrap_or_else(|error| panic!("the output is of another type: {error}\n{output}")),
            _ => {
                let error = self.error.as_ref().map_or_else(String::new, |error| {
                    format!(": {} ({})\n{}", error.message, error.reason, error.detail.as_deref().unwrap_or_default())
                });
                let logs: Vec<String> =
                    self.logs.iter().map(|line| format!("  {} {}", line.level, line.message)).collect();
                panic!("the run ended as `{}`{error}\nits log:\n{}", self.state, logs.join("\n"))
            }
        }
    }

    /// The lines of its log; what it printed to stdout and stderr included.
    pub fn logs(&self) -> Vec<LogLine> {
        let level = |name: &str| match name {
            "trace" => Level::Trace,
            "debug" => Level::Debug,
            "warn" => Level::Warn,
            "error" => Level::Error,
            _ => Level::Info,
        };
        self.logs.iter().map(|line| LogLine { level: level(&line.level), message: line.message.clone() }).collect()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const RETRYING: &str = r#"{"kind":"greet","state":"retrying","output":null,
        "error":{"reason":"trap","message":"panicked at src/lib.rs:3:5: no","detail":null},"delay_ms":5000,"attempt":1,
        "max_attempts":10,"receipt":{"fuel_used":7},"logs":[{"at":"2026-01-01T00:00:00.000Z","level":"warn","message":"a"}],
        "logs_dropped":0,"progress":{"done":1,"total":null,"message":"x"},
        "module":{"name":"greet","digest":"sha256:0","type":"handler","size_bytes":1}}"#;

    #[test]
    fn a_run_is_read() {
        let run = Run::from_json(RETRYING).unwrap();
        assert_eq!((run.state.as_str(), run.delay_ms, run.attempt, run.max_attempts), ("retrying", Some(5_000), 1, 10));
        assert_eq!(run.error.as_ref().unwrap().reason, "trap");
        assert_eq!(run.receipt["fuel_used"], 7);
        assert_eq!(run.logs(), [LogLine { level: Level::Warn, message: "a".into() }]);
        assert_eq!(run.progress, Some(Progress { done: 1, total: None, message: Some("x".into()) }));
        let succeeded = RETRYING.replace("retrying", "succeeded").replacen("null", "[1,2]", 1);
        assert_eq!(Run::from_json(&succeeded).unwrap().output::<Vec<u8>>(), [1, 2]);
    }

    #[test]
    #[should_panic(expected = "the run ended as `retrying`: panicked at src/lib.rs:3:5: no (trap)")]
    fn the_output_of_a_failure_says_why() {
        let _: Value = Run::from_json(RETRYING).unwrap().output();
    }
}
