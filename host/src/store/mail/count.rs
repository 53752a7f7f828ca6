//! How many mails there are in each state, kept with every change of one.

use rusqlite::{Connection, params};

use super::model::MailCount;
use crate::job::MailState;
use crate::store::catalog::{Catalog, TenantId};
use crate::store::error::StoreError;

const ADD: &str = "INSERT INTO mail_counts (tenant_id, state, mails) VALUES (?1, ?2, ?3)
    ON CONFLICT (tenant_id, state) DO UPDATE SET mails = mails + excluded.mails";
const COUNTS: &str = "SELECT tenant_id, state, mails FROM mail_counts WHERE mails > 0 ORDER BY tenant_id, state";
const OF_TENANT: &str = "SELECT state, mails FROM mail_counts WHERE tenant_id = ?1 AND mails > 0 ORDER BY state";

/// Counts a mail out of one state and into another; `None`: there is, or was, no such mail.
pub(super) fn count(
    sql: &Connection,
    tenant: TenantId,
    from: Option<MailState>,
    to: Option<MailState>,
) -> Result<(), StoreError> {
    if from == to {
        return Ok(());
    }
    for (state, more) in [(from, -1), (to, 1)] {
        if let Some(state) = state {
            sql.prepare_cached(ADD)?.execute(params![tenant.0, state.as_str(), more])?;
        }
    }
    Ok(())
}

/// Of every tenant.
pub(super) fn counts(sql: &Connection, catalog: &Catalog) -> Result<Vec<MailCount>, StoreError> {
    let mut statement = sql.prepare_cached(COUNTS)?;
    let mut rows = statement.query([])?;
    let mut counts = Vec::new();
    while let Some(row) = rows.next()? {
        let Some(tenant) = catalog.tenant_name(TenantId(row.get(0)?)).cloned() else { continue };
        let word: String = row.get(1)?;
        let state = word.parse().map_err(StoreError::internal)?;
        counts.push(MailCount { tenant, state, mails: row.get(2)? });
    }
    Ok(counts)
}

/// Of one.
pub(super) fn counts_of(sql: &Connection, tenant: TenantId) -> Result<Vec<(MailState, u64)>, StoreError> {
    let mut statement = sql.prepare_cached(OF_TENANT)?;
    let rows = statement.query_map([tenant.0], |row| Ok((row.get::<_, String>(0)?, row.get(1)?)))?;
    rows.map(|row| {
        let (word, mails) = row?;
        Ok((word.parse().map_err(StoreError::internal)?, mails))
    })
    .collect()
}
