//! Chance that one number reproduces.

/// xorshift64*.
#[derive(Clone, Debug)]
pub(in super::super) struct Chance(u64);

impl Chance {
    pub(in super::super) fn seeded(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(in super::super) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        usize::try_from((self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16) % bound as u64).unwrap()
    }

    pub(in super::super) fn one_in(&mut self, bound: usize) -> bool {
        self.below(bound) == 0
    }

    /// From 1 on.
    pub(in super::super) fn up_to(&mut self, most: usize) -> usize {
        1 + self.below(most)
    }

    /// From `low` to `high`, both included.
    pub(in super::super) fn between(&mut self, low: i64, high: i64) -> i64 {
        low + i64::try_from(self.below(usize::try_from(high - low + 1).unwrap())).unwrap()
    }

    pub(in super::super) fn pick<T: Clone>(&mut self, items: &[T]) -> Option<T> {
        (!items.is_empty()).then(|| items[self.below(items.len())].clone())
    }
}
