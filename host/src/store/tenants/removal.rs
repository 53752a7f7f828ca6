//! Removes a tenant that is being deleted, with everything it has, in bounded pieces: first its unfinished jobs (those that run
//! are cancelled and waited for), then history, then the rest, table by table, and the tenant itself last. How far it has come
//! is in the rows that are left and in the tenant's own: a restart goes on there. Nothing that jobs would lead to by their end
//! happens here: no callbacks, no jobs that follow failures, no events.

use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, params};

use super::model::RemovedPiece;
use crate::job::{Digest, JobId};
use crate::store::cancel;
use crate::store::catalog::{Catalog, TenantId};
use crate::store::catalog_rows::load_catalog;
use crate::store::credentials::revoke_all_of;
use crate::store::databases::has_databases;
use crate::store::draft::Draft;
use crate::store::error::StoreError;
use crate::store::job_writes::deleted_bytes;
use crate::store::kv::remove_some_kv;
use crate::store::model::LeaseKey;
use crate::store::module_bytes::is_kept;
use crate::store::notifications::{REMOVE_NOTIFICATIONS, REMOVE_NOTIFIED_USERS};
use crate::store::removal::{DELETES_OF_BYTES, remove_bulk};
use crate::store::rows::{FinishedRow, LiveRow, finished_columns, live_columns};
use crate::store::steps::{DELETE_STEPS, DELETE_WAIT};

/// Unfinished jobs, of all tenants, looked at by one piece.
const LOOKED_AT_MAX: usize = 2_000;
/// Jobs removed by one piece, or asked to end: what the writer does in about 10 ms.
const REMOVED_JOBS_MAX: usize = 200;
/// Other rows removed by one piece.
const REMOVED_ROWS_MAX: usize = 500;
/// Rows that bring others with them, removed by one piece.
const REMOVED_GROUPS_MAX: usize = 20;
/// In how long jobs are looked at again that were asked to end.
const WAIT_FOR_ENDS: Duration = Duration::from_millis(250);

const LIVE: &str = concat!("SELECT ", live_columns!(), " FROM live_jobs WHERE id > ?1 ORDER BY id LIMIT ?2");
const FINISHED: &str = concat!(
    "SELECT ",
    finished_columns!(),
    " FROM finished_jobs INDEXED BY finished_by_lane WHERE kind_id = ?1 LIMIT ?2"
);
const KINDS: &str = "SELECT id FROM kinds WHERE tenant_id = ?1 ORDER BY id";
const CAME_TO: &str = "SELECT removed_until FROM tenants WHERE id = ?1";
const COMES_TO: &str = "UPDATE tenants SET removed_until = ?2, removed_jobs = removed_jobs + ?3 WHERE id = ?1";
const UNFINISHED: &str = "SELECT coalesce(sum(jobs), 0) FROM counters
    WHERE tenant_id = ?1 AND state NOT IN ('succeeded', 'failed', 'cancelled')";

/// What is kept by a job's id beside what is counted.
const OF_JOB: [&str; 9] = [
    DELETE_WAIT,
    "DELETE FROM attempts WHERE job_id = ?1",
    "DELETE FROM dependencies WHERE parent_id = ?1",
    "DELETE FROM dependencies WHERE child_id = ?1",
    "DELETE FROM caused_jobs WHERE cause = ?1",
    "DELETE FROM batch_jobs WHERE job_id = ?1",
    "DELETE FROM dead_letters WHERE job_id = ?1",
    "DELETE FROM unsettled_jobs WHERE job_id = ?1",
    "DELETE FROM live_jobs WHERE id = ?1",
];
const DELETE_FINISHED: &str = "DELETE FROM finished_jobs WHERE id = ?1";

