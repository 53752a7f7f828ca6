//! The jobs this host holds: claimed, and those of them whose guests have been entered.

use std::ops::Range;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rustc_hash::{FxHashMap, FxHashSet};

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

#[derive(Debug, Default)]
struct Holdings {
    jobs: FxHashMap<JobId, Held>,
    /// Somebody changes the job: under these leases it is not to be entered any more. By lease, not by job: the commit that
    /// changes it may claim it anew, before its old lease has come back.
    let_go: FxHashSet<LeaseKey>,
}

/// The registry of held jobs.
#[derive(Debug, Default)]
pub struct Active(Mutex<Holdings>);

impl Active {
    /// These were claimed. Before anybody can be told of a later change to them, so an interrupt always finds the job
    /// it is meant for.
    pub fn hold(&self, items: &[FeedItem]) {
        let mut holdings = self.0.lock();
        for item in items {
            let lease = &item.job.lease;
            let held = Held {
                lease_number: lease.number(),
                attempt: lease.attempt(),
                interrupt: item.interrupt.clone(),
                progress: item.progress.clone(),
                entered: None,
                shown_running: false,
                progress_written: None,
            };
            holdings.jobs.insert(lease.job(), held);
        }
    }

    /// The guest is being entered.
    pub fn entered(&self, lease: LeaseKey, at: Timestamp) {
        let Holdings { jobs, let_go } = &mut *self.0.lock();
        if !let_go.contains(&lease)
            && let Some(held) = held_under(jobs, lease)
        {
            held.entered = Some((at, Instant::now()));
        }
    }

    /// Keeps the guest of this lease from being entered, unless it was. Under the same lock as `entered`: what is let go here
    /// is interrupted before its guest could be called.
    pub fn let_go(&self, lease: LeaseKey) -> bool {
        let Holdings { jobs, let_go } = &mut *self.0.lock();
        let held = held_under(jobs, lease).filter(|held| held.entered.is_none());
        let Some(held) = held else { return false };
        held.interrupt.raise(FailureReason::Shutdown);
        let_go.insert(lease);
        true
    }

    /// Whether somebody has changed the job since, so that it must be claimed anew.
    pub fn was_let_go(&self, lease: LeaseKey) -> bool {
        self.0.lock().let_go.contains(&lease)
    }

    /// Whether the guest of this lease was entered.
    pub fn has_entered(&self, lease: LeaseKey) -> bool {
        held_under(&mut self.0.lock().jobs, lease).is_some_and(|held| held.entered.is_some())
    }

    /// The finish is written, or the lease given back.
    pub fn remove(&self, lease: LeaseKey) {
        let Holdings { jobs, let_go } = &mut *self.0.lock();
        let_go.remove(&lease);
        if held_under(jobs, lease).is_some() {
            jobs.remove(&lease.0);
        }
    }

    /// Asks what runs under this lease to end, and no later run of the job.
    pub fn interrupt(&self, lease: LeaseKey, reason: FailureReason) {
        self.with(lease, |held| held.interrupt.raise(reason));
    }

    /// Asks all of them to end.
    pub fn interrupt_all(&self, reason: FailureReason) {
        for held in self.0.lock().jobs.values() {
            held.interrupt.raise(reason);
        }
    }

    /// The running attempt of a job.
    pub fn get(&self, job: JobId) -> Option<ActiveAttempt> {
        let holdings = self.0.lock();
        let held = holdings.jobs.get(&job)?;
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
        let holdings = self.0.lock();
        let held = holdings.jobs.get(&job).filter(|held| held.entered.is_some())?;
        Some(RunningLog { execution: held.lease_number, attempt: held.attempt, lines: held.progress.clone() })
    }

    /// Jobs entered at least `age` ago that are not shown as running yet.
    pub fn unshown(&self, age: Duration) -> Vec<(LeaseKey, Timestamp)> {
        let holdings = self.0.lock();
        let unshown = holdings.jobs.iter().filter_map(|(job, held)| {
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
        let holdings = self.0.lock();
        let changed = holdings.jobs.iter().filter_map(|(job, held)| {
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

    fn with(&self, lease: LeaseKey, act: impl FnOnce(&mut Held)) {
        if let Some(held) = held_under(&mut self.0.lock().jobs, lease) {
            act(held);
        }
    }
}

/// The job, if this is the lease it is held under.
fn held_under(jobs: &mut FxHashMap<JobId, Held>, (job, number): LeaseKey) -> Option<&mut Held> {
    jobs.get_mut(&job).filter(|held| held.lease_number == number)
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

    /// The commit that took it back gave it out again, before the old lease came back.
    #[test]
    fn what_was_let_go_is_known_until_it_is_back_though_the_job_was_claimed_anew() {
        let active = Active::default();
        hold(&active, 1);
        assert!(active.let_go((JOB, 1)));
        hold(&active, 2);
        assert!(active.was_let_go((JOB, 1)) && !active.was_let_go((JOB, 2)));
        active.entered((JOB, 2), Timestamp(5));
        assert!(active.has_entered((JOB, 2)));
        active.remove((JOB, 1));
        assert!(!active.was_let_go((JOB, 1)), "nothing of it is left");
        assert!(active.has_entered((JOB, 2)));
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
