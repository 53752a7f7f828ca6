//! `POST /v1/notifications/{id}/read`, `/unread` and `/v1/notifications/read-all`.

use axum::response::Response;
use http::StatusCode;

use super::whose::{may_change, one_user};
use super::{ITEM_BYTES, UserParameters, not_found};
use crate::api::error::ApiError;
use crate::api::extract::{NamePath, NoParameters, Parameters};
use crate::api::identity::Call;
use crate::api::jobs::json;
use crate::api::wire::notification::{Notification, ReadAll};
use crate::job::NotificationId;
use crate::store::MarkedNotification;

/// Mark a notification as read
///
/// One that was read stays read since it was.
#[utoipa::path(
    post, path = "/v1/notifications/{id}/read", tag = "notifications", params(("id" = String, Path)),
    responses(
        (status = 200, body = Notification, description = "It is read"),
        (status = 404, description = "`notification_not_found`"),
        (status = 422, description = "`invalid_id`"),
    ),
)]
pub(in crate::api) async fn read_notification(
    api: Call,
    NamePath(id): NamePath<NotificationId>,
    _: NoParameters,
) -> Result<Response, ApiError> {
    mark(api, id, true).await
}

/// Mark a notification as not read
#[utoipa::path(
    post, path = "/v1/notifications/{id}/unread", tag = "notifications", params(("id" = String, Path)),
    responses(
        (status = 200, body = Notification, description = "It is to be read again"),
        (status = 404, description = "`notification_not_found`"),
        (status = 422, description = "`invalid_id`"),
    ),
)]
pub(in crate::api) async fn unread_notification(
    api: Call,
    NamePath(id): NamePath<NotificationId>,
    _: NoParameters,
) -> Result<Response, ApiError> {
    mark(api, id, false).await
}

async fn mark(api: Call, id: NotificationId, is_read: bool) -> Result<Response, ApiError> {
    may_change(&api.caller)?;
    let user = api.caller.user.clone();
    match api.store.mark_notification(api.caller.tenant, user, id, is_read).await? {
        MarkedNotification::Done(row) => json(StatusCode::OK, &Notification::from(&*row), ITEM_BYTES),
        MarkedNotification::NotFound => Err(not_found(id)),
    }
}

/// Mark all of a user's notifications as read
#[utoipa::path(
    post, path = "/v1/notifications/read-all", tag = "notifications",
    params(("user" = Option<String>, Query, description = "Whose; with a user's token that user's")),
    responses(
        (status = 200, body = ReadAll, description = "All are read"),
        (status = 422, description = "`invalid_query`: no user is named"),
    ),
)]
pub(in crate::api) async fn read_all_notifications(
    api: Call,
    Parameters(parameters): Parameters<UserParameters>,
) -> Result<Response, ApiError> {
    may_change(&api.caller)?;
    let user = one_user(&api.caller, parameters.said())?;
    let marked = api.store.read_all_notifications(api.caller.tenant, user).await?;
    json(StatusCode::OK, &ReadAll { marked }, ITEM_BYTES)
}
