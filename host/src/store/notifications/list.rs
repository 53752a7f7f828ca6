//! Notifications, read: pages by key, the newest first, and what came after one that is known, the oldest first.

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::model::{NotificationFilter, NotificationPage, NotificationRow};
use crate::job::{JobId, NotificationId, Timestamp, UserName};
use crate::store::catalog::TenantId;
use crate::store::error::StoreError;

macro_rules! columns {
    () => {
        "id, user_name, level, message, data, job_id, created_at, read_at"
    };
}
pub(super) use columns;

const OF_TENANT: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM notifications INDEXED BY notifications_of_tenant WHERE tenant_id = ?1 AND id < ?2 ORDER BY id DESC LIMIT ?3"
);
const UNREAD_OF_TENANT: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM notifications INDEXED BY notifications_unread_of_tenant
    WHERE tenant_id = ?1 AND read_at IS NULL AND id < ?2 ORDER BY id DESC LIMIT ?3"
);
const OF_USER: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM notifications INDEXED BY notifications_of_user
    WHERE tenant_id = ?1 AND user_name = ?4 AND id < ?2 ORDER BY id DESC LIMIT ?3"
);
const UNREAD_OF_USER: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM notifications INDEXED BY notifications_unread_of_user
    WHERE tenant_id = ?1 AND user_name = ?4 AND read_at IS NULL AND id < ?2 ORDER BY id DESC LIMIT ?3"
);
const AFTER: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM notifications INDEXED BY notifications_of_user
    WHERE tenant_id = ?1 AND user_name = ?2 AND id > ?3 ORDER BY id LIMIT ?4"
);
const NEWEST: &str = "SELECT id FROM notifications INDEXED BY notifications_of_user
    WHERE tenant_id = ?1 AND user_name = ?2 ORDER BY id DESC LIMIT 1";

/// Greater than any id there is.
const PAST_ALL: [u8; 16] = [u8::MAX; 16];

/// Of messages and data in one page, bytes: what is beyond is on the next.
const PAGE_BYTES_MAX: usize = 2 << 20;

/// So many at most, the newest first, that are older than one.
pub(super) fn page(
    sql: &Connection,
    tenant: TenantId,
    filter: &NotificationFilter,
    before: Option<NotificationId>,
    limit: usize,
) -> Result<NotificationPage, StoreError> {
    let before = before.map_or(PAST_ALL, NotificationId::to_bytes);
    let NotificationFilter { user, unread } = filter;
    let one_more = limit.saturating_add(1);
    let (statement, user) = match (user, unread) {
        (None, false) => (OF_TENANT, None),
        (None, true) => (UNREAD_OF_TENANT, None),
        (Some(user), false) => (OF_USER, Some(user.as_str())),
        (Some(user), true) => (UNREAD_OF_USER, Some(user.as_str())),
    };
    let mut statement = sql.prepare_cached(statement)?;
    let mut found = match user {
        None => statement.query(params![tenant.0, before, one_more])?,
        Some(user) => statement.query(params![tenant.0, before, one_more, user])?,
    };
    let (mut page, mut bytes) = (NotificationPage::default(), 0);
    while let Some(row) = found.next()? {
        if page.rows.len() >= limit || bytes >= PAGE_BYTES_MAX {
            page.is_more = true;
            break;
        }
        let row = read(row)??;
        bytes += row.message.len() + row.data.as_ref().map_or(0, Bytes::len);
        page.rows.push(row);
    }
    Ok(page)
}

/// So many, the oldest first, of a user's that are younger than one.
pub(super) fn after(
    sql: &Connection,
    tenant: TenantId,
    user: &UserName,
    after: NotificationId,
    limit: usize,
) -> Result<Vec<NotificationRow>, StoreError> {
    let mut statement = sql.prepare_cached(AFTER)?;
    let rows = statement.query_map(params![tenant.0, user.as_str(), after.to_bytes(), limit], read)?;
    rows.map(|row| row.map_err(StoreError::from)?).collect()
}

/// The youngest of a user's; `None`: there is none.
pub(super) fn newest(
    sql: &Connection,
    tenant: TenantId,
    user: &UserName,
) -> Result<Option<NotificationId>, StoreError> {
    let of = params![tenant.0, user.as_str()];
    let id = sql.prepare_cached(NEWEST)?.query_row(of, |row| row.get(0)).optional()?;
    Ok(id.map(NotificationId::from_bytes))
}

/// From the columns above.
pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Result<NotificationRow, StoreError>> {
    let (user, level): (String, String) = (row.get(1)?, row.get(2)?);
    let (Ok(user), Ok(level)) = (user.parse(), level.parse()) else {
        return Ok(Err(StoreError::internal("a notification to nobody, or of no level")));
    };
    Ok(Ok(NotificationRow {
        id: NotificationId::from_bytes(row.get(0)?),
        user,
        level,
        message: row.get(3)?,
        data: row.get::<_, Option<Vec<u8>>>(4)?.map(Bytes::from),
        job: JobId::from_bytes(row.get(5)?),
        created_at: Timestamp(row.get(6)?),
        read_at: row.get::<_, Option<i64>>(7)?.map(Timestamp),
    }))
}
