//! Every meter is what a recount says: of the rows (`there.rs`), of what the answers said, and of what the writer remembers.

use std::collections::BTreeMap;

use super::model::Used;
use super::there::{There, stored};
use super::*;
use crate::job::{JobState, QuotaName};

/// The largest cost of a job here, and what its kind may be taken to cost, µs.
const COST_US_MAX: i64 = 10_000;
/// The largest weight here, and what it may use in a round after it sat others out, µs.
const QUANTUM_US_MAX: i64 = 40 * 2_000 * 3 / 2;
/// Nobody has been given, or owes, more: a round, and what is held comes back or costs more than was thought.
const BALANCE_US_MAX: i64 = QUANTUM_US_MAX + 2 * 40 * COST_US_MAX;

impl Run {
    /// Payloads, outputs, logs and whatever else counts, added up.
    pub(super) fn stored_bytes(&self, tenant: TenantId) -> u64 {
        stored(&self.sql).one(tenant)
    }

    pub(super) async fn recount(&mut self) {
        assert_counters_are(&self.sql);
        let there = There::read(&self.sql);
        for tenant in &self.model.tenants {
            let id = tenant.id;
            let row = self.harness.store.tenant(id).await.unwrap().expect("it is there");
            for quota in &row.quota_uses {
                let counted = match quota.name {
                    QuotaName::WaitingJobs => there.waiting.one(id),
                    QuotaName::RunningJobs => there.held.one(id),
                    QuotaName::StoredBytes => there.stored.one(id),
                    QuotaName::KvBytes => there.kv.both(id).1,
                    QuotaName::Secrets => there.secrets.one(id),
                    QuotaName::Schedules => there.schedules.one(id),
                    QuotaName::Modules => there.modules.one(id),
                    _ => continue,
                };
                // A module of a tenant that goes is retired before its row is gone.
                let is_settled = tenant.is_open() || quota.name != QuotaName::Modules;
                assert!(!is_settled || quota.used == Some(counted), "{id:?}: {quota:?}, and {counted} are there");
            }
            let shown = row.counts.iter().filter(|(_, jobs)| *jobs > 0);
            let shown: BTreeMap<&str, u64> =
                shown.map(|(state, jobs): &(JobState, u64)| (state.as_str(), *jobs)).collect();
            assert_eq!(shown, there.states(id), "{id:?}");
            self.recount_tenant(&there, tenant);
        }
        for Tenant { id, .. } in self.model.tenants.iter().chain(&self.model.gone) {
            assert_eq!(there.kept_audit.both(*id), there.audit.both(*id), "audit log of {id:?}");
        }
        if there.kept_audit.one(TENANT) > 0 {
            self.model.saw("in the audit log");
        }
        self.recount_usage().await;
        self.recount_memory(&there).await;
    }

    fn recount_tenant(&self, there: &There, tenant: &Tenant) {
        let id = tenant.id;
        assert_eq!(there.kept_stored.one(id), there.stored.one(id), "stored bytes of {id:?}");
        assert_eq!(there.kept_kv.both(id), there.kv.both(id), "kv of {id:?}");
        let held = self.leases.iter().filter(|(of, _)| *of == id).count() as u64;
        assert_eq!((there.held.one(id), tenant.held()), (held, held), "held of {id:?}");
        if tenant.is_open() {
            assert_eq!(there.waiting.one(id), tenant.waiting(), "{id:?}");
            assert_eq!(there.kv.both(id), (tenant.kv.len() as u64, tenant.kv_bytes()), "{id:?}");
        }
    }

    /// Of everybody who ever was, by day.
    async fn recount_usage(&self) {
        let rows = self.harness.store.usage(None, UsageFilter::default(), None, 500).await.unwrap();
        let mut found: BTreeMap<(String, i64), Used> = BTreeMap::new();
        for row in rows {
            let name = row.tenant.as_ref().expect("its name is kept as long as its usage").to_string();
            let used = found.entry((name, row.day)).or_default();
            used.jobs += row.jobs;
            used.fuel += row.fuel;
            used.run_us += row.run_us;
            used.bytes_in += row.bytes_in;
            used.http_calls += row.http_calls;
        }
        let mut expected: BTreeMap<(String, i64), Used> = BTreeMap::new();
        for tenant in self.model.tenants.iter().chain(&self.model.gone) {
            for (day, more) in &tenant.used {
                // One of the same name may have been there before.
                let used = expected.entry((tenant.name.clone(), *day)).or_default();
                used.jobs += more.jobs;
                used.fuel += more.fuel;
                used.run_us += more.run_us;
                used.bytes_in += more.bytes_in;
                used.http_calls += more.http_calls;
            }
        }
        assert_eq!(found, expected, "usage");
    }

    /// What the writer remembers beside the rows.
    async fn recount_memory(&self, there: &There) {
        let tenants: Vec<TenantId> = self.model.tenants.iter().map(|tenant| tenant.id).collect();
        let gone: Vec<TenantId> = self.model.gone.iter().map(|tenant| tenant.id).collect();
        let look = move |_: &rusqlite::Connection, draft: &mut Draft| {
            let of = |tenant: TenantId| draft.meter.tallied(tenant);
            let left: Vec<TenantId> = gone.iter().copied().filter(|tenant| of(*tenant).is_some()).collect();
            let tallies = tenants.iter().map(|tenant| (*tenant, of(*tenant).unwrap_or_default()));
            Ok((left, tallies.collect::<Vec<_>>(), draft.shares.charged(), draft.shares.balances()))
        };
        let (left, tallies, charged, balances) = self.harness.store.write(Durability::Relaxed, look).await.unwrap();
        assert!(left.is_empty(), "tallies of nobody: {left:?}");
        for (tenant, (waiting, stored)) in tallies {
            let counted = (there.waiting.one(tenant), there.stored.one(tenant));
            assert_eq!((u64::try_from(waiting).unwrap(), u64::try_from(stored).unwrap()), counted, "{tenant:?}");
        }
        let held: BTreeSet<JobId> = self.leases.iter().map(|(_, lease)| lease.job()).collect();
        assert!(charged.is_subset(&held), "charged is what runs: {charged:?}, {held:?}");
        assert!(held.iter().all(|job| charged.contains(job) || self.reported.contains(job)), "{charged:?}, {held:?}");
        for (tenant, balance_us) in balances {
            assert!(balance_us.abs() <= BALANCE_US_MAX, "{tenant:?} stands at {balance_us} µs");
        }
    }
}
