//! `POST /hubs/notifications`: what a client says whose connection is one of server-sent events.

use axum::extract::Request;
use http::StatusCode;

use super::parameters::HubParameters;
use super::protocol::RECORD_BYTES_MAX;
use crate::api::error::{ApiError, ProblemCode};
use crate::api::identity::Call;

/// Say something on a connection of server-sent events
///
/// For clients of SignalR, which know what to say.
#[utoipa::path(
    post, path = "/hubs/notifications", tag = "notifications",
    params(
        ("id" = String, Query, description = "The `connectionToken` of the negotiation"),
        ("user" = Option<String>, Query, description = "Whose; with a user's token that user's"),
    ),
    responses(
        (status = 200, description = "It will be heard"),
        (status = 400, description = "`malformed_body`: it is no text"),
        (status = 404, description = "`connection_not_found`"),
        (status = 413, description = "`body_too_large`"),
        (status = 422, description = "`invalid_query`"),
        (status = 429, description = "`busy`: what was said before was not heard yet"),
    ),
)]
pub(in crate::api) async fn hub_send(api: Call, request: Request) -> Result<StatusCode, ApiError> {
    let (parts, body) = request.into_parts();
    let parameters = HubParameters::of(parts.uri.query());
    let whose = (api.caller.tenant, parameters.user(&api.caller)?);
    let id = parameters.id()?;
    let body = api.read_body(&parts.headers, body, RECORD_BYTES_MAX).await?;
    let text = String::from_utf8(body.to_vec())
        .map_err(|_| ApiError::new(ProblemCode::MalformedBody, "the protocol is one of JSON, which is UTF-8"))?;
    api.hub.say(id, &whose, text)?;
    Ok(StatusCode::OK)
}
