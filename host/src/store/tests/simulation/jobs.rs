//! Operations on jobs: enqueue, and what people do to them.

use super::model::{HeldIdentity, Model, QUEUES};
use super::new::{New, payload_of};
use super::ties::Retried;
use super::unique::{Asked, always};
use super::*;
use crate::job::{JobState, OnConflict, Wanted};

/// How long a key counts, ms.
pub(super) const KEY_MS: i64 = 24 * 3_600 * 1_000;
/// The identity of twins, which nobody else has.
const TWINS: u8 = 255;
/// Jobs there may be before fewer come.
const JOBS_MANY: usize = 90;

impl Run {
    pub(super) fn any_job(&mut self) -> Option<JobId> {
        let ids = self.model.ids(|_| true);
        self.chance.pick(&ids)
    }

    pub(super) fn parents(&mut self, of: usize) -> Vec<(JobId, Wanted)> {
        let ids = self.model.ids(|_| true);
        // Mostly young ones: the old ones have ended.
        let young = &ids[ids.len().saturating_sub(12)..];
        let mut parents: Vec<(JobId, Wanted)> = Vec::new();
        for _ in 0..of {
            let wanted = self.some_wanted();
            let parent = if self.chance.one_in(4) { self.chance.pick(&ids) } else { self.chance.pick(young) };
            parents.extend(parent.filter(|id| parents.iter().all(|(known, _)| known != id)).map(|id| (id, wanted)));
        }
        parents
    }

    pub(super) fn some_wanted(&mut self) -> Wanted {
        self.chance
            .pick(&[Wanted::Succeeded, Wanted::Succeeded, Wanted::Failed, Wanted::Failed, Wanted::Finished])
            .unwrap()
    }

    pub(super) async fn enqueue(&mut self) -> String {
        if self.model.jobs.len() > JOBS_MANY {
            return "enough jobs".to_owned();
        }
        let mut new = self.new_job();
        match self.chance.below(10) {
            0..3 => {
                let count = 1 + self.chance.below(3);
                new.after = self.parents(count);
                if self.chance.one_in(4) {
                    new.expires_at = Some(self.model.now + self.chance.between(21_000, 60_000));
                }
                if self.chance.one_in(2) {
                    (new.run_at, new.delay_ms) = (None, Some(self.chance.between(0, 8_000)));
                }
            }
            3..5 => {
                let is_any = self.chance.one_in(5);
                new.batch = self.some_batch(|batch| !batch.is_workflow && (is_any || batch.closing != Closing::Closed));
            }
            5 => new.request = Some(self.some_request()),
            _ => {}
        }
        let result = self.harness.store.enqueue(TENANT, new.to_store(&self.harness)).await;
        let Some(result) = self.acknowledged(result) else { return format!("enqueue {new:?}: no commit") };
        let known = new.request.as_ref().and_then(|request| self.known(request));
        let is_closed = new.batch.is_some_and(|batch| self.model.batches[&batch].closing == Closing::Closed);
        match result {
            EnqueueResult::Replayed(row) => {
                assert_eq!(Some(row.id), known, "{new:?}");
                self.model.saw("replayed");
            }
            EnqueueResult::Untied(refusal) => {
                assert!(is_closed && refusal == TieRefusal::BatchClosed, "{refusal:?} {new:?}");
            }
            EnqueueResult::Created(row) => {
                assert!(known.is_none() && !is_closed, "{new:?}");
                self.model.insert(row.id, &new);
                assert_eq!(row.state, self.model.jobs[&row.id].state, "what the answer says");
                if let Some(request) = &new.request {
                    self.model.keys.insert(request.key.clone(), (row.id, self.model.now + KEY_MS));
                }
            }
            other => panic!("{other:?}"),
        }
        format!("enqueue {new:?}")
    }

    fn some_request(&mut self) -> IdempotencyKey {
        let known: Vec<String> = self.model.keys.keys().cloned().collect();
        let key = if self.chance.one_in(2) { self.chance.pick(&known) } else { None };
        IdempotencyKey { key: key.unwrap_or_else(|| format!("key {}", self.payloads)), request_hash: [1; 32] }
    }

