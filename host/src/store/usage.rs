//! What was used, by day, tenant and kind, as bills are made of it. Written by `meter.rs`; it outlives what it is about.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use rusqlite::types::ToSql;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::catalog::{Catalog, TenantId};
use super::error::StoreError;
use crate::job::quota::{DAY_MS, day_of};
use crate::job::{KindName, TenantName, Timestamp};

/// Rows forgotten by one prune.
const PRUNED_MAX: usize = 500;

/// Deleted tenants of one name that are told of.
const NAMESAKES_MAX: usize = 100;

macro_rules! columns {
    () => {
        "SELECT tenant_id, day, kind, jobs, attempts, fuel, run_us, bytes_in, bytes_out, bytes_stored, http_calls FROM usage "
    };
}
const OF_TENANT: &str = concat!(
    columns!(),
    "WHERE day >= ?1 AND day < ?2 AND (day, tenant_id, kind) > (?3, ?4, ?5) AND (?6 IS NULL OR kind = ?6)
        AND tenant_id = ?8 ORDER BY day, kind LIMIT ?7"
);
const OF_ALL: &str = concat!(
    columns!(),
    "INDEXED BY usage_by_day WHERE day >= ?1 AND day < ?2 AND (day, tenant_id, kind) > (?3, ?4, ?5)
        AND (?6 IS NULL OR kind = ?6) ORDER BY day, tenant_id, kind LIMIT ?7"
);
const DELETED_NAME: &str = "SELECT name FROM deleted_tenants WHERE id = ?1";
const DELETED_IDS: &str = "SELECT id FROM deleted_tenants WHERE name = ?1 ORDER BY id DESC LIMIT ?2";
const PRUNE: &str = "DELETE FROM usage WHERE (tenant_id, day, kind) IN
    (SELECT tenant_id, day, kind FROM usage INDEXED BY usage_by_day WHERE day < ?1 LIMIT ?2)";
const PRUNE_NAMES: &str =
    "DELETE FROM deleted_tenants WHERE NOT EXISTS (SELECT 1 FROM usage WHERE tenant_id = deleted_tenants.id)
        AND NOT EXISTS (SELECT 1 FROM audit WHERE tenant_id = deleted_tenants.id)";

/// Which usage is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UsageFilter {
    /// From this day on, counted from 1970.
    pub since_day: Option<i64>,
    /// Before this day.
    pub until_day: Option<i64>,
    /// Only of this kind.
    pub kind: Option<KindName>,
}

/// Where a row stands among all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsagePlace {
    day: i64,
    tenant: i64,
    kind: String,
}

impl fmt::Display for UsagePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.day, self.tenant, self.kind)
    }
}

impl FromStr for UsagePlace {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = "must be the `next_cursor` of the page before";
        let mut parts = text.splitn(3, '.');
        let mut number = || parts.next().and_then(|part| part.parse().ok()).ok_or(refuse);
        let (day, tenant) = (number()?, number()?);
        let kind: KindName = parts.next().and_then(|kind| kind.parse().ok()).ok_or(refuse)?;
        Ok(Self { day, tenant, kind: kind.as_str().to_owned() })
    }
}

/// What one tenant used on one day for one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageRow {
    tenant_id: i64,
    /// Whose. `None`: its name is not known any more.
    pub tenant: Option<TenantName>,
    /// The day, counted from 1970, UTC.
    pub day: i64,
    /// The kind.
    pub kind: KindName,
    /// Jobs enqueued.
    pub jobs: u64,
    /// Executions that ended, however.
    pub attempts: u64,
    /// Fuel they used.
    pub fuel: u64,
    /// How long their guests ran, µs.
    pub run_us: u64,
    /// Payloads, bytes.
    pub bytes_in: u64,
    /// Outputs, bytes.
    pub bytes_out: u64,
    /// Payloads, outputs and logs that came to be kept, bytes.
    pub bytes_stored: u64,
    /// HTTP calls of guests.
    pub http_calls: u64,
}

impl UsageRow {
    /// Where it stands among all.
    pub fn place(&self) -> UsagePlace {
        UsagePlace { day: self.day, tenant: self.tenant_id, kind: self.kind.as_str().to_owned() }
    }
}

