//! `POST /v1/jobs/{id}/retry`: brings a job back from the dead-letter list, or cuts a back-off short.

use axum::response::Response;
use http::StatusCode;

use super::enqueue::{job_not_found, show_row};
use crate::api::error::{ApiError, ProblemCode};
use crate::api::extract::{JobPath, NoParameters};
use crate::api::identity::Call;
use crate::api::wire::job::Job;
use crate::store::RetryResult;

/// Run a job again
///
/// For `failed`, `cancelled` and `retrying` jobs: ready at once, with all its attempts anew; `blocked`, where jobs it runs after
/// have not ended. Those of them that did not end as it asks are let go of. Jobs that were cancelled because of it come back, too.
#[utoipa::path(
    post, path = "/v1/jobs/{id}/retry", tag = "jobs", params(("id" = String, Path)),
    responses(
        (status = 200, body = Job, description = "Ready, or blocked, again"),
        (status = 404, description = "`job_not_found`, `kind_not_found`"),
        (status = 409, description = "`wrong_state`; `unique_conflict`: another job is the only one like it now"),
    ),
)]
pub(in crate::api) async fn retry(api: Call, JobPath(job): JobPath, _: NoParameters) -> Result<Response, ApiError> {
    match api.store.retry(api.caller.tenant, job).await? {
        RetryResult::Retried(row) => show_row(&api, StatusCode::OK, *row).await,
        RetryResult::ComesWith { parent, .. } | RetryResult::ComesNoMore(parent) => Err(ApiError::new(
            ProblemCode::WrongState,
            format!("{parent}, which the job runs after, did not end as it asks"),
        )),
        RetryResult::WrongState(row) => Err(ApiError::new(
            ProblemCode::WrongState,
            format!("the job is {}; only failed, cancelled and retrying jobs can be retried", row.state),
        )
        .with("state", row.state.as_str())),
        RetryResult::KindGone => Err(ApiError::new(
            ProblemCode::KindNotFound,
            "the job's kind no longer exists; upload a module that serves it, then retry",
        )),
        RetryResult::UniqueConflict(other) => Err(super::unique_conflict::of_retry(other)),
        RetryResult::NotFound => Err(job_not_found(job)),
    }
}
