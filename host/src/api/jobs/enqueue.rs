//! `POST /v1/jobs`: the hot path. The body is parsed once, the payload stays a slice of it, and the answer is
//! written from the committed row.

use std::time::Duration;

use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::{CONTENT_TYPE, LOCATION};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde::Serialize;

use super::after::untied;
use super::request::{JobRequest, Refused, Rules, Unfinished};
use super::unique_conflict;
use super::view::{Bulk, View, stand_in_line};
use super::wait::{place_to_wait, preferred_wait, wait_for_end};
use crate::api::error::{ApiError, ProblemCode};
use crate::api::extract::{NoParameters, parse_json, require_json};
use crate::api::identity::Call;
use crate::api::slow_turns::SlowTurns;
use crate::api::wire::job::Job;
use crate::job::JobId;
use crate::schema::Effort;
use crate::store::{Answer, Conflict, EnqueueResult, JobRow, NewJob, QUEUES_MAX};

/// How long a payload that takes long to check waits for its turn and for the result, and how long for schemas to be
/// compiled.
const SLOW_CHECK_WAIT_MAX: Duration = Duration::from_secs(15);
/// How often schemas are waited for that are forgotten, or replaced, as soon as they are compiled.
pub(super) const COMPILED_AGAIN_MAX: usize = 3;
/// A body up to this size is read and checked at once; a larger one would hold up other requests.
const CHECKED_AT_ONCE_BYTES_MAX: usize = 32 << 10;
/// Room for everything of a request that is not its payload, bytes.
pub(in crate::api) const REQUEST_FIELDS_BYTES_MAX: usize = 64 << 10;
/// A first guess at the length of an answer beside the payload, bytes.
const REPLY_BYTES: usize = 768;

pub(in crate::api) static IDEMPOTENCY_REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
static PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// Enqueue a job
///
/// Answered once the job is committed and fsynced. With `Prefer: wait=N` the answer waits up to N (at most 60)
/// seconds for the job to end: 200 with the finished job, else 202. Where the tenant waits for as many jobs as it may, the answer
/// comes at once, as without it: 201, and no `Preference-Applied`.
#[utoipa::path(
    post, path = "/v1/jobs", tag = "jobs", request_body = JobRequest,
    params(
        ("Idempotency-Key" = Option<String>, Header, description = "Makes the request repeatable for 24 h"),
        ("Prefer" = Option<String>, Header, description = "`wait=N`: wait up to N seconds for the job to end"),
    ),
    responses(
        (status = 201, body = Job, description = "Enqueued", headers(("Location" = String))),
        (status = 200, body = Job, description = "Finished within the wait; or the same request came before (`Idempotency-Replayed: true`); or another job is the only one like it, and `Unique-Conflict` says what became of that one: `existing`, `replaced`, `debounced` or `throttled`, when the same request first came"),
        (status = 202, body = Job, description = "Enqueued, and not finished within the wait"),
        (status = 403, description = "`quota_exceeded`: the tenant keeps too many bytes"),
        (status = 404, description = "`kind_not_found`, with the nearest names"),
        (status = 409, description = "`idempotency_conflict`; `unique_conflict`, with the one there is as `existing` (with `Idempotency-Replayed: true`: the same request came before and was refused so); `batch_closed`"),
        (status = 413, description = "`body_too_large`, `payload_too_large`"),
        (status = 415, description = "`unsupported_media_type`"),
        (status = 422, description = "`invalid_request`, `invalid_payload`, with pointers; `too_many_queues`"),
        (status = 429, description = "`busy`: payloads that take long to check, or schemas to be compiled, take their turns; `quota_exceeded`"),
        (status = 503, description = "`store_unavailable`"),
    ),
)]
pub(in crate::api) async fn enqueue(api: Call, _: NoParameters, request: Request) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    require_json(&parts.headers)?;
    let body_bytes_max = api.config.requests.payload_bytes_max.saturating_add(REQUEST_FIELDS_BYTES_MAX);
    let body = api.read_body(&parts.headers, body, body_bytes_max).await?;
    let header_key = header_key(&parts.headers)?;
    let checked = check(&api, &body, header_key).await?;
    // Without a place the job is enqueued all the same, and answered at once.
    let (wait, _place) = place_to_wait(&api, preferred_wait(&parts.headers)).unzip();

    let mut has_ties = false;
    let mut conflict = None;
    let mut is_replayed = false;
    let (id, mut created) = match checked {
        Ok(new) => {
            let payload = wait.is_none().then(|| new.spec.payload.clone());
            has_ties = new.ties.is_some();
            match api.store.enqueue(api.caller.tenant, new).await? {
                EnqueueResult::Created(row) => (row.id, Some((row, payload))),
                EnqueueResult::Replayed(row) => {
                    is_replayed = true;
                    (row.id, None)
                }
                EnqueueResult::ReplayedExisting(how, row) => {
                    (is_replayed, conflict) = (true, Some(how));
                    (row.id, None)
                }
                EnqueueResult::Existing(how, row) => {
                    conflict = Some(how);
                    (row.id, None)
                }
                EnqueueResult::UniqueConflict(row) => return Err(unique_conflict::of_enqueue(&api, *row).await),
                EnqueueResult::ReplayedConflict(row) => return Err(unique_conflict::of_replay(&api, *row).await),
                EnqueueResult::KeyConflict => return Err(key_conflict()),
                EnqueueResult::KindGone => return Err(kind_gone()),
                EnqueueResult::TooManyQueues => return Err(too_many_queues()),
                EnqueueResult::OverQuota(quota) => return Err(ApiError::over_quota(&quota)),
                EnqueueResult::Untied(refusal) => return Err(untied(refusal)),
            }
        }
        Err(refused) => {
            let (id, how) = recognise(&api, refused).await?;
            (is_replayed, conflict) = (true, how);
            (id, None)
        }
    };
    let was_there = created.is_none();
    if wait.is_some() {
        // A wait may be long: it does not keep the memory of what was sent from others.
        drop(body);
    }
    // A job that was just created is shown as committed; one of before, or one to wait for, is read again.
    let detail = match wait {
        Some(wait) => wait_for_end(&api, id, wait).await?,
        None if was_there || has_ties => api.store.job(api.caller.tenant, id).await?,
        None => None,
    };
    if let (None, Some((row, _))) = (&detail, &mut created) {
        stand_in_line(&api, row).await?;
    }
    let catalog = api.store.catalog();
    let view = View::new(&api, &catalog);
    let (job, payload_bytes) = match (&detail, &created) {
        (Some(detail), _) => (view.detail(detail), detail.payload.len()),
        (None, Some((row, Some(payload)))) => (view.job(row, Bulk::of(payload, None)), payload.len()),
        // Deleted at this moment.
        (None, _) => return Err(job_not_found(id)),
    };
    let status = match (wait, was_there) {
        (Some(_), _) if job.state.is_terminal() => StatusCode::OK,
        (Some(_), _) => StatusCode::ACCEPTED,
        (None, true) => StatusCode::OK,
        (None, false) => StatusCode::CREATED,
    };
    let mut response = json(status, &job, REPLY_BYTES + payload_bytes)?;
    response.headers_mut().insert(LOCATION, location(id)?);
    if let Some(conflict) = conflict {
        let value = unique_conflict::header_value(conflict);
        response.headers_mut().insert(unique_conflict::UNIQUE_CONFLICT.clone(), value);
    }
    if is_replayed {
        response.headers_mut().insert(IDEMPOTENCY_REPLAYED.clone(), HeaderValue::from_static("true"));
    }
    if let Some(wait) = wait {
        let applied = HeaderValue::try_from(format!("wait={}", wait.as_secs())).map_err(|e| ApiError::internal(&e))?;
        response.headers_mut().insert(PREFERENCE_APPLIED.clone(), applied);
    }
    Ok(response)
}

