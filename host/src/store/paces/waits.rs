//! Limits that have to wait for a permit, by the instant it comes.

use std::collections::BTreeSet;

use rustc_hash::FxHashMap;

use crate::job::Timestamp;
use crate::store::limit_of::LimitOf;
use crate::store::store_clock::StoreClock;

const NS_PER_MS: i64 = 1_000_000;

/// See the file's head.
#[derive(Debug, Default)]
pub(super) struct Waits {
    /// Instants are on the store's clock, ns.
    by_instant: BTreeSet<(i64, LimitOf)>,
    instants: FxHashMap<LimitOf, i64>,
    has_new: bool,
}

impl Waits {
    /// The limit has a permit again at `at_ns`, and none before.
    pub(super) fn wait(&mut self, limit: LimitOf, at_ns: i64) {
        match self.instants.insert(limit, at_ns) {
            Some(known) if known == at_ns => return,
            Some(known) => drop(self.by_instant.remove(&(known, limit))),
            None => {}
        }
        self.by_instant.insert((at_ns, limit));
        self.has_new = true;
    }

    /// Whether since the last call something began to wait.
    pub(super) fn waits_anew(&mut self) -> bool {
        std::mem::take(&mut self.has_new)
    }

    /// Some of those whose permit has come. They wait no longer.
    pub(super) fn take_due(&mut self, now_ns: i64, limits_max: usize) -> Vec<LimitOf> {
        let mut due = Vec::new();
        while due.len() < limits_max
            && let Some(&(at, limit)) = self.by_instant.first().filter(|(at, _)| *at <= now_ns)
        {
            self.by_instant.remove(&(at, limit));
            self.instants.remove(&limit);
            due.push(limit);
        }
        due
    }

    /// Whether a permit has come that somebody waits for.
    pub(super) fn has_due(&self, now_ns: i64) -> bool {
        self.by_instant.first().is_some_and(|(at, _)| *at <= now_ns)
    }

    /// When the next permit comes, by the wall clock.
    pub(super) fn next(&self, clock: &StoreClock) -> Option<Timestamp> {
        // Of those that have come somebody knows; they are taken when there is a slot.
        let now_ns = clock.now_ns();
        let (at, _) = self.by_instant.range((now_ns + 1, LimitOf::FIRST)..).next()?;
        // Up to the next whole millisecond: a moment too early would be in vain.
        let wait_ms = at.saturating_sub(now_ns).div_euclid(NS_PER_MS) + 1;
        Some(Timestamp(clock.now().as_ms().saturating_add(wait_ms)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::catalog::KindId;

    #[test]
    fn a_limit_waits_for_one_instant_the_last_that_was_named() {
        let (one, other) = (LimitOf::Kind(KindId(1)), LimitOf::Kind(KindId(2)));
        let mut waits = Waits::default();
        for at_ns in [30, 10, 20] {
            waits.wait(one, at_ns);
        }
        waits.wait(other, 15);
        assert!(waits.waits_anew() && !waits.waits_anew());
        waits.wait(one, 20);
        assert!(!waits.waits_anew(), "that was known");
        assert!(!waits.has_due(14) && waits.has_due(15));
        assert_eq!(waits.take_due(15, 10), [other]);
        assert_eq!(waits.take_due(100, 10), [one]);
        assert!(!waits.has_due(i64::MAX), "nothing is left of the instants named before");
        waits.wait(one, 30);
        waits.wait(other, 20);
        assert_eq!((waits.take_due(30, 1), waits.take_due(30, 1)), (vec![other], vec![one]));
    }
}
