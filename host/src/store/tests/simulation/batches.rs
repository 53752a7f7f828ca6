//! Operations on batches and workflows.

use super::model::{Batch, Callback, KINDS};
use super::new::New;
use super::*;
use crate::job::{BatchId, Wanted};

/// Unfinished batches there may be before no more are made.
const BATCHES_MANY: usize = 8;
/// Jobs there may be before no more batches are made.
const JOBS_MANY: usize = 70;

impl Run {
    fn some_callback(&mut self) -> Option<Callback> {
        self.chance.one_in(2).then(|| Callback { kind: self.chance.below(3), job: None })
    }

    pub(super) fn some_batch(&mut self, which: impl Fn(&Batch) -> bool) -> Option<BatchId> {
        let fits = self.model.batches.iter().filter(|(_, batch)| which(batch));
        let ids: Vec<BatchId> = fits.map(|(id, _)| *id).collect();
        self.chance.pick(&ids)
    }

    pub(super) async fn create_batch(&mut self) -> String {
        let unfinished = self.model.batches.values().filter(|batch| batch.finished_at.is_none()).count();
        if unfinished >= BATCHES_MANY || self.model.jobs.len() > JOBS_MANY {
            return "enough batches".to_owned();
        }
        let is_workflow = self.chance.one_in(2);
        let closing = match self.chance.below(3) {
            _ if is_workflow => Closing::Closed,
            0 => Closing::Closed,
            1 => Closing::OnRequest,
            _ => Closing::WhenDone,
        };
        let callbacks = [self.some_callback(), self.some_callback(), self.some_callback()];
        let mut members: Vec<New> = Vec::new();
        let mut inner: Vec<Vec<(usize, Wanted)>> = Vec::new();
        for index in 0..=self.chance.below(5) {
            members.push(self.new_job());
            let mut after: Vec<(usize, Wanted)> = Vec::new();
            for parent in 0..if is_workflow { index } else { 0 } {
                if self.chance.one_in(2) {
                    after.push((parent, self.some_wanted()));
                }
            }
            inner.push(after);
        }
        let to_store = |run: &Run, callback: &Option<Callback>| {
            callback.as_ref().map(|callback| job(run.harness.kind(KINDS[callback.kind])))
        };
        let jobs = members.iter().zip(&inner).enumerate().map(|(index, (member, after))| NewMember {
            name: is_workflow.then(|| format!("job {index}")),
            job: member.to_store(&self.harness),
            after: after.clone(),
        });
        let new = NewBatch {
            is_workflow,
            name: None,
            closing,
            callbacks: Callbacks {
                on_success: to_store(self, &callbacks[0]),
                on_failure: to_store(self, &callbacks[1]),
                on_finish: to_store(self, &callbacks[2]),
            },
            jobs: jobs.collect(),
            key: None,
        };
        let what = format!("create a batch, workflow {is_workflow}, {closing:?}, of {members:?} after {inner:?}");
        let result = self.harness.store.create_batch(TENANT, new).await;
        let Some(result) = self.acknowledged(result) else { return format!("{what}: no commit") };
        let CreateBatchResult::Created(row) = result else { panic!("{result:?}") };
        let listed = self.harness.store.jobs_of_batch(TENANT, row.id, None, 100).await.unwrap();
        let ids: Vec<JobId> = if let Some(listed) = listed {
            listed.iter().map(|member| member.id).collect()
        } else {
            let (_, graph) = self.harness.store.workflow(TENANT, row.id).await.unwrap().unwrap();
            let mut ids: Vec<JobId> = graph.iter().map(|member| member.id).collect();
            ids.sort();
            ids
        };
        assert_eq!(ids.len(), members.len(), "{what}");
        if callbacks.iter().flatten().next().is_some() {
            self.model.needs_queue(0);
        }
        // Open until its last job is there.
        let batch = Batch { is_workflow, closing: Closing::OnRequest, finished_at: None, callbacks, gone: [0; 4] };
        self.model.batches.insert(row.id, batch);
        for ((id, mut new), after) in ids.iter().zip(members).zip(inner) {
            new.after = after.iter().map(|(parent, wanted)| (ids[*parent], *wanted)).collect();
            new.batch = Some(row.id);
            self.model.insert(*id, &new);
        }
        self.model.batches.get_mut(&row.id).unwrap().closing = closing;
        self.model.follow(row.id);
        what
    }

    pub(super) async fn change_batch(&mut self) -> String {
        let is_any = self.chance.one_in(4);
        let Some(id) = self.some_batch(|batch| is_any || batch.finished_at.is_none()) else {
            return "no batch to change".to_owned();
        };
        let is_workflow = self.model.batches[&id].is_workflow;
        if !is_workflow && self.chance.one_in(2) {
            let result = self.harness.store.close_batch(TENANT, id).await;
            if self.acknowledged(result).is_some() {
                self.model.batches.get_mut(&id).unwrap().closing = Closing::Closed;
                self.model.follow(id);
            }
            return format!("close {id}");
        }
        let result = self.harness.store.cancel_batch(TENANT, id, is_workflow).await;
        if let Some(result) = self.acknowledged(result) {
            self.model.cancel_batch(id);
            let ChangeBatchResult::Changed { held, .. } = result else { panic!("{result:?}") };
            for (job, number) in held {
                let job = &self.model.jobs[&job];
                assert_eq!((job.cancel_requested, job.lease_number), (true, number));
            }
        }
        format!("cancel all of {id}")
    }

    /// What upkeep does for jobs that are tied to others: there is nothing left by the operations of such few.
    pub(super) async fn tidy(&mut self) -> String {
        self.disarm();
        assert!(!self.harness.store.settle_dependents().await.unwrap());
        let (held, more) = self.harness.store.cancel_batches_further().await.unwrap();
        assert!(held.is_empty() && !more);
        while self.harness.store.prune_unique_jobs().await.unwrap() {}
        self.forget_identities();
        while self.harness.store.prune_batches().await.unwrap() {}
        while self.harness.store.prune_idempotency_keys().await.unwrap() {}
        while self.harness.store.prune_operations().await.unwrap() {}
        "tidy".to_owned()
    }

    /// A batch as people see it.
    pub(super) async fn compare_batches(&self) {
        for (id, batch) in &self.model.batches {
            let row = self.harness.store.batch(TENANT, *id, batch.is_workflow).await.unwrap();
            let [succeeded, failed, cancelled, skipped, unfinished] = self.model.counts(*id);
            let Some(row) = row else {
                assert_eq!((unfinished, self.model.ids(|job| job.batch == Some(*id)).len()), (0, 0), "{id} is gone");
                continue;
            };
            let found = [row.succeeded, row.failed, row.cancelled, row.skipped, row.unfinished()];
            assert_eq!(found, [succeeded, failed, cancelled, skipped, unfinished], "counts of {id}");
            assert_eq!(
                (row.closing, row.finished_at.map(Timestamp::as_ms)),
                (batch.closing, batch.finished_at),
                "{id}"
            );
            let jobs = row.callbacks.map(|callback| callback.and_then(|callback| callback.job));
            let expected = batch.callbacks.clone().map(|callback| callback.and_then(|callback| callback.job));
            assert_eq!(jobs, expected, "what followed from {id}");
        }
    }
}
