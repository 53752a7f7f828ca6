//! Actions on many jobs as rows: accepted here, worked off by `bulk_step.rs`, listed, ended, and forgotten after a while.

use rusqlite::{Connection, Row, params};
use serde_json::json;

use super::audit::{Entry, record};
use super::catalog::TenantId;
use super::dead_letters;
use super::draft::Draft;
use super::error::StoreError;
use super::job_list::queue_ever;
use super::model::{
    BulkRequest, CancelOperationResult, CreateOperationResult, IdempotencyKey, OperationError, OperationRow,
    Unmatchable,
};
use crate::job::{Bucket, BulkFilter, JobId, OperationId, OperationState, Timestamp};

/// A tenant's operations that have not finished.
pub(super) const OPERATIONS_UNFINISHED_MAX: usize = 100;
/// A tenant's operations in all; the oldest finished ones go first.
const OPERATIONS_KEPT_MAX: usize = 1_000;
/// How long a finished one is kept, ms.
const OPERATION_KEEP_MS: i64 = 7 * 24 * 3_600 * 1_000;
/// Operations forgotten by one prune.
const PRUNED_OPERATIONS_MAX: usize = 100;

macro_rules! operation_columns {
    () => {
        "id, state, request, cursor, matched, changed, skipped, failed, errors, created_at, started_at, finished_at"
    };
}

const ONE: &str = concat!("SELECT ", operation_columns!(), " FROM operations WHERE id = ?2 AND tenant_id = ?1");
const OF_KEY: &str = concat!(
    "SELECT ",
    operation_columns!(),
    ", request_hash FROM operations INDEXED BY operations_key WHERE tenant_id = ?1 AND idempotency_key = ?2"
);
const PAGE: &str = concat!(
    "SELECT ",
    operation_columns!(),
    " FROM operations INDEXED BY operations_of_tenant WHERE tenant_id = ?1 AND id < ?2 ORDER BY id DESC LIMIT ?3"
);
const KIND_KNOWN: &str = "SELECT 1 FROM kinds WHERE tenant_id = ?1 AND name = ?2";
const MODULE_KNOWN: &str = "SELECT 1 FROM modules WHERE tenant_id = ?1 AND name = ?2";
const UNFINISHED: &str =
    "SELECT count(*) FROM operations INDEXED BY operations_unfinished WHERE tenant_id = ?1 AND finished_at IS NULL";
const ALL_UNFINISHED: &str = "SELECT tenant_id, id FROM operations INDEXED BY operations_unfinished WHERE finished_at IS NULL ORDER BY tenant_id, id";
const INSERT: &str =
    "INSERT INTO operations (id, tenant_id, state, request, cursor, created_at, idempotency_key, request_hash)
    VALUES (?1, ?2, 'queued', ?3, ?1, ?4, ?5, ?6)";
// Beyond so many of a tenant's, whatever their age.
const MAKE_ROOM: &str = "DELETE FROM operations WHERE tenant_id = ?1 AND finished_at IS NOT NULL AND id <=
    (SELECT id FROM operations INDEXED BY operations_of_tenant WHERE tenant_id = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)";
const END: &str =
    "UPDATE operations SET state = ?2, finished_at = ?3, errors = ?4 WHERE id = ?1 AND finished_at IS NULL";
const BUCKET: &str = "SELECT bucket_missing_millionths, bucket_at_ns FROM operations WHERE id = ?1";
const PRUNE: &str = "DELETE FROM operations WHERE id IN (SELECT id FROM operations INDEXED BY operations_finished
    WHERE finished_at IS NOT NULL AND finished_at <= ?1 ORDER BY finished_at LIMIT ?2)";