/// Checks the request at once, or, when that takes long, on another thread.
async fn check(api: &Call, body: &Bytes, header_key: Option<&str>) -> Result<Result<NewJob, Refused>, ApiError> {
    let elsewhere = || {
        let (api, body, header_key) = (api.clone(), body.clone(), header_key.map(str::to_owned));
        move |effort| check_with(&api, &body, header_key.as_deref(), effort)
    };
    for _ in 0..COMPILED_AGAIN_MAX {
        let checked = if body.len() <= CHECKED_AT_ONCE_BYTES_MAX {
            check_with(api, body, header_key, Effort::Quick)?
        } else {
            let check = elsewhere();
            in_turn(api, &api.large_payloads, SLOW_CHECK_WAIT_MAX, move || check(Effort::Quick)).await?
        };
        match checked {
            Ok(checked) => return Ok(checked),
            Err(unfinished) if unfinished.uncompiled.is_empty() => break,
            Err(unfinished) => compile(api, &unfinished).await?,
        }
    }
    let check = elsewhere();
    // With all the effort there is, nothing is left unfinished but what cannot be compiled in time.
    let checked = check_slowly(api, SLOW_CHECK_WAIT_MAX, move || check(Effort::Thorough)).await?;
    checked.map_err(|_| busy())
}

/// The same for a job that others will enqueue again and again.
pub(in crate::api) async fn check_template(api: &Call, body: &Bytes) -> Result<NewJob, ApiError> {
    check(api, body, None).await?.map_err(|refused| refused.error)
}

/// Reads the request and checks it; or says what has to come first.
fn check_with(
    api: &Call,
    body: &Bytes,
    header_key: Option<&str>,
    effort: Effort,
) -> Result<Result<Result<NewJob, Refused>, Unfinished>, ApiError> {
    // Not held longer than this: a wait must not keep an old catalog alive.
    let catalog = api.store.catalog();
    let mut rules = Rules::new(api, &catalog, effort);
    let checked = rules.check(parse_json::<JobRequest>(body)?, body, header_key);
    Ok(rules.unfinished().map_or(Ok(checked), Err))
}

