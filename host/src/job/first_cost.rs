//! What a job of a kind that has not run yet is taken to cost: what the first jobs of other kinds did, within bounds. Where jobs are
//! short a thousand new kinds are not begun by handfuls; where they are long, or nothing is known, little is given out ahead.

/// However short others were, µs: so that a turn by default weight ([`fairness`](super::fairness)) begins some sixty jobs of an
/// unknown kind and not hundreds.
const MIN_US: u64 = 150;
/// However long others were, and before there were any, µs.
const MAX_US: u64 = 1_000;
/// One kind counts one part in so many.
const LEARNT_OF: u64 = 8;

/// See the file's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FirstCost {
    us: u64,
}

impl Default for FirstCost {
    fn default() -> Self {
        Self { us: MAX_US }
    }
}

impl FirstCost {
    /// What an unknown kind is taken to cost, µs.
    pub fn us(self) -> u64 {
        self.us
    }

    /// The first job of a kind has cost so much, µs.
    pub fn learn(&mut self, us: u64) {
        self.us = (self.us * (LEARNT_OF - 1) + us.clamp(MIN_US, MAX_US)).div_ceil(LEARNT_OF);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_follows_what_others_cost_at_first_within_bounds() {
        let mut first = FirstCost::default();
        assert_eq!(first.us(), MAX_US);
        for (us, times, expected) in [(1, 60, MIN_US..MIN_US + 8), (400, 60, 393..401), (u64::MAX, 60, 993..MAX_US + 1)]
        {
            for _ in 0..times {
                first.learn(us);
                assert!((MIN_US..=MAX_US).contains(&first.us()));
            }
            assert!(expected.contains(&first.us()), "{us}: {}", first.us());
        }
        first = FirstCost::default();
        first.learn(100);
        assert_eq!(first.us(), 894, "one kind alone says little");
    }
}
