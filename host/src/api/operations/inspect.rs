//! `GET /v1/operations` and `GET /v1/operations/{id}`.

use axum::response::Response;
use http::StatusCode;

use crate::api::error::{ApiError, ProblemCode};
use crate::api::extract::{NamePath, NoParameters, PageParameters, Parameters};
use crate::api::identity::Call;
use crate::api::jobs::json;
use crate::api::wire::Listing;
use crate::api::wire::operation::Operation;
use crate::job::OperationId;

/// A first guess at the length of one item, bytes.
pub(super) const ITEM_BYTES: usize = 512;

/// List operations
#[utoipa::path(
    get, path = "/v1/operations", tag = "bulk",
    params(
        ("limit" = Option<u32>, Query, description = "1 to 500, default 50"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
    ),
    responses(
        (status = 200, body = Listing<Operation>, description = "Newest first; finished ones are kept for 7 days, and 1,000 in all"),
        (status = 422, description = "`invalid_query`"),
    ),
)]
pub(in crate::api) async fn list_operations(
    api: Call,
    Parameters(page): Parameters<PageParameters>,
) -> Result<Response, ApiError> {
    let (limit, before) = page.parse::<OperationId>()?;
    let rows = api.store.operations(api.caller.tenant, before, limit + 1).await?;
    let listing = Listing::of(&rows, limit, Operation::from, |row| row.id.to_string());
    json(StatusCode::OK, &listing, ITEM_BYTES * rows.len() + 64)
}

/// Show an operation
#[utoipa::path(
    get, path = "/v1/operations/{id}", tag = "bulk", params(("id" = String, Path)),
    responses((status = 200, body = Operation), (status = 404, description = "`operation_not_found`")),
)]
pub(in crate::api) async fn operation_detail(
    api: Call,
    NamePath(id): NamePath<OperationId>,
    _: NoParameters,
) -> Result<Response, ApiError> {
    match api.store.operation(api.caller.tenant, id).await? {
        Some(row) => json(StatusCode::OK, &Operation::from(&row), ITEM_BYTES),
        None => Err(operation_not_found(id)),
    }
}

pub(super) fn operation_not_found(id: OperationId) -> ApiError {
    ApiError::new(
        ProblemCode::OperationNotFound,
        format!("there is no operation `{id}`; finished ones are forgotten after 7 days"),
    )
}
