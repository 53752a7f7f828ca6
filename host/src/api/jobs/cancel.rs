//! `POST /v1/jobs/{id}/cancel`.

use axum::response::Response;
use http::StatusCode;

use super::enqueue::{job_not_found, show_row};
use crate::api::error::{ApiError, ProblemCode};
use crate::api::extract::{JobPath, NoParameters};
use crate::api::identity::Call;
use crate::api::wire::job::Job;
use crate::job::{FailureReason, JobState};
use crate::store::CancelResult;

/// Cancel a job
///
/// A waiting job is cancelled at once (200). A running one is interrupted; 202 says that the request is recorded.
/// Cancelling a cancelled job changes nothing (200).
#[utoipa::path(
    post, path = "/v1/jobs/{id}/cancel", tag = "jobs", params(("id" = String, Path)),
    responses(
        (status = 200, body = Job, description = "Cancelled"),
        (status = 202, body = Job, description = "Being interrupted"),
        (status = 404, description = "`job_not_found`"),
        (status = 409, description = "`wrong_state`: it has ended already"),
    ),
)]
pub(in crate::api) async fn cancel(api: Call, JobPath(job): JobPath, _: NoParameters) -> Result<Response, ApiError> {
    match api.store.cancel(api.caller.tenant, job).await? {
        CancelResult::Cancelled(row) => show_row(&api, StatusCode::OK, *row).await,
        CancelResult::Requested(row) => {
            // Recorded first: should this host die now, the next one knows.
            if let Some((_, lease_number)) = row.leased_by {
                api.dispatcher.interrupt((job, lease_number), FailureReason::Cancelled);
            }
            show_row(&api, StatusCode::ACCEPTED, *row).await
        }
        CancelResult::AlreadyTerminal(row) if row.state == JobState::Cancelled => {
            show_row(&api, StatusCode::OK, *row).await
        }
        CancelResult::AlreadyTerminal(row) => Err(ApiError::new(
            ProblemCode::WrongState,
            format!("the job has {} already; there is nothing to cancel", row.state),
        )
        .with("state", row.state.as_str())),
        CancelResult::NotFound => Err(job_not_found(job)),
    }
}
