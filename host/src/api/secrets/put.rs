//! `PUT /v1/secrets/{secret}`.

use axum::extract::Request;
use axum::response::Response;
use http::StatusCode;

use crate::api::error::{ApiError, ProblemCode};
use crate::api::extract::{NamePath, NoParameters, ValueRequest, body_bytes_max, parse_value, require_json};
use crate::api::identity::Call;
use crate::api::jobs::json;
use crate::api::wire::secret::Secret;
use crate::job::SecretName;
use crate::secrets::{SECRET_BYTES_MAX, SecretValue, SetSecretError};
use crate::store::SetSecretResult;

/// A first guess at the length of an answer, bytes.
const REPLY_BYTES: usize = 256;

/// Set a secret
///
/// A text in `value`, or any bytes as base64 in `value_base64`: 8 bytes to 64 KiB. It is encrypted before it is stored, and no
/// call ever returns it. Handlers of the kinds that are granted it get it, from their next attempt on.
#[utoipa::path(
    put, path = "/v1/secrets/{secret}", tag = "secrets", request_body = ValueRequest,
    params(("secret" = String, Path)),
    responses(
        (status = 201, body = Secret, description = "It is new"),
        (status = 200, body = Secret, description = "It has another value now"),
        (status = 409, description = "`no_secrets_key`: the host has no key to encrypt with"),
        (status = 403, description = "`quota_exceeded`"),
        (status = 413, description = "`body_too_large`"),
        (status = 415, description = "`unsupported_media_type`"),
        (status = 422, description = "`invalid_request`"),
    ),
)]
pub(in crate::api) async fn set_secret(
    api: Call,
    NamePath(secret): NamePath<SecretName>,
    _: NoParameters,
    request: Request,
) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    require_json(&parts.headers)?;
    let body = api.read_body(&parts.headers, body, body_bytes_max(SECRET_BYTES_MAX)).await?;
    let mut bytes = parse_value(&body)?;
    let value =
        SecretValue::new(std::mem::take(&mut *bytes)).map_err(|error| ApiError::field("/value", error.to_string()))?;
    match api.vault().set(api.caller.tenant, secret, &value).await {
        Ok(SetSecretResult::Created(row)) => json(StatusCode::CREATED, &Secret::from(&row), REPLY_BYTES),
        Ok(SetSecretResult::Replaced(row)) => json(StatusCode::OK, &Secret::from(&row), REPLY_BYTES),
        Ok(SetSecretResult::OverQuota(exceeded)) => Err(ApiError::over_quota(&exceeded)),
        Err(error @ SetSecretError::NoKey) => Err(ApiError::new(ProblemCode::NoSecretsKey, error.to_string())),
        Err(SetSecretError::Store(error)) => Err(error.into()),
        Err(error @ SetSecretError::Seal(_)) => Err(ApiError::internal(&error)),
    }
}
