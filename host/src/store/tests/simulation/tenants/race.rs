//! The end of a run: who goes is gone, who is left is let run, nothing was lost, and those who always have work get the run time
//! that their weights say.

use std::collections::BTreeMap;

use super::*;
use crate::job::{Most, Quotas};

/// Tenants that race.
const RACERS: usize = 3;
/// Jobs each has at least, while it lasts.
const JOBS_MIN: usize = 60;
/// Claims before anything counts, and those that do.
const CLAIMS: [usize; 2] = [60, 300];
/// The largest job, µs.
const COST_US_MAX: usize = 6_000;

impl Run {
    pub(super) async fn race(&mut self) {
        self.disarm();
        self.let_go().await;
        while self.model.tenants.len() < RACERS {
            self.create_tenant().await;
        }
        self.let_run().await;
        let racers: Vec<TenantId> = self.model.tenants.iter().take(RACERS).map(|tenant| tenant.id).collect();
        let mut weights = BTreeMap::new();
        let mut costs = BTreeMap::new();
        for (at, racer) in racers.iter().enumerate() {
            let weight = 5 + u32::try_from(self.chance.below(36)).unwrap();
            self.set(at, TenantChange { weight: Some(weight), ..TenantChange::default() }).await;
            weights.insert(*racer, f64::from(weight));
            costs.insert(*racer, 300 + self.chance.below(COST_US_MAX) as u64);
        }
        self.run_for(CLAIMS[0], &racers, &costs).await;
        let used = self.run_for(CLAIMS[1], &racers, &costs).await;
        #[allow(clippy::cast_precision_loss)] // Some seconds.
        let used: BTreeMap<TenantId, f64> = used.into_iter().map(|(tenant, us)| (tenant, us as f64)).collect();
        let (all, all_weights): (f64, f64) = (used.values().sum(), weights.values().sum());
        for (tenant, used) in &used {
            let due = all * weights[tenant] / all_weights;
            // A tenth, and what was going on at the beginning and the end.
            #[allow(clippy::cast_precision_loss)]
            let bound = due / 10.0 + (SLOTS as usize * COST_US_MAX) as f64;
            assert!((used - due).abs() <= bound, "{tenant:?} used {used} µs of {all}, and {due} were due: {weights:?}");
        }
        self.compare(0, Touches::Anybody).await;
        let sound: String = self.sql.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(sound, "ok");
    }

    /// Whoever is to go goes.
    async fn let_go(&mut self) {
        while let Some(tenant) = self.model.tenants.iter().find(|tenant| !tenant.is_open()).map(|tenant| tenant.id) {
            let at = self.leases.iter().position(|(of, _)| *of == tenant);
            if let Some((of, lease)) = at.map(|at| self.leases.swap_remove(at)) {
                self.finish_with(of, lease, Next::Cancel(failure()), Receipt::default()).await;
            }
            self.remove_further().await;
            self.compare(0, Touches::Anybody).await;
        }
    }

    /// Everybody runs until nothing is left to be run.
    async fn let_run(&mut self) {
        for at in 0..self.model.tenants.len() {
            let change = TenantChange {
                quotas: Some(Quotas { waiting_jobs: Some(Most::Of(10_000)), ..Quotas::default() }),
                state: Some(TenantState::Active),
                ..TenantChange::default()
            };
            self.set(at, change).await;
        }
        for _ in 0..2_000 {
            if self.model.tenants.iter().all(|tenant| tenant.jobs.values().all(|job| job.ended_at.is_some())) {
                return;
            }
            self.harness.clock.advance(1_000);
            self.hosts_beat().await;
            self.harness.store.promote_due(1_000).await.unwrap();
            self.claim().await;
            while let Some((tenant, lease)) = self.leases.pop() {
                let done = Next::Succeed(Bytes::from_static(b"1"));
                self.finish_with(tenant, lease, done, Receipt::default()).await;
            }
        }
        panic!("left behind: {:#?}", self.model.tenants);
    }

    async fn hosts_beat(&self) {
        for host in self.hosts {
            assert!(self.harness.store.heartbeat(host).await.unwrap().registered);
        }
    }

    /// So many claims of various sizes, while all of them always have jobs; the run time each got, µs.
    async fn run_for(
        &mut self,
        claims: usize,
        racers: &[TenantId],
        costs: &BTreeMap<TenantId, u64>,
    ) -> BTreeMap<TenantId, u64> {
        let mut used: BTreeMap<TenantId, u64> = racers.iter().map(|tenant| (*tenant, 0)).collect();
        for _ in 0..claims {
            for tenant in racers {
                self.fill(*tenant).await;
            }
            let jobs_max = self.chance.up_to(SLOTS as usize);
            let claimed = self.claim_from_store(request(self.hosts[0], jobs_max)).await.unwrap();
            assert_eq!(claimed.jobs.len(), jobs_max, "no slot is empty while somebody waits");
            for job in claimed.jobs {
                let (tenant, lease) = (job.kind.tenant, job.lease);
                self.model.of(tenant).jobs.get_mut(&lease.job()).unwrap().is_held = true;
                let receipt = Receipt { run_us: costs[&tenant], ..Receipt::default() };
                *used.entry(tenant).or_default() += receipt.run_us;
                self.finish_with(tenant, lease, Next::Succeed(Bytes::from_static(b"1")), receipt).await;
            }
            self.stale.clear();
        }
        used
    }

    /// It has as many jobs as it needs to be always in line.
    async fn fill(&mut self, tenant: TenantId) {
        let waiting = usize::try_from(self.model.of(tenant).waiting()).unwrap();
        if waiting >= JOBS_MIN {
            return;
        }
        let kind = self.model.of(tenant).kind;
        let jobs = vec![job(kind); 2 * JOBS_MIN];
        let bytes_in = jobs.iter().map(|job| job.spec.payload.len() as u64).sum::<u64>();
        let BatchResult::Done(items) =
            self.harness.store.enqueue_batch(tenant, jobs, true, None, Vec::new()).await.unwrap()
        else {
            panic!("{tenant:?} may have so many")
        };
        let day = crate::job::quota::day_of(Timestamp(self.now()));
        let known = self.model.of(tenant);
        let used = known.used.entry(day).or_default();
        (used.jobs, used.bytes_in) = (used.jobs + items.len() as u64, used.bytes_in + bytes_in);
        for item in items {
            let BatchItem::Created(id) = item else { panic!("{item:?}") };
            known.jobs.insert(id, super::model::Job { number: 1, ..Default::default() });
        }
    }
}
