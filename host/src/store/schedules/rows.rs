//! Rows of `schedules` as operations read them.

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::model::{ScheduleId, ScheduleOrigin, ScheduleRow};
use crate::job::{ScheduleName, Timestamp};
use crate::store::catalog::{KindId, ModuleVersionId, TenantId};
use crate::store::error::StoreError;

macro_rules! schedule_columns {
    () => {
        "SELECT schedules.id, schedules.tenant_id, schedules.name, schedules.kind_id, kinds.name, definition, checked_version,
            anchor_at, decided_until, next_at, queued_slot, paused, fault, modules.name, overridden, revision, created_at,
            updated_at, declared
         FROM schedules JOIN kinds ON kinds.id = schedules.kind_id LEFT JOIN modules ON modules.id = schedules.module_id"
    };
}
pub(super) use schedule_columns;

const BY_ID: &str = concat!(schedule_columns!(), " WHERE schedules.id = ?1");
const BY_NAME: &str = concat!(schedule_columns!(), " WHERE schedules.tenant_id = ?1 AND schedules.name = ?2");
const PAYLOAD: &str = "SELECT payload FROM schedules WHERE id = ?1";
const PAYLOAD_BYTES: &str = "SELECT length(payload) FROM schedules WHERE id = ?1";

/// A row and what only operations need of it.
#[derive(Clone, Debug)]
pub(super) struct StoredSchedule {
    pub(super) row: ScheduleRow,
    pub(super) kind: KindId,
    pub(super) checked_against: Option<ModuleVersionId>,
    /// JSON of what its module declares.
    pub(super) declared: Option<String>,
}

impl StoredSchedule {
    /// From a row of `schedule_columns!`. What is in force may have become unreadable: that is no reason to read nothing.
    pub(super) fn from_row(row: &Row<'_>) -> Result<Self, StoreError> {
        let definition: String = row.get(5)?;
        let module: Option<String> = row.get(13)?;
        let is_overridden = row.get(14)?;
        let origin = match module.map(|name| name.parse()).transpose().map_err(StoreError::internal)? {
            Some(module) => ScheduleOrigin::Module { module, is_overridden },
            None => ScheduleOrigin::Operator,
        };
        let at = |index: usize| row.get(index).map(Timestamp);
        let maybe_at = |index: usize| row.get::<_, Option<i64>>(index).map(|at| at.map(Timestamp));
        Ok(Self {
            kind: KindId(row.get(3)?),
            checked_against: row.get::<_, Option<i64>>(6)?.map(ModuleVersionId),
            declared: row.get(18)?,
            row: ScheduleRow {
                id: ScheduleId(row.get(0)?),
                tenant: TenantId(row.get(1)?),
                name: row.get::<_, String>(2)?.parse().map_err(StoreError::internal)?,
                kind: row.get::<_, String>(4)?.parse().map_err(StoreError::internal)?,
                definition: serde_json::from_str(&definition).ok(),
                anchor_at: at(7)?,
                decided_until: at(8)?,
                next_at: maybe_at(9)?,
                queued_slot: maybe_at(10)?,
                is_paused: row.get(11)?,
                fault: row.get(12)?,
                origin,
                revision: row.get::<_, i64>(15)?.unsigned_abs(),
                created_at: at(16)?,
                updated_at: at(17)?,
            },
        })
    }
}

pub(super) fn by_id(sql: &Connection, id: ScheduleId) -> Result<Option<StoredSchedule>, StoreError> {
    Ok(read(sql, BY_ID, params![id.0])?.pop())
}

pub(super) fn by_name(
    sql: &Connection,
    tenant: TenantId,
    name: &ScheduleName,
) -> Result<Option<StoredSchedule>, StoreError> {
    Ok(read(sql, BY_NAME, params![tenant.0, name.as_str()])?.pop())
}

pub(super) fn read(
    sql: &Connection,
    query: &str,
    parameters: &[&dyn rusqlite::ToSql],
) -> Result<Vec<StoredSchedule>, StoreError> {
    let mut statement = sql.prepare_cached(query)?;
    let mut rows = statement.query(parameters)?;
    let mut schedules = Vec::new();
    while let Some(row) = rows.next()? {
        schedules.push(StoredSchedule::from_row(row)?);
    }
    Ok(schedules)
}

/// JSON text.
pub(super) fn payload_of(sql: &Connection, id: ScheduleId) -> Result<Bytes, StoreError> {
    let payload: Option<Vec<u8>> = sql.prepare_cached(PAYLOAD)?.query_row([id.0], |row| row.get(0)).optional()?;
    Ok(payload.map(Bytes::from).unwrap_or_default())
}

/// How long that is.
pub(super) fn payload_bytes(sql: &Connection, id: ScheduleId) -> Result<u64, StoreError> {
    Ok(sql.prepare_cached(PAYLOAD_BYTES)?.query_row([id.0], |row| row.get(0)).optional()?.unwrap_or(0))
}
