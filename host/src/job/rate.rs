//! How often something may begin: a token bucket, as one number per bucket.
//!
//! A bucket holds up to `burst` permits and gets a new one every `per ÷ limit`. What is kept is how much was missing from a full
//! one at an instant; the rest is reckoned. So a bucket nobody has used for long needs no row.

use std::time::Duration;

/// Most permits in one period, and most that may be saved up.
pub const RATE_LIMIT_MAX: u32 = 1_000_000;
/// Longest period a rate may have.
pub const RATE_PERIOD_MAX: Duration = Duration::from_hours(24);

/// So many in such a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Permits per period, 1 to [`RATE_LIMIT_MAX`].
    pub limit: u32,
    /// The period, at most [`RATE_PERIOD_MAX`].
    pub per: Duration,
    /// Permits that can be saved up while nobody asks, 1 to [`RATE_LIMIT_MAX`].
    pub burst: u32,
}

/// The state of one bucket: what was missing from a full one, and when. A rate that is changed holds for all that came since.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bucket {
    /// Millionths of a permit.
    pub missing_millionths: u64,
    /// On the store's clock, ns.
    pub at_ns: i64,
}

const PERMIT_MILLIONTHS: u64 = 1_000_000;

impl Rate {
    /// What comes in a time, millionths of a permit; rounded down, so that the rate is never exceeded.
    fn refill_millionths(self, elapsed_ns: i64) -> u64 {
        let elapsed_ns = u128::from(elapsed_ns.max(0).unsigned_abs());
        let millionths =
            elapsed_ns * u128::from(self.limit) * u128::from(PERMIT_MILLIONTHS) / self.per.as_nanos().max(1);
        u64::try_from(millionths).unwrap_or(u64::MAX)
    }

    /// The time in which so much comes, ns; rounded up.
    fn time_ns(self, millionths: u64) -> i64 {
        let of_limit = u128::from(self.limit.max(1)) * u128::from(PERMIT_MILLIONTHS);
        let time_ns = (u128::from(millionths) * self.per.as_nanos()).div_ceil(of_limit);
        i64::try_from(time_ns).unwrap_or(i64::MAX)
    }

    fn burst_millionths(self) -> u64 {
        u64::from(self.burst.max(1)) * PERMIT_MILLIONTHS
    }
}

impl Bucket {
    /// Permits there are at `now_ns`.
    pub fn permits(self, rate: Rate, now_ns: i64) -> u32 {
        let there = rate.burst_millionths() - self.missing(rate, now_ns);
        u32::try_from(there / PERMIT_MILLIONTHS).unwrap_or(u32::MAX)
    }

    /// Whether nothing is missing at `now_ns`.
    pub fn is_full(self, rate: Rate, now_ns: i64) -> bool {
        self.missing(rate, now_ns) == 0
    }

    /// The bucket after `permits` of those it holds were taken.
    #[must_use]
    pub fn take(self, rate: Rate, now_ns: i64, permits: u32) -> Bucket {
        let missing = self.missing(rate, now_ns) + u64::from(permits) * PERMIT_MILLIONTHS;
        // Were the clock set back by a restart, what came before would come again.
        Bucket { missing_millionths: missing, at_ns: now_ns.max(self.at_ns) }
    }

    /// The bucket after permits came back unused.
    #[must_use]
    pub fn give_back(self, permits: u32) -> Bucket {
        let given = u64::from(permits) * PERMIT_MILLIONTHS;
        Bucket { missing_millionths: self.missing_millionths.saturating_sub(given), ..self }
    }

    /// When it next holds a permit, ns; `now_ns` if it does.
    pub fn next_permit_at(self, rate: Rate, now_ns: i64) -> i64 {
        let spare = rate.burst_millionths() - PERMIT_MILLIONTHS;
        let wanting = self.missing(rate, now_ns).saturating_sub(spare);
        now_ns.saturating_add(rate.time_ns(wanting))
    }

    /// The bucket at the moment its rate ends, for the one that follows: what came until then came under this one.
    #[must_use]
    pub fn settled(self, rate: Rate, now_ns: i64) -> Bucket {
        Bucket { missing_millionths: self.missing(rate, now_ns), at_ns: now_ns.max(self.at_ns) }
    }

