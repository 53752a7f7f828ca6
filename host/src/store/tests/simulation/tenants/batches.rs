//! Batches that stay open until somebody closes them, and jobs that are to follow: what is kept of these counts until they are jobs.

use super::model::Job;
use super::*;
use crate::job::quota::day_of;
use crate::job::{BatchId, QuotaName};

/// Batches of a tenant that stay open before one is closed.
const OPEN_MANY: usize = 4;
/// What is kept of a job that is to follow, beside its payload, at most.
const CALLBACK_BYTES_MAX: u64 = 400;

const OPEN: &str = "SELECT id FROM batches WHERE tenant_id = ?1 AND closing = 1 ORDER BY id";
const FOLLOWING: &str = "SELECT success_job, finish_job FROM batches WHERE id = ?1";

impl Run {
    pub(super) async fn change_batch(&mut self) -> Done {
        let at = self.open();
        let known: Vec<BatchId> = self.model.tenants[at].batches.keys().copied().collect();
        let is_enough = known.len() >= OPEN_MANY;
        match self.chance.pick(&known).filter(|_| is_enough || self.chance.one_in(3)) {
            Some(id) => self.close_batch(at, id).await,
            None => self.make_batch(at).await,
        }
    }

    async fn make_batch(&mut self, at: usize) -> Done {
        let (id, kind) = (self.model.tenants[at].id, self.model.tenants[at].kind);
        let numbers = [self.next(), self.next()];
        let [on_success, on_finish] = numbers.map(|number| {
            let mut follows = job(kind);
            follows.spec.payload = Self::payload(number, self.chance.below(40));
            follows
        });
        let lengths = [&on_success, &on_finish].map(|follows| follows.spec.payload.len() as u64);
        let callbacks = Callbacks { on_success: Some(on_success), on_failure: None, on_finish: Some(on_finish) };
        let closing = Closing::OnRequest;
        let new = NewBatch { is_workflow: false, name: None, closing, callbacks, jobs: Vec::new(), key: None };
        let most = self.quotas.overlaid_by(self.model.tenants[at].quotas).most(QuotaName::StoredBytes);
        let upper = self.stored_bytes(id) + lengths.iter().sum::<u64>() + 2 * CALLBACK_BYTES_MAX;
        let is_full = self.refused_by(at, 0, 0).is_some();
        let what = format!("a batch of {id:?}");
        let result = self.harness.store.create_batch(id, new).await;
        let Some(result) = self.acknowledged(result) else { return (format!("{what}: no commit"), Touches::Nobody) };
        match result {
            CreateBatchResult::Created(row) => {
                assert!(!is_full && most.is_none_or(|most| self.stored_bytes(id) <= most), "{what}: {row:?}");
                let follow = [0, 1].map(|which| (numbers[which], lengths[which]));
                self.model.tenants[at].batches.insert(row.id, follow);
                self.model.saw("batch made");
                (format!("{what}: {}", row.id), Touches::Only(id))
            }
            CreateBatchResult::OverQuota(quota) => {
                assert!(is_full || most.is_some_and(|most| upper > most), "{what}: {quota:?}");
                self.model.saw("batch refused");
                (what, Touches::Nobody)
            }
            other => panic!("{what}: {other:?}"),
        }
    }

    /// Its jobs have all ended, since there are none.
    async fn close_batch(&mut self, at: usize, batch: BatchId) -> Done {
        let id = self.model.tenants[at].id;
        let what = format!("{id:?} closes {batch}");
        let result = self.harness.store.close_batch(id, batch).await;
        let Some(result) = self.acknowledged(result) else { return (format!("{what}: no commit"), Touches::Nobody) };
        assert!(matches!(result, ChangeBatchResult::Changed { .. }), "{what}: {result:?}");
        let follow = self.model.tenants[at].batches.remove(&batch).expect("it was open");
        let found: [[u8; 16]; 2] = self
            .sql
            .query_row(FOLLOWING, [batch.to_bytes()], |row| Ok([row.get(0)?, row.get(1)?]))
            .expect("both follow");
        let day = day_of(Timestamp(self.now()));
        let tenant = &mut self.model.tenants[at];
        for (job, (number, bytes)) in found.map(JobId::from_bytes).into_iter().zip(follow) {
            tenant.jobs.insert(job, Job { number, ..Job::default() });
            let used = tenant.used.entry(day).or_default();
            (used.jobs, used.bytes_in) = (used.jobs + 1, used.bytes_in + bytes);
        }
        self.model.saw("batch closed");
        (what, Touches::Only(id))
    }

    /// The same are open that nobody has closed.
    pub(super) fn compare_batches(&self) {
        for tenant in self.model.tenants.iter().filter(|tenant| tenant.is_open()) {
            let mut statement = self.sql.prepare_cached(OPEN).unwrap();
            let rows = statement.query_map([tenant.id.0], |row| row.get(0).map(BatchId::from_bytes)).unwrap();
            let found: Vec<BatchId> = rows.map(Result::unwrap).collect();
            assert_eq!(found, tenant.batches.keys().copied().collect::<Vec<_>>(), "batches of {:?}", tenant.id);
        }
    }
}
