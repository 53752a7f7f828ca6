//! One job and what belongs to it: detail, attempts, history.

use axum::response::Response;
use http::StatusCode;
use serde::Serialize;

use super::enqueue::{job_not_found, json};
use super::view::View;
use crate::api::error::ApiError;
use crate::api::extract::{JobPath, NoParameters};
use crate::api::identity::Call;
use crate::api::wire::Listing;
use crate::api::wire::job::{Attempt, Entry, Job};
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
pub(in crate::api) async fn detail(api: Call, JobPath(job): JobPath, _: NoParameters) -> Result<Response, ApiError> {
    let detail = api.store.job(api.caller.tenant, job).await?.ok_or_else(|| job_not_found(job))?;
    let catalog = api.store.catalog();
    let bytes_expected = REPLY_BYTES + detail.payload.len() + detail.output.as_ref().map_or(0, bytes::Bytes::len);
    json(StatusCode::OK, &View::new(&api, &catalog).detail(&detail), bytes_expected)
}

/// A job's executions
#[utoipa::path(
    get, path = "/v1/jobs/{id}/attempts", tag = "jobs", params(("id" = String, Path)),
    responses((status = 200, body = Listing<Attempt>, description = "Oldest first"), (status = 404, description = "`job_not_found`")),
)]
pub(in crate::api) async fn attempts(api: Call, JobPath(job): JobPath, _: NoParameters) -> Result<Response, ApiError> {
    items::<_, Attempt>(job, api.store.attempts(api.caller.tenant, job).await?.as_ref())
}

/// What happened to a job
#[utoipa::path(
    get, path = "/v1/jobs/{id}/history", tag = "jobs", params(("id" = String, Path)),
    responses((status = 200, body = Listing<Entry>, description = "Oldest first"), (status = 404, description = "`job_not_found`")),
)]
pub(in crate::api) async fn history(api: Call, JobPath(job): JobPath, _: NoParameters) -> Result<Response, ApiError> {
    items::<_, Entry>(job, api.store.history(api.caller.tenant, job).await?.as_ref())
}
