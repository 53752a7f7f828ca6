//! Notifications of users on the wire.

use serde::{Deserialize, Serialize};

use super::raw::Raw;
use super::time::Instant;
use crate::job::{JobId, NotificationId, Span};
use crate::store::NotificationRow;

/// What a handler told a user.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Notification<'a> {
    /// `ntf_01…`; greater than those of all before it.
    #[schema(value_type = String)]
    pub id: NotificationId,
    /// Whose.
    #[schema(value_type = String)]
    pub user: &'a str,
    /// `info`, `success`, `warning` or `error`.
    #[schema(value_type = String)]
    pub level: &'static str,
    /// For the user to read.
    #[schema(value_type = String)]
    pub message: &'a str,
    /// For the application to read; `null`: nothing.
    #[schema(value_type = Option<serde_json::Value>, required = true)]
    pub data: Option<Raw<'a>>,
    /// With whose success it came.
    #[schema(value_type = String)]
    pub job: JobId,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Instant,
    /// When the user read it; `null`: not yet.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    pub read_at: Option<Instant>,
}

impl<'a> From<&'a NotificationRow> for Notification<'a> {
    fn from(row: &'a NotificationRow) -> Self {
        let NotificationRow { id, user, level, message, data, job, created_at, read_at } = row;
        Self {
            id: *id,
            user: user.as_str(),
            level: level.as_str(),
            message,
            data: data.as_deref().map(Raw),
            job: *job,
            created_at: Instant(*created_at),
            read_at: read_at.map(Instant),
        }
    }
}

/// One page of an inbox.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct NotificationListing<'a> {
    /// The newest first. Fewer than `limit` where they are large.
    pub items: Vec<Notification<'a>>,
    /// Pass as `cursor` for the next page; `null` on the last.
    #[schema(required = true)]
    pub next_cursor: Option<String>,
    /// How many the user has not read; `null` where no user is named.
    #[schema(required = true)]
    pub unread_count: Option<u64>,
}

/// What `POST /v1/notifications/read-all` did.
#[derive(Clone, Copy, Debug, Serialize, utoipa::ToSchema)]
pub struct ReadAll {
    /// How many were not read before.
    pub marked: u64,
}

/// A token to be made.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UserTokenRequest {
    /// For whom: 1 to 128 bytes without control characters, as handlers call the user.
    pub user: String,
    /// How long it lasts, 1s to 24h [default: 1h].
    #[schema(value_type = Option<String>)]
    pub expires_in: Option<Span>,
}

/// A token for one user.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = UserToken)]
pub struct MadeUserToken<'a> {
    /// The token itself: in this answer, and nowhere else.
    #[schema(value_type = String)]
    pub token: &'a str,
    /// For whom.
    #[schema(value_type = String)]
    pub user: &'a str,
    /// From then on it is worth nothing.
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Instant,
}
