//! Who runs jobs: they are claimed, shown as running, ended, and given back.

use super::*;
use crate::job::quota::day_of;
use crate::job::{LogLevel, LogLine, Most};

/// Leases of this process at once.
const LEASES_MANY: usize = 24;

const CLAIMABLE: &str = "SELECT count(*) FROM live_jobs WHERE tenant_id = ?1 AND state = 'ready' AND lease_host IS NULL
    AND suspect = 0 AND parked IS NULL";

impl Run {
    pub(super) async fn claim(&mut self) -> Done {
        if self.leases.len() > LEASES_MANY {
            return ("enough leases".to_owned(), Touches::Nobody);
        }
        let host = self.chance.pick(&self.hosts).unwrap();
        let jobs_max = self.chance.up_to(8);
        let claimed = self.claim_from_store(request(host, jobs_max)).await;
        let Some(claimed) = self.acknowledged(claimed) else {
            return ("claim: no commit".to_owned(), Touches::Nobody);
        };
        let is_all = claimed.jobs.len() < jobs_max && !claimed.more;
        let given: Vec<String> = claimed.jobs.iter().map(|job| job.lease.job().to_string()).collect();
        let day = day_of(Timestamp(self.now()));
        let mut of: BTreeSet<TenantId> = BTreeSet::new();
        for job in claimed.jobs {
            let (tenant, lease) = (job.kind.tenant, job.lease);
            let known = self.model.of(tenant);
            assert_eq!(known.state, TenantState::Active, "a job of {tenant:?} begins");
            let spent = known.used.get(&day).copied().unwrap_or_default().fuel;
            assert!(
                known.quotas.fuel_per_day.and_then(Most::limit).is_none_or(|most| spent < most),
                "{tenant:?} has used {spent}"
            );
            let waits = known.jobs.get_mut(&lease.job()).expect("its tenant's own");
            assert!(!waits.is_held && waits.ended_at.is_none(), "{waits:?}");
            waits.is_held = true;
            self.reported.remove(&lease.job());
            of.insert(tenant);
            self.leases.push((tenant, lease));
        }
        for tenant in of {
            let known = self.model.of(tenant);
            let most = known.quotas.running_jobs.and_then(Most::limit).map_or(u64::MAX, u64::from);
            assert!(known.held() <= most, "{} of {most} jobs run for {tenant:?}", known.held());
        }
        if is_all {
            self.assert_nobody_waits(day);
        }
        (format!("claim {jobs_max}: {given:?}"), Touches::Anybody)
    }

    pub(super) async fn claim_from_store(&self, request: ClaimRequest) -> Result<Claimed, StoreError> {
        let claim = move |sql: &rusqlite::Connection, draft: &mut Draft| {
            super::super::super::super::claim::claim(sql, draft, &request)
        };
        self.harness.store.write(Durability::Relaxed, claim).await
    }

    /// There was room for more: whoever still has something that could begin is kept from it by something that is its own.
    fn assert_nobody_waits(&mut self, day: i64) {
        let mut saw = Vec::new();
        for tenant in &self.model.tenants {
            let waiting: u64 =
                self.sql.prepare_cached(CLAIMABLE).unwrap().query_row([tenant.id.0], |row| row.get(0)).unwrap();
            if waiting == 0 {
                continue;
            }
            let fuel = tenant.used.get(&day).copied().unwrap_or_default().fuel;
            if tenant.state != TenantState::Active {
                saw.extend((tenant.state == TenantState::Suspended).then_some("nothing of a suspended tenant began"));
            } else if tenant
                .quotas
                .running_jobs
                .and_then(Most::limit)
                .is_some_and(|most| tenant.held() >= u64::from(most))
            {
                saw.push("a claim keeps to running_jobs");
            } else if tenant.quotas.fuel_per_day.and_then(Most::limit).is_some_and(|most| fuel >= most) {
                saw.push("fuel_per_day");
            } else {
                panic!("{waiting} jobs of {:?} could begin, and did not: {tenant:#?}", tenant.id);
            }
        }
        self.model.seen.extend(saw);
    }

    fn take_lease(&mut self) -> Option<(TenantId, Lease)> {
        (!self.leases.is_empty()).then(|| self.leases.swap_remove(self.chance.below(self.leases.len())))
    }

