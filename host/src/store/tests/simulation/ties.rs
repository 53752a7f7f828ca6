//! The model's jobs that run after others: what they are told, and what follows.

use std::collections::BTreeSet;

use super::model::{Answer, Job, Model};
use super::*;
use crate::job::{BatchId, FailureReason, JobState, Wanted};

/// Whether jobs that run after others are retried, and batches cancelled as a whole: `false` leaves both out of a run, for as
/// long as their rules are being changed.
pub(super) const RETRIES_IN_GRAPHS: bool = true;

impl Model {
    /// Those that run after this one are told that it ended, or has not any more; and those after them in turn.
    pub(super) fn tell(&mut self, id: JobId) {
        self.untold.push_back(id);
        if self.is_telling {
            return;
        }
        self.is_telling = true;
        while let Some(parent) = self.untold.pop_front() {
            for child in self.ids(|job| job.after.iter().any(|tie| tie.parent == parent)) {
                self.tell_one(parent, child);
            }
        }
        self.is_telling = false;
    }

    fn tell_one(&mut self, parent: JobId, id: JobId) {
        let parent_job = self.jobs[&parent].clone();
        let place = self.jobs[&id].after.iter().position(|tie| tie.parent == parent).expect("it is told by a parent");
        let was_skipped = self.jobs[&id].is_skipped();
        let known: BTreeSet<JobId> = self.jobs.keys().copied().collect();
        let child = self.job(id);
        let answer = parent_job.answer(child.after[place].wanted);
        child.after[place].answer = answer;
        match child.state {
            JobState::Blocked if matches!(answer, Answer::Broken | Answer::NotNeeded) => {
                child.cause = Some(place);
                self.saw(format!("cancelled: {answer:?}"));
                self.end_cancelled(id);
            }
            JobState::Blocked => self.unblock_if_all_met(id),
            JobState::Cancelled if child.cause == Some(place) => {
                if matches!(answer, Answer::Open | Answer::Met) {
                    let other = child.after.iter().position(is_broken);
                    child.cause = other;
                    // Of one that is gone it is known only that it did not succeed.
                    if let Some(tie) = other.and_then(|other| child.after.get_mut(other))
                        && tie.wanted == Wanted::Succeeded
                        && !known.contains(&tie.parent)
                    {
                        tie.answer = Answer::Broken;
                    }
                    self.saw(if other.is_some() { "cause passed on" } else { "revived" });
                    if other.is_none() {
                        self.revive(id);
                        return;
                    }
                }
                if was_skipped != self.jobs[&id].is_skipped() {
                    self.saw("not needed after all, or needed");
                    if let Some(batch) = self.jobs[&id].batch {
                        self.follow(batch);
                    }
                    // Whether it is needed means something to those after it.
                    self.tell(id);
                }
            }
            // Free once, free for good; or cancelled for another reason.
            _ => {}
        }
    }

    /// All it waited for happened: its delay begins now, a time stays one.
    pub(super) fn unblock_if_all_met(&mut self, id: JobId) {
        let now = self.now;
        let job = self.job(id);
        if job.after.iter().any(|tie| tie.answer != Answer::Met) {
            return;
        }
        job.run_at = job.delay_ms.map_or(job.run_at.max(now), |delay| now + delay);
        job.state = if job.run_at > now { JobState::Scheduled } else { JobState::Ready };
        self.saw("unblocked");
    }

    /// What it was cancelled for is undone.
    fn revive(&mut self, id: JobId) {
        let run_at = self.jobs[&id].run_at;
        self.reopen(id);
        let job = self.job(id);
        (job.state, job.run_at) = (JobState::Blocked, run_at);
        self.tell(id);
        self.unblock_if_all_met(id);
    }

    /// A finished job is among the unfinished again.
    fn reopen(&mut self, id: JobId) {
        let now = self.now;
        let job = self.job(id);
        (job.attempt, job.finished_at, job.reason, job.cause) = (0, None, None, None);
        // A time that has passed is not asked for again.
        job.expires_at = job.expires_at.filter(|at| *at > now);
        let queue = job.queue;
        self.needs_queue(queue);
    }

    /// Somebody asks for this very job. `Err`: another one has its identity.
    pub(super) fn retry(&mut self, id: JobId) -> Result<bool, JobId> {
        let now = self.now;
        let job = self.jobs[&id].clone();
        match job.state {
            JobState::Retrying => {
                let job = self.job(id);
                (job.state, job.run_at, job.attempt) = (JobState::Ready, now, 0);
                Ok(true)
            }
            JobState::Failed | JobState::Cancelled => {
                self.retake(id)?;
                self.reopen(id);
                let job = self.job(id);
                (job.state, job.run_at) = (JobState::Ready, now);
                self.tell(id);
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// The first job that runs after this one and has not ended.
    pub(super) fn unfinished_dependent(&self, id: JobId) -> Option<JobId> {
        let needs = |job: &Job| !job.state.is_terminal() && job.after.iter().any(|tie| tie.parent == id);
        self.ids(needs).first().copied()
    }

    /// A cancel is asked for. Held jobs are for their holders to end.
    pub(super) fn cancel(&mut self, id: JobId) {
        let job = self.job(id);
        if job.state.is_terminal() {
            return;
        }
        if job.holder.is_some() {
            job.cancel_requested = true;
            self.saw("cancel requested");
        } else {
            self.end_cancelled(id);
        }
    }

    pub(super) fn cancel_batch(&mut self, id: BatchId) {
        let batch = self.batches.get_mut(&id).expect("the model knows the batch");
        let was_closed = batch.closing == Closing::Closed;
        if self.counts(id)[4] == 0 && was_closed {
            return;
        }
        self.batches.get_mut(&id).expect("the model knows the batch").closing = Closing::Closed;
        self.saw("batch cancelled");
        for member in self.ids(|job| job.batch == Some(id)) {
            self.cancel(member);
        }
        self.follow(id);
    }

    /// Nobody entered it in its time.
    pub(super) fn expire(&mut self, id: JobId) {
        self.end(id, JobState::Cancelled, Some(FailureReason::DeadlineExpired));
    }

    /// What every dependency says is what its parent is, whatever happened and in whichever order it was told.
    pub(super) fn assert_answers_hold(&self) {
        for (id, job) in &self.jobs {
            for tie in &job.after {
                if let Some(parent) = self.jobs.get(&tie.parent) {
                    assert_eq!(tie.answer, parent.answer(tie.wanted), "{id} after {}", tie.parent);
                }
            }
        }
    }
}

fn is_broken(tie: &super::model::Tie) -> bool {
    matches!(tie.answer, Answer::Broken | Answer::NotNeeded)
}
