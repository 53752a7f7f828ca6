//! What the store should do, in a few hundred lines without SQL: the model of the differential test.

use std::collections::{BTreeMap, HashSet};

use super::*;
use crate::job::JobState;

pub(super) const AGING_MS: i64 = 60_000;

/// A job as the model has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Expected {
    pub(super) state: JobState,
    pub(super) queue: usize,
    pub(super) priority: u8,
    pub(super) run_at: i64,
    pub(super) attempt: u32,
    pub(super) max_attempts: u32,
    pub(super) lease_number: i64,
    pub(super) holder: Option<HostId>,
    pub(super) started: bool,
    pub(super) suspect: bool,
    pub(super) host_losses: u32,
    pub(super) cancel_requested: bool,
    pub(super) executions: usize,
}

/// All jobs, and the notes of entered guests as the file has them.
#[derive(Debug, Default)]
pub(super) struct Reference {
    pub(super) jobs: BTreeMap<JobId, Expected>,
    pub(super) notes: BTreeMap<u32, (JobId, i64)>,
}

impl Reference {
    pub(super) fn enqueue(&mut self, id: JobId, queue: usize, priority: u8, run_at: i64, now: i64) {
        let state = if run_at > now { JobState::Scheduled } else { JobState::Ready };
        let fresh = Expected {
            state,
            queue,
            priority,
            run_at,
            attempt: 0,
            max_attempts: 3,
            lease_number: 0,
            holder: None,
            started: false,
            suspect: false,
            host_losses: 0,
            cancel_requested: false,
            executions: 0,
        };
        assert!(self.jobs.last_key_value().is_none_or(|(last, _)| *last < id), "ids increase");
        self.jobs.insert(id, fresh);
    }

    /// Who is given to `host`, in order, and whether more are left.
    pub(super) fn claim(&mut self, host: HostId, jobs_max: usize, suspect_allowed: bool) -> (Vec<JobId>, bool) {
        let in_line = |suspect: bool| {
            let mut line: Vec<(u32, i64, JobId)> = self
                .jobs
                .iter()
                .filter(|(_, job)| job.state == JobState::Ready && job.holder.is_none() && job.suspect == suspect)
                .map(|(id, job)| (job.host_losses, job.run_at + i64::from(job.priority) * AGING_MS, *id))
                .collect();
            line.sort();
            line.into_iter().map(|(_, _, id)| id)
        };
        let mut given: Vec<JobId> = in_line(true).take(usize::from(suspect_allowed && jobs_max > 0)).collect();
        let others: Vec<JobId> = in_line(false).collect();
        let room = jobs_max - given.len();
        given.extend(others.iter().take(room));
        for id in &given {
            let job = self.jobs.get_mut(id).unwrap();
            job.lease_number += 1;
            job.holder = Some(host);
        }
        (given, others.len() > room)
    }

    pub(super) fn mark_running(&mut self, id: JobId) {
        let job = self.jobs.get_mut(&id).unwrap();
        if job.state == JobState::Ready {
            job.state = JobState::Running;
            job.started = true;
        }
    }

    /// The end of an execution whose guest was entered.
    pub(super) fn finish(&mut self, id: JobId, next: &Next, now: i64) -> JobState {
        let job = self.jobs.get_mut(&id).unwrap();
        let cancelled = job.cancel_requested
            && matches!(next, Next::Retry(..) | Next::Suspend(_) | Next::GiveBack(_) | Next::Expire(..));
        let uses_attempt = cancelled || !matches!(next, Next::Suspend(_) | Next::GiveBack(_) | Next::Expire(None, _));
        job.attempt += u32::from(uses_attempt);
        job.executions += 1;
        job.holder = None;
        job.started = false;
        if !matches!(next, Next::GiveBack(_)) {
            job.suspect = false;
            job.host_losses = 0;
        }
        job.state = match next {
            _ if cancelled => JobState::Cancelled,
            Next::Succeed(_) => JobState::Succeeded,
            Next::Fail(_) => JobState::Failed,
            Next::Cancel(_) | Next::Expire(..) => JobState::Cancelled,
            Next::Retry(_, until) => {
                job.run_at = until.as_ms();
                JobState::Retrying
            }
            Next::Suspend(until) => {
                job.run_at = until.as_ms();
                JobState::Scheduled
            }
            Next::GiveBack(_) => JobState::Ready,
        };
        let _ = now;
        Self::settle(job);
        job.state
    }

