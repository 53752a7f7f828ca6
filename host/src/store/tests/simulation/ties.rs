//! The model's jobs that run after others: what they are told, and what follows.

use super::model::{Answer, Job, Model};
use super::*;
use crate::job::{BatchId, FailureReason, JobState, Wanted};

/// What comes of the wish that a job runs again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Retried {
    /// It is ready, or waits for those it runs after.
    Done,
    /// It has not failed, and was not cancelled.
    No,
    /// It is one of many, and comes back with this one, which did not end as it asks.
    ComesWith(JobId),
    /// The same, and that one is gone.
    ComesNoMore(JobId),
}

/// What one it runs after says to a job that is to run again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Says {
    This(Answer),
    /// It is gone, and had not ended as asked.
    Gone,
    /// It ended without success, as asked; but both are to run again, or were cancelled together.
    Together,
}

/// What a job hangs on within its batch: a place among those it runs after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whole {
    Nothing,
    On(usize),
    /// That one was brought back since.
    RunsAgain(usize),
}

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
        let (batch, cancelling) = (self.jobs[&id].batch, self.cancelling);
        let child = self.job(id);
        let said = parent_job.answer(child.after[place].wanted);
        if child.cause == Some(place) {
            return self.tell_cause(parent, id, place, said);
        }
        // Whoever let go of it did so knowing that.
        if child.after[place].answer == Answer::LetGo && said.is_broken() {
            return;
        }
        child.after[place].answer = said;
        if child.state != JobState::Blocked || child.awaits.is_some() {
            // Free once, free for good; or it ended for another reason.
            return;
        }
        if said.is_broken() {
            child.cause = Some(place);
            self.saw(format!("cancelled: {said:?}"));
            return self.end_cancelled(id);
        }
        let is_free = child.after.iter().all(|tie| tie.answer != Answer::Open);
        let is_whole = cancelling.is_some() && cancelling == batch && cancelling == parent_job.batch;
        if is_free && is_whole && (parent_job.state != JobState::Succeeded || parent_job.was_asked) {
            // What is cancelled as a whole does not begin.
            return self.end_with(id, place);
        }
        self.unblock_if_all_met(id);
    }

    /// It is told by the one it comes back with.
    fn tell_cause(&mut self, parent: JobId, id: JobId, place: usize, said: Answer) {
        let parent_job = self.jobs[&parent].clone();
        let was_skipped = self.jobs[&id].is_skipped();
        let is_with = self.jobs[&id].after[place].answer == Answer::With;
        if is_with && !parent_job.state.is_terminal() && parent_job.cancel_requested {
            return;
        }
        if is_with && said == Answer::Met {
            if parent_job.state != JobState::Succeeded {
                return;
            }
            if parent_job.was_asked {
                // It was quicker than the cancel, and was not brought back.
                self.job(id).after[place].answer = said;
                return self.pass_on(id, was_skipped);
            }
        }
        if said.is_broken() {
            let job = self.job(id);
            (job.after[place].answer, job.is_kept_back) = (said, false);
            return self.recount(id, was_skipped);
        }
        let others = self.jobs[&id].after.iter().enumerate();
        if others.filter(|(other, _)| *other != place).any(|(_, tie)| tie.answer.is_broken()) {
            self.job(id).after[place].answer = said;
            self.saw("cause passed on");
            return self.pass_on(id, was_skipped);
        }
        if self.retake(id).is_err() {
            self.job(id).is_kept_back = true;
            self.say_why(id);
            self.saw("not revived");
            return;
        }
        self.saw(if is_with { "revived with the whole" } else { "revived" });
        let run_at = self.jobs[&id].run_at;
        self.reopen(id);
        let job = self.job(id);
        (job.state, job.run_at, job.after[place].answer) = (JobState::Blocked, run_at, said);
        self.tell(id);
        self.unblock_if_all_met(id);
    }

    /// It stays as it is, because of another one from now on, if there is one.
    fn pass_on(&mut self, id: JobId, was_skipped: bool) {
        let job = &self.jobs[&id];
        let is_there = |tie: &super::model::Tie| self.jobs.contains_key(&tie.parent);
        let broken = job.after.iter().position(|tie| tie.answer.is_broken() && is_there(tie));
        let broken = broken.or_else(|| job.after.iter().position(|tie| tie.answer.is_broken()));
        let (cause, answer) = if let Some(place) = broken {
            let tie = job.after[place];
            let said = match self.jobs.get(&tie.parent).map(|parent| parent.answer(tie.wanted)) {
                Some(said) if said.is_broken() => said,
                // Of one that is gone it is known whether it succeeded, not why it did not.
                None if tie.wanted == Wanted::Failed => Answer::NotNeeded,
                _ => Answer::Broken,
            };
            // With one that is gone it can't come back.
            ((is_there(&tie) || said == Answer::NotNeeded).then_some(place), said)
        } else {
            match self.whole(id) {
                Whole::Nothing => (None, Answer::Met),
                Whole::On(place) | Whole::RunsAgain(place) => (Some(place), Answer::With),
            }
        };
        let job = self.job(id);
        (job.cause, job.is_kept_back) = (cause, false);
        if let Some(place) = cause {
            job.after[place].answer = answer;
            let parent = job.after[place].parent;
            if answer == Answer::With && self.jobs.get(&parent).is_some_and(|parent| !parent.state.is_terminal()) {
                self.tell(parent);
            }
        }
        self.say_why(id);
        self.recount(id, was_skipped);
    }

    /// What is cancelled says what for; what has failed by itself goes on saying how.
    fn say_why(&mut self, id: JobId) {
        let job = self.job(id);
        if job.state == JobState::Cancelled {
            job.reason = Some(FailureReason::Cancelled);
        }
    }

    /// Whether it is needed means something to its batch, and to those after it.
    fn recount(&mut self, id: JobId, was_skipped: bool) {
        if was_skipped == self.jobs[&id].is_skipped() || self.jobs[&id].state != JobState::Cancelled {
            return;
        }
        self.saw("not needed after all, or needed");
        if let Some(batch) = self.jobs[&id].batch {
            self.follow(batch);
        }
        self.tell(id);
    }

    /// What a job of a batch hangs on there: one before it that has ended without success, or is to; one that is cancelled with
    /// it, if it can be.
    fn whole(&self, id: JobId) -> Whole {
        let job = &self.jobs[&id];
        let (mut whole, mut closest) = (Whole::Nothing, 0);
        for (place, tie) in job.after.iter().enumerate() {
            let Some(parent) = self.jobs.get(&tie.parent) else { continue };
            if job.batch.is_none() || parent.batch != job.batch || parent.state == JobState::Succeeded {
                continue;
            }
            if !parent.state.is_terminal() && !parent.cancel_requested {
                return Whole::RunsAgain(place);
            }
            let is_broken = parent.cause.is_some_and(|cause| parent.after[cause].answer == Answer::Broken);
            let closeness = match parent.state {
                _ if parent.is_skipped() => 1,
                JobState::Failed => 2,
                JobState::Cancelled if is_broken => 2,
                _ => 3,
            };
            if closeness > closest {
                (whole, closest) = (Whole::On(place), closeness);
            }
        }
        whole
    }

    /// It is cancelled together with the one at this place.
    fn end_with(&mut self, id: JobId, place: usize) {
        let job = self.job(id);
        (job.after[place].answer, job.cause) = (Answer::With, Some(place));
        self.saw("cancelled with the whole");
        self.end_cancelled(id);
    }

    /// All it waited for happened: its delay begins now, a time stays one.
    pub(super) fn unblock_if_all_met(&mut self, id: JobId) {
        let now = self.now;
        let job = self.job(id);
        if job.after.iter().any(|tie| tie.answer == Answer::Open) {
            return;
        }
        job.run_at = job.delay_ms.map_or(job.run_at.max(now), |delay| now + delay);
        job.state = if job.run_at > now { JobState::Scheduled } else { JobState::Ready };
        self.saw("unblocked");
    }

    /// A finished job is among the unfinished again.
    fn reopen(&mut self, id: JobId) {
        let now = self.now;
        let job = self.job(id);
        (job.attempt, job.finished_at, job.reason, job.cause) = (0, None, None, None);
        (job.was_asked, job.is_kept_back) = (false, false);
        // A time that has passed is not asked for again.
        job.expires_at = job.expires_at.filter(|at| *at > now);
        let (queue, batch) = (job.queue, job.batch);
        self.needs_queue(queue);
        if let Some(batch) = batch {
            self.batches.get_mut(&batch).expect("the model knows the batch").finished_at = None;
        }
    }

    /// Somebody asks for this very job, or for many, among which those are that it runs after. `Err`: another one has its
    /// identity.
    pub(super) fn retry(&mut self, id: JobId, among: Option<&[JobId]>) -> Result<Retried, JobId> {
        let now = self.now;
        match self.jobs[&id].state {
            JobState::Retrying => {
                let job = self.job(id);
                (job.state, job.run_at, job.attempt) = (JobState::Ready, now, 0);
                return Ok(Retried::Done);
            }
            JobState::Failed | JobState::Cancelled => {}
            _ => return Ok(Retried::No),
        }
        let says = self.ask(id, among.unwrap_or_default());
        if among.is_some() {
            let first = |is_such: fn(&Says) -> bool| says.iter().position(is_such);
            let broken = first(|says| matches!(says, Says::This(answer) if answer.is_broken()));
            if let Some(place) = broken.or_else(|| first(|says| *says == Says::Together)) {
                return Ok(self.leave_with(id, place, &says));
            }
            if let Some(place) = first(|says| *says == Says::Gone) {
                return Ok(Retried::ComesNoMore(self.jobs[&id].after[place].parent));
            }
        }
        self.retake(id)?;
        self.reopen(id);
        let job = self.job(id);
        let mut is_let_go = false;
        for (tie, says) in job.after.iter_mut().zip(says) {
            tie.answer = match says {
                Says::Together => Answer::Met,
                Says::This(answer) if !answer.is_broken() => answer,
                Says::This(_) | Says::Gone => Answer::LetGo,
            };
            is_let_go |= tie.answer == Answer::LetGo;
        }
        if job.after.iter().any(|tie| tie.answer == Answer::Open) {
            job.state = JobState::Blocked;
            self.saw("retried, and waits");
        } else {
            (job.state, job.run_at) = (JobState::Ready, now);
        }
        if is_let_go {
            self.saw("let go of");
        }
        self.tell(id);
        Ok(Retried::Done)
    }

    /// What those say that it runs after.
    pub(super) fn ask(&self, id: JobId, among: &[JobId]) -> Vec<Says> {
        let says = |tie: &super::model::Tie| {
            let Some(parent) = self.jobs.get(&tie.parent) else {
                // Gone with it: that one did not succeed.
                let was_with = tie.answer == Answer::With && tie.wanted != Wanted::Succeeded;
                return if was_with || tie.answer == Answer::Met { Says::This(Answer::Met) } else { Says::Gone };
            };
            let answer = parent.answer(tie.wanted);
            let was_cancelled = self.jobs[&id].state == JobState::Cancelled;
            let is_one_batch = self.jobs[&id].batch.is_some() && self.jobs[&id].batch == parent.batch;
            let was_with =
                was_cancelled && is_one_batch && tie.answer == Answer::With && parent.state == JobState::Cancelled;
            let hangs = (among.contains(&tie.parent) || was_with) && !parent.is_skipped();
            if answer == Answer::Met && hangs && parent.state != JobState::Succeeded {
                Says::Together
            } else {
                Says::This(answer)
            }
        };
        self.jobs[&id].after.iter().map(says).collect()
    }

    /// One of many that are to run again stays, and comes back with the one at this place; or with the one it was to come back
    /// with, if that is in its way still.
    fn leave_with(&mut self, id: JobId, place: usize, says: &[Says]) -> Retried {
        let was_skipped = self.jobs[&id].is_skipped();
        let job = &self.jobs[&id];
        self.seen.insert("comes with a parent".to_owned());
        if let Some(cause) = job.cause {
            let is_in_the_way = cause == place || matches!(says[cause], Says::This(answer) if answer.is_broken());
            if is_in_the_way && self.jobs.contains_key(&job.after[cause].parent) {
                return Retried::ComesWith(job.after[cause].parent);
            }
        }
        let job = self.job(id);
        for (other, (tie, says)) in job.after.iter_mut().zip(says).enumerate() {
            tie.answer = match *says {
                Says::This(answer) => answer,
                Says::Together if other == place => Answer::With,
                Says::Together => Answer::Met,
                Says::Gone if tie.answer == Answer::NotNeeded => Answer::NotNeeded,
                Says::Gone => Answer::Broken,
            };
        }
        (job.cause, job.is_kept_back) = (Some(place), false);
        let parent = job.after[place].parent;
        self.say_why(id);
        self.recount(id, was_skipped);
        Retried::ComesWith(parent)
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
            (job.cancel_requested, job.was_asked) = (true, true);
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
        self.cancelling = Some(id);
        for member in self.ids(|job| job.batch == Some(id) && !job.state.is_terminal()) {
            let job = &self.jobs[&member];
            match self.whole(member) {
                // One before it ended meanwhile.
                _ if job.state.is_terminal() => {}
                _ if job.holder.is_some() => self.cancel(member),
                Whole::RunsAgain(_) if job.state == JobState::Blocked && job.awaits.is_none() => {}
                Whole::On(place) => self.end_with(member, place),
                Whole::Nothing | Whole::RunsAgain(_) => self.cancel(member),
            }
        }
        self.cancelling = None;
        self.follow(id);
    }

    /// Nobody entered it in its time.
    pub(super) fn expire(&mut self, id: JobId) {
        self.end(id, JobState::Cancelled, Some(FailureReason::DeadlineExpired));
    }

    /// What every dependency says is what its parent is, whatever happened and in whichever order it was told.
    pub(super) fn assert_answers_hold(&self) {
        for (id, job) in &self.jobs {
            for (place, tie) in job.after.iter().enumerate() {
                let Some(parent) = self.jobs.get(&tie.parent) else { continue };
                let said = parent.answer(tie.wanted);
                let holds = match tie.answer {
                    _ if job.is_kept_back && job.cause == Some(place) => !said.is_broken(),
                    Answer::LetGo => said.is_broken(),
                    // One that had been let go of, or was free before, may stand in its way as well.
                    Answer::With if parent.state.is_terminal() => parent.state != JobState::Succeeded,
                    Answer::With => parent.cancel_requested,
                    answer => answer == said,
                };
                assert!(holds, "{id} after {}: {:?}, and it says {said:?}", tie.parent, tie.answer);
            }
        }
    }
}
