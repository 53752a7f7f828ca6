//! What tenants use: kept in memory beside what they may, and gathered for the rows of usage. Like the counters, the changes of one
//! transaction are a list, written as sums by its commit and taken back with it.

use std::sync::Arc;

use parking_lot::RwLock;
use rusqlite::{Connection, OptionalExtension, params};
use rustc_hash::FxHashMap;

use super::catalog::{Catalog, KindId, TenantId};
use super::error::StoreError;
use crate::job::quota::{day_of, until_next_day};
use crate::job::{Bucket, JobId, JobState, Most, QuotaExceeded, QuotaName, Quotas, Rate, Receipt, Timestamp};

const WAITING: &str = "SELECT tenant_id, sum(jobs) FROM counters
    WHERE state IN ('ready', 'scheduled', 'blocked', 'retrying') GROUP BY tenant_id";
const STORED: &str = "SELECT tenant_id, bytes FROM stored_bytes";
// Not of those that are gone: only their bills are left.
const SPENT: &str = "SELECT tenant_id, sum(fuel), sum(run_us) FROM usage INDEXED BY usage_by_day
    WHERE day = ?1 AND tenant_id IN (SELECT id FROM tenants) GROUP BY tenant_id";
const SCAN: &str = "SELECT came_to, until FROM stored_bytes_scan";
const ADD_STORED: &str = "INSERT INTO stored_bytes (tenant_id, bytes) VALUES (?1, ?2)
    ON CONFLICT (tenant_id) DO UPDATE SET bytes = bytes + excluded.bytes";
const ADD_USAGE: &str =
    "INSERT INTO usage (tenant_id, day, kind, jobs, attempts, fuel, run_us, bytes_in, bytes_out, bytes_stored, http_calls)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
    ON CONFLICT (tenant_id, day, kind) DO UPDATE SET jobs = jobs + excluded.jobs, attempts = attempts + excluded.attempts,
        fuel = fuel + excluded.fuel, run_us = run_us + excluded.run_us, bytes_in = bytes_in + excluded.bytes_in,
        bytes_out = bytes_out + excluded.bytes_out, bytes_stored = bytes_stored + excluded.bytes_stored,
        http_calls = http_calls + excluded.http_calls";
const SCANNED: &str =
    "SELECT job_id, length(body) FROM payloads WHERE job_id > ?1 AND job_id <= ?2 ORDER BY job_id LIMIT ?3";
const SCANNED_OUTPUTS: &str = "SELECT coalesce(sum(length(body)), 0) FROM outputs WHERE job_id > ?1 AND job_id <= ?2";
const SCANNED_LOGS: &str =
    "SELECT coalesce(sum(length(lines)), 0) FROM attempt_logs WHERE job_id > ?1 AND job_id <= ?2";
const SCANNED_STEPS: &str = "SELECT coalesce(sum(length(result)), 0) FROM job_steps WHERE job_id > ?1 AND job_id <= ?2";
const SCAN_COMES_TO: &str = "UPDATE stored_bytes_scan SET came_to = ?1";
const SCAN_IS_DONE: &str = "DELETE FROM stored_bytes_scan";

/// Jobs whose bytes are added up by one operation.
const SCANNED_JOBS_MAX: usize = 1_000;
/// An enqueue rate saves up so many seconds.
const ENQUEUES_SAVED_S: u32 = 2;

/// Which rows of usage are one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct UsedBy {
    tenant: TenantId,
    day: i64,
    kind: KindId,
}

#[derive(Clone, Copy, Debug, Default)]
struct Used {
    jobs: i64,
    attempts: i64,
    fuel: i64,
    run_us: i64,
    bytes_in: i64,
    bytes_out: i64,
    bytes_stored: i64,
    http_calls: i64,
}

impl Used {
    fn add(&mut self, other: &Used) {
        let Used { jobs, attempts, fuel, run_us, bytes_in, bytes_out, bytes_stored, http_calls } = other;
        self.jobs += jobs;
        self.attempts += attempts;
        self.fuel = self.fuel.saturating_add(*fuel);
        self.run_us = self.run_us.saturating_add(*run_us);
        self.bytes_in += bytes_in;
        self.bytes_out += bytes_out;
        self.bytes_stored += bytes_stored;
        self.http_calls += http_calls;
    }
}