/// What is left when jobs and keys with values are gone, in this order, each so many rows at a time: those first that name others.
/// What a statement returns are bytes that were counted.
const OF_TENANT: [(&str, usize); 27] = [
    (REMOVE_NOTIFICATIONS, REMOVED_ROWS_MAX),
    (REMOVE_NOTIFIED_USERS, REMOVED_ROWS_MAX),
    (
        "DELETE FROM mail_contents WHERE mail_id IN (SELECT id FROM mails INDEXED BY mails_of_tenant
            JOIN mail_contents ON mail_id = id WHERE tenant_id = ?1 LIMIT ?2)",
        REMOVED_GROUPS_MAX,
    ),
    (
        "DELETE FROM mail_recipients WHERE mail_id IN (SELECT id FROM mails INDEXED BY mails_of_tenant
            JOIN mail_recipients ON mail_id = id WHERE tenant_id = ?1 LIMIT ?2)",
        REMOVED_GROUPS_MAX,
    ),
    (
        "DELETE FROM mails WHERE id IN (SELECT id FROM mails INDEXED BY mails_of_tenant WHERE tenant_id = ?1 LIMIT ?2)
            RETURNING counted_bytes",
        REMOVED_ROWS_MAX,
    ),
    ("DELETE FROM mail_counts WHERE tenant_id = ?1 AND ?2 > 0", 1),
    ("DELETE FROM mail_buckets WHERE tenant_id = ?1 AND ?2 > 0", 1),
    (
        "DELETE FROM emitted_events WHERE id IN (SELECT id FROM emitted_events WHERE tenant_id = ?1 LIMIT ?2)
            RETURNING counted_bytes",
        REMOVED_ROWS_MAX,
    ),
    ("DELETE FROM secrets WHERE id IN (SELECT id FROM secrets WHERE tenant_id = ?1 LIMIT ?2)", REMOVED_GROUPS_MAX),
    ("DELETE FROM kv_usage WHERE tenant_id = ?1 AND ?2 > 0", 1),
    (
        "DELETE FROM job_tags WHERE (tenant_id, tag, job_id) IN
            (SELECT tenant_id, tag, job_id FROM job_tags WHERE tenant_id = ?1 LIMIT ?2)",
        REMOVED_ROWS_MAX,
    ),
    (
        "DELETE FROM idempotency_keys WHERE tenant_id = ?1 AND key IN
            (SELECT key FROM idempotency_keys WHERE tenant_id = ?1 LIMIT ?2)
            RETURNING counted_bytes",
        REMOVED_GROUPS_MAX,
    ),
    (
        "DELETE FROM unique_jobs WHERE tenant_id = ?1 AND identity IN
            (SELECT identity FROM unique_jobs WHERE tenant_id = ?1 LIMIT ?2)",
        REMOVED_ROWS_MAX,
    ),
    (
        "DELETE FROM operations WHERE id IN
            (SELECT id FROM operations INDEXED BY operations_of_tenant WHERE tenant_id = ?1 LIMIT ?2)",
        REMOVED_ROWS_MAX,
    ),
    (
        "DELETE FROM dead_letter_groups WHERE number IN
            (SELECT number FROM dead_letter_groups INDEXED BY dead_letter_groups_newest WHERE tenant_id = ?1 LIMIT ?2)",
        REMOVED_ROWS_MAX,
    ),
    // Gaps that deleted jobs left in workflows.
    (
        "DELETE FROM batch_jobs WHERE job_id IN (SELECT job_id FROM batches INDEXED BY batches_of_tenant
            JOIN batch_jobs ON batch_jobs.batch_id = batches.id WHERE tenant_id = ?1 LIMIT ?2)",
        REMOVED_ROWS_MAX,
    ),
    (
        "DELETE FROM batches WHERE id IN
            (SELECT id FROM batches INDEXED BY batches_of_tenant WHERE tenant_id = ?1 LIMIT ?2)
            RETURNING counted_bytes",
        REMOVED_GROUPS_MAX,
    ),
    (
        "DELETE FROM schedule_slots WHERE schedule_id IN (SELECT id FROM schedules WHERE tenant_id = ?1
            AND EXISTS (SELECT 1 FROM schedule_slots WHERE schedule_id = schedules.id) LIMIT ?2)",
        REMOVED_GROUPS_MAX,
    ),
    (
        "DELETE FROM schedules WHERE id IN (SELECT id FROM schedules WHERE tenant_id = ?1 LIMIT ?2)
            RETURNING length(payload) + octet_length(definition) + coalesce(octet_length(declared), 0)",
        REMOVED_GROUPS_MAX,
    ),
    (
        "DELETE FROM buckets WHERE limit_code IN (
            SELECT concurrency_keys.id * 4 + 1 FROM kinds JOIN concurrency_keys ON kind_id = kinds.id
                WHERE kinds.tenant_id = ?1
            UNION ALL SELECT id * 4 FROM kinds WHERE tenant_id = ?1
            UNION ALL SELECT id * 4 + 2 FROM queues WHERE tenant_id = ?1
            UNION ALL SELECT ?1 * 4 + 3 LIMIT ?2)",
        usize::MAX >> 1,
    ),
    (
        "DELETE FROM concurrency_keys WHERE id IN (SELECT concurrency_keys.id FROM kinds
            JOIN concurrency_keys ON kind_id = kinds.id WHERE kinds.tenant_id = ?1 LIMIT ?2)",
        REMOVED_ROWS_MAX,
    ),
    (
        "DELETE FROM counters WHERE (tenant_id, queue_id, kind_id, state) IN
            (SELECT tenant_id, queue_id, kind_id, state FROM counters WHERE tenant_id = ?1 LIMIT ?2)",
        REMOVED_ROWS_MAX,
    ),
    (
        "DELETE FROM module_versions WHERE id IN (SELECT module_versions.id FROM modules
            JOIN module_versions ON module_id = modules.id WHERE modules.tenant_id = ?1 LIMIT ?2)",
        REMOVED_ROWS_MAX,
    ),
    ("DELETE FROM module_versions WHERE tenant_id = ?1 AND ?2 > 0", 1),
    ("DELETE FROM modules WHERE id IN (SELECT id FROM modules WHERE tenant_id = ?1 LIMIT ?2)", REMOVED_ROWS_MAX),
    ("DELETE FROM kinds WHERE id IN (SELECT id FROM kinds WHERE tenant_id = ?1 LIMIT ?2)", REMOVED_ROWS_MAX),
    ("DELETE FROM queues WHERE id IN (SELECT id FROM queues WHERE tenant_id = ?1 LIMIT ?2)", REMOVED_ROWS_MAX),
];
const DIGESTS: &str = "SELECT DISTINCT digest FROM module_versions WHERE tenant_id = ?1 AND deleted_at IS NULL";
const RETIRE_VERSIONS: &str = "UPDATE module_versions SET deleted_at = ?2 WHERE tenant_id = ?1 AND deleted_at IS NULL";
const NOTE_DELETED: &str = "INSERT INTO deleted_tenants (id, name, deleted_at)
    SELECT id, name, ?2 FROM tenants WHERE id = ?1";
