//! `POST /v1/schedules/preview`: when something would fire, before anybody puts it.

use axum::extract::Request;
use axum::response::Response;
use http::StatusCode;

use super::request::Times;
use crate::api::error::ApiError;
use crate::api::extract::{NoParameters, parse_json, require_json};
use crate::api::identity::Call;
use crate::api::jobs::json;
use crate::api::wire::schedule::SchedulePreview;

/// Largest body, bytes.
const BODY_BYTES_MAX: usize = 4 << 10;
/// A first guess at the length of an answer, bytes.
const REPLY_BYTES: usize = 640;

/// Preview a schedule
///
/// When it would fire if it were put now, in words and times. Writes nothing.
#[utoipa::path(
    post, path = "/v1/schedules/preview", tag = "schedules", request_body = Times,
    responses(
        (status = 200, body = SchedulePreview),
        (status = 422, description = "`invalid_request`, with pointers"),
    ),
)]
pub(in crate::api) async fn preview_schedule(
    api: Call,
    _: NoParameters,
    request: Request,
) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    require_json(&parts.headers)?;
    let body = api.read_body(&parts.headers, body, BODY_BYTES_MAX).await?;
    let times: Times = parse_json(&body)?;
    let (now, mut errors) = (api.clock.now(), Vec::new());
    let plan = times.plan(now, &mut errors);
    let Some(plan) = plan.filter(|_| errors.is_empty()) else { return Err(ApiError::invalid(errors)) };
    let preview = SchedulePreview::of(now, &plan).map_err(|error| ApiError::internal(&error))?;
    json(StatusCode::OK, &preview, REPLY_BYTES)
}