#[derive(Clone, Copy, Debug)]
enum Change {
    Waiting(TenantId, i64),
    Stored(TenantId, i64),
    Used(UsedBy, Used),
}

/// What a tenant uses now.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    waiting: i64,
    stored: i64,
    /// Of what follows.
    day: i64,
    fuel: i64,
    run_us: i64,
}

/// Which daily quota a tenant has used up, and on which day. For those who ask why a job waits.
pub(super) type SpentTenants = Arc<RwLock<FxHashMap<TenantId, (QuotaName, i64)>>>;

/// What was kept before any of this was counted, and is not added up yet: jobs after the first and up to the second id.
type Unscanned = Option<(Vec<u8>, Vec<u8>)>;

/// See the file's head. One per writer.
#[derive(Debug)]
pub(super) struct Meter {
    host: Quotas,
    tallies: FxHashMap<TenantId, Tally>,
    changes: Vec<Change>,
    /// Changes before here belong to operations that are done.
    settled: usize,
    /// Jobs enqueued lately, where that is limited. Not taken back: a refusal in between is only an early one.
    enqueued: FxHashMap<TenantId, Bucket>,
    unscanned: Unscanned,
    spent: SpentTenants,
}

fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn bytes(length: usize) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}

impl Meter {
    /// As the rows have it. `host`: what tenants may use on which nothing is set.
    pub(super) fn load(sql: &Connection, host: Quotas, now: Timestamp) -> Result<Self, StoreError> {
        let mut tallies: FxHashMap<TenantId, Tally> = FxHashMap::default();
        let day = day_of(now);
        let mut rows = sql.prepare_cached(WAITING)?;
        let mut rows = rows.query([])?;
        while let Some(row) = rows.next()? {
            tallies.entry(TenantId(row.get(0)?)).or_default().waiting = row.get(1)?;
        }
        let mut stored = sql.prepare_cached(STORED)?;
        let mut stored = stored.query([])?;
        while let Some(row) = stored.next()? {
            tallies.entry(TenantId(row.get(0)?)).or_default().stored = row.get(1)?;
        }
        let mut spent = sql.prepare_cached(SPENT)?;
        let mut spent = spent.query([day])?;
        while let Some(row) = spent.next()? {
            let tally = tallies.entry(TenantId(row.get(0)?)).or_default();
            (tally.day, tally.fuel, tally.run_us) = (day, row.get(1)?, row.get(2)?);
        }
        Ok(Self {
            host,
            tallies,
            changes: Vec::new(),
            settled: 0,
            enqueued: FxHashMap::default(),
            unscanned: unscanned(sql)?,
            spent: SpentTenants::default(),
        })
    }

    /// Shared with those who ask why a job waits.
    pub(super) fn spent_tenants(&self) -> SpentTenants {
        Arc::clone(&self.spent)
    }

    // ---- what is used ----

    /// A job is counted in or out of a state.
    pub(super) fn count(&mut self, tenant: TenantId, state: JobState, jobs: i64) {
        if !state.is_terminal() && state != JobState::Running {
            self.change(Change::Waiting(tenant, jobs));
        }
    }

    /// A job is enqueued.
    pub(super) fn enqueued(&mut self, tenant: TenantId, kind: KindId, payload_bytes: usize, now: Timestamp) {
        let (payload, by) = (bytes(payload_bytes), UsedBy { tenant, day: day_of(now), kind });
        self.change(Change::Stored(tenant, payload));
        self.change(Change::Used(by, Used { jobs: 1, bytes_in: payload, bytes_stored: payload, ..Used::default() }));
    }

