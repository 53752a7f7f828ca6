//! What is compared before and after a change: of each thing what an operator can set or see.

use rusqlite::{Connection, OptionalExtension};
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::record::Facts;
use crate::job::{
    BatchId, Digest, JobId, KindName, ModuleName, OperationId, QueueName, ScheduleName, TenantName, Timestamp,
};
use crate::store::batches;
use crate::store::batches::model::Closing;
use crate::store::bulk;
use crate::store::catalog::{Catalog, TenantId};
use crate::store::error::StoreError;
use crate::store::modules;
use crate::store::rows::any_row;
use crate::store::schedules::schedule_facts;

const PAYLOAD: &str = "SELECT body FROM payloads WHERE job_id = ?1";

pub(super) fn value(of: &impl Serialize) -> Result<Value, StoreError> {
    serde_json::to_value(of).map_err(StoreError::internal)
}

/// What a payload is known by.
pub(in crate::store) fn payload(bytes: &[u8]) -> Value {
    json!({"bytes": bytes.len(), "hash": Digest(Sha256::digest(bytes).into()).to_string()})
}

pub(super) fn job(
    sql: &Connection,
    catalog: &Catalog,
    tenant: TenantId,
    job: JobId,
    with_payload: bool,
) -> Result<Facts, StoreError> {
    let Some(row) = any_row(sql, tenant, job)? else { return Ok(None) };
    let row = row.to_job_row(sql, catalog)?;
    let body: Option<Vec<u8>> = if with_payload {
        sql.prepare_cached(PAYLOAD)?.query_row([job.to_bytes()], |row| row.get(0)).optional()?
    } else {
        None
    };
    Ok(Some(json!({
        "kind": row.kind,
        "queue": row.queue,
        "state": row.state.as_str(),
        "priority": row.priority,
        "attempt": row.attempt,
        "max_attempts": row.max_attempts,
        "run_at": row.run_at.as_ms(),
        "tags": row.tags,
        "options": value(&row.options)?,
        "cancel_requested": row.cancel_requested,
        "payload": body.map(|body| payload(&body)),
    })))
}

pub(super) fn queue(catalog: &Catalog, tenant: TenantId, name: &QueueName) -> Result<Facts, StoreError> {
    let settings = catalog.queue(tenant, name).and_then(|id| catalog.queue_settings.get(&id));
    let Some(settings) = settings else { return Ok(None) };
    Ok(Some(json!({
        "priority": settings.priority,
        "paused": settings.is_paused,
        "pace": value(&settings.pace)?,
        "relaxed": settings.is_relaxed,
        "retention": value(&settings.retention)?,
    })))
}

pub(super) fn tenant(catalog: &Catalog, name: &TenantName) -> Result<Facts, StoreError> {
    let entry = catalog.tenants.get(name).and_then(|id| catalog.tenant_entries.get(id));
    let Some(entry) = entry else { return Ok(None) };
    Ok(Some(json!({
        "state": entry.state.as_str(),
        "weight": entry.weight,
        "quotas": value(&entry.quotas)?,
        "settings": value(&entry.settings)?,
        // With it a deletion needs no `without_export`.
        "exported_at": entry.exported_at.map(Timestamp::as_ms),
    })))
}

pub(super) fn kind(catalog: &Catalog, tenant: TenantId, name: &KindName) -> Result<Facts, StoreError> {
    catalog.kind(tenant, name).map(|entry| value(&entry.operator_settings)).transpose()
}

pub(super) fn module(sql: &Connection, tenant: TenantId, name: &ModuleName) -> Result<Facts, StoreError> {
    let Some(digests) = modules::digests(sql, tenant, name)? else { return Ok(None) };
    let active = modules::module(sql, tenant, name)?.filter(|version| version.active);
    let versions: Vec<String> = digests.iter().map(Digest::to_string).collect();
    Ok(Some(json!({"active": active.map(|version| version.digest.to_string()), "versions": versions})))
}

pub(super) fn schedule(sql: &Connection, tenant: TenantId, name: &ScheduleName) -> Result<Facts, StoreError> {
    schedule_facts(sql, tenant, name)
}

pub(super) fn batch(
    sql: &Connection,
    catalog: &Catalog,
    tenant: TenantId,
    id: BatchId,
    is_workflow: bool,
) -> Result<Facts, StoreError> {
    let Some(row) = batches::batch(sql, catalog, tenant, id, is_workflow)? else { return Ok(None) };
    let closing = match row.closing {
        Closing::Closed => "closed",
        Closing::OnRequest => "on_request",
        Closing::WhenDone => "when_done",
    };
    Ok(Some(json!({
        "closing": closing,
        "is_cancelling": row.is_cancelling,
        "total": row.total,
        "succeeded": row.succeeded,
        "failed": row.failed,
        "cancelled": row.cancelled,
        "skipped": row.skipped,
    })))
}

pub(super) fn operation(sql: &Connection, tenant: TenantId, id: OperationId) -> Result<Facts, StoreError> {
    let Some(row) = bulk::operation(sql, tenant, id)? else { return Ok(None) };
    Ok(Some(json!({"state": row.state.as_str(), "request": value(&row.request)?, "changed": row.changed})))
}
