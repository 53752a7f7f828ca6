//! Whether the process lives and whether it can take work. Neither asks the store anything that waits.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use serde::Serialize;

use super::error::{ApiError, ProblemCode};
use super::jobs::json;
use super::shared::Shared;

/// How the process is.
#[derive(Serialize, utoipa::ToSchema)]
struct Health {
    /// `live` or `ready`.
    status: &'static str,
}

/// Lives
#[utoipa::path(get, path = "/health/live", tag = "operations", responses((status = 200, body = Health, description = "The process answers")))]
pub(super) async fn live() -> Response {
    ([(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-store")], r#"{"status":"live"}"#).into_response()
}

/// Can take work
#[utoipa::path(
    get, path = "/health/ready", tag = "operations",
    responses((status = 200, body = Health, description = "Takes work"), (status = 503, description = "`not_ready`, with the reason")),
)]
pub(super) async fn ready(State(api): Shared) -> Result<Response, ApiError> {
    if api.dispatcher.is_stopping() || api.stopping.is_cancelled() {
        return Err(ApiError::new(ProblemCode::NotReady, "the host is stopping").with("reason", "stopping"));
    }
    if !api.store.is_writable() {
        return Err(ApiError::new(
            ProblemCode::NotReady,
            "the store cannot write (is the disk full, the data directory read-only, or a long backup under way?); reads go on, and it recovers by itself",
        )
        .with("reason", "store_unavailable"));
    }
    json(StatusCode::OK, &Health { status: "ready" }, 32)
}
