//! `DELETE /v1/notifications/{id}`.

use http::StatusCode;

use super::not_found;
use super::whose::may_change;
use crate::api::error::ApiError;
use crate::api::extract::{NamePath, NoParameters};
use crate::api::identity::Call;
use crate::job::NotificationId;

/// Delete a notification
#[utoipa::path(
    delete, path = "/v1/notifications/{id}", tag = "notifications", params(("id" = String, Path)),
    responses(
        (status = 204, description = "Gone"),
        (status = 404, description = "`notification_not_found`"),
        (status = 422, description = "`invalid_id`"),
    ),
)]
pub(in crate::api) async fn delete_notification(
    api: Call,
    NamePath(id): NamePath<NotificationId>,
    _: NoParameters,
) -> Result<StatusCode, ApiError> {
    may_change(&api.caller)?;
    let is_gone = api.store.delete_notification(api.caller.tenant, api.caller.user.clone(), id).await?;
    if is_gone { Ok(StatusCode::NO_CONTENT) } else { Err(not_found(id)) }
}
