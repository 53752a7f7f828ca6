//! The model's ends of jobs, and what follows from them: jobs for failures, and what the counts of a batch call for.

use super::model::{CHAIN_MAX, Callback, Job, LOSSES_MAX, Model, Origin};
use super::*;
use crate::job::{BatchId, FailureReason, JobState};

impl Model {
    /// A job ends, for good until somebody brings it back.
    pub(super) fn end(&mut self, id: JobId, state: JobState, reason: Option<FailureReason>) {
        let now = self.now;
        if let Some(reason) = reason {
            self.saw(format!("{state} by {reason}"));
        }
        let job = self.job(id);
        (job.state, job.reason, job.finished_at) = (state, reason, Some(now));
        (job.holder, job.started, job.suspect, job.losses) = (None, false, false, 0);
        (job.cancel_requested, job.snoozed, job.awaits) = (false, false, None);
        let (kind, own, chain, batch) = (job.kind, job.on_failed, job.chain + 1, job.batch);
        if state == JobState::Failed
            && let Some(kind) = own.or(self.kinds[kind].on_failed)
            && chain <= CHAIN_MAX
        {
            self.born(Origin::Failure(id), kind, |job| job.chain = chain);
        }
        if let Some(batch) = batch {
            self.follow(batch);
        }
        self.tell(id);
    }

    /// What somebody asked to be cancelled and nobody holds.
    pub(super) fn end_cancelled(&mut self, id: JobId) {
        self.end(id, JobState::Cancelled, Some(FailureReason::Cancelled));
    }

    /// A host died that held the job. What is known of its guest: whether it was entered, and whether it had ended.
    pub(super) fn lose(&mut self, id: JobId, was_entered: bool, had_ended: bool) -> JobState {
        let job = self.job(id);
        job.executions += usize::from(was_entered);
        job.losses = if had_ended { 0 } else { job.losses + u32::from(was_entered && job.suspect) };
        job.suspect = !had_ended && (job.suspect || was_entered);
        let (losses, cancelled, suspect) = (job.losses, job.cancel_requested, job.suspect);
        if suspect {
            self.saw("suspect");
        }
        self.leave(id, !was_entered);
        if cancelled {
            self.end_cancelled(id);
        } else if losses >= LOSSES_MAX {
            self.end(id, JobState::Failed, Some(FailureReason::HostLost));
        }
        self.jobs[&id].state
    }

    /// A lease ends, and the job is ready again; `unused`: what it took from the rates comes back.
    pub(super) fn leave(&mut self, id: JobId, unused: bool) {
        if unused {
            self.give_back_permits(id);
        }
        let job = self.job(id);
        (job.holder, job.started, job.state) = (None, false, JobState::Ready);
    }

    /// Succeeded, failed, cancelled, skipped, and unfinished.
    pub(super) fn counts(&self, id: BatchId) -> [u64; 5] {
        let [succeeded, failed, cancelled, skipped] = self.batches[&id].gone;
        let mut counts = [succeeded, failed, cancelled, skipped, 0];
        for job in self.jobs.values().filter(|job| job.batch == Some(id)) {
            counts[share(job)] += 1;
        }
        counts
    }

    /// What the counts of a batch call for.
    pub(super) fn follow(&mut self, id: BatchId) {
        let [_, failed, cancelled, _, unfinished] = self.counts(id);
        if failed > 0 {
            self.call_back(id, 1);
        }
        if unfinished > 0 {
            return;
        }
        let now = self.now;
        self.saw("batch without unfinished jobs");
        let batch = self.batches.get_mut(&id).expect("the model knows the batch");
        if batch.closing == Closing::WhenDone {
            batch.closing = Closing::Closed;
        }
        if batch.closing != Closing::Closed {
            return;
        }
        batch.finished_at.get_or_insert(now);
        if failed + cancelled == 0 {
            self.call_back(id, 0);
        }
        self.call_back(id, 2);
    }

    /// Each once.
    fn call_back(&mut self, id: BatchId, which: usize) {
        let batch = &self.batches[&id];
        let Some(Callback { kind, job: None }) = batch.callbacks[which] else { return };
        let tag = if batch.is_workflow {
            crate::job::WorkflowId::from_u128(id.as_u128()).to_string()
        } else {
            id.to_string()
        };
        let job = self.born(Origin::Callback(id, which), kind, |job| {
            (job.max_attempts, job.payload, job.tags) = (3, 1, vec![tag]);
        });
        let batch = self.batches.get_mut(&id).expect("the model knows the batch");
        if let Some(callback) = &mut batch.callbacks[which] {
            callback.job = Some(job);
        }
    }

    /// A finished job is taken out.
    pub(super) fn remove(&mut self, id: JobId) {
        self.saw("removed");
        let job = self.jobs.remove(&id).expect("the model knows the job");
        if let Some(batch) = job.batch {
            self.batches.get_mut(&batch).expect("the model knows the batch").gone[share(&job)] += 1;
        }
    }
}

/// Where a job is counted in its batch.
fn share(job: &Job) -> usize {
    match job.state {
        JobState::Succeeded => 0,
        JobState::Failed => 1,
        JobState::Cancelled if job.is_skipped() => 3,
        JobState::Cancelled => 2,
        _ => 4,
    }
}
