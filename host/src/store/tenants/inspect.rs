//! Tenants as people see them: what is set, from the catalog; how many jobs there are, from the counters.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, params};

use super::model::{QuotaUse, TenantRow};
use crate::job::quota::day_of;
use crate::job::{JobState, QuotaName, Quotas, TenantName, Timestamp};
use crate::store::catalog::{Catalog, TenantEntry, TenantId};
use crate::store::codec::state_from_word;
use crate::store::error::StoreError;
use crate::store::modules::kept;

const COUNTS: &str = "SELECT state, sum(jobs) FROM counters WHERE tenant_id = ?1 GROUP BY state";
const LEASED: &str =
    "SELECT count(*) FROM live_jobs INDEXED BY live_leased WHERE lease_host IS NOT NULL AND tenant_id = ?1";
const STORED: &str = "SELECT coalesce(max(bytes), 0) FROM stored_bytes WHERE tenant_id = ?1 AND bytes > 0";
const KV: &str = "SELECT coalesce(sum(bytes), 0) FROM kv_usage WHERE tenant_id = ?1";
const SECRETS: &str = "SELECT count(*) FROM secrets WHERE tenant_id = ?1";
const DATABASES: &str = "SELECT count(*) FROM databases WHERE tenant_id = ?1";
const KINDS: &str = "SELECT count(*) FROM kinds WHERE tenant_id = ?1";
const SCHEDULES: &str = "SELECT count(*) FROM schedules WHERE tenant_id = ?1";
const SPENT: &str =
    "SELECT coalesce(sum(fuel), 0), coalesce(sum(run_us), 0) FROM usage WHERE tenant_id = ?1 AND day = ?2";
const REMOVED: &str = "SELECT removed_jobs FROM tenants WHERE id = ?1";

/// One tenant.
/// `host`: what tenants may use on which nothing is set, and what time it is, where quotas are to be shown.
pub(in crate::store) fn tenant(
    sql: &Connection,
    catalog: &Catalog,
    tenant: TenantId,
    host: Option<(Quotas, Timestamp)>,
) -> Result<Option<TenantRow>, StoreError> {
    let Some(entry) = catalog.tenant_entries.get(&tenant) else { return Ok(None) };
    let mut row = row_of(sql, entry)?;
    if let Some((host, now)) = host {
        row.quota_uses = quota_uses(sql, &row, &host.overlaid_by(entry.quotas), now)?;
    }
    Ok(Some(row))
}

/// Every quota and how much of it is used, as far as it is written. Of what is counted elsewhere, nothing.
fn quota_uses(sql: &Connection, row: &TenantRow, quotas: &Quotas, now: Timestamp) -> Result<Vec<QuotaUse>, StoreError> {
    let id = row.entry.id.0;
    let one = |statement: &str| -> Result<u64, StoreError> {
        Ok(sql.prepare_cached(statement)?.query_row([id], |row| row.get(0))?)
    };
    let waiting = row.counts.iter().filter(|(state, _)| !state.is_terminal() && *state != JobState::Running);
    let waiting: u64 = waiting.map(|(_, jobs)| jobs).sum();
    let (modules, module_bytes) = kept(sql, row.entry.id)?;
    let (fuel, run_us): (u64, u64) =
        sql.prepare_cached(SPENT)?.query_row(params![id, day_of(now)], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let mut quotas_shown = Vec::with_capacity(QuotaName::ALL.len());
    for name in QuotaName::ALL {
        let used = match name {
            QuotaName::WaitingJobs => Some(waiting),
            QuotaName::RunningJobs => Some(one(LEASED)?),
            QuotaName::StoredBytes => Some(one(STORED)?),
            QuotaName::Modules => Some(modules),
            QuotaName::ModuleBytes => Some(module_bytes),
            QuotaName::Kinds => Some(one(KINDS)?),
            QuotaName::Schedules => Some(one(SCHEDULES)?),
            QuotaName::FuelPerDay => Some(fuel),
            QuotaName::RunTimePerDay => Some(run_us / 1_000),
            QuotaName::KvBytes => Some(one(KV)?),
            QuotaName::Secrets => Some(one(SECRETS)?),
            QuotaName::Databases => Some(one(DATABASES)?),
            // In the writer's memory; files, which are looked at elsewhere.
            QuotaName::EnqueuesPerSecond | QuotaName::DatabaseBytes => None,
        };
        quotas_shown.push(QuotaUse { name: *name, most: quotas.most(*name), used });
    }
    Ok(quotas_shown)
}

/// So many tenants by name, after a name.
pub(in crate::store) fn tenants(
    sql: &Connection,
    catalog: &Catalog,
    after: Option<&TenantName>,
    limit: usize,
) -> Result<Vec<TenantRow>, StoreError> {
    let entries = catalog.tenant_entries.values();
    let mut page: Vec<&Arc<TenantEntry>> =
        entries.filter(|entry| after.is_none_or(|after| entry.name > *after)).collect();
    page.sort_unstable_by(|one, other| one.name.cmp(&other.name));
    page.truncate(limit);
    page.into_iter().map(|entry| row_of(sql, entry)).collect()
}

fn row_of(sql: &Connection, entry: &Arc<TenantEntry>) -> Result<TenantRow, StoreError> {
    let removed: Option<u64> = sql.prepare_cached(REMOVED)?.query_row([entry.id.0], |row| row.get(0)).optional()?;
    Ok(TenantRow {
        entry: Arc::clone(entry),
        counts: counts_of(sql, entry.id)?,
        quota_uses: Vec::new(),
        removed_jobs: removed.unwrap_or(0),
    })
}

/// Jobs by state, as far as it is written.
pub(super) fn counts_of(sql: &Connection, tenant: TenantId) -> Result<Vec<(JobState, u64)>, StoreError> {
    let mut statement = sql.prepare_cached(COUNTS)?;
    let mut rows = statement.query([tenant.0])?;
    let mut counts = JobState::ALL.map(|state| (state, 0)).to_vec();
    while let Some(row) = rows.next()? {
        let state = state_from_word(row.get_ref(0)?.as_str().map_err(StoreError::internal)?)?;
        let jobs = u64::try_from(row.get::<_, i64>(1)?).unwrap_or(0);
        counts.iter_mut().filter(|(counted, _)| *counted == state).for_each(|(_, count)| *count = jobs);
    }
    Ok(counts)
}
