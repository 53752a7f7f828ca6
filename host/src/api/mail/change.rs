//! `DELETE /v1/mail/{id}`.

use axum::response::{IntoResponse, Response};
use http::StatusCode;

use super::{mail_not_found, wrong_state};
use crate::api::error::ApiError;
use crate::api::extract::{NamePath, NoParameters};
use crate::api::identity::Call;
use crate::job::{MailId, MailState};
use crate::store::DeleteMailResult;

/// Delete a mail
///
/// One that was not sent never will be.
#[utoipa::path(
    delete, path = "/v1/mail/{id}", tag = "mail", params(("id" = String, Path)),
    responses(
        (status = 204, description = "It is gone"),
        (status = 404, description = "`mail_not_found`"),
        (status = 409, description = "`wrong_state`: it is being transmitted"),
    ),
)]
pub(in crate::api) async fn delete_mail(
    api: Call,
    NamePath(id): NamePath<MailId>,
    _: NoParameters,
) -> Result<Response, ApiError> {
    match api.store.delete_mail(api.caller.tenant, id).await? {
        DeleteMailResult::Deleted => Ok(StatusCode::NO_CONTENT.into_response()),
        DeleteMailResult::Sending => {
            Err(wrong_state(MailState::Sending, "a host transmits the mail now; delete it when that is over"))
        }
        DeleteMailResult::NotFound => Err(mail_not_found(id)),
    }
}
