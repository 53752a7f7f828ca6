//! Whether and when a failed job is tried again.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::duration::whole_ms;
use super::outcome::{Failure, FailureReason, HandlerVerdict};

/// How long to wait between attempts.
#[derive(Clone, Debug, PartialEq)]
pub enum RetryPolicy {
    /// `base × 2^(attempt − 1)`, at most `cap`, shortened by up to `jitter` of itself.
    Exponential {
        /// Delay after the first attempt.
        base: Duration,
        /// Longest delay.
        cap: Duration,
        /// 0.0–1.0: the share of the delay that chance may take off.
        jitter: f64,
    },
    /// The same delay every time.
    Fixed {
        /// The delay.
        delay: Duration,
    },
    /// The n-th delay after the n-th attempt; the last one repeats.
    List {
        /// At least one.
        delays: Vec<Duration>,
    },
}

impl Default for RetryPolicy {
    fn default() -> Self {
        RetryPolicy::Exponential { base: RETRY_BASE_DEFAULT, cap: RETRY_CAP_DEFAULT, jitter: RETRY_JITTER_DEFAULT }
    }
}

/// Delay after the first attempt when nobody says otherwise.
pub const RETRY_BASE_DEFAULT: Duration = Duration::from_secs(5);
/// Longest delay when nobody says otherwise.
pub const RETRY_CAP_DEFAULT: Duration = Duration::from_hours(1);
/// Share of the delay that chance may take off when nobody says otherwise.
pub const RETRY_JITTER_DEFAULT: f64 = 0.2;
/// Longest delay any policy may ask for.
pub const RETRY_DELAY_MAX: Duration = Duration::from_hours(30 * 24);
/// Shortest snooze: a handler that asks for less would run without end and leave no time for others.
pub const SNOOZE_MIN: Duration = Duration::from_millis(100);
/// Most delays a list may hold.
pub const RETRY_DELAYS_MAX: usize = 100;

impl RetryPolicy {
    /// The delay after `attempt` (from 1). `chance` in 0.0..1.0 decides the jitter.
    pub fn delay(&self, attempt: u32, chance: f64) -> Duration {
        let delay = match self {
            RetryPolicy::Exponential { base, cap, jitter } => {
                let doublings = attempt.saturating_sub(1).min(62);
                let full = base.saturating_mul(1u32.checked_shl(doublings.min(31)).unwrap_or(u32::MAX)).min(*cap);
                full.mul_f64((1.0 - jitter.clamp(0.0, 1.0) * chance.clamp(0.0, 1.0)).clamp(0.0, 1.0))
            }
            RetryPolicy::Fixed { delay } => *delay,
            RetryPolicy::List { delays } => {
                let index = (attempt.max(1) as usize - 1).min(delays.len().saturating_sub(1));
                delays.get(index).copied().unwrap_or_default()
            }
        };
        delay.min(RETRY_DELAY_MAX)
    }
}

/// What follows a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryDecision {
    /// `retrying`, until this much later.
    RetryAfter(Duration),
    /// Back to `ready` at once, no attempt used.
    GiveBack,
    /// `failed`.
    Fail,
    /// `cancelled`.
    Cancel,
}

