//! The logs of one job.

use axum::response::Response;
use serde::Deserialize;

use super::enqueue::job_not_found;
use super::log_pieces::LogAnswer;
use crate::api::error::{ApiError, ProblemCode};
use crate::api::extract::{JobPath, Parameters};
use crate::api::identity::Call;
use crate::api::wire::Listing;
use crate::api::wire::job::Log;

/// Parameters of the logs.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct LogParameters {
    cursor: Option<String>,
}

/// A job's logs
///
/// The newest that fit into one answer; `next_cursor` leads to those before them. Of an execution that runs on this host the
/// lines so far come last; should it end while they are read, the log says `"incomplete": true`, and is whole when asked for
/// again.
#[utoipa::path(
    get, path = "/v1/jobs/{id}/logs", tag = "jobs",
    params(("id" = String, Path), ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before")),
    responses(
        (status = 200, body = Listing<Log>, description = "One per execution, oldest first"),
        (status = 404, description = "`job_not_found`"),
        (status = 422, description = "`invalid_query`"),
        (status = 429, description = "`busy`: too many large answers are being read"),
    ),
)]
pub(in crate::api) async fn logs(
    api: Call,
    JobPath(job): JobPath,
    Parameters(LogParameters { cursor }): Parameters<LogParameters>,
) -> Result<Response, ApiError> {
    let before = cursor.map(|cursor| cursor.parse::<i64>()).transpose();
    let before = before.map_err(|_| {
        ApiError::new(ProblemCode::InvalidQuery, "`cursor`: must be the `next_cursor` of the page before")
    })?;
    // Before the stored ones are read: should it end in between, it is among those.
    let running = if before.is_none() { api.dispatcher.running_log(job) } else { None };
    let page = api.store.logs(api.caller.tenant, job, before).await?.ok_or_else(|| job_not_found(job))?;
    let running = running.filter(|running| page.items.iter().all(|log| log.execution < running.execution));
    LogAnswer::begin(api, job, page, running).await
}