// Until here they are refused because the tenant is being deleted. The audit log goes with its age.
const DELETE_STORED: &str = "DELETE FROM stored_bytes WHERE tenant_id = ?1";
const DELETE_TENANT: &str = "DELETE FROM tenants WHERE id = ?1";

/// One piece. A tenant that is not being deleted is left alone.
pub(in crate::store) fn remove_further(
    sql: &Connection,
    draft: &mut Draft,
    tenant: TenantId,
) -> Result<RemovedPiece, StoreError> {
    let is_going = draft.catalog.tenant_entries.contains_key(&tenant) && !draft.catalog.is_open(tenant);
    if !is_going {
        return Ok(RemovedPiece::default());
    }
    if unfinished(sql, draft, tenant)? > 0 {
        return remove_unfinished(sql, draft, tenant);
    }
    let at_once = RemovedPiece { again_in: Some(Duration::ZERO), ..RemovedPiece::default() };
    if remove_history(sql, draft, tenant)? {
        return Ok(at_once);
    }
    let unused = retire_modules(sql, draft, tenant)?;
    if !unused.is_empty() {
        return Ok(RemovedPiece { unused, ..at_once });
    }
    if has_databases(sql, tenant)? {
        return Ok(RemovedPiece { again_in: Some(WAIT_FOR_ENDS), has_databases: true, ..RemovedPiece::default() });
    }
    if remove_some_kv(sql, tenant, REMOVED_GROUPS_MAX)? > 0 {
        return Ok(at_once);
    }
    for (statement, rows_max) in OF_TENANT {
        let rows_max = i64::try_from(rows_max).unwrap_or(i64::MAX);
        if remove_some(sql, draft, statement, (tenant, rows_max))? > 0 {
            return Ok(at_once);
        }
    }
    if draft.will_write_of(tenant) {
        // Of what else was done in this transaction. It would be written after the last row was removed.
        return Ok(at_once);
    }
    revoke_all_of(sql, draft, tenant)?;
    sql.prepare_cached(NOTE_DELETED)?.execute(params![tenant.0, draft.now.as_ms()])?;
    sql.prepare_cached(DELETE_TENANT)?.execute([tenant.0])?;
    sql.prepare_cached(DELETE_STORED)?.execute([tenant.0])?;
    draft.meter.forget(tenant);
    let credentials = Arc::clone(&draft.catalog.credentials);
    draft.catalog = Arc::new(Catalog { credentials, ..load_catalog(sql, draft.catalog.revision)? });
    Ok(RemovedPiece::default())
}

