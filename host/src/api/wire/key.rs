//! Keys of the API and rows of the audit log on the wire.

use serde::Serialize;

use super::raw::Raw;
use super::time::Instant;
use crate::store::{AuditRow, KeyRow};

/// A key, without its secret.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = ApiKey)]
pub struct Key<'a> {
    /// The id it is revoked by.
    #[schema(value_type = String)]
    pub id: String,
    /// What people call it.
    #[schema(value_type = String)]
    pub name: &'a str,
    /// `viewer`, `producer`, `operator` or `admin`.
    #[schema(value_type = String)]
    pub role: &'static str,
    /// Whose; `null`: the host's, an admin's.
    #[schema(value_type = Option<String>, required = true)]
    pub tenant: Option<&'a str>,
    /// What it begins with.
    #[schema(value_type = String)]
    pub prefix: &'a str,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Instant,
    /// By whom.
    #[schema(value_type = String)]
    pub created_by: &'a str,
    /// From then on it is worth nothing; `null`: never.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    pub expires_at: Option<Instant>,
    /// As far as it is known: noted once a minute; `null`: never.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    pub last_used_at: Option<Instant>,
    /// The key itself: in the answer to its creation, and nowhere else.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub key: Option<&'a str>,
}

impl<'a> From<&'a KeyRow> for Key<'a> {
    fn from(row: &'a KeyRow) -> Self {
        let KeyRow { id, tenant, name, role, prefix, created_at, created_by, expires_at, last_used_at } = row;
        Self {
            id: id.to_string(),
            name: name.as_str(),
            role: role.as_str(),
            tenant: tenant.as_ref().map(AsRef::as_ref),
            prefix,
            created_at: Instant(*created_at),
            created_by,
            expires_at: expires_at.map(Instant),
            last_used_at: last_used_at.map(Instant),
            key: None,
        }
    }
}

/// One change that somebody made.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = AuditEntry)]
pub struct AuditEntry<'a> {
    /// Counts up.
    pub id: i64,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Instant,
    /// Whose thing; `null`: the host's.
    #[schema(value_type = Option<String>, required = true)]
    pub tenant: Option<&'a str>,
    /// `key:NAME:PREFIX`, `jwt:USER`, `admin_key` or `loopback`.
    #[schema(value_type = String)]
    pub who: &'a str,
    /// `api`, `cli` or `dashboard`.
    #[schema(value_type = String)]
    pub via: &'a str,
    /// What was done, e.g. `queue.pause`.
    #[schema(value_type = String)]
    pub action: &'a str,
    /// To what, e.g. `queue/mail`.
    #[schema(value_type = String)]
    pub object: &'a str,
    /// What was there; `null`: nothing.
    #[schema(value_type = Option<serde_json::Value>, required = true)]
    pub before: Option<Raw<'a>>,
    /// What is there now; `null`: nothing.
    #[schema(value_type = Option<serde_json::Value>, required = true)]
    pub after: Option<Raw<'a>>,
}

impl<'a> From<&'a AuditRow> for AuditEntry<'a> {
    fn from(row: &'a AuditRow) -> Self {
        let AuditRow { id, at, tenant, who, via, action, object, before, after } = row;
        Self {
            id: *id,
            at: Instant(*at),
            tenant: tenant.as_ref().map(AsRef::as_ref),
            who,
            via,
            action,
            object,
            before: before.as_ref().map(|text| Raw(text.as_bytes())),
            after: after.as_ref().map(|text| Raw(text.as_bytes())),
        }
    }
}
