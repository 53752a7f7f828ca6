//! `DELETE /v1/schedules/{schedule}`.

use axum::response::{IntoResponse, Response};
use http::StatusCode;

use super::inspect::show_schedule;
use super::schedule_not_found;
use crate::api::error::{ApiError, ProblemCode};
use crate::api::extract::{NamePath, NoParameters};
use crate::api::identity::Call;
use crate::api::wire::schedule::Schedule;
use crate::job::ScheduleName;
use crate::store::DeleteScheduleResult;

/// Delete a schedule
///
/// Its jobs stay. Where a module declares it, what was put in its place goes, and what the module declares is in force again.
#[utoipa::path(
    delete, path = "/v1/schedules/{schedule}", tag = "schedules", params(("schedule" = String, Path)),
    responses(
        (status = 204, description = "Gone"),
        (status = 200, body = Schedule, description = "As its module declares it"),
        (status = 404, description = "`schedule_not_found`, with the nearest names"),
        (status = 409, description = "`schedule_declared`: pause it instead"),
    ),
)]
pub(in crate::api) async fn delete_schedule(
    api: Call,
    NamePath(schedule): NamePath<ScheduleName>,
    _: NoParameters,
) -> Result<Response, ApiError> {
    match api.store.delete_schedule(api.caller.tenant, schedule.clone()).await? {
        DeleteScheduleResult::Deleted => Ok(StatusCode::NO_CONTENT.into_response()),
        DeleteScheduleResult::Restored => show_schedule(&api, StatusCode::OK, schedule).await,
        DeleteScheduleResult::NotFound => Err(schedule_not_found(&api, &schedule).await),
        DeleteScheduleResult::Declared(module) => {
            let sentence = format!(
                "the module `{module}` declares this schedule, and would again with its next version; pause it, which lasts \
                 until you resume it, or put another one in its place"
            );
            Err(ApiError::new(ProblemCode::ScheduleDeclared, sentence).with("module", module.as_str()))
        }
    }
}
