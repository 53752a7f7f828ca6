//! `POST /v1/batches/{id}/close` and `/cancel`.

use axum::response::Response;
use http::StatusCode;

use super::{ITEM_BYTES, batch_not_found};
use crate::api::error::ApiError;
use crate::api::extract::{NamePath, NoParameters};
use crate::api::identity::Call;
use crate::api::jobs::json;
use crate::api::wire::batch::Batch;
use crate::job::{BatchId, FailureReason, JobId};
use crate::store::ChangeBatchResult;

/// Close a batch
///
/// From now on it takes no more jobs; once all it has have ended, it is finished. Closing a closed one changes nothing.
#[utoipa::path(
    post, path = "/v1/batches/{id}/close", tag = "batches", params(("id" = String, Path)),
    responses((status = 200, body = Batch, description = "As it is now"), (status = 404, description = "`batch_not_found`")),
)]
pub(in crate::api) async fn close_batch(
    api: Call,
    NamePath(batch): NamePath<BatchId>,
    _: NoParameters,
) -> Result<Response, ApiError> {
    match api.store.close_batch(api.caller.tenant, batch).await? {
        ChangeBatchResult::Changed { batch, held: _ } => json(StatusCode::OK, &Batch::from(&*batch), ITEM_BYTES),
        ChangeBatchResult::NotFound => Err(batch_not_found(batch)),
    }
}

/// Cancel a batch
///
/// It takes no more jobs. Those that wait are cancelled, the running ones interrupted: the first 500 at once, the others
/// shortly after, a restart notwithstanding; until then it shows `cancelling`.
#[utoipa::path(
    post, path = "/v1/batches/{id}/cancel", tag = "batches", params(("id" = String, Path)),
    responses(
        (status = 200, body = Batch, description = "All its jobs have ended"),
        (status = 202, body = Batch, description = "Some are still being cancelled"),
        (status = 404, description = "`batch_not_found`"),
    ),
)]
pub(in crate::api) async fn cancel_batch(
    api: Call,
    NamePath(batch): NamePath<BatchId>,
    _: NoParameters,
) -> Result<Response, ApiError> {
    match api.store.cancel_batch(api.caller.tenant, batch, false).await? {
        ChangeBatchResult::Changed { batch, held } => {
            interrupt(&api, held);
            let status = if batch.unfinished() == 0 { StatusCode::OK } else { StatusCode::ACCEPTED };
            json(status, &Batch::from(&*batch), ITEM_BYTES)
        }
        ChangeBatchResult::NotFound => Err(batch_not_found(batch)),
    }
}

/// Recorded first: should this host die now, the next one knows.
pub(in crate::api) fn interrupt(api: &Call, held: Vec<(JobId, i64)>) {
    for lease in held {
        api.dispatcher.interrupt(lease, FailureReason::Cancelled);
    }
}
