//! Pages of jobs, newest first: unfinished and finished ones merged by id.
//!
//! Each filter reads from the narrowest index there is, and no index has the rows of other tenants in it but for the jobs that hosts
//! hold; what the index can't decide is decided row by row, and the rows looked at are bounded. A page that hits the bound is short,
//! and its cursor goes on from there.

use std::collections::BinaryHeap;

use rusqlite::{Connection, OptionalExtension, params};
use rustc_hash::FxHashSet;

use super::catalog::{Catalog, KindId, QueueId, TenantId};
use super::codec::state_from_word;
use super::dead_letters;
use super::error::StoreError;
use super::in_line::{Depth, LimitFacts, Look};
use super::model::{JobFilter, JobRow, Page};
use super::rows::{AnyRow, any_row, unpack_tags};
use crate::job::{JobId, JobState, QueueName, Timestamp};

/// Jobs of one page, whatever the caller asks for.
const PAGE_JOBS_MAX: usize = 500;
/// Rows one page looks at.
const ROWS_LOOKED_AT_MAX: usize = 20_000;
/// And of a tag or group, whose jobs are looked up one by one.
const NAMED_LOOKED_AT_MAX: usize = 5_000;
/// Lanes (kinds with queues) that are merged. What ended of more is looked for among the jobs of all, so many rows to a page: an index
/// for it would be one more to write for each job.
const LANES_MERGED_MAX: usize = 1_000;

const LIVE: &str = "SELECT id, tenant_id, kind_id, queue_id, state FROM live_jobs INDEXED BY live_of_tenant
    WHERE id >= ?1 AND id < ?2 AND tenant_id = ?4 ORDER BY id DESC LIMIT ?3";
// States that few jobs are in have an index each: they may stand behind any number of others.
const HELD: &str = "SELECT id, tenant_id, kind_id, queue_id, state FROM live_jobs INDEXED BY live_leased
    WHERE lease_host IS NOT NULL AND id >= ?1 AND id < ?2 ORDER BY id DESC LIMIT ?3";
const RETRYING: &str = "SELECT id, tenant_id, kind_id, queue_id, state FROM live_jobs INDEXED BY live_retrying
    WHERE state = 'retrying' AND id >= ?1 AND id < ?2 AND tenant_id = ?4 ORDER BY id DESC LIMIT ?3";
const BLOCKED: &str = "SELECT id, tenant_id, kind_id, queue_id, state FROM live_jobs INDEXED BY live_blocked
    WHERE state = 'blocked' AND id >= ?1 AND id < ?2 AND tenant_id = ?4 ORDER BY id DESC LIMIT ?3";
const FINISHED: &str = "SELECT id, tenant_id, kind_id, queue_id, state FROM finished_jobs
    WHERE id >= ?1 AND id < ?2 ORDER BY id DESC LIMIT ?3";
const FINISHED_BADLY: &str =
    "SELECT id, tenant_id, kind_id, queue_id, state FROM finished_jobs INDEXED BY finished_badly
    WHERE id >= ?1 AND id < ?2 AND tenant_id = ?4 AND state = ?5 AND state <> 'succeeded' ORDER BY id DESC LIMIT ?3";
const FINISHED_LANE: &str =
    "SELECT id, tenant_id, kind_id, queue_id, state FROM finished_jobs INDEXED BY finished_by_lane
    WHERE id >= ?1 AND id < ?2 AND kind_id = ?4 AND queue_id = ?5 ORDER BY id DESC LIMIT ?3";
const LANES: &str = "SELECT DISTINCT kind_id, queue_id FROM counters
    WHERE tenant_id = ?1 AND state IN ('succeeded', 'failed', 'cancelled') AND jobs > 0";
const TAGGED: &str = "SELECT job_id FROM job_tags WHERE job_id >= ?1 AND job_id < ?2 AND tenant_id = ?4 AND tag = ?5
    ORDER BY job_id DESC LIMIT ?3";
const QUEUE: &str = "SELECT id FROM queues WHERE tenant_id = ?1 AND name = ?2";
const GROUPED: &str = "SELECT job_id FROM dead_letters INDEXED BY dead_letters_of_group
    WHERE job_id >= ?1 AND job_id < ?2 AND group_number = ?4 ORDER BY job_id DESC LIMIT ?3";

/// The filter with names resolved, and the ids it spans.
struct Search<'a> {
    tenant: TenantId,
    state: Option<JobState>,
    held: bool,
    unfinished: bool,
    kinds: Option<FxHashSet<KindId>>,
    queue: Option<QueueId>,
    tag: Option<&'a str>,
    group: Option<i64>,
    from: [u8; 16],
    below: [u8; 16],
}

