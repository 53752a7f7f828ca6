//! Durations as they were measured, and their percentiles. Exact: keeps every sample, sorts once.

use std::time::Duration;

/// Samples kept; later ones are counted, not kept. 10 million are 40 MB.
const SAMPLES_MAX: usize = 10_000_000;

/// A growing set of durations, in whole microseconds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Samples {
    micros: Vec<u32>,
}

/// What a set of durations came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Summary {
    pub(crate) count: usize,
    pub(crate) p50_us: u32,
    pub(crate) p99_us: u32,
    pub(crate) max_us: u32,
}

impl Samples {
    /// Room for so many without growing.
    pub(crate) fn with_capacity(samples: usize) -> Self {
        Self { micros: Vec::with_capacity(samples.min(SAMPLES_MAX)) }
    }

    pub(crate) fn record(&mut self, duration: Duration) {
        self.record_us(u32::try_from(duration.as_micros()).unwrap_or(u32::MAX));
    }

    pub(crate) fn record_us(&mut self, micros: u32) {
        if self.micros.len() < SAMPLES_MAX {
            self.micros.push(micros);
        }
    }

    pub(crate) fn summary(mut self) -> Summary {
        self.micros.sort_unstable();
        Summary {
            count: self.micros.len(),
            p50_us: percentile(&self.micros, 50),
            p99_us: percentile(&self.micros, 99),
            max_us: self.micros.last().copied().unwrap_or(0),
        }
    }
}

/// The smallest sample that at least `percent` of all are not above (nearest rank).
fn percentile(sorted: &[u32], percent: usize) -> u32 {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary_of(micros: impl IntoIterator<Item = u64>) -> Summary {
        let mut samples = Samples::default();
        micros.into_iter().for_each(|micros| samples.record(Duration::from_micros(micros)));
        samples.summary()
    }

    #[test]
    fn percentiles_are_by_nearest_rank() {
        let hundred = summary_of((1..=100).rev());
        assert_eq!((hundred.p50_us, hundred.p99_us, hundred.max_us), (50, 99, 100));
        let two = summary_of([7, 3]);
        assert_eq!((two.p50_us, two.p99_us), (3, 7));
        assert_eq!(summary_of([5]).p99_us, 5);
    }

    #[test]
    fn nothing_measured_is_zero() {
        assert_eq!(summary_of([]), Summary::default());
    }

    #[test]
    fn hours_saturate() {
        assert_eq!(summary_of([u64::MAX]).max_us, u32::MAX);
    }
}
