//! `GET /v1/queues` and `GET /v1/queues/{queue}`: lanes and what is in them, from the counters.

use axum::response::Response;
use http::StatusCode;

use super::queue_not_found;
use crate::api::error::ApiError;
use crate::api::extract::{NamePath, NoParameters, PageParameters, Parameters};
use crate::api::identity::Call;
use crate::api::jobs::json;
use crate::api::wire::Listing;
use crate::api::wire::queue::Queue;
use crate::job::QueueName;

/// A first guess at the length of one item, bytes.
pub(super) const ITEM_BYTES: usize = 320;

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
pub(in crate::api) async fn list_queues(
    api: Call,
    Parameters(page): Parameters<PageParameters>,
) -> Result<Response, ApiError> {
    let (limit, after) = page.parse::<QueueName>()?;
    let rows = api.store.queues(api.caller.tenant, after, limit + 1).await?;
    let now = api.clock.now();
    let listing = Listing::of(&rows, limit, |row| Queue::at(now, row), |row| row.name.to_string());
    json(StatusCode::OK, &listing, ITEM_BYTES * rows.len() + 64)
}

/// Show a queue
#[utoipa::path(
    get, path = "/v1/queues/{queue}", tag = "queues", params(("queue" = String, Path)),
    responses((status = 200, body = Queue), (status = 404, description = "`queue_not_found`, with the nearest names")),
)]
pub(in crate::api) async fn queue_detail(
    api: Call,
    NamePath(queue): NamePath<QueueName>,
    _: NoParameters,
) -> Result<Response, ApiError> {
    match api.store.queue(api.caller.tenant, queue.clone()).await? {
        Some(row) => json(StatusCode::OK, &Queue::at(api.clock.now(), &row), ITEM_BYTES),
        None => Err(queue_not_found(&api, &queue)),
    }
}
