//! Does the same thing again and again beside everything else, and tells how long each time took.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::api::Api;
use crate::wait::pace;

/// A thread that probes until it is told to stop, also when the test fails.
#[derive(Debug)]
pub struct Prober {
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<Latencies>>,
}

impl Prober {
    /// Probes in a thread of its own.
    pub fn start(mut probe: impl FnMut() + Send + 'static) -> Prober {
        let is_over = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&is_over);
        let thread = std::thread::spawn(move || {
            let mut took = Vec::new();
            while !told.load(Ordering::Relaxed) {
                took.push(timed(&mut probe));
                pace();
            }
            Latencies::new(took)
        });
        Prober { is_over, thread: Some(thread) }
    }

    /// Asks `/health/live`.
    pub fn of_health(api: Api) -> Prober {
        Self::start(move || {
            api.get("/health/live").expect_status(200);
        })
    }

    /// Stops it; fails the test if a probe failed.
    #[track_caller]
    pub fn stop(mut self) -> Latencies {
        self.is_over.store(true, Ordering::Relaxed);
        let probed = self.thread.take().expect("it is stopped once").join();
        probed.expect("no probe fails")
    }
}

impl Drop for Prober {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
    }
}

fn timed(probe: &mut impl FnMut()) -> Duration {
    let begun = Instant::now();
    probe();
    begun.elapsed()
}

/// How long something took each time, shortest first.
#[derive(Clone, Debug)]
pub struct Latencies(Vec<Duration>);

impl Latencies {
    fn new(mut took: Vec<Duration>) -> Self {
        took.sort_unstable();
        Self(took)
    }

    /// Does it so often, one after the other.
    pub fn of(times: usize, mut probe: impl FnMut()) -> Self {
        Self::new((0..times).map(|_| timed(&mut probe)).collect())
    }

    /// How often it was done.
    pub fn times(&self) -> usize {
        self.0.len()
    }

    /// Half of the times took no longer.
    pub fn median(&self) -> Duration {
        self.hundredth(50)
    }

    /// 99 of 100 times took no longer.
    pub fn p99(&self) -> Duration {
        self.hundredth(99)
    }

    /// No time took longer.
    pub fn max(&self) -> Duration {
        self.0.last().copied().unwrap_or_default()
    }

    fn hundredth(&self, part: usize) -> Duration {
        self.0.get(self.0.len() * part / 100).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_hundred() {
        let took = Latencies::new((1..=200).rev().map(Duration::from_millis).collect());
        assert_eq!(took.times(), 200);
        assert_eq!([took.median(), took.p99(), took.max()], [101, 199, 200].map(Duration::from_millis));
        assert_eq!(Latencies::new(Vec::new()).p99(), Duration::ZERO);
    }
}
