//! What simulations share: their seeds, each on a thread of its own, what must happen in them, and what is told of one that fails.

use std::collections::{BTreeSet, VecDeque};
use std::fmt::Debug;
use std::panic::AssertUnwindSafe;

/// Operations told of a run that fails.
const TOLD_MAX: usize = 20;

/// What always runs of a simulation.
#[derive(Clone, Copy)]
pub(super) struct Length {
    pub(super) seeds: u64,
    pub(super) steps: usize,
}

/// The last operations of a run.
pub(super) struct Told(VecDeque<String>);

impl Told {
    /// The next is this step, of which no more is known.
    pub(super) fn begins(&mut self, step: usize) {
        self.then(&format!("step {step}: it had begun"));
    }

    /// What that was.
    pub(super) fn was(&mut self, step: usize, what: &str) {
        self.0.pop_back();
        self.then(&format!("step {step}: {what}"));
    }

    /// The next is this.
    pub(super) fn then(&mut self, what: &str) {
        if self.0.len() == TOLD_MAX {
            self.0.pop_front();
        }
        self.0.push_back(what.to_owned());
    }
}

/// Runs every seed for so many steps. `STOKER_SEED=<number>` runs that one alone, `STOKER_STEPS=<number>` as far as that. What is
/// to happen happens in the seeds and steps that always run.
pub(super) fn run_seeds<S, F>(length: Length, happens: &[&str], simulate: F)
where
    S: AsRef<str> + Debug + Ord + Send + 'static,
    F: AsyncFn(u64, usize, &mut Told) -> BTreeSet<S> + Copy + Send + 'static,
{
    let number = |name: &str| std::env::var(name).ok().map(|number| number.parse().expect("a number"));
    let (one, steps) = (number("STOKER_SEED"), number("STOKER_STEPS"));
    let steps = steps.map_or(length.steps, |steps| usize::try_from(steps).unwrap());
    let is_default = steps >= length.steps && one.is_none();
    let seeds: Vec<u64> = one.map_or_else(|| (1..=length.seeds).collect(), |seed| vec![seed]);
    let runs: Vec<_> =
        seeds.into_iter().map(|seed| (seed, std::thread::spawn(move || run(seed, steps, &simulate)))).collect();
    let (mut seen, mut failed) = (BTreeSet::new(), Vec::new());
    for (seed, run) in runs {
        match run.join() {
            Ok(happened) => seen.extend(happened),
            Err(_) => failed.push(seed),
        }
    }
    assert!(failed.is_empty(), "replay with STOKER_SEED={failed:?}");
    let is_missing = |what: &&&str| is_default && seen.iter().all(|seen| seen.as_ref() != **what);
    let missing: Vec<_> = happens.iter().filter(is_missing).collect();
    assert!(missing.is_empty(), "what never happens is not tested: {missing:?}\n{seen:#?}");
}

/// One seed; what has happened.
fn run<S, F>(seed: u64, steps: usize, simulate: &F) -> BTreeSet<S>
where
    F: AsyncFn(u64, usize, &mut Told) -> BTreeSet<S>,
{
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut told = Told(VecDeque::new());
    let outcome = std::panic::catch_unwind(AssertUnwindSafe(|| runtime.block_on(simulate(seed, steps, &mut told))));
    outcome.unwrap_or_else(|panic| {
        eprintln!("STOKER_SEED={seed}. The last operations:\n{}", Vec::from(told.0).join("\n"));
        std::panic::resume_unwind(panic);
    })
}
