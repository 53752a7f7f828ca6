//! What a tenant that goes has of notifications, taken away in pieces.

use super::keep::kept_bytes;

/// Gives the bytes that were counted.
pub(in crate::store) const REMOVE_NOTIFICATIONS: &str = concat!(
    "DELETE FROM notifications WHERE number IN
        (SELECT number FROM notifications INDEXED BY notifications_of_tenant WHERE tenant_id = ?1 LIMIT ?2)
    RETURNING ",
    kept_bytes!()
);
/// After them.
pub(in crate::store) const REMOVE_NOTIFIED_USERS: &str = "DELETE FROM notified_users WHERE (tenant_id, user_name) IN
    (SELECT tenant_id, user_name FROM notified_users WHERE tenant_id = ?1 LIMIT ?2)";
