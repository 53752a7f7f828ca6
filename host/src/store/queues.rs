//! Queues and counters as people see them. Nothing here counts jobs: the counters have.

use rusqlite::Connection;
use rustc_hash::FxHashMap;

use super::catalog::{Catalog, KindId, QueueId, TenantId};
use super::codec::state_from_word;
use super::error::StoreError;
use super::model::{CounterRow, OldestReady, QueueRow};
use crate::job::{JobState, QueueName, Timestamp};

const BY_QUEUE: &str = "SELECT queue_id, state, sum(jobs) FROM counters WHERE tenant_id = ?1 GROUP BY queue_id, state";
const ALL: &str = "SELECT tenant_id, queue_id, kind_id, state, jobs FROM counters WHERE jobs <> 0";
const OLDEST_READY: &str = "SELECT min(ready_at) FROM live_jobs INDEXED BY live_waiting
    WHERE queue_id = ?1 AND state = 'ready' AND lease_host IS NULL AND parked IS NULL AND suspect = 0";
const UNFINISHED_OF_KIND: &str = "SELECT coalesce(sum(jobs), 0) FROM counters WHERE tenant_id = ?1 AND kind_id = ?2
    AND state NOT IN ('succeeded', 'failed', 'cancelled')";

/// So many of a tenant's queues, by name, after a name.
pub(super) fn queues(
    sql: &Connection,
    catalog: &Catalog,
    tenant: TenantId,
    after: Option<&QueueName>,
    limit: usize,
) -> Result<Vec<QueueRow>, StoreError> {
    let of_tenant = catalog.queue_settings.iter().filter(|(_, settings)| settings.tenant == tenant);
    let mut page: Vec<_> = of_tenant
        .filter(|(id, _)| catalog.queues.get(id).is_some_and(|name| after.is_none_or(|after| name > after)))
        .collect();
    page.sort_unstable_by_key(|(id, _)| catalog.queues.get(id));
    page.truncate(limit);
    let mut counts: FxHashMap<QueueId, FxHashMap<JobState, u64>> = FxHashMap::default();
    let mut statement = sql.prepare_cached(BY_QUEUE)?;
    let mut rows = statement.query([tenant.0])?;
    while let Some(row) = rows.next()? {
        let state = state_from_word(row.get_ref(1)?.as_str().map_err(StoreError::internal)?)?;
        let jobs = u64::try_from(row.get::<_, i64>(2)?).unwrap_or(0);
        counts.entry(QueueId(row.get(0)?)).or_default().insert(state, jobs);
    }
    let mut queues = Vec::new();
    for (id, settings) in page {
        let Some(name) = catalog.queues.get(id) else { continue };
        let own = counts.remove(id).unwrap_or_default();
        queues.push(QueueRow {
            name: name.clone(),
            priority: settings.priority,
            counts: JobState::ALL.map(|state| (state, own.get(&state).copied().unwrap_or(0))).to_vec(),
            oldest_ready_at: oldest_ready(sql, *id)?,
        });
    }
    Ok(queues)
}

/// When the job became ready that has waited longest to be claimed.
fn oldest_ready(sql: &Connection, queue: QueueId) -> Result<Option<Timestamp>, StoreError> {
    let oldest: Option<i64> = sql.prepare_cached(OLDEST_READY)?.query_row([queue.0], |row| row.get(0))?;
    Ok(oldest.map(Timestamp))
}

/// The same of every queue of every tenant in which a job waits.
pub(super) fn oldest_ready_jobs(sql: &Connection, catalog: &Catalog) -> Result<Vec<OldestReady>, StoreError> {
    let mut waiting = Vec::new();
    for (id, settings) in &catalog.queue_settings {
        let Some(ready_at) = oldest_ready(sql, *id)? else { continue };
        let (Some(tenant), Some(queue)) = (catalog.tenant_name(settings.tenant), catalog.queues.get(id)) else {
            continue;
        };
        waiting.push(OldestReady { tenant: tenant.clone(), queue: queue.clone(), ready_at });
    }
    waiting.sort_by(|a, b| (&a.tenant, &a.queue).cmp(&(&b.tenant, &b.queue)));
    Ok(waiting)
}

/// Every counter that is not zero.
pub(super) fn counters(sql: &Connection, catalog: &Catalog) -> Result<Vec<CounterRow>, StoreError> {
    let mut statement = sql.prepare_cached(ALL)?;
    let mut rows = statement.query([])?;
    let mut counters = Vec::new();
    while let Some(row) = rows.next()? {
        let (tenant, queue, kind) = (TenantId(row.get(0)?), QueueId(row.get(1)?), KindId(row.get(2)?));
        let names = (catalog.tenant_name(tenant), catalog.queues.get(&queue), catalog.kind_names.get(&kind));
        // A name younger than the caller's snapshot shows at the next look.
        let (Some(tenant), Some(queue), Some(kind)) = names else { continue };
        counters.push(CounterRow {
            tenant: tenant.clone(),
            queue: queue.clone(),
            kind: kind.clone(),
            state: state_from_word(row.get_ref(3)?.as_str().map_err(StoreError::internal)?)?,
            jobs: u64::try_from(row.get::<_, i64>(4)?).unwrap_or(0),
        });
    }
    Ok(counters)
}

/// How many jobs of a kind have not ended, as far as it is written.
pub(super) fn unfinished_of_kind(sql: &Connection, tenant: TenantId, kind: KindId) -> Result<i64, StoreError> {
    Ok(sql.prepare_cached(UNFINISHED_OF_KIND)?.query_row([tenant.0, kind.0], |row| row.get(0))?)
}
