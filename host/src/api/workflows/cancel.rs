//! `POST /v1/workflows/{id}/cancel`.

use axum::response::Response;
use http::StatusCode;

use super::{show, workflow_not_found};
use crate::api::batches::interrupt;
use crate::api::error::ApiError;
use crate::api::extract::{NamePath, NoParameters};
use crate::api::identity::Call;
use crate::api::wire::batch::Workflow;
use crate::job::{BatchId, WorkflowId};
use crate::store::ChangeBatchResult;

/// Cancel a workflow
///
/// All of its jobs that have not ended: the first 500 at once, the others shortly after, a restart notwithstanding.
#[utoipa::path(
    post, path = "/v1/workflows/{id}/cancel", tag = "workflows", params(("id" = String, Path)),
    responses(
        (status = 200, body = Workflow, description = "All its jobs have ended"),
        (status = 202, body = Workflow, description = "Some are still being cancelled"),
        (status = 404, description = "`workflow_not_found`"),
    ),
)]
pub(in crate::api) async fn cancel_workflow(
    api: Call,
    NamePath(workflow): NamePath<WorkflowId>,
    _: NoParameters,
) -> Result<Response, ApiError> {
    let id = BatchId::from_u128(workflow.as_u128());
    match api.store.cancel_batch(api.caller.tenant, id, true).await? {
        ChangeBatchResult::Changed { batch, held } => {
            interrupt(&api, held);
            show(&api, if batch.unfinished() == 0 { StatusCode::OK } else { StatusCode::ACCEPTED }, id).await
        }
        ChangeBatchResult::NotFound => Err(workflow_not_found(workflow)),
    }
}
