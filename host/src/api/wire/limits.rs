//! What an attempt of a job may use, who says so, and how far the host would go: for whoever wants to raise it.

use serde::Serialize;

use crate::job::{ByteSize, LimitBounds, LimitRequest, Span};
use crate::store::KindEntry;

/// The limits of a job's next attempt.
#[derive(Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct JobLimits {
    /// Wall time.
    pub timeout: JobLimit<Span>,
    /// Units of fuel.
    pub fuel: JobLimit<u64>,
    /// Bytes.
    pub memory: JobLimit<ByteSize>,
    /// Bytes.
    pub output: JobLimit<ByteSize>,
    /// Bytes.
    pub logs: JobLimit<ByteSize>,
    /// Calls from the guest into the host.
    pub host_calls: JobLimit<u64>,
}

/// One of them.
#[derive(Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct JobLimit<T> {
    /// In force.
    pub value: T,
    /// Who had the last word: `job`, `operator`, `module` or `host`.
    #[schema(value_type = String)]
    pub from: &'static str,
    /// The most this host gives.
    pub ceiling: T,
}

impl JobLimits {
    /// Of a job that asks for `own`, of a kind that may be gone.
    pub fn of(own: &LimitRequest, kind: Option<&KindEntry>, bounds: &LimitBounds) -> Self {
        let (module, operator) =
            kind.map_or_else(Default::default, |kind| (kind.module_settings.limits, kind.operator_settings.limits));
        let value = bounds.resolve(&module.overlaid_by(&operator).overlaid_by(own));
        let ceilings = &bounds.ceilings;
        let from = |asked: fn(&LimitRequest) -> Option<u64>| {
            let layers = [("job", own), ("operator", &operator), ("module", &module)];
            layers.into_iter().find(|(_, layer)| asked(layer).is_some()).map_or("host", |(name, _)| name)
        };
        let size = |value, from, ceiling| JobLimit { value: ByteSize(value), from, ceiling: ByteSize(ceiling) };
        JobLimits {
            timeout: JobLimit {
                value: Span(value.timeout),
                from: from(|layer| layer.timeout_ms),
                ceiling: Span(ceilings.timeout),
            },
            fuel: JobLimit { value: value.fuel, from: from(|layer| layer.fuel), ceiling: ceilings.fuel },
            memory: size(value.memory_bytes, from(|layer| layer.memory_bytes), ceilings.memory_bytes),
            output: size(value.output_bytes, from(|layer| layer.output_bytes), ceilings.output_bytes),
            logs: size(value.log_bytes, from(|layer| layer.log_bytes), ceilings.log_bytes),
            host_calls: JobLimit {
                value: value.host_calls,
                from: from(|layer| layer.host_calls),
                ceiling: ceilings.host_calls,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_job_has_the_last_word_and_without_any_it_is_the_hosts() {
        let bounds = LimitBounds::default();
        let own = LimitRequest { timeout_ms: Some(1_000), memory_bytes: Some(u64::MAX), ..LimitRequest::default() };
        let limits = JobLimits::of(&own, None, &bounds);
        assert_eq!((limits.timeout.value, limits.timeout.from), (Span::from_ms(1_000), "job"));
        assert_eq!((limits.memory.value, limits.memory.from), (limits.memory.ceiling, "job"), "cut at the ceiling");
        assert_eq!(limits.fuel, JobLimit { value: bounds.defaults.fuel, from: "host", ceiling: bounds.ceilings.fuel });
    }
}
