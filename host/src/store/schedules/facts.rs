//! What the audit log compares of a schedule.

use rusqlite::{Connection, OptionalExtension};
use serde_json::{Value, json};

use super::model::ScheduleOrigin;
use super::rows::by_name;
use crate::job::ScheduleName;
use crate::store::audit::payload_facts;
use crate::store::catalog::TenantId;
use crate::store::error::StoreError;

const PAYLOAD: &str = "SELECT payload FROM schedules WHERE id = ?1";

/// What is in force of it; `None`: there is none.
pub(in crate::store) fn schedule_facts(
    sql: &Connection,
    tenant: TenantId,
    name: &ScheduleName,
) -> Result<Option<Value>, StoreError> {
    let Some(known) = by_name(sql, tenant, name)? else { return Ok(None) };
    let row = known.row;
    let payload: Option<Vec<u8>> =
        sql.prepare_cached(PAYLOAD)?.query_row([row.id.0], |row| row.get(0)).optional()?.flatten();
    let is_declared = matches!(row.origin, ScheduleOrigin::Module { is_overridden: false, .. });
    let mut definition = row.definition.map(|definition| serde_json::to_value(&definition)).transpose();
    // The payload stands beside it, and is told by its hash only.
    if let Ok(Some(definition)) = &mut definition
        && let Some(job) = definition.get_mut("job").and_then(Value::as_object_mut)
    {
        job.remove("payload");
    }
    Ok(Some(json!({
        "kind": row.kind,
        "definition": definition.map_err(StoreError::internal)?,
        "payload": payload.map(|payload| payload_facts(&payload)),
        "paused": row.is_paused,
        "fault": row.fault,
        "declared": is_declared,
        "revision": row.revision,
    })))
}
