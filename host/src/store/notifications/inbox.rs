//! How many notifications a user has: kept with each that comes, is read, or goes.

use rusqlite::{Connection, OptionalExtension, params};

use crate::job::UserName;
use crate::store::catalog::TenantId;
use crate::store::error::StoreError;

const ADD: &str = "INSERT INTO notified_users (tenant_id, user_name, notifications, unread) VALUES (?1, ?2, 1, 1)
    ON CONFLICT (tenant_id, user_name) DO UPDATE SET notifications = notifications + 1, unread = unread + 1
    RETURNING notifications";
const CHANGE: &str = "UPDATE notified_users SET notifications = notifications + ?3, unread = unread + ?4
    WHERE tenant_id = ?1 AND user_name = ?2";
const FORGET_EMPTY: &str = "DELETE FROM notified_users WHERE tenant_id = ?1 AND user_name = ?2 AND notifications <= 0";
const UNREAD: &str = "SELECT unread FROM notified_users WHERE tenant_id = ?1 AND user_name = ?2";

/// One more, not read yet; how many there are now.
pub(super) fn add(sql: &Connection, tenant: TenantId, user: &str) -> Result<u64, StoreError> {
    Ok(sql.prepare_cached(ADD)?.query_row(params![tenant.0, user], |row| row.get(0))?)
}

/// So many more, or fewer, and so many of them unread.
pub(super) fn change(
    sql: &Connection,
    tenant: TenantId,
    user: &str,
    (notifications, unread): (i64, i64),
) -> Result<(), StoreError> {
    sql.prepare_cached(CHANGE)?.execute(params![tenant.0, user, notifications, unread])?;
    if notifications < 0 {
        sql.prepare_cached(FORGET_EMPTY)?.execute(params![tenant.0, user])?;
    }
    Ok(())
}

/// How many a user has not read.
pub(super) fn unread(sql: &Connection, tenant: TenantId, user: &UserName) -> Result<u64, StoreError> {
    let of = params![tenant.0, user.as_str()];
    Ok(sql.prepare_cached(UNREAD)?.query_row(of, |row| row.get(0)).optional()?.unwrap_or_default())
}