    /// An execution of a job came to its end; `kept_bytes`: of its output and log.
    pub(super) fn executed(
        &mut self,
        (tenant, kind): (TenantId, KindId),
        job: JobId,
        receipt: &Receipt,
        kept_bytes: usize,
        now: Timestamp,
    ) {
        let used = Used {
            jobs: 0,
            attempts: 1,
            fuel: whole(receipt.fuel_used),
            run_us: whole(receipt.run_us),
            bytes_in: 0,
            bytes_out: whole(receipt.output_bytes),
            bytes_stored: bytes(kept_bytes),
            http_calls: whole(receipt.http_calls),
        };
        self.stored(tenant, job, bytes(kept_bytes));
        self.change(Change::Used(UsedBy { tenant, day: day_of(now), kind }, used));
    }

    /// So many bytes more, or fewer, of a job are kept.
    pub(super) fn stored(&mut self, tenant: TenantId, job: JobId, bytes: i64) {
        // What was not added up yet is not there to be changed.
        let is_unscanned = self.unscanned.as_ref().is_some_and(|(came_to, until)| {
            let job = job.to_bytes();
            job.as_slice() > came_to.as_slice() && job.as_slice() <= until.as_slice()
        });
        if bytes != 0 && !is_unscanned {
            self.change(Change::Stored(tenant, bytes));
        }
    }

    /// So many bytes more, or fewer, are kept that are of no job.
    pub(super) fn kept(&mut self, tenant: TenantId, bytes: i64) {
        if bytes != 0 {
            self.change(Change::Stored(tenant, bytes));
        }
    }

    /// Nothing of the tenant is left but what it used.
    pub(super) fn forget(&mut self, tenant: TenantId) {
        self.tallies.remove(&tenant);
        self.enqueued.remove(&tenant);
        self.spent.write().remove(&tenant);
    }

    /// Waiting jobs, and bytes that are kept, as they are remembered; `None`: nothing is of this tenant.
    #[cfg(test)]
    pub(super) fn tallied(&self, tenant: TenantId) -> Option<(i64, i64)> {
        self.tallies.get(&tenant).map(|tally| (tally.waiting, tally.stored))
    }

    /// Whether this transaction changes anything of the tenant.
    pub(super) fn has_changes_of(&self, tenant: TenantId) -> bool {
        self.changes.iter().any(|change| match change {
            Change::Waiting(of, _) | Change::Stored(of, _) => *of == tenant,
            Change::Used(by, _) => by.tenant == tenant,
        })
    }

    fn change(&mut self, change: Change) {
        self.apply(&change, 1);
        self.changes.push(change);
    }

    fn apply(&mut self, change: &Change, sign: i64) {
        match *change {
            Change::Waiting(tenant, jobs) => self.tallies.entry(tenant).or_default().waiting += sign * jobs,
            Change::Stored(tenant, bytes) => self.tallies.entry(tenant).or_default().stored += sign * bytes,
            Change::Used(by, used) => {
                let tally = self.tallies.entry(by.tenant).or_default();
                if by.day > tally.day {
                    (tally.day, tally.fuel, tally.run_us) = (by.day, 0, 0);
                }
                if by.day == tally.day {
                    tally.fuel = tally.fuel.saturating_add(sign * used.fuel);
                    tally.run_us = tally.run_us.saturating_add(sign * used.run_us);
                }
            }
        }
    }

    // ---- what may be used ----

    /// What the tenant may use.
    pub(super) fn quotas(&self, catalog: &Catalog, tenant: TenantId) -> Quotas {
        self.host.overlaid_by(catalog.tenant_entries.get(&tenant).map(|entry| entry.quotas).unwrap_or_default())
    }

    /// Whether `jobs` with so many bytes of payload may be enqueued. `on_demand`: somebody asks for them, and may ask again.
    pub(super) fn admit(
        &self,
        catalog: &Catalog,
        tenant: TenantId,
        (jobs, payload_bytes): (u64, u64),
        on_demand: Option<i64>,
    ) -> Result<(), QuotaExceeded> {
        let quotas = self.quotas(catalog, tenant);
        let tally = self.tallies.get(&tenant).copied().unwrap_or_default();
        let used = |amount: i64| u64::try_from(amount).unwrap_or(0);
        QuotaExceeded::check(&quotas, QuotaName::WaitingJobs, used(tally.waiting), jobs)?;
        QuotaExceeded::check(&quotas, QuotaName::StoredBytes, used(tally.stored), payload_bytes)?;
        match on_demand {
            Some(now_ns) => self.admit_rate(catalog, tenant, jobs, now_ns),
            None => Ok(()),
        }
    }

