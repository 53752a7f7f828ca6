//! Tenants as people see them: what is set, from the catalog; how many jobs there are, from the counters.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension};

use super::model::TenantRow;
use crate::job::{JobState, TenantName};
use crate::store::catalog::{Catalog, TenantEntry, TenantId};
use crate::store::codec::state_from_word;
use crate::store::error::StoreError;

const COUNTS: &str = "SELECT state, sum(jobs) FROM counters WHERE tenant_id = ?1 GROUP BY state";
const REMOVED: &str = "SELECT removed_jobs FROM tenants WHERE id = ?1";

/// One tenant.
pub(in crate::store) fn tenant(
    sql: &Connection,
    catalog: &Catalog,
    tenant: TenantId,
) -> Result<Option<TenantRow>, StoreError> {
    catalog.tenant_entries.get(&tenant).map(|entry| row_of(sql, entry)).transpose()
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
