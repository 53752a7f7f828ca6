//! `POST /v1/schedules/{schedule}/trigger`: a run out of turn.

use axum::response::Response;
use http::header::LOCATION;
use http::{HeaderMap, HeaderValue, StatusCode};
use sha2::{Digest as _, Sha256};

use super::schedule_not_found;
use crate::api::error::{ApiError, ProblemCode};
use crate::api::extract::{NamePath, NoParameters};
use crate::api::identity::Call;
use crate::api::jobs::{IDEMPOTENCY_REPLAYED, header_key, key_conflict, location, show_row, unique_conflict};
use crate::api::wire::job::Job;
use crate::job::ScheduleName;
use crate::store::{IdempotencyKey, TriggerResult};

/// Run a schedule now
///
/// Enqueues its job at once, whatever else runs, paused or not. The slots to come stay as they are.
#[utoipa::path(
    post, path = "/v1/schedules/{schedule}/trigger", tag = "schedules",
    params(
        ("schedule" = String, Path),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes the request repeatable for 24 h"),
    ),
    responses(
        (status = 201, body = Job, description = "Enqueued", headers(("Location" = String))),
        (status = 200, body = Job, description = "The same request came before (`Idempotency-Replayed: true`); or another job is the only one like it (`unique`), and `Unique-Conflict` says what became of that one"),
        (status = 403, description = "`quota_exceeded`"),
        (status = 404, description = "`schedule_not_found`, with the nearest names"),
        (status = 409, description = "`idempotency_conflict`, `schedule_faulty`; `unique_conflict`, with the one there is as `existing`"),
        (status = 429, description = "`quota_exceeded`"),
    ),
)]
pub(in crate::api) async fn trigger_schedule(
    api: Call,
    NamePath(schedule): NamePath<ScheduleName>,
    _: NoParameters,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let key = header_key(&headers)?.map(|key| IdempotencyKey {
        key: key.to_owned(),
        request_hash: Sha256::digest(format!("trigger {schedule}")).into(),
    });
    let (row, conflict, is_replayed) =
        match api.store.trigger_schedule(api.caller.tenant, schedule.clone(), key).await? {
            TriggerResult::Triggered(row) => (row, None, false),
            TriggerResult::Replayed(row) => (row, None, true),
            TriggerResult::Existing { conflict, row, is_replayed } => (row, Some(conflict), is_replayed),
            TriggerResult::UniqueConflict { row, is_replayed: false } => {
                return Err(unique_conflict::of_enqueue(&api, *row).await);
            }
            TriggerResult::UniqueConflict { row, is_replayed: true } => {
                return Err(unique_conflict::of_replay(&api, *row).await);
            }
            TriggerResult::KeyConflict => return Err(key_conflict()),
            TriggerResult::OverQuota(quota) => return Err(ApiError::over_quota(&quota)),
            TriggerResult::Refused(why) => return Err(ApiError::new(ProblemCode::ScheduleFaulty, why)),
            TriggerResult::NotFound => return Err(schedule_not_found(&api, &schedule).await),
        };
    let status = if is_replayed || conflict.is_some() { StatusCode::OK } else { StatusCode::CREATED };
    let id = row.id;
    let mut response = show_row(&api, status, *row).await?;
    response.headers_mut().insert(LOCATION, location(id)?);
    if let Some(conflict) = conflict {
        let value = unique_conflict::header_value(conflict);
        response.headers_mut().insert(unique_conflict::UNIQUE_CONFLICT.clone(), value);
    }
    if is_replayed {
        response.headers_mut().insert(IDEMPOTENCY_REPLAYED.clone(), HeaderValue::from_static("true"));
    }
    Ok(response)
}
