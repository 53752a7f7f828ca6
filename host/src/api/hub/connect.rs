//! `GET /hubs/notifications`: a connection is opened, as a WebSocket or as server-sent events.

use axum::extract::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::response::Response;
use http::header::{ACCEPT, UPGRADE};
use http::{HeaderMap, Uri};

use super::conversation::Conversation;
use super::parameters::HubParameters;
use super::{server_sent_events, web_socket};
use crate::api::error::{ApiError, ProblemCode};
use crate::api::identity::Call;
use crate::api::notifications::Following;

/// Connect to the hub
///
/// For clients of SignalR: the hub calls `ReceiveNotification(type, message)` on every connection of a user, where `type` is `Info`,
/// `Success`, `Warning` or `Error`. What came while nobody was connected is in the inbox. A token may stand in the query, as
/// `access_token`.
#[utoipa::path(
    get, path = "/hubs/notifications", tag = "notifications",
    params(
        ("id" = Option<String>, Query, description = "The `connectionToken` of the negotiation; of WebSockets optional"),
        ("user" = Option<String>, Query, description = "Whose; with a user's token that user's"),
    ),
    responses(
        (status = 101, description = "From now on it is a WebSocket"),
        (status = 200, body = String, content_type = "text/event-stream", description = "Server-sent events"),
        (status = 409, description = "`connection_taken`: one with this id is open"),
        (status = 422, description = "`invalid_query`; `invalid_request`: neither WebSocket nor server-sent events"),
        (status = 429, description = "`busy`: as many connections as may be are open"),
    ),
)]
pub(in crate::api) async fn hub_connect(
    api: Call,
    uri: Uri,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, ApiError> {
    let parameters = HubParameters::of(uri.query());
    let user = parameters.user(&api.caller)?;
    if headers.contains_key(UPGRADE) {
        let upgrade = upgrade.map_err(|rejection| {
            ApiError::new(ProblemCode::InvalidRequest, format!("this begins no WebSocket: {}", rejection.body_text()))
        })?;
        return Ok(web_socket::open(upgrade, converse(&api, user).await?));
    }
    let is_stream = headers.get_all(ACCEPT).iter().any(|accept| {
        accept.to_str().is_ok_and(|accept| accept.split(',').any(|one| one.trim().starts_with("text/event-stream")))
    });
    if !is_stream {
        let sentence = "connect with a SignalR client: a WebSocket, or `Accept: text/event-stream`";
        return Err(ApiError::new(ProblemCode::InvalidRequest, sentence));
    }
    let connected = api.hub.open(parameters.id()?, (api.caller.tenant, user.clone()))?;
    Ok(server_sent_events::open(connected, converse(&api, user).await?))
}

async fn converse(api: &Call, user: crate::job::UserName) -> Result<Conversation, ApiError> {
    let following = Following::begin(api.clone(), user, None).await?;
    Ok(Conversation::new(following, api.stopping.clone(), api.config.notifications.client_timeout))
}
