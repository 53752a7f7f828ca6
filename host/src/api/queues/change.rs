//! `PUT /v1/queues/{queue}`, `POST …/pause`, `POST …/resume`: what is set on a queue, at once for the next entry.

use axum::extract::Request;
use axum::response::Response;
use http::StatusCode;
use serde::Deserialize;

use super::queue_not_found;
use crate::api::error::ApiError;
use crate::api::extract::{Given, NamePath, NoParameters, parse_json, require_json, require_merge_patch};
use crate::api::identity::Call;
use crate::api::jobs::{json, too_many_queues};
use crate::api::wire::queue::{Queue, QueueDurability};
use crate::job::field::ranged;
use crate::job::kind::{PRIORITY_DEFAULT, PRIORITY_MAX};
use crate::job::pace::CONCURRENCY_MAX;
use crate::job::{QueueName, RateWire, Retention};
use crate::store::{ChangeQueueResult, QueueChange};

/// Largest body, bytes.
const BODY_BYTES_MAX: usize = 4 << 10;

/// What an operator sets on a queue. `null` is the default.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = QueueSettings)]
pub(in crate::api) struct QueueRequest {
    /// 0 to 9, lower first; default 5.
    #[serde(default)]
    #[schema(value_type = Option<i64>, minimum = 0, maximum = 9)]
    priority: Given<i64>,
    /// So many of its jobs may run at once, over all hosts: 1 to 1000000. Default: any number.
    #[serde(default)]
    #[schema(value_type = Option<i64>, minimum = 1, maximum = 1_000_000)]
    concurrency: Given<i64>,
    /// So many of its jobs may begin in a time. Default: any number.
    #[serde(default)]
    #[schema(value_type = Option<RateWire>)]
    rate: Given<RateWire>,
    /// `full` (default): a job is on the disk before it is acknowledged. `relaxed`: before; a power cut can lose the last jobs,
    /// the death of the process loses none.
    #[serde(default)]
    #[schema(value_type = Option<QueueDurability>)]
    durability: Given<QueueDurability>,
    /// How long its finished jobs are kept, by the state they ended in; a kind that says more has the last word. As a whole.
    #[serde(default)]
    #[schema(value_type = Option<Retention>)]
    retention: Given<Retention>,
}

impl QueueRequest {
    /// The same with what is not given set to its default.
    fn whole(self) -> Self {
        Self {
            priority: self.priority.or_null(),
            concurrency: self.concurrency.or_null(),
            rate: self.rate.or_null(),
            durability: self.durability.or_null(),
            retention: self.retention.or_null(),
        }
    }

    /// As the store's change, or everything that is wrong with it.
    fn into_change(self) -> Result<QueueChange, ApiError> {
        let QueueRequest { priority, concurrency, rate, durability, retention } = self;
        let mut errors = Vec::new();
        let priority = priority.map(|priority| priority.unwrap_or(i64::from(PRIORITY_DEFAULT)));
        let change = QueueChange {
            priority: ranged("/priority", priority, 0, i64::from(PRIORITY_MAX), &mut errors),
            is_paused: None,
            concurrency: concurrency
                .map(|most| ranged("/concurrency", most, 1, i64::from(CONCURRENCY_MAX), &mut errors)),
            rate: rate.map(|rate| rate.and_then(|rate| rate.rate("/rate", &mut errors))),
            is_relaxed: durability.map(|durability| durability == Some(QueueDurability::Relaxed)),
            retention: retention.map(Option::unwrap_or_default),
        };
        if errors.is_empty() { Ok(change) } else { Err(ApiError::invalid(errors)) }
    }
}

/// Set a queue
///
/// Replaces what is set on it, at once for every job of the queue that has not been entered; makes the queue where there is
/// none. What is left out is set to its default; whether it is paused stays.
#[utoipa::path(
    put, path = "/v1/queues/{queue}", tag = "queues", request_body = QueueRequest, params(("queue" = String, Path)),
    responses(
        (status = 200, body = Queue, description = "As it is now"),
        (status = 422, description = "`invalid_request`, with pointers; `too_many_queues`"),
    ),
)]
pub(in crate::api) async fn set_queue(
    api: Call,
    NamePath(queue): NamePath<QueueName>,
    _: NoParameters,
    request: Request,
) -> Result<Response, ApiError> {
    let change_asked = read_request(&api, request, false).await?.whole().into_change()?;
    change(&api, queue, change_asked, true).await
}

/// Change what is set on a queue
///
/// A JSON merge patch (RFC 7396): what is left out stays as it is, `null` sets the default. Makes the queue where there is none.
#[utoipa::path(
    patch, path = "/v1/queues/{queue}", tag = "queues", params(("queue" = String, Path)),
    request_body(content((QueueRequest = "application/merge-patch+json"), (QueueRequest = "application/json"))),
    responses(
        (status = 200, body = Queue, description = "As it is now"),
        (status = 422, description = "`invalid_request`, with pointers; `too_many_queues`"),
    ),
)]
pub(in crate::api) async fn patch_queue(
    api: Call,
    NamePath(queue): NamePath<QueueName>,
    _: NoParameters,
    request: Request,
) -> Result<Response, ApiError> {
    let change_asked = read_request(&api, request, true).await?.into_change()?;
    change(&api, queue, change_asked, true).await
}

async fn read_request(api: &Call, request: Request, is_patch: bool) -> Result<QueueRequest, ApiError> {
    let (parts, body) = request.into_parts();
    if is_patch {
        require_merge_patch(&parts.headers)?;
    } else {
        require_json(&parts.headers)?;
    }
    let body = api.read_body(&parts.headers, body, BODY_BYTES_MAX).await?;
    parse_json(&body)
}

/// Pause a queue
///
/// From now on no job of it is entered; those that run go on. Jobs can be enqueued, and wait.
#[utoipa::path(
    post, path = "/v1/queues/{queue}/pause", tag = "queues", params(("queue" = String, Path)),
    responses(
        (status = 200, body = Queue, description = "As it is now"),
        (status = 404, description = "`queue_not_found`, with the nearest names"),
    ),
)]
pub(in crate::api) async fn pause_queue(
    api: Call,
    NamePath(queue): NamePath<QueueName>,
    _: NoParameters,
) -> Result<Response, ApiError> {
    change(&api, queue, QueueChange { is_paused: Some(true), ..QueueChange::default() }, false).await
}

/// Resume a queue
#[utoipa::path(
    post, path = "/v1/queues/{queue}/resume", tag = "queues", params(("queue" = String, Path)),
    responses(
        (status = 200, body = Queue, description = "As it is now"),
        (status = 404, description = "`queue_not_found`, with the nearest names"),
    ),
)]
pub(in crate::api) async fn resume_queue(
    api: Call,
    NamePath(queue): NamePath<QueueName>,
    _: NoParameters,
) -> Result<Response, ApiError> {
    change(&api, queue, QueueChange { is_paused: Some(false), ..QueueChange::default() }, false).await
}

async fn change(api: &Call, queue: QueueName, change: QueueChange, may_create: bool) -> Result<Response, ApiError> {
    match api.store.change_queue(api.caller.tenant, queue.clone(), change, may_create).await? {
        ChangeQueueResult::Changed(row) => json(StatusCode::OK, &Queue::at(api.clock.now(), &row), super::ITEM_BYTES),
        ChangeQueueResult::NotFound => Err(queue_not_found(api, &queue)),
        ChangeQueueResult::TooManyQueues => Err(too_many_queues()),
    }
}
