//! What an attempt is made under: its kind's settings, its job's own options over them, within the host's bounds.

use std::sync::Arc;

use crate::job::kind::MAX_ATTEMPTS_LIMIT;
use crate::job::retry::{self, RetryDecision, RetryPolicy};
use crate::job::{
    Failure, FailureReason, Grants, JobOptions, KindSettings, LimitBounds, Limits, Outcome, Suspension, Timestamp,
    expiry,
};
use crate::sandbox::PlainSettings;
use crate::store::Next;

/// The terms of one attempt.
#[derive(Clone, Copy, Debug)]
pub struct Terms<'a> {
    /// In force for the kind: the operator's over the module's.
    pub settings: &'a KindSettings,
    /// What the job sets differently.
    pub options: Option<&'a JobOptions>,
    /// The host's.
    pub bounds: &'a LimitBounds,
    /// This attempt, from 1.
    pub attempt: u32,
    /// Attempts in all.
    pub max_attempts: u32,
}

impl Terms<'_> {
    /// The limits in force.
    pub fn limits(&self) -> Limits {
        let kind = &self.settings.limits;
        match self.options {
            Some(options) => self.bounds.resolve(&kind.overlaid_by(&options.limits)),
            None => self.bounds.resolve(kind),
        }
    }

    /// How a plain command is run.
    pub fn plain(&self) -> PlainSettings {
        let settings = self.settings;
        PlainSettings {
            stdin: settings.stdin.unwrap_or_default(),
            stdout: settings.stdout.unwrap_or_default(),
            args: settings.args.clone().unwrap_or_default(),
            env: settings.env.clone().unwrap_or_default(),
            exit_failure: settings.exit_failure.unwrap_or_default(),
        }
    }

    /// What the guest may use outside the sandbox: what the operator said, and nobody else.
    pub fn grants(&self) -> Arc<Grants> {
        self.settings.grants.clone().unwrap_or_default()
    }

    /// Which reasons are tried again; `None`: the default ones.
    pub fn retry_on(&self) -> Option<&[FailureReason]> {
        let own = self.options.and_then(|options| options.retry_on.as_deref());
        own.or(self.settings.retry_on.as_deref())
    }

    /// Whether an execution that begins at this moment would be too late.
    fn is_too_late(&self, at: Timestamp) -> bool {
        self.options.is_some_and(|options| options.is_too_late(at))
    }

    /// What follows an execution that ended at this moment. `chance` in 0.0..1.0 decides the jitter.
    pub fn next(&self, outcome: &Outcome, ended_at: Timestamp, chance: impl FnOnce() -> f64) -> Next {
        match outcome {
            Outcome::Succeeded { output } => Next::Succeed(output.clone()),
            Outcome::Suspended(suspension) => {
                let next = match suspension {
                    Suspension::Snooze { resume_after } => {
                        Next::Suspend(ended_at.plus(retry::snooze_delay(*resume_after)))
                    }
                    Suspension::Sleep(step) => Next::Sleep(step.clone()),
                    // It may come at once.
                    Suspension::Event(step) => return Next::Await(step.clone()),
                };
                match next.until() {
                    Some(until) if self.is_too_late(until) => {
                        Next::Expire(None, expiry::never_again(self.attempt, None))
                    }
                    _ => next,
                }
            }
            Outcome::Failed(failure) => self.next_after(failure.clone(), ended_at, chance()),
        }
    }

    /// What follows a failure.
    pub fn next_after(&self, failure: Failure, ended_at: Timestamp, chance: f64) -> Next {
        let default_policy = RetryPolicy::default();
        let policy = self
            .options
            .and_then(|options| options.retry.as_ref())
            .or(self.settings.retry.as_ref())
            .unwrap_or(&default_policy);
        let attempts_max = self.max_attempts.min(MAX_ATTEMPTS_LIMIT);
        match retry::decide(policy, self.retry_on(), &failure, self.attempt, attempts_max, chance) {
            RetryDecision::RetryAfter(delay) => {
                let until = ended_at.plus(delay);
                if self.is_too_late(until) {
                    let end = expiry::never_again(self.attempt, Some(&failure));
                    return Next::Expire(Some(failure), end);
                }
                Next::Retry(failure, until)
            }
            RetryDecision::GiveBack => Next::GiveBack(failure),
            RetryDecision::Fail => Next::Fail(failure),
            RetryDecision::Cancel => Next::Cancel(failure),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::job::{HandlerVerdict, LimitRequest, StdinFormat};

    #[test]
    fn the_job_has_the_last_word_within_the_bounds() {
        let bounds = LimitBounds::default();
        let kind = LimitRequest { fuel: Some(7), timeout_ms: Some(1_000), ..LimitRequest::default() };
        let settings = KindSettings { limits: kind, stdin: Some(StdinFormat::Text), ..KindSettings::default() };
        let limits = LimitRequest { timeout_ms: Some(2_000), memory_bytes: Some(u64::MAX), ..LimitRequest::default() };
        let options = JobOptions { limits, ..JobOptions::default() };
        let terms =
            Terms { settings: &settings, options: Some(&options), bounds: &bounds, attempt: 1, max_attempts: 3 };
        let limits = terms.limits();
        assert_eq!((limits.fuel, limits.timeout), (7, Duration::from_secs(2)));
        assert_eq!(limits.memory_bytes, bounds.ceilings.memory_bytes);
        assert_eq!(terms.plain().stdin, StdinFormat::Text);
        assert_eq!(Terms { options: None, ..terms }.limits().timeout, Duration::from_secs(1));
    }

    #[test]
    fn what_follows() {
        let fixed = |seconds| Some(RetryPolicy::Fixed { delay: Duration::from_secs(seconds) });
        let settings = KindSettings { retry: fixed(9), ..KindSettings::default() };
        let options = JobOptions { retry: fixed(4), ..JobOptions::default() };
        let retries_fuel = JobOptions { retry_on: Some(vec![FailureReason::FuelExhausted]), ..JobOptions::default() };
        let expires = |at| JobOptions { expires_at: Some(Timestamp(at)), ..JobOptions::default() };
        let (soon, late) = (expires(10_000), expires(10_001));
        let bounds = LimitBounds::default();
        let first = Terms { settings: &settings, options: None, bounds: &bounds, attempt: 1, max_attempts: 2 };
        let now = Timestamp(1_000);
        let next = |terms: Terms<'_>, failure: &Failure| terms.next(&Outcome::Failed(failure.clone()), now, || 0.0);
        let trap = Failure::new(FailureReason::Trap, "x");
        let fuel = Failure::new(FailureReason::FuelExhausted, "x");
        let cancelled = Failure::new(FailureReason::Cancelled, "x");
        let insists = fuel.clone().with_verdict(HandlerVerdict::Retry { after: Some(Duration::from_secs(1)) });
        for (terms, failure, expected) in [
            (first, &trap, Next::Retry(trap.clone(), Timestamp(10_000))),
            (Terms { options: Some(&options), ..first }, &trap, Next::Retry(trap.clone(), Timestamp(5_000))),
            (Terms { attempt: 2, ..first }, &trap, Next::Fail(trap.clone())),
            (first, &fuel, Next::Fail(fuel.clone())),
            (Terms { options: Some(&retries_fuel), ..first }, &fuel, Next::Retry(fuel.clone(), Timestamp(10_000))),
            (Terms { options: Some(&retries_fuel), ..first }, &trap, Next::Fail(trap.clone())),
            (Terms { options: Some(&late), ..first }, &trap, Next::Retry(trap.clone(), Timestamp(10_000))),
            (
                Terms { options: Some(&soon), ..first },
                &trap,
                Next::Expire(Some(trap.clone()), expiry::never_again(1, Some(&trap))),
            ),
            (Terms { options: Some(&soon), attempt: 2, ..first }, &trap, Next::Fail(trap.clone())),
            (first, &insists, Next::Retry(insists.clone(), Timestamp(2_000))),
            (first, &cancelled, Next::Cancel(cancelled.clone())),
        ] {
            assert_eq!(next(terms, failure), expected);
        }
        let snooze = Outcome::Suspended(Suspension::Snooze { resume_after: Duration::ZERO });
        assert_eq!(first.next(&snooze, now, || 0.0), Next::Suspend(Timestamp(1_100)));
        let expires = expires(1_100);
        let too_late = Terms { options: Some(&expires), ..first }.next(&snooze, now, || 0.0);
        assert_eq!(too_late, Next::Expire(None, expiry::never_again(1, None)));
    }
}
