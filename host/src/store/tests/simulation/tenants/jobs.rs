//! Jobs: enqueued, deleted, looked at; and what one tenant's hand can't do to another's.

use super::model::Job;
use super::*;
use crate::job::QuotaName;
use crate::job::quota::day_of;

/// How long a key counts, ms.
const KEY_MS: i64 = 24 * 3_600 * 1_000;
/// Unfinished jobs of a tenant before fewer come.
const JOBS_MANY: u64 = 40;

impl Run {
    pub(super) fn payload(number: u64, padding: usize) -> Bytes {
        Bytes::from(format!("{{\"n\":{number},\"pad\":\"{}\"}}", "x".repeat(padding)))
    }

    /// The first quota of the tenant that has no room for so many jobs and bytes.
    pub(super) fn refused_by(&self, at: usize, jobs: u64, bytes: u64) -> Option<QuotaName> {
        let tenant = &self.model.tenants[at];
        let quotas = self.quotas.overlaid_by(tenant.quotas);
        let is_over = |name, used: u64, more: u64| quotas.most(name).is_some_and(|most| used + more > most);
        if is_over(QuotaName::WaitingJobs, tenant.waiting(), jobs) {
            return Some(QuotaName::WaitingJobs);
        }
        is_over(QuotaName::StoredBytes, self.stored_bytes(tenant.id), bytes).then_some(QuotaName::StoredBytes)
    }

    pub(super) async fn enqueue(&mut self) -> Done {
        let (at, number) = (self.any(), self.next());
        let (id, kind) = (self.model.tenants[at].id, self.model.tenants[at].kind);
        if self.model.tenants[at].waiting() > JOBS_MANY {
            return ("enough jobs".to_owned(), Touches::Nobody);
        }
        let padding = self.chance.below(40);
        let mut new = job(kind);
        new.spec.payload = Self::payload(number, padding);
        new.spec.queue = self.chance.pick(&["default", "mail"]).unwrap().parse().unwrap();
        new.spec.priority = u8::try_from(self.chance.below(10)).unwrap();
        let tag = self.chance.below(3);
        new.spec.tags = if self.chance.one_in(3) { vec![format!("tag {tag}")] } else { Vec::new() };
        let key = self.chance.below(3);
        new.spec.options.concurrency_key = self.chance.one_in(4).then(|| format!("key {key}"));
        // The same keys for everybody.
        let key = format!("request {}", self.chance.below(4));
        let is_keyed = self.chance.one_in(3);
        new.idempotency = is_keyed.then(|| IdempotencyKey { key: key.clone(), request_hash: [1; 32] });
        let key_bytes = new.idempotency.as_ref().map_or(0, |key| key.key.len() + 32 + 17);
        let refused = self.refused_by(at, 1, (new.spec.payload.len() + key_bytes) as u64);
        let bytes_in = new.spec.payload.len() as u64;
        let now = self.now();
        let known = self.model.tenants[at]
            .requests
            .get(&key)
            .filter(|(known, until)| is_keyed && *until > now && self.model.tenants[at].jobs.contains_key(known))
            .map(|(known, _)| *known);
        let result = self.harness.store.enqueue(id, new).await;
        let what = format!("enqueue {number} for {id:?}");
        let Some(result) = self.acknowledged(result) else { return (format!("{what}: no commit"), Touches::Nobody) };
        let is_open = self.model.tenants[at].is_open();
        match result {
            EnqueueResult::KindGone => assert!(!is_open, "{what}"),
            EnqueueResult::Replayed(row) => {
                assert_eq!(Some(row.id), known, "{what}: somebody else's answer");
                self.model.saw("replayed");
            }
            EnqueueResult::OverQuota(quota) => {
                assert_eq!(Some(quota.name), refused, "{what}: {quota:?}");
                self.model.saw_quota(quota.name);
            }
            EnqueueResult::Created(row) => {
                assert!(is_open && refused.is_none() && known.is_none(), "{what}: {refused:?} {known:?}");
                let tenant = &mut self.model.tenants[at];
                tenant.jobs.insert(row.id, Job { number, ..Job::default() });
                let before = is_keyed.then(|| tenant.requests.insert(key, (row.id, now + KEY_MS))).flatten();
                let used = tenant.used.entry(day_of(Timestamp(now))).or_default();
                (used.jobs, used.bytes_in) = (used.jobs + 1, used.bytes_in + bytes_in);
                if before.is_some_and(|(_, until)| until > now) {
                    self.model.saw("a key again whose job is deleted");
                }
                return (what, Touches::Only(id));
            }
            other => panic!("{other:?}"),
        }
        (what, Touches::Nobody)
    }

