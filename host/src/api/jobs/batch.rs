//! `POST /v1/jobs/batch`: many jobs in one request, as a JSON array or as NDJSON.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::batch_lines::{Format, Line, check_lines};
use super::batch_reply::{reject, reply};
use super::enqueue::{IDEMPOTENCY_REPLAYED, header_key, key_conflict};
use super::request::{JobRequest, Rules};
use crate::api::error::{ApiError, ProblemCode};
use crate::api::extract::{Parameters, content_type_is, read_body};
use crate::api::shared::{Api, Shared};
use crate::store::{BatchItem, BatchResult, IdempotencyKey};

/// A body up to this size is checked at once; checking a larger one would hold up other requests and gets a thread.
const CHECKED_AT_ONCE_BYTES_MAX: usize = 64 << 10;

/// Parameters of a batch.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct BatchParameters {
    /// All or none.
    #[serde(default)]
    atomic: bool,
}

/// Enqueue many jobs
///
/// `results` has one entry per job, in order: `{id}`, or `{error}` with the index (array) or line (NDJSON). The
/// answer is sent once all accepted jobs are committed and fsynced.
#[utoipa::path(
    post, path = "/v1/jobs/batch", tag = "jobs",
    request_body(content((Vec<JobRequest> = "application/json"), (String = "application/x-ndjson"))),
    params(
        ("atomic" = Option<bool>, Query, description = "Enqueue all or none"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes the whole batch repeatable for 24 h"),
    ),
    responses(
        (status = 200, body = super::batch_reply::BatchReply, description = "What became of each job"),
        (status = 400, description = "`malformed_json`: the array as a whole is not JSON"),
        (status = 409, description = "`idempotency_conflict`"),
        (status = 413, description = "`body_too_large`, `batch_too_large`"),
        (status = 415, description = "`unsupported_media_type`"),
        (status = 422, description = "`batch_rejected`: `atomic`, and a job was refused"),
        (status = 503, description = "`store_unavailable`"),
    ),
)]
pub(in crate::api) async fn enqueue_batch(
    State(api): Shared,
    Parameters(BatchParameters { atomic }): Parameters<BatchParameters>,
    request: Request,
) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    let format = format_of(&parts.headers)?;
    let key = header_key(&parts.headers)?.map(str::to_owned);
    // Held until the answer is written, so that only a bounded number of batches is in memory.
    let _permit = api.batches.acquire().await.map_err(|error| ApiError::internal(&error))?;
    let body = read_body(&parts.headers, body, api.config.requests.batch_bytes_max).await?;

    let key = key.map(|key| {
        let mut hash = Sha256::new();
        hash.update([u8::from(atomic), u8::from(format == Format::Lines)]);
        hash.update(&body);
        IdempotencyKey { key, request_hash: hash.finalize().into() }
    });
    let checked_at_once = body.len() <= CHECKED_AT_ONCE_BYTES_MAX;
    let check = {
        let api: Arc<Api> = Arc::clone(&api);
        move || {
            let catalog = api.store.catalog();
            let mut rules = Rules::new(&api, &catalog);
            check_lines(&mut rules, format, &body, api.config.requests.batch_jobs_max)
        }
    };
    let lines = if checked_at_once {
        check()?
    } else {
        tokio::task::spawn_blocking(check).await.map_err(|error| ApiError::internal(&error))??
    };
    enqueue_lines(&api, lines, atomic, key).await
}

fn format_of(headers: &HeaderMap) -> Result<Format, ApiError> {
    if content_type_is(headers, "application/x-ndjson")? {
        Ok(Format::Lines)
    } else if content_type_is(headers, "application/json")? {
        Ok(Format::Array)
    } else {
        Err(ApiError::new(
            ProblemCode::UnsupportedMediaType,
            "send `Content-Type: application/json` with an array, or `application/x-ndjson` with one job a line",
        ))
    }
}

async fn enqueue_lines(
    api: &Api,
    lines: Vec<Line>,
    atomic: bool,
    key: Option<IdempotencyKey>,
) -> Result<Response, ApiError> {
    let mut jobs = Vec::with_capacity(lines.len());
    let mut refused = Vec::new();
    let mut refusals = Vec::new();
    let mut places = Vec::with_capacity(lines.len());
    for (index, Line { place, checked }) in lines.into_iter().enumerate() {
        places.push(place);
        match checked {
            Ok(job) => jobs.push(job),
            Err(error) => {
                refused.push(index);
                refusals.push(error);
            }
        }
    }
    if atomic && !refusals.is_empty() {
        let first_refused = refused.iter().filter_map(|index| places.get(*index).copied());
        return Err(reject(first_refused.zip(refusals)));
    }
    if jobs.is_empty() && key.is_none() {
        return reply(&places, (0..places.len()).map(|_| None), refusals, false);
    }
    let result = api.store.enqueue_batch(api.tenant(), jobs, atomic, key, refused.clone()).await?;
    match result {
        BatchResult::Done(items) => {
            let mut items = items.into_iter();
            let mut refused = refused.into_iter().peekable();
            let in_order =
                (0..places.len()).map(|index| if refused.next_if_eq(&index).is_some() { None } else { items.next() });
            reply(&places, in_order, refusals, false)
        }
        BatchResult::Replayed(ids) => {
            let mut refusals = refusals.into_iter();
            let mut refused = refused.into_iter().peekable();
            // A line that was refused then may pass now, or the other way round: what happened then counts.
            let refused_now: Vec<Option<ApiError>> =
                (0..places.len()).map(|index| refused.next_if_eq(&index).and_then(|_| refusals.next())).collect();
            let errors = ids
                .iter()
                .zip(refused_now)
                .filter(|(id, _)| id.is_none())
                .map(|(_, error)| error.unwrap_or_else(refused_then))
                .collect();
            let mut response = reply(&places, ids.iter().map(|id| id.map(BatchItem::Replayed)), errors, true)?;
            response.headers_mut().insert(IDEMPOTENCY_REPLAYED.clone(), HeaderValue::from_static("true"));
            *response.status_mut() = StatusCode::OK;
            Ok(response)
        }
        BatchResult::KeyConflict => Err(key_conflict()),
        BatchResult::Rejected { index, result } => {
            let error = super::batch_reply::item_error(result).unwrap_or_else(refused_then);
            Err(reject(places.get(index).copied().into_iter().zip([error])))
        }
    }
}

fn refused_then() -> ApiError {
    ApiError::new(ProblemCode::InvalidRequest, "this job was refused when the batch first came")
}
