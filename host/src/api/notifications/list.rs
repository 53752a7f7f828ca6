//! `GET /v1/notifications`.

use axum::response::Response;
use http::StatusCode;
use serde::Deserialize;

use super::ITEM_BYTES;
use super::whose::whose;
use crate::api::error::ApiError;
use crate::api::extract::{Parameters, parse_limit, parse_parameter};
use crate::api::identity::Call;
use crate::api::jobs::json;
use crate::api::wire::notification::{Notification, NotificationListing};
use crate::job::NotificationId;
use crate::store::NotificationFilter;

/// Which of them.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct NotificationParameters {
    user: Option<String>,
    unread: Option<bool>,
    limit: Option<String>,
    cursor: Option<String>,
}

/// List notifications
///
/// What handlers told users. A user's token shows that user's; others name a user, or see all of the tenant's.
#[utoipa::path(
    get, path = "/v1/notifications", tag = "notifications",
    params(
        ("user" = Option<String>, Query, description = "Only this user's"),
        ("unread" = Option<bool>, Query, description = "Only those that were not read"),
        ("limit" = Option<u32>, Query, description = "1 to 500, default 50"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
    ),
    responses(
        (status = 200, body = NotificationListing, description = "The newest first"),
        (status = 403, description = "a user's token names another user"),
        (status = 422, description = "`invalid_query`"),
    ),
)]
pub(in crate::api) async fn list_notifications(
    api: Call,
    Parameters(parameters): Parameters<NotificationParameters>,
) -> Result<Response, ApiError> {
    let NotificationParameters { user, unread, limit, cursor } = parameters;
    let user = whose(&api.caller, user)?;
    let limit = parse_limit(limit)?;
    let before = parse_parameter::<NotificationId>("cursor", cursor)?;
    let filter = NotificationFilter { user: user.clone(), unread: unread.unwrap_or_default() };
    let page = api.store.notifications(api.caller.tenant, filter, before, limit).await?;
    let unread_count = match user {
        Some(user) => Some(api.store.unread_notifications(api.caller.tenant, user).await?),
        None => None,
    };
    let listing = NotificationListing {
        items: page.rows.iter().map(Notification::from).collect(),
        next_cursor: page.rows.last().filter(|_| page.is_more).map(|row| row.id.to_string()),
        unread_count,
    };
    json(StatusCode::OK, &listing, ITEM_BYTES * page.rows.len() + 64)
}
