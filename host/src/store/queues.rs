//! Queues: what is set on them, and, with the counters, how people see them. Nothing here counts jobs: the counters have.

use std::sync::Arc;

use rusqlite::{Connection, params};
use rustc_hash::FxHashMap;

use super::catalog::{Catalog, KindId, QueueId, QueueSettings, TenantId};
use super::codec::state_from_word;
use super::draft::Draft;
use super::error::StoreError;
use super::line::Source;
use super::model::{ChangeQueueResult, CounterRow, DeleteQueueResult, OldestReady, QueueChange, QueueRow};
use crate::job::{JobState, Pace, QueueName, Timestamp};

const BY_QUEUE: &str = "SELECT queue_id, state, sum(jobs) FROM counters WHERE tenant_id = ?1 GROUP BY queue_id, state";
const OF_QUEUE: &str = "SELECT state, sum(jobs) FROM counters WHERE tenant_id = ?1 AND queue_id = ?2 GROUP BY state";
const SET: &str = "UPDATE queues
    SET priority = ?2, paused = ?3, concurrency = ?4, rate = ?5, relaxed = ?6, retention = ?7 WHERE id = ?1";
const DELETE: &str = "UPDATE queues SET deleted = 1 WHERE id = ?1";
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
    let mut counts: FxHashMap<QueueId, Counts> = FxHashMap::default();
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
        queues.push(queue_row(sql, *id, name, *settings, &counts.remove(id).unwrap_or_default())?);
    }
    Ok(queues)
}

type Counts = FxHashMap<JobState, u64>;

fn queue_row(
    sql: &Connection,
    id: QueueId,
    name: &QueueName,
    settings: QueueSettings,
    counts: &Counts,
) -> Result<QueueRow, StoreError> {
    let QueueSettings { tenant: _, priority, is_paused, pace, is_relaxed, retention } = settings;
    Ok(QueueRow {
        name: name.clone(),
        priority,
        is_paused,
        is_relaxed,
        pace,
        retention,
        counts: JobState::ALL.map(|state| (state, counts.get(&state).copied().unwrap_or(0))).to_vec(),
        oldest_ready_at: oldest_ready(sql, id)?,
    })
}

/// One of a tenant's queues.
pub(super) fn queue(
    sql: &Connection,
    catalog: &Catalog,
    tenant: TenantId,
    name: &QueueName,
) -> Result<Option<QueueRow>, StoreError> {
    let Some(id) = catalog.queue(tenant, name) else { return Ok(None) };
    let Some(settings) = catalog.queue_settings.get(&id) else { return Ok(None) };
    let counts = counts_of(sql, tenant, id)?;
    queue_row(sql, id, name, *settings, &counts).map(Some)
}

/// As far as they are written.
fn counts_of(sql: &Connection, tenant: TenantId, queue: QueueId) -> Result<Counts, StoreError> {
    let mut statement = sql.prepare_cached(OF_QUEUE)?;
    let mut rows = statement.query([tenant.0, queue.0])?;
    let mut counts = Counts::default();
    while let Some(row) = rows.next()? {
        let state = state_from_word(row.get_ref(0)?.as_str().map_err(StoreError::internal)?)?;
        counts.insert(state, u64::try_from(row.get::<_, i64>(1)?).unwrap_or(0));
    }
    Ok(counts)
}

/// Changes what is set on a queue; makes the queue where it `may_create` one.
pub(super) fn change_queue(
    sql: &Connection,
    draft: &mut Draft,
    tenant: TenantId,
    name: &QueueName,
    change: QueueChange,
    may_create: bool,
) -> Result<ChangeQueueResult, StoreError> {
    if draft.catalog.queue(tenant, name).is_none() {
        if !may_create {
            return Ok(ChangeQueueResult::NotFound);
        }
        if draft.catalog.queues_left(tenant) == 0 {
            return Ok(ChangeQueueResult::TooManyQueues);
        }
    }
    let id = draft.queue(sql, tenant, name)?;
    let Some(&current) = draft.catalog.queue_settings.get(&id) else { return Ok(ChangeQueueResult::NotFound) };
    let QueueChange { priority, is_paused, concurrency, rate, is_relaxed, retention } = change;
    let settings = QueueSettings {
        tenant,
        priority: priority.unwrap_or(current.priority),
        is_paused: is_paused.unwrap_or(current.is_paused),
        pace: Pace {
            concurrency: concurrency.unwrap_or(current.pace.concurrency),
            rate: rate.unwrap_or(current.pace.rate),
        },
        is_relaxed: is_relaxed.unwrap_or(current.is_relaxed),
        retention: retention.unwrap_or(current.retention),
    };
    if settings != current {
        let Pace { concurrency, rate } = settings.pace;
        let rate = rate.map(|rate| serde_json::to_string(&rate)).transpose().map_err(StoreError::internal)?;
        let retention = (!settings.retention.is_empty()).then(|| serde_json::to_string(&settings.retention));
        let retention = retention.transpose().map_err(StoreError::internal)?;
        let (priority, is_paused, is_relaxed) = (settings.priority, settings.is_paused, settings.is_relaxed);
        sql.prepare_cached(SET)?.execute(params![
            id.0,
            priority,
            is_paused,
            concurrency,
            rate,
            is_relaxed,
            retention
        ])?;
        Arc::make_mut(&mut draft.catalog).put_queue(id, name.clone(), settings);
        draft.made_ready(id);
    }
    // What this transaction enqueued is not counted yet; who asked enqueued nothing.
    Ok(match queue(sql, &draft.catalog, tenant, name)? {
        Some(row) => ChangeQueueResult::Changed(Box::new(row)),
        None => ChangeQueueResult::NotFound,
    })
}

/// Takes a queue out of the list in which no job is unfinished.
pub(super) fn delete_queue(
    sql: &Connection,
    draft: &mut Draft,
    tenant: TenantId,
    name: &QueueName,
) -> Result<DeleteQueueResult, StoreError> {
    let Some(id) = draft.catalog.queue(tenant, name) else { return Ok(DeleteQueueResult::NotFound) };
    let unfinished = draft.unfinished_of_queue(sql, tenant, id)?;
    if unfinished > 0 {
        return Ok(DeleteQueueResult::InUse(unfinished));
    }
    sql.prepare_cached(DELETE)?.execute([id.0])?;
    Arc::make_mut(&mut draft.catalog).remove_queue(id);
    draft.line.remove(Source::Ready(id));
    Ok(DeleteQueueResult::Deleted)
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

/// How many jobs of a queue have not ended, as far as it is written.
pub(super) fn unfinished_of_queue(sql: &Connection, tenant: TenantId, queue: QueueId) -> Result<i64, StoreError> {
    let counts = counts_of(sql, tenant, queue)?;
    let unfinished: u64 = counts.iter().filter(|(state, _)| !state.is_terminal()).map(|(_, jobs)| jobs).sum();
    Ok(i64::try_from(unfinished).unwrap_or(i64::MAX))
}
