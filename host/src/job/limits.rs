//! How much an attempt may use, and how host, kind and job each have their say.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{ByteSize, Span};

/// Hard limits of one attempt. Each one, when reached, ends the attempt with its own reason. As JSON they have the names and
/// units of settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "LimitWords", from = "LimitWords")]
pub struct Limits {
    /// Units of fuel; about one a wasm instruction.
    pub fuel: u64,
    /// Wall time from entry.
    pub timeout: Duration,
    /// Sum over all memories and tables, bytes.
    pub memory_bytes: u64,
    /// Output, bytes of JSON text.
    pub output_bytes: u64,
    /// Log lines, stdout and stderr together, bytes. Past it lines are dropped and counted, the attempt goes on.
    pub log_bytes: u64,
    /// Calls from the guest into the host.
    pub host_calls: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            fuel: 10_000_000_000,
            timeout: Duration::from_secs(30),
            memory_bytes: 128 << 20,
            output_bytes: 1 << 20,
            log_bytes: 256 << 10,
            host_calls: 10_000,
        }
    }
}

/// As settings spell them.
#[derive(Serialize, Deserialize)]
struct LimitWords {
    timeout: Span,
    fuel: u64,
    memory: ByteSize,
    output: ByteSize,
    logs: ByteSize,
    host_calls: u64,
}

impl From<Limits> for LimitWords {
    fn from(limits: Limits) -> Self {
        let Limits { fuel, timeout, memory_bytes, output_bytes, log_bytes, host_calls } = limits;
        Self {
            timeout: Span(timeout),
            fuel,
            memory: ByteSize(memory_bytes),
            output: ByteSize(output_bytes),
            logs: ByteSize(log_bytes),
            host_calls,
        }
    }
}

impl From<LimitWords> for Limits {
    fn from(words: LimitWords) -> Self {
        let LimitWords { timeout, fuel, memory, output, logs, host_calls } = words;
        Self { fuel, timeout: timeout.0, memory_bytes: memory.0, output_bytes: output.0, log_bytes: logs.0, host_calls }
    }
}

/// What a kind or a job asks for; `None` leaves the layer below in force.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LimitRequest {
    /// Units of fuel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fuel: Option<u64>,
    /// Wall time, ms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// Memory, bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// Output, bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_bytes: Option<u64>,
    /// Logs, bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_bytes: Option<u64>,
    /// Host calls.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host_calls: Option<u64>,
}

impl LimitRequest {
    /// `true` when it asks for nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// This request, with `upper` having the last word where it says anything.
    #[must_use]
    pub fn overlaid_by(&self, upper: &LimitRequest) -> LimitRequest {
        LimitRequest {
            fuel: upper.fuel.or(self.fuel),
            timeout_ms: upper.timeout_ms.or(self.timeout_ms),
            memory_bytes: upper.memory_bytes.or(self.memory_bytes),
            output_bytes: upper.output_bytes.or(self.output_bytes),
            log_bytes: upper.log_bytes.or(self.log_bytes),
            host_calls: upper.host_calls.or(self.host_calls),
        }
    }
}

/// The host's defaults and ceilings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitBounds {
    /// In force when nobody says otherwise.
    pub defaults: Limits,
    /// Nobody gets more.
    pub ceilings: Limits,
}

impl Default for LimitBounds {
    fn default() -> Self {
        Self {
            defaults: Limits::default(),
            ceilings: Limits {
                fuel: 1_000_000_000_000,
                timeout: Duration::from_hours(1),
                memory_bytes: 1 << 30,
                output_bytes: 16 << 20,
                log_bytes: 16 << 20,
                host_calls: 1_000_000,
            },
        }
    }
}

impl LimitBounds {
    /// The limits in force for a request: defaults, overlaid, cut at the ceilings.
    pub fn resolve(&self, request: &LimitRequest) -> Limits {
        let LimitBounds { defaults, ceilings } = self;
        Limits {
            fuel: request.fuel.unwrap_or(defaults.fuel).min(ceilings.fuel),
            timeout: request.timeout_ms.map_or(defaults.timeout, Duration::from_millis).min(ceilings.timeout),
            memory_bytes: request.memory_bytes.unwrap_or(defaults.memory_bytes).min(ceilings.memory_bytes),
            output_bytes: request.output_bytes.unwrap_or(defaults.output_bytes).min(ceilings.output_bytes),
            log_bytes: request.log_bytes.unwrap_or(defaults.log_bytes).min(ceilings.log_bytes),
            host_calls: request.host_calls.unwrap_or(defaults.host_calls).min(ceilings.host_calls),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_spelled_as_settings_are() {
        let limits = Limits { timeout: Duration::from_secs(90), memory_bytes: 7, ..Limits::default() };
        let json = serde_json::to_value(limits).unwrap();
        assert_eq!((&json["timeout"], &json["memory"]), (&"1m30s".into(), &7.into()), "{json}");
        assert_eq!(serde_json::from_value::<Limits>(json).unwrap(), limits);
    }

    #[test]
    fn the_job_has_the_last_word_below_the_ceiling() {
        let bounds = LimitBounds::default();
        let kind = LimitRequest { fuel: Some(5), timeout_ms: Some(1_000), ..LimitRequest::default() };
        let job = LimitRequest { timeout_ms: Some(u64::MAX), ..LimitRequest::default() };
        let limits = bounds.resolve(&kind.overlaid_by(&job));
        assert_eq!(limits.fuel, 5);
        assert_eq!(limits.timeout, bounds.ceilings.timeout);
        assert_eq!(limits.memory_bytes, bounds.defaults.memory_bytes);
    }
}
