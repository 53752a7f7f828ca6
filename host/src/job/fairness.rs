//! Whose turn it is: deficit round robin by weight, the cost of a job being the time it really ran. Pure; knows nothing of jobs,
//! and not what time it is.
//!
//! In each round everybody who has something to begin gets a quantum, so many microseconds for each unit of weight, and may begin
//! until it is used up. What begins is charged with what it is expected to cost, and settled when it has ended. Who has used more
//! than it got sits out the rounds that make up for it. Rounds in which everybody sits out are skipped, not gone through: each is
//! in a calendar under the first round in which it may begin again. So nobody waits while there is room (the ring is work
//! conserving), and a turn costs the same however many take part and however long their jobs are. Who had its turn and gets something
//! back, because its jobs cost less than was thought, has it in its next turn: turns of a job or two would be dear (see `QUANTUM_US`).
//!
//! Who has nothing to begin leaves the ring. What it was given and did not use is gone, so credit is not hoarded; what it owes it
//! goes on owing, and works off round by round like those who are there, so debts are not evaded. Whoever comes back without debts
//! goes first, once a round.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// What a unit of weight may use in a round, µs. With the default weight, 10, twenty milliseconds: some hundreds of the shortest jobs,
/// whose rows stand beside each other. Turns of a few jobs each write to as many pages as there are tenants. Nobody with little to
/// do waits for it: who comes back goes first.
const QUANTUM_US: i64 = 2_000;
/// Nobody owes more, µs: an hour of one slot.
const DEBT_US_MAX: i64 = 3_600_000_000;
/// What is owed by somebody who stays away is forgotten after so long, ms.
const ABSENT_MS_MAX: i64 = 600_000;

/// Where somebody stands in the calendar: the first round in which it may begin, whether it comes behind those who have just come,
/// and then as they came.
type Turn = (u64, bool, u64);

#[derive(Debug)]
struct Share {
    weight: i64,
    /// What may still be used (owed, where it is negative) with the quanta of all rounds up to `credited`, µs.
    balance_us: i64,
    credited: u64,
    /// The last round in which it used up what it had; 0: none since it came.
    served: u64,
    /// `None`: it has nothing to begin.
    turn: Option<Turn>,
    /// Counts its absences, so that each is forgotten at its own time.
    absences: u64,
}

impl Share {
    fn quantum_us(&self) -> i64 {
        QUANTUM_US * self.weight
    }

    /// With the quanta of the rounds until this one. Who was away has one at most; who is there has what it waited for (see
    /// [`Self::first_round`]), beside what came back.
    fn credit(&mut self, round: u64) {
        let rounds = i64::try_from(round.saturating_sub(self.credited)).unwrap_or(i64::MAX);
        if rounds > 0 {
            let quantum_us = self.quantum_us();
            let balance_us_max = match self.turn {
                Some(_) => (quantum_us + quantum_us / 2).saturating_add(self.balance_us.max(0)),
                None => quantum_us,
            };
            let balance_us = self.balance_us.saturating_add(quantum_us.saturating_mul(rounds));
            self.balance_us = balance_us.min(balance_us_max);
            self.credited = round;
        }
    }

    /// The most it may have: what comes back to who is there was given to it before, and is not taken away.
    fn balance_us_max(&self) -> i64 {
        if self.turn.is_some() { DEBT_US_MAX } else { self.quantum_us() }
    }

    /// The first round in which something is left to be used, and it has not had its turn. Who owes waits until its turn is worth half
    /// a quantum.
    fn first_round(&self) -> u64 {
        if self.balance_us > 0 {
            return self.credited.max(self.served.saturating_add(1));
        }
        let quantum_us = self.quantum_us().unsigned_abs().max(1);
        let rounds = (self.balance_us.unsigned_abs() + quantum_us / 2).div_ceil(quantum_us);
        self.credited.saturating_add(rounds)
    }
}

/// See the file's head.
#[derive(Debug)]
pub struct Fairness<T> {
    round: u64,
    shares: BTreeMap<T, Share>,
    calendar: BTreeSet<(Turn, T)>,
    /// Numbers those who come.
    arrivals: u64,
    /// Who left, when, and in which of its absences; the oldest first.
    absent: VecDeque<(i64, T, u64)>,
}

impl<T> Default for Fairness<T> {
    fn default() -> Self {
        Self { round: 1, shares: BTreeMap::new(), calendar: BTreeSet::new(), arrivals: 0, absent: VecDeque::new() }
    }
}

