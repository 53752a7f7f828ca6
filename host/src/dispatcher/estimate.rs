//! How long jobs of a kind are going to run, learnt from those that did. Decides how far claims run ahead.

use std::time::Duration;

use crate::job::usual_cost::Costs;
use crate::store::KindId;

/// What a job is taken to need before any was claimed, µs: so much that nothing is claimed ahead of the first.
const AT_FIRST_US: u64 = 5_000;
/// Estimates by kind, and what the jobs claimed lately were expected to need.
#[derive(Debug)]
pub struct Estimates {
    costs: Costs<KindId>,
    typical_us: u64,
}

impl Default for Estimates {
    fn default() -> Self {
        Self { costs: Costs::default(), typical_us: AT_FIRST_US }
    }
}

impl Estimates {
    /// Expected time in a slot, µs.
    pub fn of(&self, kind: KindId) -> u64 {
        self.costs.of(&kind)
    }

    /// Expected time in a slot of a job just claimed, µs; moves the typical one.
    pub fn expect(&mut self, kind: KindId) -> u64 {
        let estimate = self.of(kind);
        self.typical_us = (self.typical_us * 15 + estimate) / 16;
        estimate
    }

    /// What one more claimed job is expected to need, µs.
    pub fn typical_us(&self) -> u64 {
        self.typical_us
    }

    /// Learns from one execution.
    pub fn learn(&mut self, kind: KindId, took: Duration) {
        self.costs.learn(kind, u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
    }
}

/// How many more jobs to ask for.
///
/// `budget_us` is the run time that may wait in front of the slots, `queued_us` what waits there now, `typical_us`
/// what one more job is expected to add. A free slot is always worth a job; else asking waits until a good part of the
/// budget is used up, so that each claim is worth its transaction.
pub fn jobs_to_claim(free_slots: usize, queued: usize, queued_us: u64, typical_us: u64, budget_us: u64) -> usize {
    if free_slots <= queued && queued_us > budget_us / 8 * 5 {
        return 0;
    }
    let ahead = budget_us.saturating_sub(queued_us) / typical_us.max(1);
    let wanted = free_slots.saturating_sub(queued).saturating_add(usize::try_from(ahead).unwrap_or(usize::MAX));
    wanted.min(super::claims::CLAIM_JOBS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claimed_job_moves_what_is_typical() {
        let mut estimates = Estimates::default();
        let kind = KindId(1);
        assert_eq!(estimates.typical_us(), AT_FIRST_US);
        estimates.learn(kind, Duration::from_micros(100));
        for _ in 0..200 {
            assert_eq!(estimates.expect(kind), 100);
        }
        assert!(estimates.typical_us() < 120, "{estimates:?}");
    }

    #[test]
    fn long_jobs_are_claimed_for_free_slots_only_and_short_ones_ahead() {
        for (free, queued, queued_us, typical_us, expected) in [
            (4, 0, 0, 1_000_000, 4),
            (4, 4, 4_000_000, 1_000_000, 0),
            (0, 0, 0, 1_000_000, 0),
            (0, 0, 0, 25, 400),
            (0, 300, 7_500, 25, 0),
            (0, 200, 5_000, 25, 200),
            (2, 0, 0, 25, 402),
        ] {
            assert_eq!(jobs_to_claim(free, queued, queued_us, typical_us, 10_000), expected);
        }
    }
}
