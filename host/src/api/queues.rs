//! `GET /v1/queues`: lanes and what is in them, from the counters.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;

use super::error::ApiError;
use super::extract::NoParameters;
use super::jobs::json;
use super::shared::Shared;
use super::wire::Items;
use super::wire::queue::Queue;

/// List queues
#[utoipa::path(
    get, path = "/v1/queues", tag = "queues",
    responses((status = 200, body = Items<Queue>, description = "With live depth and the age of the oldest ready job")),
)]
pub(super) async fn list_queues(State(api): Shared, _: NoParameters) -> Result<Response, ApiError> {
    let rows = api.store.queues(api.tenant()).await?;
    let now = api.clock.now();
    let items = Items { items: rows.iter().map(|row| Queue::at(now, row)).collect() };
    json(StatusCode::OK, &items, 320 * rows.len())
}