    /// Whether so many more may be enqueued now.
    pub(super) fn admit_rate(
        &self,
        catalog: &Catalog,
        tenant: TenantId,
        jobs: u64,
        now_ns: i64,
    ) -> Result<(), QuotaExceeded> {
        let Some(most) = self.quotas(catalog, tenant).enqueues_per_second.and_then(Most::limit) else {
            return Ok(());
        };
        let rate = enqueue_rate(most);
        let bucket = self.enqueued.get(&tenant).copied().unwrap_or_default();
        let there = if most == 0 { 0 } else { u64::from(bucket.permits(rate, now_ns)) };
        if jobs <= there {
            return Ok(());
        }
        let wait_ns = bucket.next_permit_at(rate, now_ns).saturating_sub(now_ns);
        Err(QuotaExceeded {
            name: QuotaName::EnqueuesPerSecond,
            most: u64::from(most),
            used: u64::from(rate.burst).saturating_sub(there),
            retry_after: std::time::Duration::from_nanos(wait_ns.unsigned_abs())
                .max(crate::job::quota::RETRY_AFTER_MIN),
        })
    }

    /// Whether so many bytes more may be kept. None always are: who has too much may change what is there, and add nothing.
    pub(super) fn admit_bytes(&self, catalog: &Catalog, tenant: TenantId, more: i64) -> Result<(), QuotaExceeded> {
        if more <= 0 {
            return Ok(());
        }
        let stored = self.tallies.get(&tenant).map_or(0, |tally| tally.stored);
        let (used, more) = (u64::try_from(stored).unwrap_or(0), more.unsigned_abs());
        QuotaExceeded::check(&self.quotas(catalog, tenant), QuotaName::StoredBytes, used, more)
    }

    /// So many jobs were enqueued since somebody asked for them.
    pub(super) fn take_enqueues(&mut self, catalog: &Catalog, tenant: TenantId, jobs: u64, now_ns: i64) {
        if let Some(Most::Of(most)) = self.quotas(catalog, tenant).enqueues_per_second {
            let bucket = self.enqueued.entry(tenant).or_default();
            *bucket = bucket.take(enqueue_rate(most), now_ns, u32::try_from(jobs).unwrap_or(u32::MAX));
        }
    }

    /// For how long no job of the tenant may begin, since it has used up what it may in a day; `None`: it may.
    pub(super) fn spent_for(&self, catalog: &Catalog, tenant: TenantId, now: Timestamp) -> Option<std::time::Duration> {
        let quotas = self.quotas(catalog, tenant);
        // Where neither is set there is nothing to use up.
        quotas.most(QuotaName::FuelPerDay).or(quotas.most(QuotaName::RunTimePerDay))?;
        let tally = self.tallies.get(&tenant).filter(|tally| tally.day == day_of(now)).copied().unwrap_or_default();
        let is_spent = |name, used: i64| quotas.most(name).is_some_and(|most| used >= whole(most));
        let spent = if is_spent(QuotaName::FuelPerDay, tally.fuel) {
            QuotaName::FuelPerDay
        } else if is_spent(QuotaName::RunTimePerDay, tally.run_us / 1_000) {
            QuotaName::RunTimePerDay
        } else {
            self.spent.write().remove(&tenant);
            return None;
        };
        self.spent.write().insert(tenant, (spent, day_of(now)));
        Some(until_next_day(now))
    }

    // ---- the transaction's own steps ----

    /// From here on a rewind goes no further back.
    pub(super) fn settle(&mut self) {
        self.settled = self.changes.len();
    }

