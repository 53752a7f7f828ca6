//! What the audit log holds, and what is asked of it.

use crate::job::{TenantName, Timestamp};
use crate::store::catalog::TenantId;

/// One change.
#[derive(Clone, Debug, PartialEq)]
pub struct AuditRow {
    /// Counts up.
    pub id: i64,
    /// When.
    pub at: Timestamp,
    /// Whose thing; `None`: the host's.
    pub tenant: Option<TenantName>,
    /// Who, see [`Actor`](crate::job::Actor).
    pub who: String,
    /// Through what.
    pub via: String,
    /// What, e.g. `queue.pause`.
    pub action: String,
    /// To what, e.g. `queue/email`.
    pub object: String,
    /// What was there, JSON text.
    pub before: Option<String>,
    /// What is there now, JSON text.
    pub after: Option<String>,
}

/// Which changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// Of one tenant; `None`: of all, and of the host.
    pub tenant: Option<TenantId>,
    /// Of those that were called so and are deleted.
    pub deleted_tenant: Option<TenantName>,
    /// By one caller, exactly.
    pub who: Option<String>,
    /// What its name begins with.
    pub action: Option<String>,
    /// One thing, exactly.
    pub object: Option<String>,
    /// Not before.
    pub since: Option<Timestamp>,
    /// Before.
    pub until: Option<Timestamp>,
}

/// Changes, newest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AuditPage {
    /// May be few, or none, although there is a next page.
    pub rows: Vec<AuditRow>,
    /// Where the next page goes on.
    pub next_below: Option<i64>,
}