/// Decides what follows `failure` of `attempt` (from 1) of `attempts_max`.
///
/// `retry_on` replaces the default set of retried reasons when given. `chance` in 0.0..1.0 decides the jitter.
pub fn decide(
    policy: &RetryPolicy,
    retry_on: Option<&[FailureReason]>,
    failure: &Failure,
    attempt: u32,
    attempts_max: u32,
    chance: f64,
) -> RetryDecision {
    match failure.reason {
        FailureReason::Cancelled | FailureReason::DeadlineExpired => return RetryDecision::Cancel,
        // The host's own reasons: nobody's `retry_on` is asked, and the job is not charged.
        FailureReason::Shutdown | FailureReason::HostLost | FailureReason::ModuleUnavailable => {
            return RetryDecision::GiveBack;
        }
        _ => {}
    }
    let attempts_left = attempt < attempts_max;
    let after = match failure.verdict {
        Some(HandlerVerdict::Fatal) => return RetryDecision::Fail,
        Some(HandlerVerdict::Retry { after }) => after,
        None => {
            let retried = match retry_on {
                Some(reasons) => reasons.contains(&failure.reason),
                None => failure.reason.retried_by_default(),
            };
            if !retried {
                return RetryDecision::Fail;
            }
            None
        }
    };
    if !attempts_left {
        return RetryDecision::Fail;
    }
    RetryDecision::RetryAfter(after.unwrap_or_else(|| policy.delay(attempt, chance)).min(RETRY_DELAY_MAX))
}

/// How long a job sleeps that asked for `asked`.
pub fn snooze_delay(asked: Duration) -> Duration {
    asked.max(SNOOZE_MIN)
}

/// The store's compact form: durations in milliseconds.
#[derive(Serialize, Deserialize)]
#[serde(tag = "strategy", rename_all = "snake_case")]
enum StoredPolicy {
    Exponential { base: u64, cap: u64, jitter: f64 },
    Fixed { delay: u64 },
    List { delays: Vec<u64> },
}

