//! The host's ceilings, told to whoever asks for more: operators, jobs, and the settings written into a module. (What a
//! handler describes is cut at them instead, as it runs.)

use super::duration::Span;
use super::field::FieldError;
use super::limits::{LimitRequest, Limits};
use super::size::ByteSize;

/// Adds what is asked beyond the ceilings to `errors`.
pub fn check(request: &LimitRequest, ceilings: &Limits, errors: &mut Vec<FieldError>) {
    errors.extend(passed(request, ceilings).into_iter().map(|(name, ceiling)| {
        FieldError::new(format!("/{name}"), format!("must be at most {ceiling}, the host's ceiling"))
    }));
}

/// The settings that ask for more than their ceilings, each with that, as people write it.
pub fn passed(request: &LimitRequest, ceilings: &Limits) -> Vec<(&'static str, String)> {
    let LimitRequest { fuel, timeout_ms, memory_bytes, output_bytes, log_bytes, host_calls } = *request;
    let number = |ceiling: u64| ceiling.to_string();
    let size = |ceiling: u64| ByteSize(ceiling).to_string();
    let duration = |ceiling: u64| Span::from_ms(ceiling).to_string();
    let mut passed = Vec::new();
    let mut at_most = |name: &'static str, asked: Option<u64>, ceiling: u64, shown: &dyn Fn(u64) -> String| {
        if asked.is_some_and(|asked| asked > ceiling) {
            passed.push((name, shown(ceiling)));
        }
    };
    at_most("fuel", fuel, ceilings.fuel, &number);
    at_most("timeout", timeout_ms, Span(ceilings.timeout).as_ms(), &duration);
    at_most("memory", memory_bytes, ceilings.memory_bytes, &size);
    at_most("output", output_bytes, ceilings.output_bytes, &size);
    at_most("logs", log_bytes, ceilings.log_bytes, &size);
    at_most("host_calls", host_calls, ceilings.host_calls, &number);
    passed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::LimitBounds;

    #[test]
    fn what_is_over_the_ceiling_is_named_with_it() {
        let ceilings = LimitBounds::default().ceilings;
        let mut errors = Vec::new();
        check(&LimitRequest::default(), &ceilings, &mut errors);
        assert_eq!(errors, []);
        let exactly = LimitRequest { memory_bytes: Some(ceilings.memory_bytes), ..LimitRequest::default() };
        check(&exactly, &ceilings, &mut errors);
        assert_eq!(errors, []);
        let everything = LimitRequest {
            fuel: Some(u64::MAX),
            timeout_ms: Some(3_600_001),
            memory_bytes: Some(64 << 30),
            output_bytes: Some(u64::MAX),
            log_bytes: Some(u64::MAX),
            host_calls: Some(1_000_001),
        };
        check(&everything, &ceilings, &mut errors);
        let told: Vec<String> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(told.len(), 6);
        assert_eq!(told[1], "/timeout: must be at most 1h, the host's ceiling");
        assert_eq!(told[2], "/memory: must be at most 1GiB, the host's ceiling");
    }
}