fn from_row(row: &Row<'_>) -> Result<OperationRow, StoreError> {
    let word: String = row.get(1)?;
    let state = OperationState::ALL.into_iter().find(|state| state.as_str() == word);
    let request: String = row.get(2)?;
    let errors: String = row.get(8)?;
    Ok(OperationRow {
        id: OperationId::from_bytes(row.get(0)?),
        state: state.ok_or_else(|| StoreError::Internal(format!("`{word}` is no state of an operation")))?,
        request: serde_json::from_str(&request).map_err(StoreError::internal)?,
        cursor: JobId::from_bytes(row.get(3)?),
        matched: row.get(4)?,
        changed: row.get(5)?,
        skipped: row.get(6)?,
        failed: row.get(7)?,
        errors: serde_json::from_str(&errors).map_err(StoreError::internal)?,
        created_at: Timestamp(row.get(9)?),
        started_at: row.get::<_, Option<i64>>(10)?.map(Timestamp),
        finished_at: row.get::<_, Option<i64>>(11)?.map(Timestamp),
    })
}

/// Accepts one, unless its key came before.
pub(super) fn create(
    sql: &Connection,
    draft: &mut Draft,
    tenant: TenantId,
    request: &BulkRequest,
    key: Option<&IdempotencyKey>,
) -> Result<CreateOperationResult, StoreError> {
    if let Some(key) = key {
        let mut statement = sql.prepare_cached(OF_KEY)?;
        let mut rows = statement.query(params![tenant.0, key.key])?;
        if let Some(row) = rows.next()? {
            let is_same = row.get::<_, Option<[u8; 32]>>(12)? == Some(key.request_hash);
            return Ok(if is_same {
                CreateOperationResult::Replayed(Box::new(from_row(row)?))
            } else {
                CreateOperationResult::KeyConflict
            });
        }
    }
    if let Some(unmatchable) = unmatchable(sql, draft, tenant, &request.filter)? {
        return Ok(CreateOperationResult::Unmatchable(unmatchable));
    }
    let unfinished: usize = sql.prepare_cached(UNFINISHED)?.query_row([tenant.0], |row| row.get(0))?;
    if unfinished >= OPERATIONS_UNFINISHED_MAX {
        return Ok(CreateOperationResult::TooMany(unfinished));
    }
    sql.prepare_cached(MAKE_ROOM)?.execute(params![tenant.0, OPERATIONS_KEPT_MAX - 1])?;
    let id = OperationId::from_u128(draft.next_id().as_u128());
    let text = serde_json::to_string(request).map_err(StoreError::internal)?;
    sql.prepare_cached(INSERT)?.execute(params![
        id.to_bytes(),
        tenant.0,
        text,
        draft.now.as_ms(),
        key.map(|key| &key.key),
        key.map(|key| key.request_hash)
    ])?;
    let created = operation(sql, tenant, id)?.ok_or_else(|| StoreError::internal("an operation was not written"))?;
    let entry = Entry { tenant: Some(tenant), action: "operation.create", object: format!("operation/{id}") };
    record(sql, draft, &entry, &None, &Some(json!({"request": request})))?;
    Ok(CreateOperationResult::Created(Box::new(created)))
}

/// What of a filter is a slip of whoever wrote it: an operation that finds nothing would hide it.
fn unmatchable(
    sql: &Connection,
    draft: &Draft,
    tenant: TenantId,
    filter: &BulkFilter,
) -> Result<Option<Unmatchable>, StoreError> {
    let is_known = |query: &str, name: &str| sql.prepare_cached(query)?.exists(params![tenant.0, name]);
    // Kinds, queues and modules that are gone have left jobs behind.
    if let Some(kind) = &filter.kind
        && !is_known(KIND_KNOWN, kind.as_str())?
    {
        return Ok(Some(Unmatchable::Kind));
    }
    if let Some(queue) = &filter.queue
        && queue_ever(sql, tenant, queue)?.is_none()
    {
        return Ok(Some(Unmatchable::Queue));
    }
    if let Some(module) = &filter.module {
        if !is_known(MODULE_KNOWN, module.as_str())? {
            return Ok(Some(Unmatchable::Module));
        }
        if let Some(kind) = &filter.kind {
            let version = draft.catalog.kind(tenant, kind).and_then(|kind| kind.version.as_ref());
            if version.is_none_or(|version| version.module != *module) {
                return Ok(Some(Unmatchable::KindOfModule));
            }
        }
    }
    if let Some(group) = filter.group
        && dead_letters::number(sql, tenant, group)?.is_none()
    {
        return Ok(Some(Unmatchable::Group));
    }
    Ok(None)
}