impl Serialize for RetryPolicy {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            RetryPolicy::Exponential { base, cap, jitter } => {
                StoredPolicy::Exponential { base: whole_ms(*base), cap: whole_ms(*cap), jitter: *jitter }
            }
            RetryPolicy::Fixed { delay } => StoredPolicy::Fixed { delay: whole_ms(*delay) },
            RetryPolicy::List { delays } => {
                StoredPolicy::List { delays: delays.iter().copied().map(whole_ms).collect() }
            }
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for RetryPolicy {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match StoredPolicy::deserialize(deserializer)? {
            StoredPolicy::Exponential { base, cap, jitter } => {
                RetryPolicy::Exponential { base: Duration::from_millis(base), cap: Duration::from_millis(cap), jitter }
            }
            StoredPolicy::Fixed { delay } => RetryPolicy::Fixed { delay: Duration::from_millis(delay) },
            StoredPolicy::List { delays } => {
                RetryPolicy::List { delays: delays.into_iter().map(Duration::from_millis).collect() }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn failure(reason: FailureReason) -> Failure {
        Failure::new(reason, "test")
    }

    #[test]
    fn exponential_doubles_up_to_the_cap() {
        let policy = RetryPolicy::default();
        let seconds: Vec<u64> = (1..=11).map(|attempt| policy.delay(attempt, 0.0).as_secs()).collect();
        assert_eq!(seconds, [5, 10, 20, 40, 80, 160, 320, 640, 1_280, 2_560, 3_600]);
        assert_eq!(policy.delay(1, 1.0), Duration::from_secs(4));
    }

    #[test]
    fn a_list_repeats_its_last_delay() {
        let policy = RetryPolicy::List { delays: vec![Duration::from_secs(1), Duration::from_secs(9)] };
        let seconds: Vec<u64> = (1..=4).map(|attempt| policy.delay(attempt, 0.5).as_secs()).collect();
        assert_eq!(seconds, [1, 9, 9, 9]);
    }

    #[test]
    fn decisions() {
        let policy = RetryPolicy::Fixed { delay: Duration::from_secs(7) };
        let again = RetryDecision::RetryAfter(Duration::from_secs(7));
        let after = Some(Duration::from_secs(1));
        let trap_only: &[FailureReason] = &[FailureReason::Trap];
        for (failure, retry_on, attempt, expected) in [
            (failure(FailureReason::HandlerError), None, 1, again),
            (failure(FailureReason::HandlerError), None, 3, RetryDecision::Fail),
            (failure(FailureReason::HandlerError), Some(trap_only), 1, RetryDecision::Fail),
            (failure(FailureReason::Trap), Some(trap_only), 1, again),
            (failure(FailureReason::FuelExhausted), None, 1, RetryDecision::Fail),
            (failure(FailureReason::Cancelled), None, 1, RetryDecision::Cancel),
            (failure(FailureReason::DeadlineExpired), None, 1, RetryDecision::Cancel),
            (failure(FailureReason::Shutdown), None, 3, RetryDecision::GiveBack),
            (failure(FailureReason::ModuleUnavailable), None, 3, RetryDecision::GiveBack),
            (failure(FailureReason::ModuleUnavailable), Some(trap_only), 1, RetryDecision::GiveBack),
            (failure(FailureReason::HandlerError).with_verdict(HandlerVerdict::Fatal), None, 1, RetryDecision::Fail),
            (
                failure(FailureReason::HandlerError).with_verdict(HandlerVerdict::Retry { after }),
                Some(trap_only),
                1,
                RetryDecision::RetryAfter(Duration::from_secs(1)),
            ),
        ] {
            assert_eq!(decide(&policy, retry_on, &failure, attempt, 3, 0.0), expected, "{failure:?} {attempt}");
        }
    }

    #[test]
    fn a_snooze_is_never_shorter_than_its_minimum() {
        assert_eq!(snooze_delay(Duration::ZERO), SNOOZE_MIN);
        assert_eq!(snooze_delay(Duration::from_secs(3)), Duration::from_secs(3));
    }

    proptest! {
        #[test]
        fn delays_stay_between_the_bounds(
            base in 0u64..10_000_000, cap in 0u64..10_000_000, jitter in 0.0f64..=1.0, attempt in 0u32..5_000, chance in 0.0f64..1.0,
        ) {
            let policy = RetryPolicy::Exponential {
                base: Duration::from_millis(base), cap: Duration::from_millis(cap), jitter,
            };
            let delay = policy.delay(attempt, chance);
            prop_assert!(delay <= Duration::from_millis(cap));
            prop_assert!(policy.delay(attempt + 1, 0.0) >= policy.delay(attempt, 0.0));
            prop_assert!(delay >= policy.delay(attempt, 0.0).mul_f64(1.0 - jitter).saturating_sub(Duration::from_micros(1)));
        }

        #[test]
        fn the_last_attempt_is_the_last(attempt in 1u32..100, index in 0usize..FailureReason::ALL.len()) {
            let failure = failure(FailureReason::ALL[index]);
            let decision = decide(&RetryPolicy::default(), None, &failure, attempt, attempt, 0.5);
            prop_assert!(!matches!(decision, RetryDecision::RetryAfter(_)));
        }

        #[test]
        fn what_is_the_hosts_fault_is_never_charged(
            attempt in 1u32..100, attempts_max in 1u32..100, retry_on in prop::collection::vec(0usize..FailureReason::ALL.len(), 0..4),
        ) {
            let retry_on: Vec<_> = retry_on.into_iter().map(|index| FailureReason::ALL[index]).collect();
            for retry_on in [None, Some(retry_on.as_slice())] {
                for reason in [FailureReason::Shutdown, FailureReason::HostLost, FailureReason::ModuleUnavailable] {
                    let decision = decide(&RetryPolicy::default(), retry_on, &failure(reason), attempt, attempts_max, 0.5);
                    prop_assert_eq!(decision, RetryDecision::GiveBack);
                }
            }
        }

        #[test]
        fn policies_round_trip(delays in prop::collection::vec(0u64..1_000_000, 1..5)) {
            let policy = RetryPolicy::List { delays: delays.into_iter().map(Duration::from_millis).collect() };
            let text = serde_json::to_string(&policy).map_err(|error| TestCaseError::fail(error.to_string()))?;
            prop_assert_eq!(serde_json::from_str::<RetryPolicy>(&text).ok(), Some(policy));
        }
    }
}
