//! `POST /v1/jobs/{id}/run`: a job that waits for its time need not wait for it any longer.

use axum::response::Response;
use http::StatusCode;

use super::edit::not_waiting;
use super::enqueue::{job_not_found, show_row};
use crate::api::error::{ApiError, ProblemCode};
use crate::api::extract::{JobPath, NoParameters};
use crate::api::identity::Call;
use crate::api::wire::job::Job;
use crate::store::RunNowResult;

/// Run a job now
///
/// A scheduled, retrying or snoozed job becomes ready at once; its attempts stay as they are, and its queue's limits hold. One
/// that is ready already stays so.
#[utoipa::path(
    post, path = "/v1/jobs/{id}/run", tag = "jobs", params(("id" = String, Path)),
    responses(
        (status = 200, body = Job, description = "Ready"),
        (status = 404, description = "`job_not_found`"),
        (status = 409, description = "`job_not_waiting`: it runs or has ended; `wrong_state`: it waits for other jobs"),
    ),
)]
pub(in crate::api) async fn run_now(api: Call, JobPath(job): JobPath, _: NoParameters) -> Result<Response, ApiError> {
    match api.store.run_now(api.caller.tenant, job).await? {
        RunNowResult::Ready(row) => show_row(&api, StatusCode::OK, *row).await,
        RunNowResult::NotWaiting(row) => Err(not_waiting(&api, &row)),
        RunNowResult::Blocked(row) => Err(ApiError::new(
            ProblemCode::WrongState,
            "the job waits for other jobs, not for its time; it is ready when they have ended",
        )
        .with("state", row.state.as_str())),
        RunNowResult::NotFound => Err(job_not_found(job)),
    }
}
