//! `DELETE /v1/queues/{queue}`.

use http::StatusCode;

use super::queue_not_found;
use crate::api::error::{ApiError, ProblemCode};
use crate::api::extract::{NamePath, NoParameters};
use crate::api::identity::Call;
use crate::job::QueueName;
use crate::store::DeleteQueueResult;

/// Delete a queue
///
/// One in which no job is unfinished. Finished jobs keep its name, and the next job that names it makes it anew, with nothing
/// set on it.
#[utoipa::path(
    delete, path = "/v1/queues/{queue}", tag = "queues", params(("queue" = String, Path)),
    responses(
        (status = 204, description = "Gone"),
        (status = 404, description = "`queue_not_found`, with the nearest names"),
        (status = 409, description = "`queue_in_use`, with how many of its jobs are unfinished"),
    ),
)]
pub(in crate::api) async fn delete_queue(
    api: Call,
    NamePath(queue): NamePath<QueueName>,
    _: NoParameters,
) -> Result<StatusCode, ApiError> {
    match api.store.delete_queue(api.caller.tenant, queue.clone()).await? {
        DeleteQueueResult::Deleted => Ok(StatusCode::NO_CONTENT),
        DeleteQueueResult::NotFound => Err(queue_not_found(&api, &queue)),
        DeleteQueueResult::InUse(unfinished) => {
            let jobs = if unfinished == 1 { "job of it has" } else { "jobs of it have" };
            let detail = format!("{unfinished} {jobs} not ended; let them run, or cancel them first");
            Err(ApiError::new(ProblemCode::QueueInUse, detail).with("unfinished", unfinished))
        }
    }
}
