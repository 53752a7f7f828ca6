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
}

impl Active {
    /// These were claimed (`job, lease number, attempt, interrupt, progress`). Before anybody can be told of a later
    /// change to them, so an interrupt always finds the job it is meant for.
    pub fn hold(&self, jobs: impl Iterator<Item = (JobId, i64, u32, Interrupt, ProgressCell)>) {
        let mut state = self.0.lock();
        for (job, lease_number, attempt, interrupt, progress) in jobs {
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
        if let Some(held) = self.0.lock().held.get(&job) {
            held.interrupt.raise(reason);
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
        active.hold(std::iter::once((job, lease_number, 1, interrupt.clone(), ProgressCell::default())));
        interrupt
    }

    #[test]
    fn an_interrupt_reaches_the_job_and_not_a_later_claim_of_it() {
        let active = Active::default();
        let job = JobId::from_u128(7);
        let interrupt = hold(&active, job, 1);
        active.interrupt(job, FailureReason::Cancelled);
        assert_eq!(interrupt.raised(), Some(FailureReason::Cancelled));
        assert_eq!(hold(&active, job, 2).raised(), None);
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