/// Waits for the schemas a request needs. One that cannot be compiled says so when it is asked for.
pub(super) async fn compile(api: &Call, unfinished: &Unfinished) -> Result<(), ApiError> {
    let compiled = async {
        for kind in &unfinished.uncompiled {
            drop(api.validators.wait_for(kind).await);
        }
    };
    tokio::time::timeout(SLOW_CHECK_WAIT_MAX, compiled).await.map_err(|_| {
        ApiError::new(
            ProblemCode::Busy,
            "the schemas of the kind are being compiled, after those of many others; send the request again later",
        )
    })
}

/// Does what takes long when it is its turn, or refuses when that does not come.
pub(super) async fn check_slowly<T: Send + 'static>(
    api: &Call,
    wait_max: Duration,
    work: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    in_turn(api, &api.slow_checks, wait_max, work).await
}

async fn in_turn<T: Send + 'static>(
    api: &Call,
    turns: &SlowTurns,
    wait_max: Duration,
    work: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    match tokio::time::timeout(wait_max, turns.run(api.part(), work)).await {
        Ok(Some(checked)) => checked,
        Ok(None) | Err(_) => Err(busy()),
    }
}

#[cold]
pub(super) fn busy() -> ApiError {
    ApiError::new(
        ProblemCode::Busy,
        "too many payloads that take long to check came at once; send them again later, or make the schemas of their \
         kinds simpler",
    )
}

/// The job this request made, or met, when it came before; what is wrong with it now does not matter then.
async fn recognise(api: &Call, refused: Refused) -> Result<(JobId, Option<Conflict>), ApiError> {
    let Refused { error, key } = refused;
    let Some(key) = key else { return Err(error) };
    let known = api.store.replayed_jobs(api.caller.tenant, vec![key]).await?;
    match known.into_iter().flatten().next() {
        Some(Answer::Made(job)) => Ok((job, None)),
        Some(Answer::Existing(conflict, job)) => Ok((job, Some(conflict))),
        Some(Answer::UniqueConflict(Some(job))) => match api.store.job(api.caller.tenant, job).await? {
            Some(detail) => Err(unique_conflict::of_replay(api, detail.row).await),
            None => Err(error),
        },
        Some(Answer::UniqueConflict(None) | Answer::Refused) | None => Err(error),
    }
}

/// The header `Idempotency-Key`; its content is checked with the request.
pub(in crate::api) fn header_key(headers: &HeaderMap) -> Result<Option<&str>, ApiError> {
    let mut values = headers.get_all("idempotency-key").iter();
    let Some(value) = values.next() else { return Ok(None) };
    let refuse = |expected| ApiError::field("", format!("header `Idempotency-Key`: {expected}"));
    if values.next().is_some() {
        return Err(refuse("send it once"));
    }
    match value.to_str() {
        Ok(key) if super::request::is_idempotency_key(key) => Ok(Some(key)),
        _ => Err(refuse(super::request::IDEMPOTENCY_KEY_EXPECTED)),
    }
}

pub(in crate::api) fn key_conflict() -> ApiError {
    ApiError::new(
        ProblemCode::IdempotencyConflict,
        "this idempotency key came with another request within the last 24 h; use a new key for a new request",
    )
}

pub(in crate::api) fn kind_gone() -> ApiError {
    ApiError::new(ProblemCode::KindNotFound, "the kind was removed at this moment; GET /v1/kinds lists what there is")
}

pub(in crate::api) fn too_many_queues() -> ApiError {
    ApiError::new(
        ProblemCode::TooManyQueues,
        format!(
            "`queue` would be a new one, and there are {QUEUES_MAX} already, which is the most there may be; use one of those \
             GET /v1/queues lists, and `tags` to tell jobs apart"
        ),
    )
}

pub(super) fn job_not_found(job: JobId) -> ApiError {
    ApiError::new(ProblemCode::JobNotFound, format!("there is no job `{job}`"))
}

pub(in crate::api) fn location(job: JobId) -> Result<HeaderValue, ApiError> {
    HeaderValue::try_from(format!("/v1/jobs/{job}")).map_err(|error| ApiError::internal(&error))
}

/// An answer in JSON. Fails only where the store holds text that is not JSON.
pub(in crate::api) fn json<T: Serialize>(
    status: StatusCode,
    value: &T,
    bytes_expected: usize,
) -> Result<Response, ApiError> {
    let mut body = Vec::with_capacity(bytes_expected);
    serde_json::to_writer(&mut body, value).map_err(|error| ApiError::internal(&error))?;
    let mut response = (status, body).into_response();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

/// One job as an answer.
pub(in crate::api) async fn show_row(api: &Call, status: StatusCode, mut row: JobRow) -> Result<Response, ApiError> {
    stand_in_line(api, &mut row).await?;
    let catalog = api.store.catalog();
    json(status, &View::new(api, &catalog).job(&row, Bulk::default()), REPLY_BYTES)
}
