//! One job and what belongs to it: detail, attempts, logs, history.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::enqueue::{job_not_found, json};
use super::running_log::with_running;
use super::view::View;
use crate::api::error::{ApiError, ProblemCode};
use crate::api::extract::{JobPath, NoParameters, Parameters};
use crate::api::shared::Shared;
use crate::api::wire::Listing;
use crate::api::wire::job::{Attempt, Entry, Job, Log};
use crate::job::JobId;

/// A first guess at the length of an answer, bytes.
const REPLY_BYTES: usize = 1_024;

fn items<'r, Row: 'r, T: Serialize + From<&'r Row>>(
    job: JobId,
    rows: Option<&'r Vec<Row>>,
) -> Result<Response, ApiError> {
    let rows = rows.ok_or_else(|| job_not_found(job))?;
    // What is kept of one job is bounded and fits one page.
    let listing = Listing { items: rows.iter().map(T::from).collect::<Vec<T>>(), next_cursor: None };
    json(StatusCode::OK, &listing, REPLY_BYTES)
}

/// One job
#[utoipa::path(
    get, path = "/v1/jobs/{id}", tag = "jobs", params(("id" = String, Path)),
    responses((status = 200, body = Job), (status = 404, description = "`job_not_found`"), (status = 422, description = "`invalid_id`")),
)]
pub(in crate::api) async fn detail(
    State(api): Shared,
    JobPath(job): JobPath,
    _: NoParameters,
) -> Result<Response, ApiError> {
    let detail = api.store.job(api.tenant(), job).await?.ok_or_else(|| job_not_found(job))?;
    let catalog = api.store.catalog();
    let bytes_expected = REPLY_BYTES + detail.payload.len() + detail.output.as_ref().map_or(0, bytes::Bytes::len);
    json(StatusCode::OK, &View::new(&api, &catalog).detail(&detail), bytes_expected)
}

/// A job's executions
#[utoipa::path(
    get, path = "/v1/jobs/{id}/attempts", tag = "jobs", params(("id" = String, Path)),
    responses((status = 200, body = Listing<Attempt>, description = "Oldest first"), (status = 404, description = "`job_not_found`")),
)]
pub(in crate::api) async fn attempts(
    State(api): Shared,
    JobPath(job): JobPath,
    _: NoParameters,
) -> Result<Response, ApiError> {
    items::<_, Attempt>(job, api.store.attempts(api.tenant(), job).await?.as_ref())
}

/// Parameters of the logs.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct LogParameters {
    cursor: Option<String>,
}

/// A job's logs
///
/// The newest that fit into one answer; `next_cursor` leads to those before them. Of an execution that runs on this host the
/// lines so far come last.
#[utoipa::path(
    get, path = "/v1/jobs/{id}/logs", tag = "jobs",
    params(("id" = String, Path), ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before")),
    responses(
        (status = 200, body = Listing<Log>, description = "One per execution, oldest first"),
        (status = 404, description = "`job_not_found`"),
        (status = 422, description = "`invalid_query`"),
    ),
)]
pub(in crate::api) async fn logs(
    State(api): Shared,
    JobPath(job): JobPath,
    Parameters(LogParameters { cursor }): Parameters<LogParameters>,
) -> Result<Response, ApiError> {
    let before = cursor.map(|cursor| cursor.parse::<i64>()).transpose();
    let before = before.map_err(|_| {
        ApiError::new(ProblemCode::InvalidQuery, "`cursor`: must be the `next_cursor` of the page before")
    })?;
    // Before the stored ones are read: should it end in between, it is among those.
    let running = if before.is_none() { api.dispatcher.running_log(job) } else { None };
    let page = api.store.logs(api.tenant(), job, before).await?.ok_or_else(|| job_not_found(job))?;
    let items: Vec<Log> = page.items.iter().map(Log::from).collect();
    let listing = Listing { items, next_cursor: page.next.map(|execution| execution.to_string()) };
    if let Some(log) = running.filter(|running| page.items.iter().all(|log| log.execution < running.execution)) {
        return with_running(listing, log);
    }
    json(StatusCode::OK, &listing, REPLY_BYTES)
}

/// What happened to a job
#[utoipa::path(
    get, path = "/v1/jobs/{id}/history", tag = "jobs", params(("id" = String, Path)),
    responses((status = 200, body = Listing<Entry>, description = "Oldest first"), (status = 404, description = "`job_not_found`")),
)]
pub(in crate::api) async fn history(
    State(api): Shared,
    JobPath(job): JobPath,
    _: NoParameters,
) -> Result<Response, ApiError> {
    items::<_, Entry>(job, api.store.history(api.tenant(), job).await?.as_ref())
}
