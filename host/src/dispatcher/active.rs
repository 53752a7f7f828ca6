//! The jobs this host holds: claimed, and those of them whose guests have been entered.

use std::ops::Range;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rustc_hash::FxHashMap;

use super::feed::FeedItem;
use super::handle::ActiveAttempt;
use crate::job::{FailureReason, JobId, LogLine, Progress, Timestamp};
use crate::sandbox::{Interrupt, ProgressCell};
use crate::store::LeaseKey;

/// What is known of a held job.
#[derive(Debug)]
struct Held {
    lease_number: i64,
    attempt: u32,
    interrupt: Interrupt,
    progress: ProgressCell,
    entered: Option<(Timestamp, Instant)>,
    /// Somebody changes it: it is not to be entered any more.
    let_go: bool,
    shown_running: bool,
    progress_written: Option<Progress>,
}

/// The log of an attempt that runs. Nothing of it is copied before it is asked for.
#[derive(Debug)]
pub struct RunningLog {
    /// Which execution.
    pub execution: i64,
    /// The attempt, from 1.
    pub attempt: u32,
    lines: ProgressCell,
}

impl RunningLog {
    /// How many whole lines there are, and how many were dropped.
    pub fn so_far(&self) -> (usize, u64) {
        self.lines.log_length()
    }

    /// A copy of these lines, as many as have so many bytes of text together, at least one. None once the attempt has ended.
    pub fn piece(&self, lines: Range<usize>, bytes_max: usize) -> Vec<LogLine> {
        self.lines.log_piece(lines, bytes_max)
    }
}

/// The registry of held jobs.
#[derive(Debug, Default)]
pub struct Active(Mutex<FxHashMap<JobId, Held>>);

impl Active {
    /// These were claimed. Before anybody can be told of a later change to them, so an interrupt always finds the job
    /// it is meant for.
    pub fn hold(&self, items: &[FeedItem]) {
        let mut jobs = self.0.lock();
        for item in items {
            let lease = &item.job.lease;
            let held = Held {
                lease_number: lease.number(),
                attempt: lease.attempt(),
                interrupt: item.interrupt.clone(),
                progress: item.progress.clone(),
                entered: None,
                let_go: false,
                shown_running: false,
                progress_written: None,
            };
            jobs.insert(lease.job(), held);
        }
    }

    /// The guest is being entered.
    pub fn entered(&self, lease: LeaseKey, at: Timestamp) {
        self.with(lease, |held| {
            if !held.let_go {
                held.entered = Some((at, Instant::now()));
            }
        });
    }

    /// Keeps the guest of this lease from being entered, unless it was. Under the same lock as `entered`: what is let go here
    /// is interrupted before its guest could be called.
    pub fn let_go(&self, (job, number): LeaseKey) -> bool {
        let mut jobs = self.0.lock();
        let held = jobs.get_mut(&job).filter(|held| held.lease_number == number && held.entered.is_none());
        let Some(held) = held else { return false };
        held.let_go = true;
        held.interrupt.raise(FailureReason::Shutdown);
        true
    }

    /// Whether somebody has changed the job since, so that it must be claimed anew.
    pub fn was_let_go(&self, (job, number): LeaseKey) -> bool {
        self.0.lock().get(&job).is_some_and(|held| held.lease_number == number && held.let_go)
    }

    /// Whether the guest of this lease was entered.
    pub fn has_entered(&self, (job, number): LeaseKey) -> bool {
        self.0.lock().get(&job).is_some_and(|held| held.lease_number == number && held.entered.is_some())
    }

    /// The finish is written, or the lease given back.
    pub fn remove(&self, (job, number): LeaseKey) {
        let mut jobs = self.0.lock();
        if jobs.get(&job).is_some_and(|held| held.lease_number == number) {
            jobs.remove(&job);
        }
    }

    /// Asks what runs under this lease to end, and no later run of the job.
    pub fn interrupt(&self, lease: LeaseKey, reason: FailureReason) {
        self.with(lease, |held| held.interrupt.raise(reason));
    }

    /// Asks all of them to end.
    pub fn interrupt_all(&self, reason: FailureReason) {
        for held in self.0.lock().values() {
            held.interrupt.raise(reason);
        }
    }

    /// The running attempt of a job.
    pub fn get(&self, job: JobId) -> Option<ActiveAttempt> {
        let jobs = self.0.lock();
        let held = jobs.get(&job)?;
        let (started_at, _) = held.entered?;
        Some(ActiveAttempt {
            lease_number: held.lease_number,
            attempt: held.attempt,
            started_at,
            progress: held.progress.get(),
        })
    }