    /// The job that a request made before, as long as it counts and is there.
    fn known(&self, request: &IdempotencyKey) -> Option<JobId> {
        let (id, until) = self.model.keys.get(&request.key)?;
        (*until > self.model.now && self.model.jobs.contains_key(id)).then_some(*id)
    }

    pub(super) async fn enqueue_many(&mut self) -> String {
        if self.model.jobs.len() > JOBS_MANY {
            return "enough jobs".to_owned();
        }
        if self.chance.one_in(3) {
            return self.enqueue_twins().await;
        }
        let new: Vec<New> = (0..self.chance.below(5)).map(|_| self.new_job()).collect();
        let jobs = new.iter().map(|new| new.to_store(&self.harness)).collect();
        let atomic = self.chance.one_in(2);
        let result = self.harness.store.enqueue_batch(TENANT, jobs, atomic, None, Vec::new()).await;
        let Some(result) = self.acknowledged(result) else { return "enqueue many: no commit".to_owned() };
        let BatchResult::Done(items) = result else { panic!("{result:?}") };
        assert_eq!(items.len(), new.len());
        for (item, new) in items.iter().zip(&new) {
            let BatchItem::Created(id) = item else { panic!("{item:?}") };
            self.model.insert(*id, new);
        }
        format!("enqueue {} at once", new.len())
    }

    /// All or none, and the last is the same as the first: what was written of them is taken back, within the operation.
    async fn enqueue_twins(&mut self) -> String {
        let mut new: Vec<New> = (0..2 + self.chance.below(3)).map(|_| self.new_job()).collect();
        let last = new.len() - 1;
        for twin in [0, last] {
            let terms = HeldIdentity { identity: TWINS, scope: always(), until: None };
            new[twin].unique = Some(Asked { terms, on_conflict: OnConflict::Reject, delay: 0, max_wait: 0 });
            new[twin].run_at = None;
        }
        let jobs = new.iter().map(|new| new.to_store(&self.harness)).collect();
        let result = self.harness.store.enqueue_batch(TENANT, jobs, true, None, Vec::new()).await;
        let Some(result) = self.acknowledged(result) else { return "enqueue twins: no commit".to_owned() };
        let BatchResult::Rejected { index, result } = result else { panic!("{result:?}") };
        assert_eq!((index, result), (last, BatchItem::UniqueConflict(None)));
        self.model.saw("turned back");
        format!("enqueue {} at once, of which two are the same", new.len())
    }

    pub(super) async fn cancel(&mut self) -> String {
        let Some(id) = self.any_job() else { return "nothing to cancel".to_owned() };
        let result = self.harness.store.cancel(TENANT, id).await;
        if self.acknowledged(result).is_some() {
            self.model.cancel(id);
        }
        format!("cancel {id}")
    }

    pub(super) async fn retry(&mut self) -> String {
        let ended = self.model.ids(|job| matches!(job.state, JobState::Failed | JobState::Cancelled));
        let id = if self.chance.one_in(4) { self.any_job() } else { self.chance.pick(&ended) };
        let Some(id) = id else { return "nothing to retry".to_owned() };
        let result = self.harness.store.retry(TENANT, id).await;
        let Some(result) = self.acknowledged(result) else { return format!("retry {id}: no commit") };
        let state = self.model.jobs[&id].state;
        match (self.model.retry(id, None), result) {
            (Ok(Retried::Done), RetryResult::Retried(row)) => assert_eq!(row.state, self.model.jobs[&id].state),
            (Ok(Retried::No), RetryResult::WrongState(row)) => assert_eq!(row.state, state),
            (Err(other), RetryResult::UniqueConflict(found)) => assert_eq!(other, found),
            (expected, found) => panic!("retry {id}: {expected:?}, not {found:?}"),
        }
        format!("retry {id}, {state}")
    }

