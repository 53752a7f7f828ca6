//! Writes a row, if somebody asked for the change.

use rusqlite::{Connection, params};
use serde_json::Value;

use super::prune::make_room;
use super::told::told;
use crate::store::catalog::TenantId;
use crate::store::draft::Draft;
use crate::store::error::StoreError;

const INSERT: &str = "INSERT INTO audit (at, tenant_id, who, via, action, object, before, after)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";

const COUNT: &str = "INSERT INTO audit_rows (tenant_id, rows, bytes) VALUES (?1, 1, ?2)
    ON CONFLICT (tenant_id) DO UPDATE SET rows = rows + 1, bytes = bytes + excluded.bytes RETURNING bytes";

/// What is done to what.
pub(in crate::store) struct Entry {
    /// `None`: the host's.
    pub(in crate::store) tenant: Option<TenantId>,
    pub(in crate::store) action: &'static str,
    pub(in crate::store) object: String,
}

/// What there is to say about a thing; `None`: there is none.
pub(in crate::store) type Facts = Option<Value>;

/// Writes that something changed from this to that.
pub(in crate::store) fn record(
    sql: &Connection,
    draft: &Draft,
    entry: &Entry,
    before: &Facts,
    after: &Facts,
) -> Result<(), StoreError> {
    let Some(actor) = &draft.actor else { return Ok(()) };
    let Entry { tenant, action, object } = entry;
    let [before, after] = told(before, after);
    sql.prepare_cached(INSERT)?.execute(params![
        draft.now.as_ms(),
        tenant.map(|tenant| tenant.0),
        &*actor.who,
        actor.via.as_str(),
        action,
        object,
        before,
        after,
    ])?;
    if let Some(tenant) = tenant {
        let texts = [Some(&*actor.who), Some(*action), Some(object.as_str()), before.as_deref(), after.as_deref()];
        let bytes: usize = texts.into_iter().flatten().map(str::len).sum();
        let bytes = sql.prepare_cached(COUNT)?.query_row(params![tenant.0, bytes], |row| row.get(0))?;
        make_room(sql, *tenant, bytes)?;
    }
    Ok(())
}

/// Carries a change out, and writes what it changed. Nothing is asked where nobody is to be named.
pub(super) fn audited<T>(
    sql: &Connection,
    draft: &mut Draft,
    entry: &Entry,
    facts: impl Fn(&Connection, &Draft) -> Result<Facts, StoreError>,
    change: impl FnOnce(&Connection, &mut Draft) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    if draft.actor.is_none() {
        return change(sql, draft);
    }
    let before = facts(sql, draft)?;
    let result = change(sql, draft)?;
    let after = facts(sql, draft)?;
    if before != after {
        record(sql, draft, entry, &before, &after)?;
    }
    Ok(result)
}
