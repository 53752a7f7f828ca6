//! A notification is written. A user who has as many as may be loses the oldest.

use rusqlite::{Connection, params};

use super::inbox;
use super::keep::{Gone, forget, kept_bytes};
use crate::job::notification::NOTIFICATIONS_OF_USER_MAX;
use crate::job::{JobId, NewNotification};
use crate::store::catalog::TenantId;
use crate::store::draft::Draft;
use crate::store::error::StoreError;

const INSERT: &str = "INSERT INTO notifications (id, tenant_id, user_name, level, message, data, job_id, created_at)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
const DELETE_OLDEST: &str = concat!(
    "DELETE FROM notifications WHERE number IN (SELECT number FROM notifications INDEXED BY notifications_of_user
        WHERE tenant_id = ?1 AND user_name = ?2 ORDER BY id LIMIT ?3)
    RETURNING tenant_id, user_name, read_at IS NULL, ",
    kept_bytes!()
);

/// What a notification takes.
pub(in crate::store) fn bytes_of(notification: &NewNotification) -> i64 {
    i64::try_from(notification.bytes()).unwrap_or(i64::MAX)
}

/// Writes one that came with the success of a job.
pub(in crate::store) fn notify(
    sql: &Connection,
    draft: &mut Draft,
    tenant: TenantId,
    job: JobId,
    notification: &NewNotification,
) -> Result<(), StoreError> {
    let NewNotification { user, level, message, data } = notification;
    let id = draft.next_id().to_bytes();
    let (data, now) = (data.as_deref(), draft.now.as_ms());
    let row = params![id, tenant.0, user.as_str(), level.as_str(), message, data, job.to_bytes(), now];
    sql.prepare_cached(INSERT)?.execute(row)?;
    draft.meter.kept(tenant, bytes_of(notification));
    draft.notified.insert((tenant, user.clone()));
    let too_many = inbox::add(sql, tenant, user.as_str())?.saturating_sub(NOTIFICATIONS_OF_USER_MAX);
    if too_many > 0 {
        let gone: Vec<Gone> = {
            let mut statement = sql.prepare_cached(DELETE_OLDEST)?;
            let rows = statement.query_map(params![tenant.0, user.as_str(), too_many], Gone::read)?;
            rows.collect::<Result<_, _>>()?
        };
        forget(sql, draft, &gone)?;
    }
    Ok(())
}