/// What a scan found, newest first, and how far down it is complete.
struct Found {
    jobs: Vec<JobId>,
    /// Everything at or above this id was looked at; `None`: everything.
    complete_to: Option<JobId>,
}

/// One page of a tenant's jobs.
pub(super) fn job_list(
    sql: &Connection,
    catalog: &Catalog,
    limits: LimitFacts,
    tenant: TenantId,
    filter: &JobFilter,
    limit: usize,
    cursor: Option<JobId>,
) -> Result<Page<JobRow>, StoreError> {
    let Page { items: jobs, next } = matching(sql, catalog, tenant, filter, limit, cursor)?;
    let mut look = Look::new(sql, catalog, limits, Depth::Glance);
    let mut items = Vec::with_capacity(jobs.len());
    for job in jobs {
        items.extend(listed(sql, catalog, &mut look, tenant, job)?);
    }
    Ok(Page { items, next })
}

/// A job as one of a list.
pub(super) fn listed(
    sql: &Connection,
    catalog: &Catalog,
    look: &mut Look<'_>,
    tenant: TenantId,
    job: JobId,
) -> Result<Option<JobRow>, StoreError> {
    let Some(row) = any_row(sql, tenant, job)? else { return Ok(None) };
    let in_line = match &row {
        AnyRow::Live(row) => look.at(row)?,
        AnyRow::Finished(_) => None,
    };
    Ok(Some(JobRow { in_line, ..row.to_job_row(sql, catalog)? }))
}

/// The same, and only which jobs they are.
pub(super) fn matching(
    sql: &Connection,
    catalog: &Catalog,
    tenant: TenantId,
    filter: &JobFilter,
    limit: usize,
    cursor: Option<JobId>,
) -> Result<Page<JobId>, StoreError> {
    let limit = limit.clamp(1, PAGE_JOBS_MAX);
    let Some(search) = resolve(sql, catalog, tenant, filter, cursor)? else {
        return Ok(Page { items: Vec::new(), next: None });
    };
    let mut parts = Vec::new();
    if let Some(group) = search.group {
        parts.push(named(sql, &search, limit, GROUPED, params![group])?);
    } else if let Some(tag) = search.tag {
        parts.push(named(sql, &search, limit, TAGGED, params![search.tenant.0, tag])?);
    } else {
        if search.state.is_none_or(|state| !state.is_terminal()) {
            parts.push(match search.state {
                _ if search.held => scan(sql, &search, limit, HELD, params![])?,
                Some(JobState::Running) => scan(sql, &search, limit, HELD, params![])?,
                Some(JobState::Retrying) => scan(sql, &search, limit, RETRYING, params![search.tenant.0])?,
                Some(JobState::Blocked) => scan(sql, &search, limit, BLOCKED, params![search.tenant.0])?,
                _ => scan(sql, &search, limit, LIVE, params![search.tenant.0])?,
            });
        }
        if !search.unfinished && !search.held && search.state.is_none_or(JobState::is_terminal) {
            parts.push(finished(sql, &search, limit)?);
        }
    }
    let (items, next) = merge(parts, limit);
    Ok(Page { items, next })
}

/// `None` when nothing can match.
fn resolve<'a>(
    sql: &Connection,
    catalog: &Catalog,
    tenant: TenantId,
    filter: &'a JobFilter,
    cursor: Option<JobId>,
) -> Result<Option<Search<'a>>, StoreError> {
    let JobFilter { state, held, unfinished, kind, queue, tag, module, group, since, until } = filter;
    let mut kinds: Option<FxHashSet<KindId>> = None;
    if let Some(name) = kind {
        // By name over all kinds ever: history outlives registration.
        let named = catalog.kind_names.iter().filter(|(_, known)| *known == name).map(|(id, _)| *id);
        kinds = Some(named.collect());
    }
    if let Some(module) = module {
        let serves = |id: &KindId| {
            let version = catalog.kinds.get(id).and_then(|kind| kind.version.as_ref());
            version.is_some_and(|version| version.tenant == tenant && version.module == *module)
        };
        let of_module: FxHashSet<KindId> = catalog.kinds.keys().copied().filter(serves).collect();
        kinds = Some(kinds.map_or(of_module.clone(), |kinds| kinds.intersection(&of_module).copied().collect()));
    }
    if kinds.as_ref().is_some_and(FxHashSet::is_empty) {
        return Ok(None);
    }
    let queue = match queue.as_ref().map(|name| queue_ever(sql, tenant, name)).transpose()? {
        Some(None) => return Ok(None),
        queue => queue.flatten(),
    };
    let group = match group.map(|group| dead_letters::number(sql, tenant, group)).transpose()? {
        Some(None) => return Ok(None),
        group => group.flatten(),
    };
    let from = since.map_or(0, first_id);
    let below = until.map_or(u128::MAX, first_id).min(cursor.map_or(u128::MAX, JobId::as_u128));
    Ok(Some(Search {
        tenant,
        state: *state,
        held: *held,
        unfinished: *unfinished,
        kinds,
        queue,
        tag: tag.as_deref(),
        group,
        from: from.to_be_bytes(),
        below: below.to_be_bytes(),
    }))
}