impl<T: Copy + Ord> Fairness<T> {
    /// Somebody has something to begin, with this weight from now on. Who is there already keeps its place.
    pub fn arrive(&mut self, who: T, weight: u32) {
        let (round, weight) = (self.round, i64::from(weight.max(1)));
        let share = self.shares.entry(who).or_insert(Share {
            weight,
            balance_us: 0,
            credited: round.saturating_sub(1),
            served: 0,
            turn: None,
            absences: 0,
        });
        share.credit(round);
        share.weight = weight;
        if share.turn.is_none() {
            self.arrivals += 1;
            let turn = (share.first_round(), false, self.arrivals);
            share.turn = Some(turn);
            self.calendar.insert((turn, who));
        }
    }

    /// Whose turn it is; `None`: nobody has anything to begin.
    pub fn turn(&mut self) -> Option<T> {
        let &((round, ..), who) = self.calendar.first()?;
        self.round = self.round.max(round);
        if let Some(share) = self.shares.get_mut(&who) {
            share.credit(self.round);
        }
        Some(who)
    }

    /// It has nothing to begin any more. `now_ms`: on a clock that does not go back.
    pub fn leave(&mut self, who: T, now_ms: i64) {
        if let Some(share) = self.shares.get_mut(&who)
            && let Some(turn) = share.turn.take()
        {
            self.calendar.remove(&(turn, who));
            share.balance_us = share.balance_us.min(share.quantum_us());
            share.served = 0;
            share.absences += 1;
            self.absent.push_back((now_ms, who, share.absences));
        }
        while let Some(&(since_ms, gone, absences)) = self.absent.front()
            && now_ms.saturating_sub(since_ms) > ABSENT_MS_MAX
        {
            self.absent.pop_front();
            if self.shares.get(&gone).is_some_and(|share| share.turn.is_none() && share.absences == absences) {
                self.shares.remove(&gone);
            }
        }
    }

    /// It began something that is expected to cost so much.
    pub fn charge(&mut self, who: T, us: u64) {
        let us = i64::try_from(us).unwrap_or(i64::MAX);
        self.change(who, |balance_us| balance_us.saturating_sub(us));
    }

    /// Something that was charged with `expected_us` has ended and cost `used_us`.
    pub fn settle(&mut self, who: T, expected_us: u64, used_us: u64) {
        let of = |us: u64| i64::try_from(us).unwrap_or(i64::MAX);
        self.change(who, |balance_us| balance_us.saturating_add(of(expected_us)).saturating_sub(of(used_us)));
    }

    /// So many take part, be it with a debt alone.
    pub fn len(&self) -> usize {
        self.shares.len()
    }

    /// Whether nobody takes part.
    pub fn is_empty(&self) -> bool {
        self.shares.is_empty()
    }

    /// What each may still use, or owes, µs.
    #[cfg(test)]
    pub(crate) fn balances(&self) -> impl Iterator<Item = (T, i64)> {
        self.shares.iter().map(|(who, share)| (*who, share.balance_us))
    }

    fn change(&mut self, who: T, change: impl FnOnce(i64) -> i64) {
        let round = self.round;
        let Some(share) = self.shares.get_mut(&who) else { return };
        share.credit(round);
        share.balance_us = change(share.balance_us).clamp(-DEBT_US_MAX, share.balance_us_max());
        let Some(turn) = share.turn else { return };
        if share.balance_us <= 0 {
            share.served = round;
        }
        let first_round = share.first_round();
        // Its turn goes on while something is left; else, and where it is sooner or later than was thought, behind the others.
        if first_round != turn.0.max(round) {
            self.arrivals += 1;
            let moved = (first_round, true, self.arrivals);
            share.turn = Some(moved);
            self.calendar.remove(&(turn, who));
            self.calendar.insert((moved, who));
        }
    }
}

