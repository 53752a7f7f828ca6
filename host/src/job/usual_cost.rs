//! What a job of a kind that has not run yet is taken to cost: what jobs usually did lately, of whatever kind, within bounds. Where jobs
//! are short a thousand new kinds are not begun by handfuls; where they are long, or nothing is known, little is given out ahead.

/// However short others were, µs: so that a turn by default weight ([`fairness`](super::fairness)) begins some hundred jobs of
/// an unknown kind and no more.
const MIN_US: u64 = 50;
/// However long others were, and before there were any, µs.
const MAX_US: u64 = 1_000;
/// One job counts one part in so many.
const LEARNT_OF: u64 = 64;

/// See the file's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UsualCost {
    /// In parts of a microsecond, as many as there are in [`LEARNT_OF`].
    parts: u64,
}

impl Default for UsualCost {
    fn default() -> Self {
        Self { parts: MAX_US * LEARNT_OF }
    }
}

impl UsualCost {
    /// What an unknown kind is taken to cost, µs.
    pub fn us(self) -> u64 {
        self.parts / LEARNT_OF
    }

    /// A job has cost so much, µs.
    pub fn learn(&mut self, us: u64) {
        self.parts = self.parts - self.parts / LEARNT_OF + us.clamp(MIN_US, MAX_US);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_follows_what_jobs_cost_within_bounds() {
        let mut usual = UsualCost::default();
        assert_eq!(usual.us(), MAX_US);
        usual.learn(1);
        assert!(usual.us() > MAX_US * 9 / 10, "one job alone says little");
        for (us, expected) in [(1, MIN_US), (400, 400), (u64::MAX, MAX_US)] {
            for _ in 0..1_000 {
                usual.learn(us);
                assert!((MIN_US..=MAX_US).contains(&usual.us()), "{usual:?}");
            }
            assert!(usual.us().abs_diff(expected) <= 1, "{us}: {usual:?}");
        }
    }
}