    /// Takes back what came after the last `settle`.
    pub(super) fn rewind(&mut self, sql: &Connection) -> Result<(), StoreError> {
        for change in self.changes.split_off(self.settled.min(self.changes.len())).iter().rev() {
            self.apply(change, -1);
        }
        self.unscanned = unscanned(sql)?;
        Ok(())
    }

    /// The transaction is committed.
    pub(super) fn committed(&mut self) {
        self.changes.clear();
        self.settled = 0;
    }

    /// The transaction is taken back.
    pub(super) fn rolled_back(&mut self, sql: &Connection) -> Result<(), StoreError> {
        self.settled = 0;
        self.rewind(sql)
    }

    /// Writes the sums.
    pub(super) fn flush(&self, sql: &Connection, catalog: &Catalog) -> Result<(), StoreError> {
        if self.changes.is_empty() {
            return Ok(());
        }
        let mut stored: FxHashMap<TenantId, i64> = FxHashMap::default();
        let mut used: FxHashMap<UsedBy, Used> = FxHashMap::default();
        for change in &self.changes {
            match change {
                Change::Waiting(..) => {}
                Change::Stored(tenant, bytes) => *stored.entry(*tenant).or_default() += bytes,
                Change::Used(by, more) => used.entry(*by).or_default().add(more),
            }
        }
        let mut add = sql.prepare_cached(ADD_STORED)?;
        for (tenant, bytes) in stored.into_iter().filter(|(_, bytes)| *bytes != 0) {
            add.execute(params![tenant.0, bytes])?;
        }
        let mut add = sql.prepare_cached(ADD_USAGE)?;
        for (UsedBy { tenant, day, kind }, used) in used {
            let Some(kind) = catalog.kind_names.get(&kind) else { continue };
            let Used { jobs, attempts, fuel, run_us, bytes_in, bytes_out, bytes_stored, http_calls } = used;
            add.execute(params![
                tenant.0,
                day,
                kind.as_str(),
                jobs,
                attempts,
                fuel,
                run_us,
                bytes_in,
                bytes_out,
                bytes_stored,
                http_calls
            ])?;
        }
        Ok(())
    }

    /// Adds up some more of what was kept before it was counted; `true` when there is more.
    pub(super) fn scan(&mut self, sql: &Connection) -> Result<bool, StoreError> {
        let Some((came_to, until)) = self.unscanned.clone() else { return Ok(false) };
        let mut statement = sql.prepare_cached(SCANNED)?;
        let jobs: Vec<(Vec<u8>, i64)> = statement
            .query_map(params![came_to, until, SCANNED_JOBS_MAX], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<Result<_, _>>()?;
        let is_done = jobs.len() < SCANNED_JOBS_MAX;
        let comes_to = jobs.last().filter(|_| !is_done).map_or_else(|| until.clone(), |(job, _)| job.clone());
        let mut bytes: i64 = jobs.iter().map(|(_, length)| length).sum();
        for statement in [SCANNED_OUTPUTS, SCANNED_LOGS, SCANNED_STEPS] {
            let more: i64 = sql.prepare_cached(statement)?.query_row(params![came_to, comes_to], |row| row.get(0))?;
            bytes += more;
        }
        self.change(Change::Stored(TenantId::DEFAULT, bytes));
        if is_done {
            sql.prepare_cached(SCAN_IS_DONE)?.execute([])?;
            self.unscanned = None;
        } else {
            sql.prepare_cached(SCAN_COMES_TO)?.execute([&comes_to])?;
            self.unscanned = Some((comes_to, until));
        }
        Ok(!is_done)
    }
}

fn enqueue_rate(most: u32) -> Rate {
    Rate {
        limit: most.max(1),
        per: std::time::Duration::from_secs(1),
        burst: most.saturating_mul(ENQUEUES_SAVED_S).max(1),
    }
}

fn unscanned(sql: &Connection) -> Result<Unscanned, StoreError> {
    Ok(sql.prepare_cached(SCAN)?.query_row([], |row| Ok((row.get(0)?, row.get(1)?))).optional()?)
}
