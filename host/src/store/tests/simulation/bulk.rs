//! Actions on many jobs, in steps.

use super::model::{Job, KINDS, Model, QUEUES};
use super::new::New;
use super::ties::{Retried, Says};
use super::*;
use crate::job::bulk::paced;
use crate::job::{Bucket, BulkAction, BulkFilter, JobState, OperationId, QueueName, RateWire};

/// One that is not finished, as the model has it.
#[derive(Clone, Debug)]
pub(super) struct Operation {
    id: OperationId,
    request: BulkRequest,
    /// Jobs below are still to be done.
    cursor: u128,
    bucket: Bucket,
    changed: u64,
    skipped: u64,
    failed: u64,
}

impl Run {
    pub(super) async fn create_operation(&mut self) -> String {
        if self.operations.len() > 3 {
            return "enough operations".to_owned();
        }
        let action = self
            .chance
            .pick(&[
                BulkAction::Retry,
                BulkAction::Retry,
                BulkAction::Cancel,
                BulkAction::Delete,
                BulkAction::Run,
                BulkAction::SetPriority,
            ])
            .unwrap();
        let New { kind, queue, priority, .. } = self.new_job();
        let mut filter = BulkFilter::default();
        match action {
            BulkAction::Retry => filter.state = self.chance.pick(&[JobState::Failed, JobState::Cancelled]),
            BulkAction::Cancel | BulkAction::SetPriority => filter.unfinished = true,
            BulkAction::Delete => filter.state = self.chance.pick(&[JobState::Succeeded, JobState::Failed]),
            BulkAction::Run => filter.state = Some(JobState::Scheduled),
        }
        match self.chance.below(4) {
            0 => filter.kind = Some(KINDS[kind].parse().unwrap()),
            1 => filter.queue = Some(QUEUES[queue].parse().unwrap()),
            2 => filter.tag = Some("tag 1".to_owned()),
            _ => {
                let ids = self.model.ids(|_| true);
                filter.ids = Some(ids.into_iter().filter(|_| self.chance.one_in(3)).collect());
            }
        }
        let rate = self.chance.one_in(2).then(|| "2/s".parse::<RateWire>().unwrap());
        let request =
            BulkRequest { action, filter, priority: (action == BulkAction::SetPriority).then_some(priority), rate };
        let what = format!("bulk {request:?}");
        let result = self.harness.store.create_operation(TENANT, request.clone(), None).await;
        let Some(result) = self.acknowledged(result) else { return format!("{what}: no commit") };
        let is_known = |name: &QueueName| self.model.queues_ever.iter().any(|queue| QUEUES[*queue] == name.as_str());
        if request.filter.queue.as_ref().is_some_and(|queue| !is_known(queue)) {
            assert!(matches!(result, CreateOperationResult::Unmatchable(Unmatchable::Queue)), "{what}: {result:?}");
            return format!("{what}: there is no such queue");
        }
        let CreateOperationResult::Created(row) = result else { panic!("{result:?}") };
        self.operations.push(Operation {
            id: row.id,
            request,
            cursor: row.id.as_u128(),
            bucket: Bucket::default(),
            changed: 0,
            skipped: 0,
            failed: 0,
        });
        what
    }

    pub(super) async fn work_on(&mut self) -> String {
        if self.operations.is_empty() {
            return "nothing to work on".to_owned();
        }
        let index = self.chance.below(self.operations.len());
        let mut operation = self.operations[index].clone();
        // How many of a step's jobs fit into its time is not for the seed to say: on to the end, or to where the rate holds it.
        let worked = loop {
            let result = self.harness.store.work_on(TENANT, operation.id).await;
            let Some(worked) = self.acknowledged(result) else { return format!("{}: no commit", operation.id) };
            if worked.again_in != Some(Duration::ZERO) {
                break worked;
            }
        };
        let row = self.harness.store.operation(TENANT, operation.id).await.unwrap().unwrap();
        let is_done = worked.again_in.is_none();
        assert_eq!(is_done, row.state.is_finished(), "{operation:?}");
        self.model.work_on(&mut operation, if is_done { 0 } else { row.cursor.as_u128() });
        let expected = (operation.changed, operation.skipped, operation.failed);
        assert_eq!((row.changed, row.skipped, row.failed), expected, "{operation:?}");
        let what = format!("work on {operation:?}");
        if operation.changed > 0 {
            self.model.saw(format!("bulk {}", operation.request.action.as_str()));
        }
        if is_done {
            self.operations.remove(index);
        } else {
            self.operations[index] = operation;
        }
        what
    }
}