    pub(super) async fn edit(&mut self) -> String {
        let Some(id) = self.any_job() else { return "nothing to edit".to_owned() };
        let new = self.new_job();
        let now = self.model.now;
        let edit = JobEdit {
            payload: self.chance.one_in(2).then(|| (payload_of(new.payload), None)),
            queue: self.chance.one_in(2).then(|| QUEUES[new.queue].parse().unwrap()),
            priority: self.chance.one_in(2).then_some(new.priority),
            max_attempts: self.chance.one_in(3).then_some(new.max_attempts),
            tags: self.chance.one_in(3).then(|| new.tags.clone()),
            run_at: self.chance.one_in(2).then(|| Timestamp(now + self.chance.between(-5_000, 30_000))),
            ..JobEdit::default()
        };
        let what = format!("edit {id}: {edit:?}");
        let result = self.harness.store.edit(TENANT, id, edit.clone()).await;
        let Some(result) = self.acknowledged(result) else { return format!("{what}: no commit") };
        let job = &self.model.jobs[&id];
        let waits = job.state.is_waiting() && job.holder.is_none();
        let too_late = job.expires_at.filter(|at| edit.run_at.is_some_and(|run_at| run_at.as_ms() >= *at));
        match result {
            EditResult::NotWaiting(_) => assert!(!waits, "{what}"),
            EditResult::TooLate { expires_at, .. } => {
                assert_eq!((waits, Some(expires_at.as_ms())), (true, too_late), "{what}");
            }
            EditResult::Edited(_) => {
                assert!(waits && too_late.is_none(), "{what}");
                if edit.queue.is_some() {
                    self.model.needs_queue(new.queue);
                }
                let job = self.model.job(id);
                job.payload = if edit.payload.is_some() { new.payload } else { job.payload };
                job.queue = if edit.queue.is_some() { new.queue } else { job.queue };
                job.priority = edit.priority.unwrap_or(job.priority);
                job.max_attempts = edit.max_attempts.unwrap_or(job.max_attempts);
                job.tags = edit.tags.unwrap_or_else(|| job.tags.clone());
                if let Some(run_at) = edit.run_at {
                    if job.state == JobState::Blocked && job.awaits.is_none() {
                        // A time is given now instead of a delay.
                        job.delay_ms = None;
                    }
                    self.model.move_to(id, run_at.as_ms());
                }
            }
            other => panic!("{other:?}"),
        }
        what
    }

    pub(super) async fn run_now(&mut self) -> String {
        let Some(id) = self.any_job() else { return "nothing to run now".to_owned() };
        let result = self.harness.store.run_now(TENANT, id).await;
        let Some(result) = self.acknowledged(result) else { return format!("run {id} now: no commit") };
        let state = self.model.jobs[&id].state;
        let is_blocked = state == JobState::Blocked && self.model.jobs[&id].awaits.is_none();
        assert_eq!(self.model.run_now(id), matches!(result, RunNowResult::Ready(_)), "{result:?}");
        assert_eq!(is_blocked, matches!(result, RunNowResult::Blocked(_)), "{result:?}");
        format!("run {id} now")
    }

    pub(super) async fn delete(&mut self) -> String {
        let ended = self.model.ids(|job| job.state.is_terminal());
        let id = if self.chance.one_in(5) { self.any_job() } else { self.chance.pick(&ended) };
        let Some(id) = id else { return "nothing to delete".to_owned() };
        let result = self.harness.store.delete(TENANT, id).await;
        let Some(result) = self.acknowledged(result) else { return format!("delete {id}: no commit") };
        assert_eq!(result, self.model.delete(id), "delete {id}");
        if let DeleteResult::Needed(_) = result {
            self.model.saw("delete refused");
        }
        format!("delete {id}: {result:?}")
    }
}

impl Model {
    /// Whether it is ready then.
    pub(super) fn run_now(&mut self, id: JobId) -> bool {
        let now = self.now;
        match self.jobs[&id].state {
            JobState::Blocked if self.jobs[&id].awaits.is_some() => {
                self.wake(id);
                true
            }
            JobState::Ready => true,
            JobState::Scheduled | JobState::Retrying => {
                self.move_to(id, now);
                true
            }
            _ => false,
        }
    }

    pub(super) fn delete(&mut self, id: JobId) -> DeleteResult {
        let state = self.jobs[&id].state;
        if !state.is_terminal() {
            return DeleteResult::WrongState(state);
        }
        if let Some(child) = self.unfinished_dependent(id) {
            return DeleteResult::Needed(child);
        }
        if self.jobs[&id].batch.is_some_and(|batch| self.batches[&batch].is_workflow) {
            self.gaps.insert(id);
        }
        self.remove(id);
        DeleteResult::Deleted
    }
}
