//! When the slots of a schedule are.

use std::time::Duration;

use crate::job::Timestamp;
use crate::job::cron::{Cron, Zone};

/// Shortest interval of `every`.
pub const EVERY_MIN: Duration = Duration::from_secs(1);
/// The first look for the latest slot goes back so far, ms; each further one four times as far.
const LOOK_BACK_MS: i64 = 1_000;

/// What makes slots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// The times an expression names in a zone.
    Cron {
        /// Which times.
        cron: Box<Cron>,
        /// Whose clock.
        zone: Zone,
    },
    /// A fixed interval, counted from `anchor`: whatever the clock of a zone does, and whenever the host was down.
    Every {
        /// At least [`EVERY_MIN`].
        interval: Duration,
        /// One of the slots.
        anchor: Timestamp,
    },
}

/// A trigger and the time it is in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timing {
    /// What makes slots.
    pub trigger: Trigger,
    /// No slot before it.
    pub start_at: Option<Timestamp>,
    /// No slot after it.
    pub end_at: Option<Timestamp>,
}

impl Trigger {
    fn next_after(&self, after: Timestamp) -> Option<Timestamp> {
        match self {
            Trigger::Cron { cron, zone } => cron.next_after(after, zone),
            Trigger::Every { interval, anchor } => {
                let interval_ms = i64::try_from(interval.as_millis()).ok().filter(|ms| *ms > 0)?;
                let passed = after.as_ms().saturating_sub(anchor.as_ms()).div_euclid(interval_ms);
                let next = passed.checked_add(1)?.checked_mul(interval_ms)?.checked_add(anchor.as_ms())?;
                Some(Timestamp(next)).filter(|next| *next <= Timestamp::MAX)
            }
        }
    }
}

impl Timing {
    /// The first slot after `after`; `None`: there is none any more.
    pub fn next_after(&self, after: Timestamp) -> Option<Timestamp> {
        let after = match self.start_at {
            Some(start_at) => after.max(Timestamp(start_at.as_ms().saturating_sub(1))),
            None => after,
        };
        self.trigger.next_after(after).filter(|next| self.end_at.is_none_or(|end_at| *next <= end_at))
    }

    /// The latest slots in `after..=until`, at most `count_max` of them, in their order. Costs no more for a slot each second
    /// over a year than for one.
    pub fn latest(&self, after: Timestamp, until: Timestamp, count_max: usize) -> Vec<Timestamp> {
        let mut back_ms = LOOK_BACK_MS;
        loop {
            let from = Timestamp(until.as_ms().saturating_sub(back_ms).max(after.as_ms()));
            let slots = self.between(from, until);
            let found: Vec<Timestamp> = slots.take(count_max + 1).collect();
            let is_whole = from <= after;
            // One too many: the first of them is not among the latest, but those behind the last may be.
            if found.len() > count_max {
                return self.last_of(from, until, count_max);
            }
            if is_whole || found.len() == count_max {
                return found;
            }
            back_ms = back_ms.saturating_mul(4);
        }
    }

    fn last_of(&self, from: Timestamp, until: Timestamp, count_max: usize) -> Vec<Timestamp> {
        let mut latest = std::collections::VecDeque::with_capacity(count_max);
        for slot in self.between(from, until) {
            if latest.len() == count_max {
                latest.pop_front();
            }
            latest.push_back(slot);
        }
        latest.into()
    }

    /// The slots in `after..=until`.
    fn between(&self, after: Timestamp, until: Timestamp) -> impl Iterator<Item = Timestamp> {
        std::iter::successors(self.next_after(after), |slot| self.next_after(*slot))
            .take_while(move |slot| *slot <= until)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn every(interval_ms: u64, anchor: i64) -> Timing {
        let trigger = Trigger::Every { interval: Duration::from_millis(interval_ms), anchor: Timestamp(anchor) };
        Timing { trigger, start_at: None, end_at: None }
    }

    #[test]
    fn an_interval_counts_from_its_anchor() {
        let timing = every(60_000, 7);
        for (after, next) in [(-60_000, -59_993), (0, 7), (6, 7), (7, 60_007), (8, 60_007), (60_006, 60_007)] {
            assert_eq!(timing.next_after(Timestamp(after)), Some(Timestamp(next)));
        }
        assert_eq!(every(60_000, 0).next_after(Timestamp(i64::MAX)), None);
    }

    #[test]
    fn start_and_end_are_inside() {
        let timing = Timing { start_at: Some(Timestamp(2_000)), end_at: Some(Timestamp(4_000)), ..every(1_000, 0) };
        for (after, next) in
            [(i64::MIN, Some(2_000)), (0, Some(2_000)), (2_000, Some(3_000)), (3_999, Some(4_000)), (4_000, None)]
        {
            assert_eq!(timing.next_after(Timestamp(after)), next.map(Timestamp), "after {after}");
        }
    }

    #[test]
    fn a_long_pause_costs_no_more_than_a_short_one() {
        let year_ms = 365 * 86_400_000;
        let cron = Trigger::Cron { cron: Box::new("* * * * * *".parse().unwrap()), zone: Zone::utc() };
        let timing = Timing { trigger: cron, start_at: None, end_at: None };
        let latest = timing.latest(Timestamp(0), Timestamp(year_ms), 3);
        assert_eq!(latest, [year_ms - 2_000, year_ms - 1_000, year_ms].map(Timestamp));
    }

    proptest! {
        #[test]
        fn the_latest_are_the_last_of_all(
            interval in 1u64..50, after in -1_000i64..1_000, length in 0i64..100_000, count_max in 1usize..20,
        ) {
            let timing = every(interval * 500, 3);
            let until = Timestamp(after + length);
            let all: Vec<_> = timing.between(Timestamp(after), until).collect();
            let expected = &all[all.len().saturating_sub(count_max)..];
            prop_assert_eq!(timing.latest(Timestamp(after), until, count_max), expected);
        }
    }
}
