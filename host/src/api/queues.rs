//! `GET /v1/queues`: lanes and what is in them, from the counters.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;

use super::error::ApiError;
use super::extract::{PageParameters, Parameters};
use super::jobs::json;
use super::shared::Shared;
use super::wire::Listing;
use super::wire::queue::Queue;
use crate::job::QueueName;

/// A first guess at the length of one item, bytes.
const ITEM_BYTES: usize = 320;

/// List queues
#[utoipa::path(
    get, path = "/v1/queues", tag = "queues",
    params(
        ("limit" = Option<u32>, Query, description = "1 to 500, default 50"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
    ),
    responses(
        (status = 200, body = Listing<Queue>, description = "By name, with live depth and the age of the oldest ready job"),
        (status = 422, description = "`invalid_query`"),
    ),
)]
pub(super) async fn list_queues(
    State(api): Shared,
    Parameters(page): Parameters<PageParameters>,
) -> Result<Response, ApiError> {
    let (limit, after) = page.parse::<QueueName>()?;
    let rows = api.store.queues(api.tenant(), after, limit + 1).await?;
    let now = api.clock.now();
    let listing = Listing::of(&rows, limit, |row| Queue::at(now, row), |row| row.name.to_string());
    json(StatusCode::OK, &listing, ITEM_BYTES * rows.len() + 64)
}
