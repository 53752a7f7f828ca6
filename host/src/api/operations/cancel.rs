//! `POST /v1/operations/{id}/cancel`.

use axum::response::Response;
use http::StatusCode;

use super::inspect::{ITEM_BYTES, operation_not_found};
use crate::api::error::{ApiError, ProblemCode};
use crate::api::extract::{NamePath, NoParameters};
use crate::api::identity::Call;
use crate::api::jobs::json;
use crate::api::wire::operation::Operation;
use crate::job::OperationId;
use crate::store::CancelOperationResult;

/// Cancel an operation
///
/// It does no more; what it has done stays done. Cancelling a cancelled one changes nothing.
#[utoipa::path(
    post, path = "/v1/operations/{id}/cancel", tag = "bulk", params(("id" = String, Path)),
    responses(
        (status = 200, body = Operation, description = "As it is now"),
        (status = 404, description = "`operation_not_found`"),
        (status = 409, description = "`wrong_state`: it is over already"),
    ),
)]
pub(in crate::api) async fn cancel_operation(
    api: Call,
    NamePath(id): NamePath<OperationId>,
    _: NoParameters,
) -> Result<Response, ApiError> {
    match api.store.cancel_operation(api.caller.tenant, id).await? {
        CancelOperationResult::Cancelled(row) => json(StatusCode::OK, &Operation::from(&*row), ITEM_BYTES),
        CancelOperationResult::Finished(row) => Err(ApiError::new(
            ProblemCode::WrongState,
            format!("the operation is {} already; there is nothing to cancel", row.state.as_str()),
        )
        .with("state", row.state.as_str())),
        CancelOperationResult::NotFound => Err(operation_not_found(id)),
    }
}