/// The queue of this name, deleted or not: its history outlives it.
pub(super) fn queue_ever(sql: &Connection, tenant: TenantId, name: &QueueName) -> Result<Option<QueueId>, StoreError> {
    let mut statement = sql.prepare_cached(QUEUE)?;
    Ok(statement.query_row(params![tenant.0, name.as_str()], |row| row.get(0).map(QueueId)).optional()?)
}

/// The smallest id a job enqueued at `at` can have.
fn first_id(at: Timestamp) -> u128 {
    (u128::from(u64::try_from(at.as_ms()).unwrap_or(0)) & ((1 << 48) - 1)) << 80
}

fn finished(sql: &Connection, search: &Search<'_>, limit: usize) -> Result<Found, StoreError> {
    if let Some(state) = search.state.filter(|state| *state != JobState::Succeeded) {
        return scan(sql, search, limit, FINISHED_BADLY, params![search.tenant.0, state.as_str()]);
    }
    let lanes = lanes(sql, search)?;
    if let [(kind, queue)] = lanes[..] {
        return scan(sql, search, limit, FINISHED_LANE, params![kind, queue]);
    }
    if lanes.len() > LANES_MERGED_MAX {
        return scan(sql, search, limit, FINISHED, params![]);
    }
    of_lanes(sql, search, limit, &lanes)
}

/// The newest of many lanes. Of each the newest row is looked at; then of the lane with the newest as many as come before the next
/// of another one. So it costs a look for each lane, and one for each job on the page.
fn of_lanes(sql: &Connection, search: &Search<'_>, limit: usize, lanes: &[(i64, i64)]) -> Result<Found, StoreError> {
    let mut statement = sql.prepare_cached(FINISHED_LANE)?;
    let mut newest = BinaryHeap::with_capacity(lanes.len());
    for lane in lanes {
        let mut rows = statement.query(params![search.from, search.below, 1, lane.0, lane.1])?;
        if let Some(row) = rows.next()? {
            newest.push((row.get::<_, [u8; 16]>(0)?, *lane));
        }
    }
    let mut found = Found { jobs: Vec::new(), complete_to: None };
    let mut looked_at = 0;
    while let Some((first, lane)) = newest.pop() {
        let below = JobId::from_bytes(first).as_u128().saturating_add(1).to_be_bytes();
        let mut rows = statement.query(params![search.from, below, ROWS_LOOKED_AT_MAX, lane.0, lane.1])?;
        while let Some(row) = rows.next()? {
            let id: [u8; 16] = row.get(0)?;
            if newest.peek().is_some_and(|(other, _)| *other > id) {
                newest.push((id, lane));
                break;
            }
            looked_at += 1;
            let job = JobId::from_bytes(id);
            if matches_state(search, row.get_ref(4)?)? {
                found.jobs.push(job);
            }
            if found.jobs.len() > limit || looked_at >= ROWS_LOOKED_AT_MAX {
                found.complete_to = Some(job);
                return Ok(found);
            }
        }
    }
    Ok(found)
}

/// The (kind, queue) pairs with history that the filter lets through.
fn lanes(sql: &Connection, search: &Search<'_>) -> Result<Vec<(i64, i64)>, StoreError> {
    let mut statement = sql.prepare_cached(LANES)?;
    let mut rows = statement.query([search.tenant.0])?;
    let mut lanes = Vec::new();
    while let Some(row) = rows.next()? {
        let (kind, queue) = (row.get(0)?, row.get(1)?);
        let wanted = search.kinds.as_ref().is_none_or(|kinds| kinds.contains(&KindId(kind)))
            && search.queue.is_none_or(|wanted| wanted.0 == queue);
        if wanted {
            lanes.push((kind, queue));
        }
    }
    Ok(lanes)
}

