//! Reads the audit log, newest first. A page looks at a bounded number of rows, however few of them are asked for.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::model::{AuditFilter, AuditPage, AuditRow};
use crate::job::Timestamp;
use crate::store::catalog::{Catalog, TenantId};
use crate::store::error::StoreError;
use crate::store::usage;

/// Rows looked at for one page.
const LOOKED_AT_MAX: usize = 20_000;

const ALL: &str = "SELECT id, at, tenant_id, who, via, action, object, before, after FROM audit
    WHERE id < ?1 AND id >= ?2 ORDER BY id DESC";
const OF_TENANT: &str = "SELECT id, at, tenant_id, who, via, action, object, before, after FROM audit
    WHERE id < ?1 AND id >= ?2 AND tenant_id = ?3 ORDER BY id DESC";
const OF_WHO: &str = "SELECT id, at, tenant_id, who, via, action, object, before, after FROM audit
    WHERE id < ?1 AND id >= ?2 AND who = ?3 ORDER BY id DESC";
const OF_OBJECT: &str = "SELECT id, at, tenant_id, who, via, action, object, before, after FROM audit
    WHERE id < ?1 AND id >= ?2 AND object = ?3 ORDER BY id DESC";
const OF_WHO_OF_TENANT: &str = "SELECT id, at, tenant_id, who, via, action, object, before, after FROM audit
    WHERE id < ?1 AND id >= ?2 AND who = ?3 AND tenant_id = ?4 ORDER BY id DESC";
const OF_OBJECT_OF_TENANT: &str = "SELECT id, at, tenant_id, who, via, action, object, before, after FROM audit
    WHERE id < ?1 AND id >= ?2 AND object = ?3 AND tenant_id = ?4 ORDER BY id DESC";
const FIRST_SINCE: &str = "SELECT id FROM audit WHERE at >= ?1 ORDER BY at, id LIMIT 1";
const LAST_UNTIL: &str = "SELECT id FROM audit WHERE at < ?1 ORDER BY at DESC, id DESC LIMIT 1";

/// A page of what matches, of rows below one.
pub(super) fn list(
    sql: &Connection,
    catalog: &Catalog,
    filter: &AuditFilter,
    limit: usize,
    below: Option<i64>,
) -> Result<AuditPage, StoreError> {
    // Where to begin and end; the rows between are looked at one by one, for the clock may have been set back.
    let first = match filter.since {
        Some(since) => find(sql, FIRST_SINCE, since)?.unwrap_or(i64::MAX),
        None => 0,
    };
    let last = match filter.until {
        Some(until) => find(sql, LAST_UNTIL, until)?.unwrap_or(0).saturating_add(1),
        None => i64::MAX,
    };
    let below = below.unwrap_or(i64::MAX).min(last);
    let deleted = filter.deleted_tenant.as_ref().map(|name| usage::deleted_tenants(sql, name)).transpose()?;
    // The rows of the only one that was ever called so stand together.
    let tenant = match deleted.as_deref() {
        Some([]) => return Ok(AuditPage::default()),
        Some([only]) => Some(only),
        Some(_) | None => filter.tenant.as_ref(),
    };
    let mut page = AuditPage::default();
    let mut looked_at = 0;
    let mut look = |row: &Row<'_>| -> Result<bool, StoreError> {
        looked_at += 1;
        let id: i64 = row.get(0)?;
        let is_of_deleted = match &deleted {
            Some(deleted) => row.get::<_, Option<i64>>(2)?.is_some_and(|of| deleted.contains(&TenantId(of))),
            None => true,
        };
        if is_of_deleted && matches(filter, row)? {
            page.rows.push(read(sql, row, catalog)?);
        }
        let is_full = page.rows.len() == limit || looked_at == LOOKED_AT_MAX;
        page.next_below = is_full.then_some(id);
        Ok(is_full)
    };
    let named = match filter {
        AuditFilter { object: Some(object), .. } => Some((object, OF_OBJECT_OF_TENANT, OF_OBJECT)),
        AuditFilter { who: Some(who), .. } => Some((who, OF_WHO_OF_TENANT, OF_WHO)),
        _ => None,
    };
    let mut statement = sql.prepare_cached(match (named, tenant) {
        (Some((_, of_tenant, _)), Some(_)) => of_tenant,
        (Some((.., of_all)), None) => of_all,
        (None, Some(_)) => OF_TENANT,
        (None, None) => ALL,
    })?;
    let mut rows = match (named, tenant) {
        (Some((name, ..)), Some(TenantId(tenant))) => statement.query(params![below, first, name, tenant])?,
        (Some((name, ..)), None) => statement.query(params![below, first, name])?,
        (None, Some(TenantId(tenant))) => statement.query(params![below, first, tenant])?,
        (None, None) => statement.query(params![below, first])?,
    };
    while let Some(row) = rows.next()? {
        if look(row)? {
            break;
        }
    }
    Ok(page)
}

fn find(sql: &Connection, statement: &str, at: Timestamp) -> Result<Option<i64>, StoreError> {
    Ok(sql.prepare_cached(statement)?.query_row([at.as_ms()], |row| row.get(0)).optional()?)
}

fn matches(filter: &AuditFilter, row: &Row<'_>) -> Result<bool, StoreError> {
    let AuditFilter { tenant, deleted_tenant: _, who, action, object, since, until } = filter;
    let text = |column: usize| row.get_ref(column)?.as_str().map_err(StoreError::internal);
    let at = Timestamp(row.get(1)?);
    let is_of_tenant = match tenant {
        Some(tenant) => row.get::<_, Option<i64>>(2)? == Some(tenant.0),
        None => true,
    };
    Ok(is_of_tenant
        && since.is_none_or(|since| at >= since)
        && until.is_none_or(|until| at < until)
        && who.as_deref().map(|who| Ok::<_, StoreError>(text(3)? == who)).transpose()?.unwrap_or(true)
        && action
            .as_deref()
            .map(|action| Ok::<_, StoreError>(text(5)?.starts_with(action)))
            .transpose()?
            .unwrap_or(true)
        && object.as_deref().map(|object| Ok::<_, StoreError>(text(6)? == object)).transpose()?.unwrap_or(true))
}

fn read(sql: &Connection, row: &Row<'_>, catalog: &Catalog) -> Result<AuditRow, StoreError> {
    let tenant: Option<i64> = row.get(2)?;
    let tenant = tenant.map(|tenant| usage::tenant_name(sql, catalog, TenantId(tenant))).transpose()?.flatten();
    Ok(AuditRow {
        id: row.get(0)?,
        at: Timestamp(row.get(1)?),
        tenant,
        who: row.get(3)?,
        via: row.get(4)?,
        action: row.get(5)?,
        object: row.get(6)?,
        before: row.get(7)?,
        after: row.get(8)?,
    })
}