    pub(super) async fn delete_job(&mut self) -> Done {
        let at = self.any();
        let tenant = &self.model.tenants[at];
        let is_any = self.chance.one_in(3);
        let may_go = tenant.jobs.iter().filter(|(_, job)| is_any || job.ended_at.is_some());
        let ids: Vec<JobId> = may_go.map(|(id, _)| *id).collect();
        let (of, Some(id)) = (tenant.id, self.chance.pick(&ids)) else {
            return ("nothing to delete".to_owned(), Touches::Nobody);
        };
        let result = self.harness.store.delete(of, id).await;
        let Some(result) = self.acknowledged(result) else { return ("delete: no commit".to_owned(), Touches::Nobody) };
        let (has_ended, is_open) =
            (self.model.tenants[at].jobs[&id].ended_at.is_some(), self.model.tenants[at].is_open());
        // Its removal may have come first.
        assert!((result == DeleteResult::Deleted) == has_ended || !is_open, "{result:?}");
        if has_ended {
            self.model.tenants[at].jobs.remove(&id);
        }
        (format!("delete {id} of {of:?}"), Touches::Only(of))
    }

    /// One tenant names what is another's.
    pub(super) async fn trespass(&mut self) -> Done {
        self.disarm();
        let (one, other) = (self.any(), self.any());
        let (hand, of) = (self.model.tenants[one].id, self.model.tenants[other].id);
        let ids: Vec<JobId> = self.model.tenants[other].jobs.keys().copied().collect();
        let Some(id) = self.chance.pick(&ids).filter(|_| one != other) else {
            return ("nobody else's".to_owned(), Touches::Nobody);
        };
        let store = &self.harness.store;
        assert!(store.job(hand, id).await.unwrap().is_none());
        assert!(store.attempts(hand, id).await.unwrap().is_none());
        assert!(store.history(hand, id).await.unwrap().is_none());
        assert!(store.logs(hand, id, None).await.unwrap().is_none_or(|page| page.items.is_empty()));
        assert!(matches!(store.cancel(hand, id).await.unwrap(), CancelResult::NotFound));
        assert!(matches!(store.retry(hand, id).await.unwrap(), RetryResult::NotFound));
        assert!(matches!(store.run_now(hand, id).await.unwrap(), RunNowResult::NotFound));
        assert!(matches!(store.edit(hand, id, JobEdit::default()).await.unwrap(), EditResult::NotFound));
        assert_eq!(store.delete(hand, id).await.unwrap(), DeleteResult::NotFound);
        let kind = self.model.tenants[other].kind;
        assert!(matches!(store.enqueue(hand, job(kind)).await.unwrap(), EnqueueResult::KindGone));
        self.model.saw("trespass");
        (format!("{hand:?} wants {id} of {of:?}"), Touches::Nobody)
    }

    /// Every tenant sees its jobs, with what they were given, and no other's.
    pub(super) async fn compare_jobs(&mut self) {
        for at in 0..self.model.tenants.len() {
            let tenant = &self.model.tenants[at];
            let mut found: BTreeSet<JobId> = BTreeSet::new();
            let mut cursor = None;
            loop {
                let page = self.harness.store.jobs(tenant.id, JobFilter::default(), 500, cursor).await.unwrap();
                found.extend(page.items.iter().map(|row| row.id));
                cursor = page.next;
                if cursor.is_none() {
                    break;
                }
            }
            // What its removal has taken is not known here.
            let own: BTreeSet<JobId> = tenant.jobs.keys().copied().collect();
            let is_right = if tenant.is_open() { found == own } else { found.is_subset(&own) };
            assert!(is_right, "{:?} sees {found:?}, and has {own:?}", tenant.id);
            let Some(id) = self.chance.pick(&found.into_iter().collect::<Vec<_>>()) else { continue };
            let tenant = &self.model.tenants[at];
            let detail = self.harness.store.job(tenant.id, id).await.unwrap().unwrap();
            let payload: serde_json::Value = serde_json::from_slice(&detail.payload).unwrap();
            assert_eq!(payload["n"], tenant.jobs[&id].number, "{id}");
            assert_eq!(detail.row.state.is_terminal(), tenant.jobs[&id].ended_at.is_some(), "{id}");
        }
    }
}
