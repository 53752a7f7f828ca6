//! Every meter is what a recount says: of the rows, of what the answers said, and of what the writer remembers.

use std::collections::BTreeMap;

use super::model::Used;
use super::*;
use crate::job::{JobState, QuotaName};

const STORED: &str = "SELECT
    (SELECT coalesce(sum(length(body)), 0) FROM payloads JOIN all_jobs ON id = job_id WHERE tenant_id = ?1)
    + (SELECT coalesce(sum(length(body)), 0) FROM outputs JOIN all_jobs ON id = job_id WHERE tenant_id = ?1)
    + (SELECT coalesce(sum(length(lines)), 0) FROM attempt_logs JOIN all_jobs ON id = job_id WHERE tenant_id = ?1)
    + (SELECT coalesce(sum(coalesce(octet_length(on_success), 0) + coalesce(octet_length(on_failure), 0)
        + coalesce(octet_length(on_finish), 0)), 0) FROM batches WHERE tenant_id = ?1)
    + (SELECT coalesce(sum(length(payload) + octet_length(definition) + coalesce(octet_length(declared), 0)), 0)
        FROM schedules WHERE tenant_id = ?1)
    + (SELECT coalesce(sum(octet_length(key) + length(request_hash) + length(jobs) + coalesce(length(answers), 0)), 0)
        FROM idempotency_keys WHERE tenant_id = ?1)";
const WITH_JOBS: &str =
    "WITH all_jobs AS (SELECT id, tenant_id FROM live_jobs UNION ALL SELECT id, tenant_id FROM finished_jobs) ";
const WAITING: &str = "SELECT count(*) FROM live_jobs WHERE tenant_id = ?1 AND state <> 'running'";
const STATES: &str = "SELECT state, count(*) FROM (SELECT tenant_id, state FROM live_jobs
    UNION ALL SELECT tenant_id, state FROM finished_jobs) WHERE tenant_id = ?1 GROUP BY state";
const KV: &str =
    "SELECT count(*), coalesce(sum(length(CAST(bucket AS BLOB)) + length(CAST(key AS BLOB)) + length(value)), 0)
    FROM kv_entries WHERE tenant_id = ?1";
const KEPT_KV: &str = "SELECT coalesce(sum(keys), 0), coalesce(sum(bytes), 0) FROM kv_usage WHERE tenant_id = ?1";
const SECRETS: &str = "SELECT count(*) FROM secrets WHERE tenant_id = ?1";
const SCHEDULES: &str = "SELECT count(*) FROM schedules WHERE tenant_id = ?1";
const MODULES: &str = "SELECT count(*) FROM modules WHERE tenant_id = ?1";

/// The largest cost of a job here, and what its kind may be taken to cost, µs.
const COST_US_MAX: i64 = 10_000;
/// The largest weight here, and what it may use in a round, µs.
const QUANTUM_US_MAX: i64 = 40 * 100;
/// Nobody has been given, or owes, more: a round, and what is held comes back or costs more than was thought.
const BALANCE_US_MAX: i64 = QUANTUM_US_MAX + 2 * 40 * COST_US_MAX;

impl Run {
    fn one(&self, query: &str, tenant: TenantId) -> u64 {
        self.sql.prepare_cached(query).unwrap().query_row([tenant.0], |row| row.get(0)).unwrap()
    }

    fn two(&self, query: &str, tenant: TenantId) -> (u64, u64) {
        let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
        self.sql.prepare_cached(query).unwrap().query_row([tenant.0], row).unwrap()
    }

    /// Payloads, outputs, logs and whatever else counts, added up.
    pub(super) fn stored_bytes(&self, tenant: TenantId) -> u64 {
        self.one(&format!("{WITH_JOBS}{STORED}"), tenant)
    }

    pub(super) async fn recount(&self) {
        assert_counters_hold(&self.harness.database());
        for tenant in &self.model.tenants {
            let id = tenant.id;
            let row = self.harness.store.tenant(id).await.unwrap().expect("it is there");
            for quota in &row.quota_uses {
                let counted = match quota.name {
                    QuotaName::WaitingJobs => self.one(WAITING, id),
                    QuotaName::RunningJobs => self.leases.iter().filter(|(of, _)| *of == id).count() as u64,
                    QuotaName::StoredBytes => self.stored_bytes(id),
                    QuotaName::KvBytes => self.two(KV, id).1,
                    QuotaName::Secrets => self.one(SECRETS, id),
                    QuotaName::Schedules => self.one(SCHEDULES, id),
                    QuotaName::Modules => self.one(MODULES, id),
                    _ => continue,
                };
                // A module of a tenant that goes is retired before its row is gone.
                let is_settled = tenant.is_open() || quota.name != QuotaName::Modules;
                assert!(!is_settled || quota.used == Some(counted), "{id:?}: {quota:?}, and {counted} are there");
            }
            assert_eq!(self.two(KEPT_KV, id), self.two(KV, id), "kv of {id:?}");
            self.recount_jobs(id, &row);
            if tenant.is_open() {
                assert_eq!(self.one(WAITING, id), tenant.waiting(), "{id:?}");
                assert_eq!(self.two(KV, id), (tenant.kv.len() as u64, tenant.kv_bytes()), "{id:?}");
            }
        }
        self.recount_usage().await;
        self.recount_memory().await;
    }

    fn recount_jobs(&self, id: TenantId, row: &TenantRow) {
        let mut statement = self.sql.prepare_cached(STATES).unwrap();
        let counted: BTreeMap<String, u64> =
            statement.query_map([id.0], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().map(Result::unwrap).collect();
        let shown: BTreeMap<String, u64> = row
            .counts
            .iter()
            .filter(|(_, jobs)| *jobs > 0)
            .map(|(state, jobs): &(JobState, u64)| (state.as_str().to_owned(), *jobs))
            .collect();
        assert_eq!(shown, counted, "{id:?}");
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
    async fn recount_memory(&self) {
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
            let counted = (self.one(WAITING, tenant), self.stored_bytes(tenant));
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
