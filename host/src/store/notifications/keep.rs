//! Notifications that go: by age, because others take their place, or because somebody removes them. What they took is given back.

use std::time::Duration;

use rusqlite::{Connection, Row, params};

use super::inbox;
use crate::job::NotificationId;
use crate::store::catalog::TenantId;
use crate::store::draft::Draft;
use crate::store::error::StoreError;

/// Rows removed by one operation.
const PRUNED_MAX: usize = 500;

/// What a row takes.
macro_rules! kept_bytes {
    () => {
        "octet_length(user_name) + octet_length(message) + coalesce(length(data), 0)"
    };
}
pub(super) use kept_bytes;

const PRUNE: &str = concat!(
    "DELETE FROM notifications WHERE id IN (SELECT id FROM notifications WHERE id < ?1 ORDER BY id LIMIT ?2)
    RETURNING tenant_id, user_name, read_at IS NULL, ",
    kept_bytes!()
);

/// A row that was removed.
pub(super) struct Gone {
    tenant: TenantId,
    user: String,
    is_unread: bool,
    bytes: i64,
}

impl Gone {
    /// From what `RETURNING` gives.
    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self { tenant: TenantId(row.get(0)?), user: row.get(1)?, is_unread: row.get(2)?, bytes: row.get(3)? })
    }
}

/// Takes removed rows out of what is counted.
pub(super) fn forget(sql: &Connection, draft: &mut Draft, gone: &[Gone]) -> Result<(), StoreError> {
    for Gone { tenant, user, is_unread, bytes } in gone {
        draft.meter.kept(*tenant, -bytes);
        inbox::change(sql, *tenant, user, (-1, -i64::from(*is_unread)))?;
    }
    Ok(())
}

/// Removes what is older; `true` when more may be left.
pub(super) fn prune(sql: &Connection, draft: &mut Draft, keep: Duration) -> Result<bool, StoreError> {
    let keep_ms = i64::try_from(keep.as_millis()).unwrap_or(i64::MAX);
    let before_ms = u128::try_from(draft.now.as_ms().saturating_sub(keep_ms)).unwrap_or_default();
    let before = NotificationId::from_u128(before_ms << NotificationId::MS_SHIFT).to_bytes();
    let gone: Vec<Gone> = {
        let mut statement = sql.prepare_cached(PRUNE)?;
        statement.query_map(params![before, PRUNED_MAX], Gone::read)?.collect::<Result<_, _>>()?
    };
    forget(sql, draft, &gone)?;
    Ok(gone.len() >= PRUNED_MAX)
}
