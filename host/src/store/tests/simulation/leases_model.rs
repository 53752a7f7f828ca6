//! The model's ends of executions, and losses of hosts.

use super::model::Model;
use super::*;
use crate::job::{FailureReason, JobState};

impl Model {
    /// The end of an execution, as its holder decided; what the job is then.
    pub(super) fn finish(&mut self, id: JobId, next: &Next, entered: bool) -> JobState {
        let job = &self.jobs[&id];
        let must_end = job.cancel_requested
            && matches!(
                next,
                Next::Retry(..)
                    | Next::Suspend(_)
                    | Next::Sleep(_)
                    | Next::Await(_)
                    | Next::GiveBack(_)
                    | Next::Expire(..)
            );
        let is_cancel = must_end || matches!(next, Next::Cancel(_));
        let uses_attempt = match next {
            _ if is_cancel => entered,
            Next::Suspend(_) | Next::Sleep(_) | Next::Await(_) | Next::GiveBack(_) | Next::Expire(None, _) => false,
            _ => true,
        };
        // A cancel before the guest was entered ended no execution, nor does giving back.
        let is_recorded = entered || !(is_cancel || matches!(next, Next::GiveBack(_)));
        // What was shown as running stays shown as begun in its history.
        self.leave(id, !entered);
        let job = self.job(id);
        job.attempt += u32::from(uses_attempt);
        job.executions += usize::from(is_recorded);
        if !matches!(next, Next::GiveBack(_)) {
            (job.suspect, job.losses) = (false, 0);
        }
        if must_end {
            self.saw("cancelled at the end of an execution");
        }
        let job = self.job(id);
        match next {
            _ if must_end => self.end_cancelled(id),
            Next::Succeed(_) => self.end(id, JobState::Succeeded, None),
            Next::Fail(failure) => self.end(id, JobState::Failed, Some(failure.reason)),
            Next::Cancel(failure) => self.end(id, JobState::Cancelled, Some(failure.reason)),
            Next::Expire(..) => self.end(id, JobState::Cancelled, Some(FailureReason::DeadlineExpired)),
            Next::Retry(_, until) => (job.state, job.run_at, job.snoozed) = (JobState::Retrying, until.as_ms(), false),
            Next::Suspend(until) => (job.state, job.run_at, job.snoozed) = (JobState::Scheduled, until.as_ms(), true),
            Next::Sleep(step) => {
                let until = step.until.unwrap().as_ms();
                (job.state, job.run_at, job.snoozed, job.steps) = (JobState::Scheduled, until, true, job.steps + 1);
                self.saw("sleeps");
            }
            Next::Await(step) => self.awaits(id, step),
            Next::GiveBack(_) => {}
        }
        self.jobs[&id].state
    }

    /// Hosts died: how many jobs are ready again, or cancelled, and how many have failed. Notes of entered guests are read
    /// by the next process only.
    pub(super) fn lose_hosts(&mut self, hosts: &[HostId], is_restart: bool) -> (usize, usize) {
        let (mut again, mut failed) = (0, 0);
        for id in self.ids(|job| job.holder.is_some_and(|holder| hosts.contains(&holder))) {
            let job = &self.jobs[&id];
            let lease = (id, job.lease_number);
            let had_ended = is_restart && self.ended.contains(&lease);
            let was_noted = had_ended || (is_restart && self.entered.values().any(|noted| *noted == lease));
            let was_entered = job.started || was_noted;
            if self.lose(id, was_entered, had_ended) == JobState::Failed {
                failed += 1;
            } else {
                again += 1;
            }
        }
        (again, failed)
    }
}