    pub(super) async fn finish(&mut self) -> Done {
        let Some((tenant, lease)) = self.take_lease() else {
            return ("nothing to finish".to_owned(), Touches::Nobody);
        };
        let now = Timestamp(self.now());
        let next = match self.chance.below(10) {
            0..4 => Next::Succeed(Self::payload(0, self.chance.below(30))),
            4..6 => Next::Fail(failure()),
            6 | 7 => Next::Retry(failure(), Timestamp(now.as_ms() + self.chance.between(0, 9_000))),
            8 => Next::Suspend(Timestamp(now.as_ms() + self.chance.between(0, 9_000))),
            _ => Next::GiveBack(failure()),
        };
        let receipt = Receipt {
            run_us: self.chance.up_to(10_000) as u64,
            fuel_used: self.chance.up_to(1_000) as u64,
            http_calls: self.chance.below(3) as u64,
            ..Receipt::default()
        };
        self.finish_with(tenant, lease, next, receipt).await
    }

    pub(super) async fn finish_with(&mut self, tenant: TenantId, lease: Lease, next: Next, receipt: Receipt) -> Done {
        let (id, kept, now) = (lease.job(), copy(&lease), Timestamp(self.now()));
        let what = format!("finish {id} of {tenant:?} with {next:?}");
        let line = LogLine { at: now, level: LogLevel::Info, message: "said".into() };
        let ended = Finish { receipt, log: vec![line], ..finish(lease, next.clone(), now) };
        match self.harness.store.finish(ended).await {
            Ok(FinishResult::Finished(state)) => {
                assert!(!self.armed);
                let known = self.model.of(tenant);
                let is_deleting = !known.is_open();
                let job = known.jobs.get_mut(&id).expect("it was held");
                (job.is_held, job.is_shown) = (false, false);
                job.ended_at = state.is_terminal().then_some(now.as_ms());
                let used = known.used.entry(day_of(now)).or_default();
                used.fuel += receipt.fuel_used;
                used.run_us += receipt.run_us;
                used.http_calls += receipt.http_calls;
                if is_deleting && state == crate::job::JobState::Cancelled {
                    self.model.saw("cancelled by its tenant's deletion");
                }
                self.stale.push((tenant, kept));
                (what, Touches::Only(tenant))
            }
            Ok(FinishResult::StaleLease) => panic!("{what}: the lease is stale"),
            Err((back, error)) => {
                assert!(self.armed, "{error}");
                self.reported.insert(id);
                self.leases.push((tenant, back.lease));
                (what, Touches::Nobody)
            }
        }
    }

    pub(super) async fn stale_finish(&mut self) -> Done {
        let Some((_, lease)) = self.stale.pop() else { return ("nothing stale".to_owned(), Touches::Nobody) };
        let stale = finish(lease, Next::Succeed(Bytes::from_static(b"1")), Timestamp(self.now()));
        self.disarm();
        assert_eq!(self.harness.store.finish(stale).await.unwrap(), FinishResult::StaleLease);
        ("a stale finish".to_owned(), Touches::Nobody)
    }

    pub(super) async fn release(&mut self) -> Done {
        let Some((tenant, lease)) = self.take_lease() else {
            return ("nothing to release".to_owned(), Touches::Nobody);
        };
        let (id, kept) = (lease.job(), copy(&lease));
        let result = self.harness.store.release(vec![lease], None).await;
        if self.acknowledged(result).is_none() {
            self.reported.insert(id);
            self.leases.push((tenant, kept));
            return (format!("release {id}: no commit"), Touches::Nobody);
        }
        self.stale.push((tenant, kept));
        self.was_let_go(tenant, id).await;
        (format!("release {id}"), Touches::Only(tenant))
    }

    /// Nobody holds it any more; whether it has ended by that, the store says.
    pub(super) async fn was_let_go(&mut self, tenant: TenantId, id: JobId) {
        let now = self.now();
        let detail = self.harness.store.job(tenant, id).await.unwrap().expect("nothing is lost");
        let job = self.model.of(tenant).jobs.get_mut(&id).unwrap();
        (job.is_held, job.is_shown) = (false, false);
        job.ended_at = detail.row.state.is_terminal().then_some(now);
    }

    pub(super) async fn show_running(&mut self) -> Done {
        let held: Vec<(TenantId, LeaseKey)> =
            self.leases.iter().map(|(tenant, lease)| (*tenant, (lease.job(), lease.number()))).collect();
        let Some((tenant, key)) = self.chance.pick(&held) else {
            return ("nothing to show".to_owned(), Touches::Nobody);
        };
        let result = self.harness.store.mark_running(vec![(key, Timestamp(self.now()))]).await;
        if let Some(stale) = self.acknowledged(result) {
            assert!(stale.is_empty());
            self.model.of(tenant).jobs.get_mut(&key.0).unwrap().is_shown = true;
        }
        (format!("show {} as running", key.0), Touches::Only(tenant))
    }
}
