//! `GET /v1/workflows` and `/v1/workflows/{id}`.

use axum::response::Response;
use http::StatusCode;

use super::workflow_not_found;
use crate::api::batches::ITEM_BYTES;
use crate::api::error::ApiError;
use crate::api::extract::{NamePath, NoParameters, PageParameters, Parameters};
use crate::api::identity::Call;
use crate::api::jobs::json;
use crate::api::wire::Listing;
use crate::api::wire::batch::{Batch, Workflow};
use crate::job::{BatchId, WorkflowId};

/// A first guess at the length of one job of a graph, bytes.
const NODE_BYTES: usize = 256;

/// List workflows
#[utoipa::path(
    get, path = "/v1/workflows", tag = "workflows",
    params(
        ("limit" = Option<u32>, Query, description = "1 to 500, default 50"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
    ),
    responses((status = 200, body = Listing<Batch>, description = "Newest first, without their jobs"), (status = 422, description = "`invalid_query`")),
)]
pub(in crate::api) async fn list_workflows(
    api: Call,
    Parameters(page): Parameters<PageParameters>,
) -> Result<Response, ApiError> {
    let (limit, before) = page.parse::<WorkflowId>()?;
    let before = before.map(|before| BatchId::from_u128(before.as_u128()));
    let rows = api.store.batches(api.caller.tenant, true, before, limit + 1).await?;
    let key = |row: &crate::store::BatchRow| WorkflowId::from_u128(row.id.as_u128()).to_string();
    let listing = Listing::of(&rows, limit, Batch::from, key);
    json(StatusCode::OK, &listing, ITEM_BYTES * rows.len() + 64)
}

/// Show a workflow
///
/// The graph with the states of its jobs.
#[utoipa::path(
    get, path = "/v1/workflows/{id}", tag = "workflows", params(("id" = String, Path)),
    responses((status = 200, body = Workflow), (status = 404, description = "`workflow_not_found`"), (status = 422, description = "`invalid_id`")),
)]
pub(in crate::api) async fn workflow_detail(
    api: Call,
    NamePath(workflow): NamePath<WorkflowId>,
    _: NoParameters,
) -> Result<Response, ApiError> {
    show(&api, StatusCode::OK, BatchId::from_u128(workflow.as_u128())).await
}

/// A workflow as an answer.
pub(in crate::api) async fn show(api: &Call, status: StatusCode, id: BatchId) -> Result<Response, ApiError> {
    let found = api.store.workflow(api.caller.tenant, id).await?;
    let (row, members) = found.ok_or_else(|| workflow_not_found(WorkflowId::from_u128(id.as_u128())))?;
    json(status, &Workflow::of(&row, &members), ITEM_BYTES + NODE_BYTES * members.len())
}