enum Fate {
    Changed,
    Skipped,
    Failed,
}

impl Model {
    fn is_meant(job: &Job, id: JobId, filter: &BulkFilter) -> bool {
        filter.state.is_none_or(|state| state == job.state)
            && !(filter.unfinished && job.state.is_terminal())
            && filter.kind.as_ref().is_none_or(|kind| kind.as_str() == KINDS[job.kind])
            && filter.queue.as_ref().is_none_or(|queue| queue.as_str() == QUEUES[job.queue])
            && filter.tag.as_ref().is_none_or(|tag| job.tags.contains(tag))
            && filter.ids.as_ref().is_none_or(|ids| ids.contains(&id))
    }

    /// A step that has come so far: all jobs from there on are done.
    fn work_on(&mut self, operation: &mut Operation, reached: u128) {
        let rate = operation.request.rate.map(|rate| paced(rate).rate("", &mut Vec::new()).unwrap());
        let filter = operation.request.filter.clone();
        let is_next = |id: &JobId| (reached..operation.cursor).contains(&id.as_u128());
        // Newest first, of those there were when it was asked for.
        let mut next = self.ids(|_| true);
        next.retain(is_next);
        for id in next.into_iter().rev() {
            // One before may have changed it.
            if !self.jobs.get(&id).is_some_and(|job| Self::is_meant(job, id, &filter)) {
                continue;
            }
            let permits = rate.map_or(1, |rate| operation.bucket.permits(rate, self.store_now_ns));
            assert!(permits > 0, "faster than it is to be: {operation:?}");
            match self.apply(id, &operation.request) {
                Fate::Changed => {
                    operation.changed += 1;
                    if let Some(rate) = rate {
                        operation.bucket = operation.bucket.take(rate, self.store_now_ns, 1);
                    }
                }
                Fate::Skipped => operation.skipped += 1,
                Fate::Failed => operation.failed += 1,
            }
        }
        operation.cursor = reached;
    }

    /// Whether a retry of all that are meant brings this one back, by itself or with one before it.
    fn runs_again(&self, id: JobId, filter: &BulkFilter) -> bool {
        let ended = |job: &&Job| matches!(job.state, JobState::Failed | JobState::Cancelled);
        let Some(job) = self.jobs.get(&id).filter(ended) else { return false };
        Self::is_meant(job, id, filter)
            && self.ask(id, &[]).iter().zip(&job.after).all(|(says, tie)| match says {
                Says::This(answer) if !answer.is_broken() => true,
                Says::Gone => false,
                Says::This(_) | Says::Together => self.runs_again(tie.parent, filter),
            })
    }

    fn apply(&mut self, id: JobId, request: &BulkRequest) -> Fate {
        let job = self.jobs[&id].clone();
        match request.action {
            BulkAction::Retry => {
                let parents: Vec<JobId> = job.after.iter().map(|tie| tie.parent).collect();
                let others: Vec<JobId> =
                    parents.into_iter().filter(|parent| self.runs_again(*parent, &request.filter)).collect();
                match self.retry(id, Some(&others)) {
                    Ok(Retried::Done) => Fate::Changed,
                    Ok(Retried::No | Retried::ComesWith(_) | Retried::ComesNoMore(_)) => Fate::Skipped,
                    Err(_) => Fate::Failed,
                }
            }
            BulkAction::Cancel if job.state.is_terminal() || job.cancel_requested => Fate::Skipped,
            BulkAction::Cancel => {
                self.cancel(id);
                Fate::Changed
            }
            BulkAction::Delete => match self.delete(id) {
                DeleteResult::Deleted => Fate::Changed,
                DeleteResult::Needed(_) => Fate::Failed,
                _ => Fate::Skipped,
            },
            BulkAction::Run if job.state != JobState::Ready && self.run_now(id) => Fate::Changed,
            BulkAction::SetPriority
                if request.priority != Some(job.priority) && job.state.is_waiting() && job.holder.is_none() =>
            {
                self.job(id).priority = request.priority.unwrap_or(job.priority);
                Fate::Changed
            }
            BulkAction::Run | BulkAction::SetPriority => Fate::Skipped,
        }
    }
}
