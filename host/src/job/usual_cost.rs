//! What the next job is taken to cost, in time of a slot. Of a kind that has run, what its jobs did lately, outliers aside. Of one that
//! has not, what jobs usually did, of whatever kind, within bounds: where jobs are short a thousand new kinds are not begun by
//! handfuls; where they are long, or nothing is known, little is given out ahead.

use std::hash::Hash;

use rustc_hash::FxHashMap;

/// However short others were, µs: so that a turn by default weight ([`fairness`](super::fairness)) begins some hundred jobs of
/// an unknown kind and no more.
const MIN_US: u64 = 50;
/// However long others were, and before there were any, µs.
const MAX_US: u64 = 1_000;
/// One job counts one part in so many.
const LEARNT_OF: u64 = 64;

/// Kinds whose costs are remembered; past it all are forgotten, and learnt again.
const KINDS_MAX: usize = 100_000;

/// One execution counts one part in so many of what its kind is expected to cost.
const LEARNT_OF_KIND: u64 = 8;
/// And at most so many times that, and so much more, µs.
const RISE_FACTOR: u64 = 4;
const RISE_US: u64 = 100;

/// What the next job of a kind is expected to cost, µs, after one that was expected to cost `expected_us` and cost `us`. One that took
/// very much longer (its thread was preempted, the first of its kind found nothing in memory) counts only as several times longer; a
/// kind that has really become slow is followed within some tens of executions.
fn learnt(expected_us: u64, us: u64) -> u64 {
    let counted_us = counted(expected_us, us);
    if counted_us > expected_us {
        expected_us + (counted_us - expected_us) / LEARNT_OF_KIND
    } else {
        expected_us - (expected_us - counted_us) / LEARNT_OF_KIND
    }
}

/// What the second job of a kind is expected to cost, µs, after its first cost `us`, where jobs usually cost so much.
fn first_learnt(usual: UsualCost, us: u64) -> u64 {
    counted(usual.us(), us)
}

/// As how long one counts that took so long.
fn counted(expected_us: u64, us: u64) -> u64 {
    us.min(expected_us.saturating_mul(RISE_FACTOR).saturating_add(RISE_US))
}

/// See the file's head.
#[derive(Debug)]
pub struct Costs<K> {
    by_kind: FxHashMap<K, u64>,
    usual: UsualCost,
}

impl<K> Default for Costs<K> {
    fn default() -> Self {
        Self { by_kind: FxHashMap::default(), usual: UsualCost::default() }
    }
}

impl<K: Eq + Hash> Costs<K> {
    /// What the next job of the kind is expected to cost, µs.
    pub fn of(&self, kind: &K) -> u64 {
        self.by_kind.get(kind).copied().unwrap_or(self.usual.us())
    }

    /// A job of the kind has cost so much, µs.
    pub fn learn(&mut self, kind: K, us: u64) {
        if self.by_kind.len() >= KINDS_MAX && !self.by_kind.contains_key(&kind) {
            self.by_kind.clear();
        }
        let usual = self.usual;
        self.by_kind
            .entry(kind)
            .and_modify(|expected_us| *expected_us = learnt(*expected_us, us))
            .or_insert_with(|| first_learnt(usual, us));
        self.usual.learn(us);
    }
}

/// What jobs of whatever kind usually cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct UsualCost {
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
    fn us(self) -> u64 {
        self.parts / LEARNT_OF
    }

    /// A job has cost so much, µs. An outlier counts little, as in [`learnt`].
    fn learn(&mut self, us: u64) {
        let counted_us = counted(self.us(), us).clamp(MIN_US, MAX_US);
        self.parts = self.parts - self.parts / LEARNT_OF + counted_us;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outlier_counts_little_and_a_slow_kind_is_followed() {
        assert_eq!(first_learnt(UsualCost::default(), 100), 100);
        assert_eq!(first_learnt(UsualCost::default(), 1_000_000), MAX_US * RISE_FACTOR + RISE_US);
        assert_eq!(learnt(100, 1_000_000), 150);
        assert_eq!(learnt(150, 70), 140);
        let followed = (0..40).fold(140, |expected_us, _| learnt(expected_us, 1_000_000));
        assert!(followed > 500_000, "{followed}");
        assert!(learnt(u64::MAX, u64::MAX) > 0 && learnt(0, 0) == 0);
    }

    #[test]
    fn each_kind_has_its_own_and_no_more_are_remembered_than_may_be() {
        let mut costs = Costs::default();
        assert_eq!(costs.of(&0), MAX_US);
        costs.learn(0, 100);
        costs.learn(0, 1_000_000);
        assert_eq!(costs.of(&0), 150, "an outlier moves it little");
        assert_eq!(costs.of(&1), costs.usual.us());
        assert!(costs.usual.us() != MAX_US);
        for kind in 1..=KINDS_MAX {
            costs.learn(kind, 100);
        }
        assert_eq!(costs.by_kind.len(), 1, "they are learnt again");
    }

    #[test]
    fn it_follows_what_jobs_cost_within_bounds() {
        let mut usual = UsualCost::default();
        assert_eq!(usual.us(), MAX_US);
        usual.learn(1);
        assert!(usual.us() > MAX_US * 9 / 10, "one job alone says little");
        for cost_us in [60; 1_000].into_iter().chain([1_000_000]) {
            usual.learn(cost_us);
        }
        assert!(usual.us() < 70, "{usual:?}");
        for (us, expected) in [(1, MIN_US), (400, 400), (u64::MAX, MAX_US)] {
            for _ in 0..1_000 {
                usual.learn(us);
                assert!((MIN_US..=MAX_US).contains(&usual.us()), "{usual:?}");
            }
            assert!(usual.us().abs_diff(expected) <= 1, "{us}: {usual:?}");
        }
    }
}
