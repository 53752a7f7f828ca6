//! `POST /v1/notifications/tokens`.

use std::time::Duration;

use axum::extract::Request;
use axum::response::Response;
use http::StatusCode;
use http::header::{CACHE_CONTROL, HeaderValue};

use super::ITEM_BYTES;
use crate::api::error::ApiError;
use crate::api::extract::{NoParameters, parse_json, require_json};
use crate::api::identity::{Call, USER_TOKEN_DEFAULT, USER_TOKEN_MAX, UserToken};
use crate::api::jobs::json;
use crate::api::wire::Instant;
use crate::api::wire::notification::{MadeUserToken, UserTokenRequest};
use crate::job::notification::UserNameError;
use crate::job::{FieldError, Span};

/// Largest body, bytes.
const BODY_BYTES_MAX: usize = 4 << 10;
/// Shorter, and it would be over before it arrived.
const USER_TOKEN_MIN: Duration = Duration::from_secs(1);

/// Make a token for a user
///
/// For an application's page: with it a browser reads and marks that one user's notifications, and connects to the hub.
/// Nobody can take it back before its time, so let it be short.
#[utoipa::path(
    post, path = "/v1/notifications/tokens", tag = "notifications", request_body = UserTokenRequest,
    responses(
        (status = 201, body = MadeUserToken, description = "Made, with the token itself"),
        (status = 415, description = "`unsupported_media_type`"),
        (status = 422, description = "`invalid_request`, with pointers"),
    ),
)]
pub(in crate::api) async fn create_user_token(
    api: Call,
    _: NoParameters,
    request: Request,
) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    require_json(&parts.headers)?;
    let body = api.read_body(&parts.headers, body, BODY_BYTES_MAX).await?;
    let UserTokenRequest { user, expires_in } = parse_json(&body)?;
    let mut errors = Vec::new();
    let user = user.parse().map_err(|error: UserNameError| FieldError::new("/user", error.to_string()));
    let user = user.map_err(|error| errors.push(error));
    let lasts = expires_in.map_or(USER_TOKEN_DEFAULT, |Span(span)| span);
    if !(USER_TOKEN_MIN..=USER_TOKEN_MAX).contains(&lasts) {
        let message = format!("must be from {} to {}", Span(USER_TOKEN_MIN), Span(USER_TOKEN_MAX));
        errors.push(FieldError::new("/expires_in", message));
    }
    let Ok(user) = user else { return Err(ApiError::invalid(errors)) };
    if !errors.is_empty() {
        return Err(ApiError::invalid(errors));
    }
    let token = UserToken { tenant: api.caller.tenant, user, expires_at: api.clock.now().plus(lasts) };
    let text = if let Some(text) = api.identity.user_token(&token) {
        text
    } else {
        // The disk was full when the host started.
        api.identity.begin_user_tokens(&api.store.user_token_secret().await?);
        let made = api.identity.user_token(&token);
        made.ok_or_else(|| ApiError::internal(&"a token can't be signed with the key that was just read"))?
    };
    let made = MadeUserToken { token: &text, user: token.user.as_str(), expires_at: Instant(token.expires_at) };
    let mut response = json(StatusCode::CREATED, &made, ITEM_BYTES)?;
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}