    pub(super) fn release(&mut self, id: JobId) {
        let job = self.jobs.get_mut(&id).unwrap();
        job.holder = None;
        job.started = false;
        job.state = if job.cancel_requested { JobState::Cancelled } else { JobState::Ready };
        Self::settle(job);
    }

    pub(super) fn cancel(&mut self, id: JobId) {
        let job = self.jobs.get_mut(&id).unwrap();
        if job.state.is_terminal() {
            return;
        }
        if job.holder.is_some() {
            job.cancel_requested = true;
        } else {
            job.state = JobState::Cancelled;
            Self::settle(job);
        }
    }

    pub(super) fn retry(&mut self, id: JobId, now: i64) -> bool {
        let job = self.jobs.get_mut(&id).unwrap();
        if !matches!(job.state, JobState::Failed | JobState::Cancelled | JobState::Retrying) {
            return false;
        }
        job.state = JobState::Ready;
        job.attempt = 0;
        job.run_at = now;
        true
    }

    /// Whether it waits, and nobody holds it: then it is changed.
    pub(super) fn edit(&mut self, id: JobId, queue: usize, priority: u8, run_at: Option<i64>, now: i64) -> bool {
        let job = self.jobs.get_mut(&id).unwrap();
        if !job.state.is_waiting() || job.holder.is_some() {
            return false;
        }
        (job.queue, job.priority) = (queue, priority);
        if let Some(run_at) = run_at {
            job.run_at = run_at;
            job.state = if run_at > now { JobState::Scheduled } else { JobState::Ready };
        }
        true
    }

    /// Whether it waited for its time.
    pub(super) fn run_now(&mut self, id: JobId, now: i64) -> bool {
        let job = self.jobs.get_mut(&id).unwrap();
        let waited = matches!(job.state, JobState::Scheduled | JobState::Retrying);
        if waited {
            (job.state, job.run_at) = (JobState::Ready, now);
        }
        waited
    }

    pub(super) fn promote(&mut self, now: i64, jobs_max: usize) -> usize {
        let mut due: Vec<(i64, JobId)> = self
            .jobs
            .iter()
            .filter(|(_, job)| matches!(job.state, JobState::Scheduled | JobState::Retrying) && job.run_at <= now)
            .map(|(id, job)| (job.run_at, *id))
            .collect();
        due.sort();
        due.truncate(jobs_max);
        for (_, id) in &due {
            self.jobs.get_mut(id).unwrap().state = JobState::Ready;
        }
        due.len()
    }

    /// Hosts died. Notes tell of entered guests only across a restart.
    pub(super) fn lose(&mut self, hosts: &HashSet<HostId>, restarted: bool) -> (usize, usize) {
        let noted: HashSet<(JobId, i64)> =
            if restarted { self.notes.values().copied().collect() } else { HashSet::new() };
        let (mut again, mut failed) = (0, 0);
        for (id, job) in &mut self.jobs {
            if !job.holder.is_some_and(|holder| hosts.contains(&holder)) {
                continue;
            }
            let entered = job.started || noted.contains(&(*id, job.lease_number));
            job.executions += usize::from(entered);
            job.host_losses += u32::from(entered && job.suspect);
            job.suspect |= entered;
            job.holder = None;
            job.started = false;
            job.state = if job.cancel_requested {
                JobState::Cancelled
            } else if job.host_losses >= 3 {
                JobState::Failed
            } else {
                JobState::Ready
            };
            Self::settle(job);
            if job.state == JobState::Failed {
                failed += 1;
            } else {
                again += 1;
            }
        }
        (again, failed)
    }

    /// History keeps no marks of the hot table.
    fn settle(job: &mut Expected) {
        if job.state.is_terminal() {
            job.suspect = false;
            job.host_losses = 0;
            job.cancel_requested = false;
        }
    }
}
