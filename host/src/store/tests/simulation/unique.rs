//! The model's identities: what becomes of a job that is to be the only one like it.

use std::collections::BTreeSet;

use super::model::{HeldIdentity, Holder, Model};
use super::*;
use crate::job::{JobState, OnConflict};

/// The word for a job that was deleted: it has no identity any more.
const GONE: &str = "gone";

/// What a new job asks for.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) terms: HeldIdentity,
    pub(super) on_conflict: OnConflict,
    pub(super) delay: i64,
    pub(super) max_wait: i64,
}

/// What becomes of a new job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Admitted {
    Made,
    Existing(Conflict, JobId),
    Refused(JobId),
}

pub(super) fn scope_of(states: impl IntoIterator<Item = JobState>) -> BTreeSet<&'static str> {
    states.into_iter().map(JobState::as_str).collect()
}

pub(super) fn always() -> BTreeSet<&'static str> {
    scope_of(JobState::ALL)
}

impl Model {
    fn word_of(&self, job: JobId) -> &'static str {
        self.jobs.get(&job).map_or(GONE, |job| job.state.as_str())
    }

    fn counts_as(&self, holder: &Holder, word: &str) -> bool {
        holder.terms.until.is_none_or(|until| self.now < until) && holder.terms.scope.contains(word)
    }

    /// Whether the identity is its still.
    pub(super) fn holds(&self, holder: &Holder) -> bool {
        self.counts_as(holder, self.word_of(holder.job))
    }

    /// What becomes of a job that asks for this; the one that is there is changed, if it is.
    pub(super) fn admit(&mut self, asked: &Asked, new: &super::new::New) -> Admitted {
        let Some(holder) = self.identities.get(&asked.terms.identity).cloned() else { return Admitted::Made };
        let id = holder.job;
        let mut word = self.word_of(id);
        let changes = matches!(asked.on_conflict, OnConflict::Replace | OnConflict::Debounce);
        let is_waiting = self.jobs.get(&id).is_some_and(|job| job.state.is_waiting());
        if !self.counts_as(&holder, word) {
            return Admitted::Made;
        }
        if changes && is_waiting && (self.jobs[&id].holder.is_some() || self.jobs[&id].steps > 0) {
            // Held by somebody who will not let go of it, or with steps that were recorded: it counts as running.
            word = JobState::Running.as_str();
            if !self.counts_as(&holder, word) {
                return Admitted::Made;
            }
        }
        let is_free = is_waiting && word != JobState::Running.as_str();
        let now = self.now;
        match asked.on_conflict {
            OnConflict::ReturnExisting => Admitted::Existing(Conflict::Existing, id),
            OnConflict::Throttle => Admitted::Existing(Conflict::Throttled, id),
            OnConflict::Replace if is_free => {
                let job = self.job(id);
                (job.payload, job.priority, job.tags) = (new.payload, new.priority, new.tags.clone());
                job.expires_at = new.expires_at;
                self.move_to(id, new.run_at.unwrap_or(now));
                Admitted::Existing(Conflict::Replaced, id)
            }
            OnConflict::Debounce if is_free => {
                let job = self.job(id);
                (job.payload, job.expires_at) = (new.payload, new.expires_at);
                self.move_to(id, (now + asked.delay).min(holder.first_at + asked.max_wait));
                Admitted::Existing(Conflict::Debounced, id)
            }
            OnConflict::Reject | OnConflict::Replace | OnConflict::Debounce => Admitted::Refused(id),
        }
    }

    /// A waiting job has another time.
    pub(super) fn move_to(&mut self, id: JobId, run_at: i64) {
        let now = self.now;
        let job = self.job(id);
        job.run_at = run_at;
        if let Some((_, until)) = &mut job.awaits {
            *until = run_at;
            return;
        }
        job.snoozed = false;
        if job.state != JobState::Blocked {
            job.state = if run_at > now { JobState::Scheduled } else { JobState::Ready };
        }
    }

    /// The job has the identity from now on.
    pub(super) fn take_identity(&mut self, id: JobId, terms: HeldIdentity) {
        let holder = Holder { job: id, first_at: self.now, terms: terms.clone() };
        self.identities.insert(terms.identity, holder);
        self.job(id).unique = Some(terms);
    }

    /// One that was brought back has its identity again, unless another one has it.
    pub(super) fn retake(&mut self, id: JobId) -> Result<(), JobId> {
        let Some(terms) = self.jobs[&id].unique.clone() else { return Ok(()) };
        if terms.until.is_some_and(|until| until <= self.now) {
            return Ok(());
        }
        match self.identities.get(&terms.identity) {
            Some(holder) if holder.job == id => return Ok(()),
            Some(holder) if self.holds(holder) => {
                let other = holder.job;
                self.saw("identity taken meanwhile");
                return Err(other);
            }
            _ => {}
        }
        self.take_identity(id, terms);
        Ok(())
    }

    /// Whether a job keeps others away for a time by being there, so that it must not be removed.
    pub(super) fn is_kept_for_its_identity(&self, id: JobId) -> bool {
        self.jobs[&id].unique.as_ref().is_some_and(|terms| {
            let holder = self.identities.get(&terms.identity).filter(|holder| holder.job == id);
            terms.until.is_some() && holder.is_some_and(|holder| self.holds(holder))
        })
    }
}
