//! The order in which ready jobs are given out, as one number per job and one per queue.
//!
//! A waiting job rises one level per aging period. Rising linearly is the same as starting later by a fixed amount,
//! so the key never changes while the job waits, and an index on it is the order itself.

use std::time::Duration;

use crate::job::Timestamp;

/// Longest aging period, ms: beyond a year priorities are as good as strict.
const AGING_MS_MAX: i64 = 365 * 24 * 3_600 * 1_000;
/// Levels of a job's priority inside one level of its queue's.
const LEVELS: i64 = 10;
/// Timestamps stay below 2^48 ms.
const STRICT_SHIFT: u32 = 48;
/// Ten job levels fit in four bits above the timestamp.
const STRICT_QUEUE_SHIFT: u32 = STRICT_SHIFT + 4;

/// How keys are made. Lower keys come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Order {
    aging_ms: i64,
}

impl Order {
    /// By the configured aging; zero = strict priorities.
    pub(super) fn new(aging: Duration) -> Self {
        Self { aging_ms: i64::try_from(aging.as_millis()).unwrap_or(i64::MAX).min(AGING_MS_MAX) }
    }

    /// What the keys on disk were made with.
    pub(super) fn aging_ms(self) -> i64 {
        self.aging_ms
    }

    /// The job's key among those of its queue.
    pub(super) fn key(self, priority: u8, run_at: Timestamp) -> i64 {
        let run_at = run_at.as_ms().clamp(0, Timestamp::MAX.as_ms());
        if self.aging_ms > 0 {
            run_at + i64::from(priority) * self.aging_ms
        } else {
            (i64::from(priority) << STRICT_SHIFT) | run_at
        }
    }

    /// What a queue's priority adds to the keys of its jobs when queues are merged.
    pub(super) fn queue_offset(self, priority: u8) -> i64 {
        if self.aging_ms > 0 {
            i64::from(priority) * LEVELS * self.aging_ms
        } else {
            i64::from(priority) << STRICT_QUEUE_SHIFT
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strict_order_is_priority_then_time() {
        let order = Order::new(Duration::ZERO);
        assert!(order.key(4, Timestamp::MAX) < order.key(5, Timestamp(0)));
        assert!(order.key(5, Timestamp(1)) < order.key(5, Timestamp(2)));
        assert!(
            order.queue_offset(4) + order.key(9, Timestamp::MAX) < order.queue_offset(5) + order.key(0, Timestamp(0))
        );
    }

    #[test]
    fn a_job_rises_one_level_per_period() {
        let order = Order::new(Duration::from_mins(1));
        let (late, early) = (Timestamp(1_000_060_001), Timestamp(1_000_000_000));
        assert!(order.key(6, early) < order.key(5, late), "a minute older makes up for one level");
        assert!(order.key(6, early) > order.key(5, Timestamp(1_000_059_999)));
    }
}
