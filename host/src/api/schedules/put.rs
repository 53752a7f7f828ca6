//! `PUT /v1/schedules/{schedule}`: makes a schedule, or replaces it.

use axum::extract::Request;
use axum::response::Response;
use http::header::LOCATION;
use http::{HeaderValue, StatusCode};

use super::inspect::show_schedule;
use super::request::{ScheduleRequest, check};
use crate::api::error::ApiError;
use crate::api::extract::{NamePath, NoParameters, require_json};
use crate::api::identity::Call;
use crate::api::jobs::{REQUEST_FIELDS_BYTES_MAX, kind_gone};
use crate::api::wire::schedule::Schedule;
use crate::job::ScheduleName;
use crate::store::PutScheduleResult;

/// Put a schedule
///
/// Makes it, or replaces all that is set of it, from now on: the next slot follows at once. One whose times stay the same loses
/// nothing that was missed. The job has the fields of `POST /v1/jobs`; those left out follow the kind.
#[utoipa::path(
    put, path = "/v1/schedules/{schedule}", tag = "schedules", request_body = ScheduleRequest,
    params(("schedule" = String, Path)),
    responses(
        (status = 201, body = Schedule, description = "Made", headers(("Location" = String))),
        (status = 200, body = Schedule, description = "Replaced"),
        (status = 403, description = "`quota_exceeded`"),
        (status = 404, description = "`kind_not_found`, with the nearest names"),
        (status = 413, description = "`body_too_large`, `payload_too_large`"),
        (status = 415, description = "`unsupported_media_type`"),
        (status = 422, description = "`invalid_request`, `invalid_payload`, with pointers"),
        (status = 429, description = "`busy`: payloads that take long to check, or schemas to be compiled, take their turns"),
    ),
)]
pub(in crate::api) async fn put_schedule(
    api: Call,
    NamePath(schedule): NamePath<ScheduleName>,
    _: NoParameters,
    request: Request,
) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    require_json(&parts.headers)?;
    let body_bytes_max = api.config.requests.payload_bytes_max.saturating_add(REQUEST_FIELDS_BYTES_MAX);
    let body = api.read_body(&parts.headers, body, body_bytes_max).await?;
    let new = check(&api, &body).await?;
    match api.store.put_schedule(api.caller.tenant, schedule.clone(), new).await? {
        PutScheduleResult::Created => {
            let mut response = show_schedule(&api, StatusCode::CREATED, schedule.clone()).await?;
            let location = format!("/v1/schedules/{}", schedule.as_str().replace('/', "%2F"));
            let location = HeaderValue::try_from(location).map_err(|error| ApiError::internal(&error))?;
            response.headers_mut().insert(LOCATION, location);
            Ok(response)
        }
        PutScheduleResult::Replaced => show_schedule(&api, StatusCode::OK, schedule).await,
        PutScheduleResult::OverQuota(quota) => Err(ApiError::over_quota(&quota)),
        PutScheduleResult::KindGone => Err(kind_gone()),
    }
}
