//! `DELETE /v1/keys/{id}`.

use axum::response::{IntoResponse, Response};
use http::StatusCode;

use super::key_not_found;
use crate::api::error::{ApiError, ProblemCode};
use crate::api::extract::{NamePath, NoParameters};
use crate::api::identity::Call;
use crate::job::KeyId;
use crate::store::RevokeKeyResult;

/// Revoke a key
///
/// From this answer on it is worth nothing, and the sessions opened with it have ended.
#[utoipa::path(
    delete, path = "/v1/keys/{id}", tag = "keys", params(("id" = String, Path)),
    responses(
        (status = 204, description = "Revoked"),
        (status = 404, description = "`key_not_found`"),
        (status = 409, description = "`admin_key_needed`: it is the last admin's"),
    ),
)]
pub(in crate::api) async fn revoke_key(
    api: Call,
    NamePath(key): NamePath<KeyId>,
    _: NoParameters,
) -> Result<Response, ApiError> {
    match api.store.revoke_key(api.caller.scope, key, api.identity.has_root()).await? {
        RevokeKeyResult::Revoked => Ok(StatusCode::NO_CONTENT.into_response()),
        RevokeKeyResult::NotFound => Err(key_not_found(key)),
        RevokeKeyResult::LastAdmin => Err(ApiError::new(
            ProblemCode::AdminKeyNeeded,
            "it is the last key of an admin: without it nobody could make or revoke any. Make another admin's key first",
        )),
    }
}