/// Removes some rows; those that were counted say by how many bytes.
fn remove_some(
    sql: &Connection,
    draft: &mut Draft,
    statement: &str,
    (tenant, rows_max): (TenantId, i64),
) -> Result<usize, StoreError> {
    let mut statement = sql.prepare_cached(statement)?;
    if statement.column_count() == 0 {
        return Ok(statement.execute(params![tenant.0, rows_max])?);
    }
    let (mut removed, mut rows) = (0, statement.query(params![tenant.0, rows_max])?);
    while let Some(row) = rows.next()? {
        draft.meter.kept(tenant, -row.get::<_, i64>(0)?);
        removed += 1;
    }
    Ok(removed)
}

/// Jobs that have not ended, those of this transaction included.
fn unfinished(sql: &Connection, draft: &Draft, tenant: TenantId) -> Result<i64, StoreError> {
    let written: i64 = sql.prepare_cached(UNFINISHED)?.query_row([tenant.0], |row| row.get(0))?;
    Ok(written + draft.unfinished_in_transaction(tenant))
}

/// Goes on through the unfinished jobs. At their end it begins anew, since those that ran may wait now.
fn remove_unfinished(sql: &Connection, draft: &mut Draft, tenant: TenantId) -> Result<RemovedPiece, StoreError> {
    let came_to: Option<Vec<u8>> = sql.prepare_cached(CAME_TO)?.query_row([tenant.0], |row| row.get(0))?;
    let (mut interrupts, mut removed, mut looked_at) = (Vec::new(), 0, 0);
    let mut last = None;
    let jobs = page(sql, &came_to.unwrap_or_default())?;
    for job in &jobs {
        if removed + interrupts.len() >= REMOVED_JOBS_MAX {
            break;
        }
        looked_at += 1;
        last = Some(job.id.to_bytes());
        if job.lane.tenant != tenant {
            continue;
        }
        if job.lease_host.is_some() {
            cancel::request(sql, draft, job)?;
            interrupts.push((job.id, job.lease_number) as LeaseKey);
        } else {
            remove_rows(sql, draft, tenant, job.id)?;
            draft.count(job.lane, job.state, -1);
            draft.paces.left_line(&draft.catalog, job.counted());
            removed += 1;
        }
    }
    let is_end = looked_at == jobs.len() && jobs.len() < LOOKED_AT_MAX;
    let comes_to = last.filter(|_| !is_end);
    sql.prepare_cached(COMES_TO)?.execute(params![tenant.0, comes_to, removed])?;
    let again_in = Some(if is_end && removed == 0 { WAIT_FOR_ENDS } else { Duration::ZERO });
    Ok(RemovedPiece { again_in, interrupts, ..RemovedPiece::default() })
}

