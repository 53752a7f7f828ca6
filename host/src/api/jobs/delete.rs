//! `DELETE /v1/jobs/{id}`.

use http::StatusCode;

use super::enqueue::job_not_found;
use crate::api::error::{ApiError, ProblemCode};
use crate::api::extract::{JobPath, NoParameters};
use crate::api::identity::Call;
use crate::store::DeleteResult;

/// Delete a job that has ended
#[utoipa::path(
    delete, path = "/v1/jobs/{id}", tag = "jobs", params(("id" = String, Path)),
    responses(
        (status = 204, description = "Gone, with its payload, output, attempts and logs"),
        (status = 404, description = "`job_not_found`"),
        (status = 409, description = "`wrong_state`: it has not ended; cancel it first. `job_needed`: a job that runs after it has not ended"),
    ),
)]
pub(in crate::api) async fn delete(api: Call, JobPath(job): JobPath, _: NoParameters) -> Result<StatusCode, ApiError> {
    match api.store.delete(api.caller.tenant, job).await? {
        DeleteResult::Deleted => Ok(StatusCode::NO_CONTENT),
        DeleteResult::WrongState(state) => Err(ApiError::new(
            ProblemCode::WrongState,
            format!("the job is {state}; cancel it first, only jobs that have ended can be deleted"),
        )
        .with("state", state.as_str())),
        DeleteResult::Needed(child) => Err(ApiError::new(
            ProblemCode::JobNeeded,
            format!("{child} runs after this job and has not ended; let it end, or cancel it first"),
        )
        .with("needed_by", child.to_string())),
        DeleteResult::NotFound => Err(job_not_found(job)),
    }
}