/// A tenant's operation.
pub(super) fn operation(
    sql: &Connection,
    tenant: TenantId,
    id: OperationId,
) -> Result<Option<OperationRow>, StoreError> {
    let mut statement = sql.prepare_cached(ONE)?;
    let mut rows = statement.query(params![tenant.0, id.to_bytes()])?;
    rows.next()?.map(from_row).transpose()
}

/// A tenant's operations, newest first, those older than `before`.
pub(super) fn operations(
    sql: &Connection,
    tenant: TenantId,
    before: Option<OperationId>,
    limit: usize,
) -> Result<Vec<OperationRow>, StoreError> {
    let before = before.map_or([0xff; 16], OperationId::to_bytes);
    let mut statement = sql.prepare_cached(PAGE)?;
    let mut rows = statement.query(params![tenant.0, before, limit])?;
    let mut page = Vec::new();
    while let Some(row) = rows.next()? {
        page.push(from_row(row)?);
    }
    Ok(page)
}

/// What is left to do, of all tenants.
pub(super) fn unfinished(sql: &Connection) -> Result<Vec<(TenantId, OperationId)>, StoreError> {
    let mut statement = sql.prepare_cached(ALL_UNFINISHED)?;
    let rows = statement.query_map([], |row| Ok((TenantId(row.get(0)?), OperationId::from_bytes(row.get(1)?))))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Ends one; what it has done stays done.
pub(super) fn cancel(
    sql: &Connection,
    draft: &Draft,
    tenant: TenantId,
    id: OperationId,
) -> Result<CancelOperationResult, StoreError> {
    let Some(known) = operation(sql, tenant, id)? else { return Ok(CancelOperationResult::NotFound) };
    match known.state {
        OperationState::Queued | OperationState::Running => {
            end(sql, draft.now, &known, OperationState::Cancelled, None)?;
            let ended = operation(sql, tenant, id)?;
            Ok(ended.map_or(CancelOperationResult::NotFound, |row| CancelOperationResult::Cancelled(Box::new(row))))
        }
        OperationState::Cancelled => Ok(CancelOperationResult::Cancelled(Box::new(known))),
        OperationState::Done | OperationState::Failed => Ok(CancelOperationResult::Finished(Box::new(known))),
    }
}

/// Gives one up that can't be gone on with.
pub(super) fn fail(
    sql: &Connection,
    draft: &Draft,
    tenant: TenantId,
    id: OperationId,
    message: &str,
) -> Result<(), StoreError> {
    let Some(known) = operation(sql, tenant, id)? else { return Ok(()) };
    let error = OperationError { job: None, message: message.to_owned() };
    end(sql, draft.now, &known, OperationState::Failed, Some(&error))
}

fn end(
    sql: &Connection,
    now: Timestamp,
    known: &OperationRow,
    state: OperationState,
    error: Option<&OperationError>,
) -> Result<(), StoreError> {
    let errors: Vec<&OperationError> = known.errors.iter().chain(error).collect();
    let errors = serde_json::to_string(&errors).map_err(StoreError::internal)?;
    sql.prepare_cached(END)?.execute(params![known.id.to_bytes(), state.as_str(), now.as_ms(), errors])?;
    Ok(())
}

/// Forgets what finished long ago; `true` when more is left.
pub(super) fn prune(sql: &Connection, now: Timestamp) -> Result<bool, StoreError> {
    let before = now.as_ms().saturating_sub(OPERATION_KEEP_MS);
    Ok(sql.prepare_cached(PRUNE)?.execute(params![before, PRUNED_OPERATIONS_MAX])? == PRUNED_OPERATIONS_MAX)
}

/// How full the bucket of its rate is.
pub(super) fn bucket(sql: &Connection, id: OperationId) -> Result<Bucket, StoreError> {
    let bucket = |row: &Row<'_>| Ok(Bucket { missing_millionths: row.get(0)?, at_ns: row.get(1)? });
    Ok(sql.prepare_cached(BUCKET)?.query_row([id.to_bytes()], bucket)?)
}
