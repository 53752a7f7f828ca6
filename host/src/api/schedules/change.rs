//! `POST /v1/schedules/{schedule}/pause` and `…/resume`.

use axum::response::Response;
use http::StatusCode;

use super::inspect::show_schedule;
use super::schedule_not_found;
use crate::api::error::ApiError;
use crate::api::extract::{NamePath, NoParameters};
use crate::api::identity::Call;
use crate::api::wire::schedule::Schedule;
use crate::job::ScheduleName;

/// Pause a schedule
///
/// Its slots are missed from now on; what runs goes on. It stays paused when it is put anew, or by a new version of its module.
#[utoipa::path(
    post, path = "/v1/schedules/{schedule}/pause", tag = "schedules", params(("schedule" = String, Path)),
    responses(
        (status = 200, body = Schedule, description = "As it is now"),
        (status = 404, description = "`schedule_not_found`, with the nearest names"),
    ),
)]
pub(in crate::api) async fn pause_schedule(
    api: Call,
    NamePath(schedule): NamePath<ScheduleName>,
    _: NoParameters,
) -> Result<Response, ApiError> {
    set_paused(&api, schedule, true).await
}

/// Resume a schedule
///
/// What was missed meanwhile becomes what its `misfire` says. One that was left alone for a fault is tried again.
#[utoipa::path(
    post, path = "/v1/schedules/{schedule}/resume", tag = "schedules", params(("schedule" = String, Path)),
    responses(
        (status = 200, body = Schedule, description = "As it is now"),
        (status = 404, description = "`schedule_not_found`, with the nearest names"),
    ),
)]
pub(in crate::api) async fn resume_schedule(
    api: Call,
    NamePath(schedule): NamePath<ScheduleName>,
    _: NoParameters,
) -> Result<Response, ApiError> {
    set_paused(&api, schedule, false).await
}

async fn set_paused(api: &Call, schedule: ScheduleName, is_paused: bool) -> Result<Response, ApiError> {
    if !api.store.pause_schedule(api.caller.tenant, schedule.clone(), is_paused).await? {
        return Err(schedule_not_found(api, &schedule).await);
    }
    show_schedule(api, StatusCode::OK, schedule).await
}