    /// The log of a job's running attempt.
    pub fn log(&self, job: JobId) -> Option<RunningLog> {
        let jobs = self.0.lock();
        let held = jobs.get(&job).filter(|held| held.entered.is_some())?;
        Some(RunningLog { execution: held.lease_number, attempt: held.attempt, lines: held.progress.clone() })
    }

    /// Jobs entered at least `age` ago that are not shown as running yet.
    pub fn unshown(&self, age: Duration) -> Vec<(LeaseKey, Timestamp)> {
        let jobs = self.0.lock();
        let unshown = jobs.iter().filter_map(|(job, held)| {
            let (at, entered) = held.entered.filter(|_| !held.shown_running)?;
            (entered.elapsed() >= age).then_some(((*job, held.lease_number), at))
        });
        unshown.collect()
    }

    /// These are shown as running now.
    pub fn shown(&self, jobs: &[(LeaseKey, Timestamp)]) {
        for (lease, _) in jobs {
            self.with(*lease, |held| held.shown_running = true);
        }
    }

    /// Progress that is not written yet.
    pub fn unwritten_progress(&self) -> Vec<(LeaseKey, Progress)> {
        let jobs = self.0.lock();
        let changed = jobs.iter().filter_map(|(job, held)| {
            held.entered?;
            let progress = held.progress.get()?;
            (held.progress_written.as_ref() != Some(&progress)).then_some(((*job, held.lease_number), progress))
        });
        changed.collect()
    }

    /// This progress is written now.
    pub fn progress_written(&self, progress: Vec<(LeaseKey, Progress)>) {
        for (lease, progress) in progress {
            self.with(lease, |held| held.progress_written = Some(progress));
        }
    }

    fn with(&self, (job, number): LeaseKey, act: impl FnOnce(&mut Held)) {
        if let Some(held) = self.0.lock().get_mut(&job).filter(|held| held.lease_number == number) {
            act(held);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dispatcher::tests::item;
    use crate::job::{HostId, Lease};

    const JOB: JobId = JobId::from_u128(7);

    fn hold(active: &Active, number: i64) -> Interrupt {
        let mut item = item(7, 1, 0, 10);
        item.job.lease = Lease::granted(JOB, HostId::from_u128(1), number, 1);
        active.hold(std::slice::from_ref(&item));
        item.interrupt
    }

    #[test]
    fn an_interrupt_reaches_the_job_and_not_a_later_claim_of_it() {
        let active = Active::default();
        let first = hold(&active, 1);
        active.interrupt((JOB, 1), FailureReason::Cancelled);
        assert_eq!(first.raised(), Some(FailureReason::Cancelled));
        let second = hold(&active, 2);
        active.interrupt((JOB, 1), FailureReason::Cancelled);
        assert_eq!(second.raised(), None);
    }

    #[test]
    fn an_old_lease_does_not_remove_the_new_one() {
        let active = Active::default();
        hold(&active, 1);
        hold(&active, 2);
        active.entered((JOB, 1), Timestamp(5));
        assert!(active.get(JOB).is_none(), "entered under an old lease");
        active.remove((JOB, 1));
        active.entered((JOB, 2), Timestamp(6));
        assert_eq!(active.get(JOB).map(|attempt| attempt.lease_number), Some(2));
    }

    #[test]
    fn what_is_let_go_is_not_entered_and_what_was_entered_is_not_let_go() {
        let active = Active::default();
        let interrupt = hold(&active, 1);
        assert!(!active.let_go((JOB, 2)), "another lease");
        assert!(active.let_go((JOB, 1)) && active.let_go((JOB, 1)), "twice is the same");
        assert_eq!(interrupt.raised(), Some(FailureReason::Shutdown));
        active.entered((JOB, 1), Timestamp(5));
        assert!(active.get(JOB).is_none() && active.was_let_go((JOB, 1)), "it is on its way back");
        let interrupt = hold(&active, 2);
        active.entered((JOB, 2), Timestamp(5));
        assert!(active.has_entered((JOB, 2)) && !active.let_go((JOB, 2)));
        assert_eq!(interrupt.raised(), None);
    }

    #[test]
    fn long_runners_are_reported_until_they_are_shown() {
        let active = Active::default();
        hold(&active, 1);
        assert!(active.unshown(Duration::ZERO).is_empty(), "not entered");
        active.entered((JOB, 1), Timestamp(100));
        assert!(active.unshown(Duration::from_hours(1)).is_empty(), "just entered");
        let unshown = active.unshown(Duration::ZERO);
        assert_eq!(unshown, [((JOB, 1), Timestamp(100))]);
        assert_eq!(active.unshown(Duration::ZERO), unshown, "the write may have failed");
        active.shown(&unshown);
        assert!(active.unshown(Duration::ZERO).is_empty());
    }
}