    /// How much is missing now. Never more than there could be.
    fn missing(self, rate: Rate, now_ns: i64) -> u64 {
        let refill = rate.refill_millionths(now_ns.saturating_sub(self.at_ns));
        self.missing_millionths.min(rate.burst_millionths()).saturating_sub(refill)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND_NS: i64 = 1_000_000_000;

    fn rate(limit: u32, per_ms: u64, burst: u32) -> Rate {
        Rate { limit, per: Duration::from_millis(per_ms), burst }
    }

    #[test]
    fn a_bucket_through_time() {
        let rate = rate(2, 1_000, 3);
        let mut bucket = Bucket::default();
        // (at, ms; permits there; taken)
        for (at_ms, permits, taken) in [
            (10_000, 3, 3),
            (10_000, 0, 0),
            (10_499, 0, 0),
            (10_500, 1, 0),
            (11_000, 2, 1),
            (11_000, 1, 1),
            (12_500, 3, 0),
        ] {
            let now_ns = at_ms * 1_000_000;
            assert_eq!(bucket.permits(rate, now_ns), permits, "at {at_ms}");
            bucket = bucket.take(rate, now_ns, taken);
        }
    }

    #[test]
    fn the_next_permit_comes_when_it_is_said_to() {
        let rate = rate(2, 1_000, 3);
        let empty = Bucket::default().take(rate, 10 * SECOND_NS, 3);
        let next = empty.next_permit_at(rate, 10 * SECOND_NS);
        assert_eq!(next, 10 * SECOND_NS + SECOND_NS / 2);
        assert_eq!((empty.permits(rate, next - 1), empty.permits(rate, next)), (0, 1));
        assert_eq!(empty.give_back(1).next_permit_at(rate, 10 * SECOND_NS), 10 * SECOND_NS);
    }

    #[test]
    fn a_rate_that_ends_is_settled() {
        let (slow, fast) = (rate(1, 3_600_000, 1), rate(1_000, 1_000, 10));
        let used = Bucket::default().take(fast, SECOND_NS, 10);
        let later = SECOND_NS + SECOND_NS / 2;
        assert_eq!(used.permits(slow, later), 0, "what the fast one took would be missing for an hour");
        assert_eq!(used.settled(fast, later).permits(slow, later), 1);
    }

    #[test]
    fn a_new_rate_holds_for_what_came_since() {
        let (slow, fast) = (rate(1, 3_600_000, 10), rate(10, 1_000, 1));
        let empty = Bucket::default().take(slow, SECOND_NS, 10);
        assert_eq!(empty.permits(slow, SECOND_NS), 0);
        let next = empty.next_permit_at(fast, SECOND_NS);
        assert_eq!(next, SECOND_NS + SECOND_NS / 10, "the ten hours of the old rate are forgotten");
        assert_eq!((empty.permits(fast, next - 1), empty.permits(fast, next)), (0, 1));
        assert_eq!(empty.permits(slow, next), 0, "and remembered where it comes back");
    }

    proptest! {
        #[test]
        fn no_window_sees_more_than_burst_and_rate(
            limit in 1u32..2_000, per_ms in 1u64..100_000, burst in 1u32..50,
            steps in prop::collection::vec((0i64..3_000, 0u32..60), 1..200),
        ) {
            let rate = rate(limit, per_ms, burst);
            let (mut bucket, mut now_ns, mut taken) = (Bucket::default(), 0i64, Vec::new());
            for (wait_ms, wanted) in steps {
                now_ns += wait_ms * 1_000_000;
                let given = bucket.permits(rate, now_ns).min(wanted);
                bucket = bucket.take(rate, now_ns, given);
                taken.push((now_ns, u64::from(given)));
            }
            for first in 0..taken.len() {
                let mut sum = 0;
                for (at, given) in &taken[first..] {
                    sum += given;
                    let window_ns = u128::from((at - taken[first].0).unsigned_abs());
                    let allowed = u128::from(burst) + window_ns * u128::from(limit) / (u128::from(per_ms) * 1_000_000);
                    prop_assert!(u128::from(sum) <= allowed, "{sum} in {window_ns} ns, {allowed} allowed");
                }
            }
        }

        #[test]
        fn nobody_waits_in_vain(limit in 1u32..2_000, per_ms in 1u64..100_000, burst in 1u32..50, used in 0u32..50) {
            let rate = rate(limit, per_ms, burst);
            let bucket = Bucket::default().take(rate, SECOND_NS, used.min(burst));
            let next = bucket.next_permit_at(rate, SECOND_NS);
            prop_assert!(bucket.permits(rate, next) >= 1);
            prop_assert!(next == SECOND_NS || bucket.permits(rate, next - 1) == 0);
        }
    }
}
