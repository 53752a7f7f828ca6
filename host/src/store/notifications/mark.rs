//! Notifications are read, are to be read again, and are removed.

use rusqlite::{Connection, OptionalExtension, params};

use super::inbox;
use super::keep::{Gone, forget, kept_bytes};
use super::list::{columns, read};
use super::model::MarkedNotification;
use crate::job::{NotificationId, Timestamp, UserName};
use crate::store::catalog::TenantId;
use crate::store::draft::Draft;
use crate::store::error::StoreError;

const FIND: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM notifications WHERE id = ?1 AND tenant_id = ?2 AND (?3 IS NULL OR user_name = ?3)"
);
const MARK: &str = "UPDATE notifications SET read_at = ?2 WHERE id = ?1";
const READ_ALL: &str = "UPDATE notifications SET read_at = ?3 WHERE number IN
    (SELECT number FROM notifications INDEXED BY notifications_unread_of_user
        WHERE tenant_id = ?1 AND user_name = ?2 AND read_at IS NULL)";
const DELETE: &str = concat!(
    "DELETE FROM notifications WHERE id = ?1 AND tenant_id = ?2 AND (?3 IS NULL OR user_name = ?3)
    RETURNING tenant_id, user_name, read_at IS NULL, ",
    kept_bytes!()
);

/// Marks one as read, or not; where a user is named, only that user's. One that is read stays read since it was.
pub(super) fn mark(
    sql: &Connection,
    draft: &Draft,
    (tenant, user): (TenantId, Option<&UserName>),
    id: NotificationId,
    is_read: bool,
) -> Result<MarkedNotification, StoreError> {
    let of = params![id.to_bytes(), tenant.0, user.map(UserName::as_str)];
    let found = sql.prepare_cached(FIND)?.query_row(of, read).optional()?.transpose()?;
    let Some(mut row) = found else { return Ok(MarkedNotification::NotFound) };
    if row.read_at.is_some() != is_read {
        row.read_at = is_read.then_some(draft.now);
        sql.prepare_cached(MARK)?.execute(params![id.to_bytes(), row.read_at.map(Timestamp::as_ms)])?;
        inbox::change(sql, tenant, row.user.as_str(), (0, if is_read { -1 } else { 1 }))?;
    }
    Ok(MarkedNotification::Done(Box::new(row)))
}

/// Marks all of a user's as read; how many were not. There are as many as a user may have, no more.
pub(super) fn read_all(sql: &Connection, draft: &Draft, tenant: TenantId, user: &UserName) -> Result<u64, StoreError> {
    let marked = sql.prepare_cached(READ_ALL)?.execute(params![tenant.0, user.as_str(), draft.now.as_ms()])?;
    let fewer = i64::try_from(marked).unwrap_or(i64::MAX);
    inbox::change(sql, tenant, user.as_str(), (0, -fewer))?;
    Ok(u64::try_from(marked).unwrap_or(u64::MAX))
}

/// Removes one; `false`: there is none, or it is somebody else's.
pub(super) fn delete(
    sql: &Connection,
    draft: &mut Draft,
    (tenant, user): (TenantId, Option<&UserName>),
    id: NotificationId,
) -> Result<bool, StoreError> {
    let of = params![id.to_bytes(), tenant.0, user.map(UserName::as_str)];
    let gone: Option<Gone> = sql.prepare_cached(DELETE)?.query_row(of, Gone::read).optional()?;
    forget(sql, draft, gone.as_slice())?;
    Ok(gone.is_some())
}