#[cfg(test)]
#[allow(clippy::cast_precision_loss)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Of a unit of weight, and of weight 10, µs.
    const UNIT: u64 = QUANTUM_US.unsigned_abs();
    const QUANTUM: u64 = 10 * UNIT;

    /// Slots that are always taken by whose turn it is, while anybody has something to begin.
    struct Slots {
        fairness: Fairness<usize>,
        /// Until when each is taken, by whom, and with what it was charged and really costs.
        taken: Vec<(u64, usize, u64, u64)>,
        now_us: u64,
        used_us: Vec<u64>,
    }

    impl Slots {
        fn new(weights: &[u32]) -> Self {
            let mut fairness = Fairness::default();
            for (who, weight) in weights.iter().enumerate() {
                fairness.arrive(who, *weight);
            }
            Self { fairness, taken: Vec::new(), now_us: 0, used_us: vec![0; weights.len()] }
        }

        /// The next job begins in a free slot of so many.
        fn begin(&mut self, slots: usize, expected_us: impl Fn(usize) -> u64, cost_us: impl Fn(usize) -> u64) -> usize {
            if self.taken.len() == slots {
                self.taken.sort_unstable();
                let (at, who, expected_us, used_us) = self.taken.remove(0);
                self.now_us = at;
                self.fairness.settle(who, expected_us, used_us);
            }
            let who = self.fairness.turn().unwrap_or(usize::MAX);
            let (expected, cost) = (expected_us(who), cost_us(who));
            self.fairness.charge(who, expected);
            self.used_us[who] += cost;
            self.taken.push((self.now_us + cost, who, expected, cost));
            who
        }
    }

    #[test]
    fn each_gets_its_quantum_and_the_newcomer_is_first() {
        let mut slots = Slots::new(&[10, 20]);
        let order: Vec<usize> = (0..9).map(|_| slots.begin(1, |_| QUANTUM / 2, |_| QUANTUM / 2)).collect();
        assert_eq!(order, [0, 0, 1, 1, 1, 1, 0, 0, 1]);
        slots.fairness.arrive(7, 10);
        assert_eq!(slots.fairness.turn(), Some(7), "in the middle of another one's turn");
        slots.fairness.charge(7, QUANTUM / 10);
        slots.fairness.leave(7, 0);
        slots.fairness.arrive(7, 10);
        slots.fairness.charge(7, QUANTUM);
        assert_ne!(slots.fairness.turn(), Some(7), "once a round, however often it comes");
    }

    #[test]
    fn debts_are_not_evaded_and_credit_is_not_hoarded() {
        let mut fairness = Fairness::default();
        fairness.arrive('a', 10);
        fairness.arrive('b', 10);
        assert_eq!(fairness.turn(), Some('a'));
        fairness.charge('a', QUANTUM * 11 / 2);
        fairness.leave('a', 0);
        // It comes back at once, and sits out what it owes.
        fairness.arrive('a', 10);
        let mut others = 0;
        while fairness.turn() == Some('b') {
            fairness.charge('b', QUANTUM);
            others += 1;
        }
        assert_eq!(others, 5);
        // After many rounds without it, it has one quantum and no more.
        fairness.leave('a', 0);
        for _ in 0..50 {
            assert_eq!(fairness.turn(), Some('b'));
            fairness.charge('b', QUANTUM);
        }
        fairness.arrive('a', 10);
        assert_eq!(fairness.turn(), Some('a'));
        fairness.charge('a', QUANTUM);
        assert_eq!(fairness.turn(), Some('b'));
    }

    #[test]
    fn one_alone_never_waits_and_owes_nobody_for_ever() {
        let mut fairness = Fairness::default();
        fairness.arrive('a', 1);
        for _ in 0..1_000 {
            assert_eq!(fairness.turn(), Some('a'));
            fairness.charge('a', 100_000_000);
        }
        fairness.arrive('b', 1);
        let mut others_us = 0;
        while fairness.turn() == Some('b') {
            fairness.charge('b', 1_000_000);
            others_us += 1_000_000;
        }
        assert!(others_us <= 2 * 100_000_000, "the rounds in which it was alone are over: {others_us}");
        fairness.leave('a', 0);
        fairness.leave('b', ABSENT_MS_MAX + 1);
        assert_eq!(fairness.len(), 1, "who stays away is forgotten");
        fairness.arrive('b', 1);
        fairness.leave('b', ABSENT_MS_MAX + 2);
        fairness.leave('b', 3 * ABSENT_MS_MAX);
        assert!(fairness.is_empty(), "each absence at its own time");
    }

    #[test]
    fn what_comes_back_is_had_in_the_next_turn_and_not_in_crumbs() {
        let mut fairness = Fairness::default();
        fairness.arrive('a', 10);
        fairness.arrive('b', 10);
        let mut order = Vec::new();
        for _ in 0..1_000 {
            let who = fairness.turn().unwrap_or('?');
            // Taken for four times as long as it is, which is known soon.
            fairness.charge(who, UNIT);
            fairness.settle(who, UNIT, UNIT / 4);
            if order.last() != Some(&who) {
                order.push(who);
            }
        }
        assert!(order.len() <= 1_000 / 10, "{} turns of a thousand jobs", order.len());
        fairness.charge('a', 4 * QUANTUM);
        while fairness.turn() == Some('b') {
            fairness.charge('b', QUANTUM / 2);
            fairness.settle('a', UNIT, 0);
        }
        let mut turn_us = 0;
        while fairness.turn() == Some('a') {
            fairness.charge('a', UNIT);
            turn_us += UNIT;
        }
        assert!(turn_us >= QUANTUM / 2, "{turn_us}");
    }

    #[test]
    fn a_job_that_cost_less_than_was_thought_gives_the_turn_back() {
        let mut fairness = Fairness::default();
        fairness.arrive('a', 10);
        fairness.arrive('b', 10);
        fairness.charge('a', 50 * QUANTUM);
        fairness.charge('b', QUANTUM);
        assert_eq!(fairness.turn(), Some('b'));
        fairness.settle('a', 50 * QUANTUM, 10);
        fairness.charge('b', QUANTUM);
        assert_eq!(fairness.turn(), Some('a'));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        /// Whatever the jobs cost and whatever was expected of them.
        #[test]
        fn run_time_is_shared_by_weight(
            costs_us in prop::collection::vec(200u64..5_000, 3),
            expected_us in prop::collection::vec(1u64..20_000, 3),
            slots in 1usize..5,
        ) {
            let weights = [30, 20, 10];
            let mut host = Slots::new(&weights);
            let mut begun = 0;
            while host.used_us.iter().sum::<u64>() < 6_000_000 {
                host.begin(slots, |who| expected_us[who], |who| costs_us[who]);
                begun += 1;
                prop_assert!(begun < 1_000_000);
            }
            let all: u64 = host.used_us.iter().sum();
            for (who, weight) in weights.into_iter().enumerate() {
                let (share, due) = (host.used_us[who] as f64 / all as f64, f64::from(weight) / 60.0);
                prop_assert!((share - due).abs() < 0.03, "{who} had {share} of the time and not {due}: {:?}", host.used_us);
            }
        }

        /// Between two turns of one the others have at most their quanta, and what they went beyond them.
        #[test]
        fn nobody_starves(
            weights in prop::collection::vec(1u32..1_000, 2..20),
            costs_us in prop::collection::vec(1u64..50_000, 20),
        ) {
            let mut host = Slots::new(&weights);
            let quanta_us: u64 = weights.iter().map(|weight| UNIT * u64::from(*weight)).sum();
            let mut since_us = vec![0u64; weights.len()];
            for _ in 0..2_000 {
                let who = host.begin(1, |who| costs_us[who], |who| costs_us[who]);
                for (other, waited_us) in since_us.iter_mut().enumerate() {
                    *waited_us = if other == who { 0 } else { *waited_us + costs_us[who] };
                    let rounds = costs_us[other] / (UNIT * u64::from(weights[other])) + 2;
                    let bound_us = rounds * quanta_us + costs_us.iter().sum::<u64>();
                    prop_assert!(*waited_us <= bound_us, "{other} waits for {waited_us} µs: {weights:?}");
                }
            }
        }

        /// Whatever happens, there is a turn exactly while somebody is there, and it is somebody's who is.
        #[test]
        fn the_ring_is_work_conserving(steps in prop::collection::vec((0u8..5, 0usize..6, 0u64..100_000), 1..300)) {
            let mut fairness = Fairness::default();
            let mut there = BTreeSet::new();
            for (step, who, us) in steps {
                match step {
                    0 | 1 => {
                        fairness.arrive(who, 1 + u32::try_from(us % 50).unwrap_or(0));
                        there.insert(who);
                    }
                    2 => {
                        fairness.leave(who, i64::try_from(us).unwrap_or(0));
                        there.remove(&who);
                    }
                    3 => fairness.charge(who, us),
                    _ => fairness.settle(who, us, us / 3),
                }
                let turn = fairness.turn();
                prop_assert_eq!(turn.is_some(), !there.is_empty());
                prop_assert!(turn.is_none_or(|who| there.contains(&who)));
                prop_assert_eq!(fairness.calendar.len(), there.len());
            }
        }
    }
}
