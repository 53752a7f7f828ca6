//! `POST /hubs/notifications/negotiate`: how a client may connect. Nothing is kept of it: a connection begins when it is opened.

use axum::response::Response;
use http::{StatusCode, Uri};
use serde::Serialize;

use super::parameters::HubParameters;
use crate::api::error::ApiError;
use crate::api::identity::{Call, new_session};
use crate::api::jobs::json;

/// A first guess at the length of the answer, bytes.
const REPLY_BYTES: usize = 320;
/// Of the random digits that name a connection: 128 bits.
const ID_DIGITS: usize = 32;

/// How a client may connect.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::api) struct Negotiated {
    negotiate_version: u32,
    /// For the application to see.
    connection_id: String,
    /// Sent as `id` where the connection is opened. Of version 0 it is the `connectionId`.
    #[serde(skip_serializing_if = "Option::is_none")]
    connection_token: Option<String>,
    available_transports: [Transport; 2],
}

/// A way to connect.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::api) struct Transport {
    #[schema(value_type = String)]
    transport: &'static str,
    #[schema(value_type = Vec<String>)]
    transfer_formats: &'static [&'static str],
}

/// What a client is offered: the protocol is one of text.
const TRANSPORTS: [Transport; 2] = [
    Transport { transport: "WebSockets", transfer_formats: &["Text"] },
    Transport { transport: "ServerSentEvents", transfer_formats: &["Text"] },
];

/// Negotiate a connection to the hub
///
/// For clients of SignalR, which know what to do with it.
#[utoipa::path(
    post, path = "/hubs/notifications/negotiate", tag = "notifications",
    params(
        ("negotiateVersion" = Option<u32>, Query, description = "0 or 1"),
        ("user" = Option<String>, Query, description = "Whose; with a user's token that user's"),
    ),
    responses(
        (status = 200, body = Negotiated, description = "How to connect"),
        (status = 422, description = "`invalid_query`: no user is named"),
    ),
)]
pub(in crate::api) async fn negotiate(api: Call, uri: Uri) -> Result<Response, ApiError> {
    let parameters = HubParameters::of(uri.query());
    parameters.user(&api.caller)?;
    let is_version_1 = parameters.is_version_1()?;
    let negotiated = Negotiated {
        negotiate_version: u32::from(is_version_1),
        connection_id: new_id(),
        connection_token: is_version_1.then(new_id),
        available_transports: TRANSPORTS,
    };
    json(StatusCode::OK, &negotiated, REPLY_BYTES)
}

fn new_id() -> String {
    let mut id = new_session();
    id.truncate(ID_DIGITS);
    id
}