/// So much usage after a place; of all tenants, where none is named.
pub(super) fn usage(
    sql: &Connection,
    catalog: &Catalog,
    tenant: Option<TenantId>,
    filter: &UsageFilter,
    after: Option<&UsagePlace>,
    limit: usize,
) -> Result<Vec<UsageRow>, StoreError> {
    let UsageFilter { since_day, until_day, kind } = filter;
    let since = since_day.unwrap_or(i64::MIN + 1);
    let until = until_day.unwrap_or(i64::MAX);
    let (day, tenant_after, kind_after) =
        after.map_or((i64::MIN, 0, ""), |place| (place.day, place.tenant, place.kind.as_str()));
    let kind = kind.as_ref().map(KindName::as_str);
    let mut parameters: Vec<&dyn ToSql> = vec![&since, &until, &day, &tenant_after, &kind_after, &kind, &limit];
    let of = tenant.map(|tenant| tenant.0);
    let mut statement = match &of {
        Some(of) => {
            parameters.push(of);
            sql.prepare_cached(OF_TENANT)?
        }
        None => sql.prepare_cached(OF_ALL)?,
    };
    let mut rows = statement.query(&parameters[..])?;
    let mut page = Vec::new();
    while let Some(row) = rows.next()? {
        page.push(from_row(sql, catalog, row)?);
    }
    Ok(page)
}

/// What a tenant is called, or was until it was deleted.
pub(super) fn tenant_name(
    sql: &Connection,
    catalog: &Catalog,
    tenant: TenantId,
) -> Result<Option<TenantName>, StoreError> {
    if let Some(name) = catalog.tenant_name(tenant) {
        return Ok(Some(name.clone()));
    }
    let name: Option<String> = sql.prepare_cached(DELETED_NAME)?.query_row([tenant.0], |row| row.get(0)).optional()?;
    name.map(|name| name.parse()).transpose().map_err(StoreError::internal)
}

/// Which deleted tenants were called so, the latest first; so many at most.
pub(super) fn deleted_tenants(sql: &Connection, name: &TenantName) -> Result<Vec<TenantId>, StoreError> {
    let mut statement = sql.prepare_cached(DELETED_IDS)?;
    let ids = statement.query_map(params![name.as_str(), NAMESAKES_MAX], |row| row.get(0).map(TenantId))?;
    Ok(ids.collect::<Result<_, _>>()?)
}

fn from_row(sql: &Connection, catalog: &Catalog, row: &Row<'_>) -> Result<UsageRow, StoreError> {
    let tenant_id: i64 = row.get(0)?;
    let tenant = tenant_name(sql, catalog, TenantId(tenant_id))?;
    let kind: String = row.get(2)?;
    let number =
        |column: usize| -> Result<u64, StoreError> { Ok(u64::try_from(row.get::<_, i64>(column)?).unwrap_or(0)) };
    Ok(UsageRow {
        tenant_id,
        tenant,
        day: row.get(1)?,
        kind: kind.parse().map_err(StoreError::internal)?,
        jobs: number(3)?,
        attempts: number(4)?,
        fuel: number(5)?,
        run_us: number(6)?,
        bytes_in: number(7)?,
        bytes_out: number(8)?,
        bytes_stored: number(9)?,
        http_calls: number(10)?,
    })
}

/// Forgets some of what is older than it is kept, and names nothing is kept of; `true` when there is more.
pub(super) fn prune(sql: &Connection, now: Timestamp, keep: Duration) -> Result<bool, StoreError> {
    let keep_days = i64::try_from(keep.as_millis()).unwrap_or(i64::MAX) / DAY_MS;
    let oldest = day_of(now).saturating_sub(keep_days);
    if sql.prepare_cached(PRUNE)?.execute(params![oldest, PRUNED_MAX])? == PRUNED_MAX {
        return Ok(true);
    }
    sql.prepare_cached(PRUNE_NAMES)?.execute([])?;
    Ok(false)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn places_are_read_as_they_are_written() {
        let place = UsagePlace { day: 20_000, tenant: 7, kind: "billing.invoice:v2".to_owned() };
        assert_eq!(place.to_string().parse(), Ok(place));
        for wrong in ["", "1", "1.2", "1.2.", "a.2.k", "1.b.k", "1.2.a b"] {
            assert!(wrong.parse::<UsagePlace>().is_err(), "{wrong}");
        }
    }
}
