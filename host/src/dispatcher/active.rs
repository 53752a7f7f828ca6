//! The jobs this host holds: claimed, and those of them whose guests have been entered.

use parking_lot::Mutex;
use rustc_hash::FxHashMap;

use super::handle::ActiveAttempt;
use crate::job::{FailureReason, JobId, Progress, Timestamp};
use crate::sandbox::{Interrupt, ProgressCell};

/// What is known of a held job.
#[derive(Debug)]
struct Held {
    lease_number: i64,
    attempt: u32,
    interrupt: Interrupt,
    progress: ProgressCell,
    entered_at: Option<Timestamp>,
    shown_running: bool,
    progress_written: Option<Progress>,
}

/// The registry of held jobs.
#[derive(Debug, Default)]
pub struct Active(Mutex<Jobs>);

#[derive(Debug, Default)]
struct Jobs {
    held: FxHashMap<JobId, Held>,
    claims_under_way: usize,
    /// Interrupts that came while a claim was under way which may be giving us the job.
    early_interrupts: Vec<(JobId, FailureReason)>,
}

/// Interrupts kept for claims under way; past it the oldest is dropped, and that job runs to its own end.
const EARLY_INTERRUPTS_MAX: usize = 10_000;

impl Active {
    /// A claim is about to be sent: interrupts for jobs we don't hold yet must be kept until it is answered.
    pub fn claim_begins(&self) {
        self.0.lock().claims_under_way += 1;
    }

    /// The claim was answered with these jobs (`job, lease number, attempt, interrupt, progress`).
    pub fn claim_ends(&self, jobs: impl Iterator<Item = (JobId, i64, u32, Interrupt, ProgressCell)>) {
        let mut state = self.0.lock();
        state.claims_under_way = state.claims_under_way.saturating_sub(1);
        for (job, lease_number, attempt, interrupt, progress) in jobs {
            for (wanted, reason) in &state.early_interrupts {
                if *wanted == job {
                    interrupt.raise(*reason);
                }
            }
            let held = Held {
                lease_number,
                attempt,
                interrupt,
                progress,
                entered_at: None,
                shown_running: false,
                progress_written: None,
            };
            state.held.insert(job, held);
        }
        if state.claims_under_way == 0 {
            state.early_interrupts.clear();
        }
    }

    /// The guest is being entered.
    pub fn entered(&self, job: JobId, lease_number: i64, at: Timestamp) {
        if let Some(held) = self.0.lock().held.get_mut(&job)
            && held.lease_number == lease_number
        {
            held.entered_at = Some(at);
        }
    }

    /// The finish is written, or the lease given back.
    pub fn remove(&self, job: JobId, lease_number: i64) {
        let mut state = self.0.lock();
        if state.held.get(&job).is_some_and(|held| held.lease_number == lease_number) {
            state.held.remove(&job);
        }
    }

    /// Asks the job to end.
    pub fn interrupt(&self, job: JobId, reason: FailureReason) {
        let mut state = self.0.lock();
        if let Some(held) = state.held.get(&job) {
            held.interrupt.raise(reason);
        } else if state.claims_under_way > 0 {
            if state.early_interrupts.len() >= EARLY_INTERRUPTS_MAX {
                state.early_interrupts.remove(0);
            }
            state.early_interrupts.push((job, reason));
        }
    }

    /// Asks all of them to end.
    pub fn interrupt_all(&self, reason: FailureReason) {
        for held in self.0.lock().held.values() {
            held.interrupt.raise(reason);
        }
    }

    /// The running attempt of a job.
    pub fn get(&self, job: JobId) -> Option<ActiveAttempt> {
        let state = self.0.lock();
        let held = state.held.get(&job)?;
        Some(ActiveAttempt {
            lease_number: held.lease_number,
            attempt: held.attempt,
            started_at: held.entered_at?,
            progress: held.progress.get(),
        })
    }

    /// Entered jobs that have run since before `entered_before` and were not reported yet: now they count as reported.
    pub fn take_unshown(&self, entered_before: Timestamp) -> Vec<(JobId, i64, Timestamp)> {
        let mut state = self.0.lock();
        let unshown = state.held.iter_mut().filter_map(|(job, held)| {
            let at = held.entered_at.filter(|at| *at <= entered_before && !held.shown_running)?;
            held.shown_running = true;
            Some((*job, held.lease_number, at))
        });
        unshown.collect()
    }

    /// Progress reported since the last call.
    pub fn take_progress(&self) -> Vec<(JobId, i64, Progress)> {
        let mut state = self.0.lock();
        let changed = state.held.iter_mut().filter_map(|(job, held)| {
            held.entered_at?;
            let progress = held.progress.get()?;
            if held.progress_written.as_ref() == Some(&progress) {
                return None;
            }
            held.progress_written = Some(progress.clone());
            Some((*job, held.lease_number, progress))
        });
        changed.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hold(active: &Active, job: JobId, lease_number: i64) -> Interrupt {
        let interrupt = Interrupt::default();
        active.claim_begins();
        active.claim_ends(std::iter::once((job, lease_number, 1, interrupt.clone(), ProgressCell::default())));
        interrupt
    }

    #[test]
    fn an_interrupt_during_the_claim_reaches_the_job() {
        let active = Active::default();
        let job = JobId::from_u128(7);
        let interrupt = Interrupt::default();
        active.claim_begins();
        active.interrupt(job, FailureReason::Cancelled);
        active.claim_ends(std::iter::once((job, 1, 1, interrupt.clone(), ProgressCell::default())));
        assert_eq!(interrupt.raised(), Some(FailureReason::Cancelled));
        // Nothing is kept for a later claim of the same job.
        let later = hold(&active, job, 2);
        assert_eq!(later.raised(), None);
    }

    #[test]
    fn an_old_lease_does_not_remove_the_new_one() {
        let active = Active::default();
        let job = JobId::from_u128(7);
        hold(&active, job, 1);
        hold(&active, job, 2);
        active.entered(job, 1, Timestamp(5));
        assert!(active.get(job).is_none(), "entered under an old lease");
        active.remove(job, 1);
        active.entered(job, 2, Timestamp(6));
        assert_eq!(active.get(job).map(|attempt| attempt.lease_number), Some(2));
    }

    #[test]
    fn long_runners_are_reported_once() {
        let active = Active::default();
        let job = JobId::from_u128(7);
        hold(&active, job, 1);
        active.entered(job, 1, Timestamp(100));
        assert!(active.take_unshown(Timestamp(99)).is_empty());
        assert_eq!(active.take_unshown(Timestamp(100)).len(), 1);
        assert!(active.take_unshown(Timestamp(100)).is_empty());
    }
}