fn page(sql: &Connection, after: &[u8]) -> Result<Vec<LiveRow>, StoreError> {
    let mut statement = sql.prepare_cached(LIVE)?;
    let mut rows = statement.query(params![after, LOOKED_AT_MAX])?;
    let mut page = Vec::new();
    while let Some(row) = rows.next()? {
        page.push(LiveRow::from_row(row)?);
    }
    Ok(page)
}

/// Some of the finished jobs; `false`: there are none.
fn remove_history(sql: &Connection, draft: &mut Draft, tenant: TenantId) -> Result<bool, StoreError> {
    let kinds: Vec<i64> =
        sql.prepare_cached(KINDS)?.query_map([tenant.0], |row| row.get(0))?.collect::<Result<_, _>>()?;
    for kind in kinds {
        let jobs = finished(sql, kind)?;
        let mut removed = 0;
        for job in &jobs {
            // One with many executions goes in pieces, too.
            if !remove_bulk(sql, draft, job)? {
                break;
            }
            remove_rows(sql, draft, tenant, job.id)?;
            sql.prepare_cached(DELETE_FINISHED)?.execute([job.id.to_bytes()])?;
            draft.count(job.lane, job.state, -1);
            removed += 1;
        }
        if !jobs.is_empty() {
            sql.prepare_cached(COMES_TO)?.execute(params![tenant.0, None::<Vec<u8>>, removed])?;
            return Ok(true);
        }
    }
    Ok(false)
}

fn finished(sql: &Connection, kind: i64) -> Result<Vec<FinishedRow>, StoreError> {
    let mut statement = sql.prepare_cached(FINISHED)?;
    let mut rows = statement.query(params![kind, REMOVED_JOBS_MAX])?;
    let mut jobs = Vec::new();
    while let Some(row) = rows.next()? {
        jobs.push(FinishedRow::from_row(row)?);
    }
    Ok(jobs)
}

fn remove_rows(sql: &Connection, draft: &mut Draft, tenant: TenantId, job: JobId) -> Result<(), StoreError> {
    for statement in DELETES_OF_BYTES.into_iter().chain([DELETE_STEPS]) {
        draft.meter.stored(tenant, job, -deleted_bytes(sql, statement, [job.to_bytes()])?);
    }
    for statement in OF_JOB {
        sql.prepare_cached(statement)?.execute([job.to_bytes()])?;
    }
    Ok(())
}

/// The versions of the tenant's modules are kept no longer: those are given that nobody else has. Their bytes go as those of
/// uploads do that came to nothing.
fn retire_modules(sql: &Connection, draft: &Draft, tenant: TenantId) -> Result<Vec<Digest>, StoreError> {
    let mut statement = sql.prepare_cached(DIGESTS)?;
    let digests: Vec<[u8; 32]> = statement.query_map([tenant.0], |row| row.get(0))?.collect::<Result<_, _>>()?;
    if digests.is_empty() {
        return Ok(Vec::new());
    }
    sql.prepare_cached(RETIRE_VERSIONS)?.execute(params![tenant.0, draft.now.as_ms()])?;
    let mut unused = Vec::new();
    for digest in digests.into_iter().map(Digest) {
        if !is_kept(sql, digest)? {
            unused.push(digest);
        }
    }
    Ok(unused)
}