/// Reads rows newest first until the page is full or the bound is reached.
fn scan(
    sql: &Connection,
    search: &Search<'_>,
    limit: usize,
    query: &str,
    extra: &[&dyn rusqlite::ToSql],
) -> Result<Found, StoreError> {
    let mut statement = sql.prepare_cached(query)?;
    let mut parameters: Vec<&dyn rusqlite::ToSql> = vec![&search.from, &search.below, &ROWS_LOOKED_AT_MAX];
    parameters.extend_from_slice(extra);
    let mut rows = statement.query(&parameters[..])?;
    let mut found = Found { jobs: Vec::new(), complete_to: None };
    let mut looked_at = 0;
    let mut last = None;
    while let Some(row) = rows.next()? {
        looked_at += 1;
        let id = JobId::from_bytes(row.get(0)?);
        last = Some(id);
        let matches = row.get::<_, i64>(1)? == search.tenant.0
            && search.kinds.as_ref().map_or(Ok(true), |kinds| row.get(2).map(|kind| kinds.contains(&KindId(kind))))?
            && search.queue.map_or(Ok(true), |queue| row.get(3).map(|id: i64| id == queue.0))?
            && matches_state(search, row.get_ref(4)?)?;
        if matches {
            found.jobs.push(id);
            // One more than the page tells whether there is another one.
            if found.jobs.len() > limit {
                found.complete_to = Some(id);
                return Ok(found);
            }
        }
    }
    if looked_at >= ROWS_LOOKED_AT_MAX {
        found.complete_to = last;
    }
    Ok(found)
}

fn matches_state(search: &Search<'_>, word: rusqlite::types::ValueRef<'_>) -> Result<bool, StoreError> {
    match search.state {
        None => Ok(true),
        Some(state) => Ok(state_from_word(word.as_str().map_err(StoreError::internal)?)? == state),
    }
}

/// Jobs of a tag or group, checked against the rest of the filter one by one.
fn named(
    sql: &Connection,
    search: &Search<'_>,
    limit: usize,
    query: &str,
    extra: &[&dyn rusqlite::ToSql],
) -> Result<Found, StoreError> {
    let mut statement = sql.prepare_cached(query)?;
    let mut parameters: Vec<&dyn rusqlite::ToSql> = vec![&search.from, &search.below, &NAMED_LOOKED_AT_MAX];
    parameters.extend_from_slice(extra);
    let mut rows = statement.query(&parameters[..])?;
    let mut found = Found { jobs: Vec::new(), complete_to: None };
    let mut looked_at = 0;
    let mut last = None;
    while let Some(row) = rows.next()? {
        looked_at += 1;
        let id = JobId::from_bytes(row.get(0)?);
        last = Some(id);
        let Some(job) = any_row(sql, search.tenant, id)? else { continue };
        let lane = job.lane();
        let (state, tags) = match &job {
            AnyRow::Live(row) => (row.state, row.tags.as_deref()),
            AnyRow::Finished(row) => (row.state, row.tags.as_deref()),
        };
        if search.state.is_none_or(|wanted| wanted == state)
            && (!search.held || matches!(&job, AnyRow::Live(row) if row.lease_host.is_some()))
            && !(search.unfinished && state.is_terminal())
            && search.kinds.as_ref().is_none_or(|kinds| kinds.contains(&lane.kind))
            && search.queue.is_none_or(|queue| queue == lane.queue)
            && has_tag(search, tags)?
        {
            found.jobs.push(id);
            if found.jobs.len() > limit {
                found.complete_to = Some(id);
                return Ok(found);
            }
        }
    }
    if looked_at >= NAMED_LOOKED_AT_MAX {
        found.complete_to = last;
    }
    Ok(found)
}

fn has_tag(search: &Search<'_>, tags: Option<&str>) -> Result<bool, StoreError> {
    let Some(tag) = search.tag else { return Ok(true) };
    Ok(unpack_tags(tags)?.iter().any(|own| own == tag))
}

/// The newest of all parts, as far down as every part is complete, and where the next page begins (exclusive bound).
fn merge(parts: Vec<Found>, limit: usize) -> (Vec<JobId>, Option<JobId>) {
    let complete_to = parts.iter().filter_map(|part| part.complete_to).max();
    let mut jobs: Vec<JobId> = parts.into_iter().flat_map(|part| part.jobs).collect();
    jobs.sort_unstable_by(|a, b| b.cmp(a));
    if let Some(complete_to) = complete_to {
        jobs.retain(|job| *job >= complete_to);
    }
    if jobs.len() > limit {
        jobs.truncate(limit);
        let next = jobs.last().copied();
        return (jobs, next);
    }
    (jobs, complete_to)
}
