//! `POST /v1/jobs/batch`: many jobs in one request, as a JSON array or as NDJSON.

use std::sync::Arc;

use axum::extract::Request;
use axum::response::Response;
use http::{HeaderMap, HeaderValue};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::batch_lines::{Format, Line, Place, check_lines};
use super::batch_reply::{item_error, reject, reply};
use super::enqueue::{IDEMPOTENCY_REPLAYED, header_key, key_conflict};
use super::many::check_many;
use super::request::JobRequest;
use crate::api::error::{ApiError, ProblemCode};
use crate::api::extract::{Parameters, content_type_is};
use crate::api::identity::Call;
use crate::store::{BatchItem, BatchResult, IdempotencyKey, NewJob};

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
///
/// The refusal of an atomic batch names the first bad job as `index` (array, from 0) or `line` (NDJSON, from 1) and the
/// code of its refusal as `cause`. The pointers of its `errors` begin with the index in an array; in NDJSON they begin at
/// the job, and the messages name the line.
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
        (status = 403, description = "`quota_exceeded`: the tenant keeps too many bytes, and the batch is all or none"),
        (status = 409, description = "`idempotency_conflict`"),
        (status = 413, description = "`body_too_large`, `batch_too_large`"),
        (status = 415, description = "`unsupported_media_type`"),
        (status = 422, description = "`batch_rejected`: `atomic`, and a job was refused; see the description"),
        (status = 429, description = "`busy`: other batches take their turns, or the memory for bodies; or, all or none being asked for, the payloads take too long to check together; `quota_exceeded`, as 403"),
        (status = 503, description = "`store_unavailable`"),
    ),
)]
pub(in crate::api) async fn enqueue_batch(
    api: Call,
    Parameters(BatchParameters { atomic }): Parameters<BatchParameters>,
    request: Request,
) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    let format = format_of(&parts.headers)?;
    let key = header_key(&parts.headers)?.map(str::to_owned);
    let body = api.read_body(&parts.headers, body, api.config.requests.batch_bytes_max).await?;
    let turn = api.batches.take(api.part()).await?;

    let key = key.map(|key| {
        let mut hash = Sha256::new();
        hash.update([u8::from(atomic), u8::from(format == Format::Lines)]);
        hash.update(&**body);
        IdempotencyKey { key, request_hash: hash.finalize().into() }
    });
    let held = Arc::new((body, turn));
    let jobs_max = api.config.requests.batch_jobs_max;
    let lines = check_many(&api, &held, move |rules, body| check_lines(rules, format, body, jobs_max)).await?;
    let answer = enqueue_lines(&api, lines, atomic, key).await;
    drop(held);
    answer
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

/// What is to become of a line.
#[derive(Clone, Copy, Debug)]
enum Fate {
    /// The store decides.
    New,
    /// Came before, under a key of its own.
    Known(BatchItem),
    /// Refused.
    Refused,
}

impl Fate {
    fn known(self) -> Option<BatchItem> {
        match self {
            Fate::Known(item) => Some(item),
            Fate::New | Fate::Refused => None,
        }
    }
}

/// The lines of a batch, taken apart: one place and fate each, the jobs to write, the errors of those refused.
#[derive(Default)]
struct Sorted {
    places: Vec<Place>,
    fates: Vec<Fate>,
    jobs: Vec<NewJob>,
    refusals: Vec<ApiError>,
}

/// Lines that were refused but came before, under a key of their own, count as what they made then.
async fn sort(api: &Call, mut lines: Vec<Line>) -> Result<Sorted, ApiError> {
    let keys = |line: &mut Line| line.checked.as_mut().err().and_then(|refused| refused.key.take());
    let (asked, keys): (Vec<usize>, Vec<IdempotencyKey>) =
        lines.iter_mut().enumerate().filter_map(|(index, line)| Some((index, keys(line)?))).unzip();
    let known = if keys.is_empty() { Vec::new() } else { api.store.replayed_jobs(api.caller.tenant, keys).await? };
    let mut known = asked.into_iter().zip(known).peekable();
    let mut sorted = Sorted::default();
    for (index, Line { place, checked }) in lines.into_iter().enumerate() {
        let known = known.next_if(|(asked, _)| *asked == index).and_then(|(_, answer)| answer?.replayed());
        sorted.places.push(place);
        sorted.fates.push(match (checked, known) {
            (Ok(job), _) => {
                sorted.jobs.push(job);
                Fate::New
            }
            (Err(refused), known) => match known.map(|item| (item, item_error(item))) {
                Some((item, None)) => Fate::Known(item),
                then => {
                    sorted.refusals.push(then.and_then(|(_, error)| error).unwrap_or(refused.error));
                    Fate::Refused
                }
            },
        });
    }
    Ok(sorted)
}

async fn enqueue_lines(
    api: &Call,
    lines: Vec<Line>,
    atomic: bool,
    key: Option<IdempotencyKey>,
) -> Result<Response, ApiError> {
    let Sorted { places, fates, jobs, refusals } = sort(api, lines).await?;
    // Such a job may be sound: that it is refused now must not be what this key stands for.
    let is_busy = refusals.iter().any(|refusal| refusal.code() == ProblemCode::Busy);
    let result = if (atomic && !refusals.is_empty()) || (key.is_some() && is_busy) {
        let known = match key {
            Some(key) => api.store.replayed_batch(api.caller.tenant, key).await?,
            None => None,
        };
        let Some(answers) = known else {
            let refused = places.iter().zip(&fates).filter(|(_, fate)| matches!(fate, Fate::Refused));
            return Err(reject(refused.map(|(place, _)| *place).zip(refusals)));
        };
        BatchResult::Replayed(answers)
    } else if jobs.is_empty() && key.is_none() {
        BatchResult::Done(Vec::new())
    } else {
        let unwritten = fates.iter().enumerate().filter(|(_, fate)| !matches!(fate, Fate::New));
        let unwritten = unwritten.map(|(index, _)| index).collect();
        api.store.enqueue_batch(api.caller.tenant, jobs, atomic, key, unwritten).await?
    };
    match result {
        BatchResult::Done(items) => {
            let mut items = items.into_iter();
            let in_order = fates.iter().map(|fate| match fate {
                Fate::New => items.next(),
                Fate::Known(item) => Some(*item),
                Fate::Refused => None,
            });
            reply(&places, in_order, refusals, false)
        }
        BatchResult::Replayed(answers) => {
            let items: Vec<Option<BatchItem>> =
                answers.iter().zip(&fates).map(|(answer, fate)| answer.replayed().or(fate.known())).collect();
            // Of those all of which were to be enqueued none was.
            let refused =
                items.iter().zip(&places).find(|(item, _)| matches!(item, Some(BatchItem::UniqueConflict(_))));
            if atomic && let Some((Some(item), place)) = refused {
                let error = item_error(*item).unwrap_or_else(refused_then);
                return Err(reject(std::iter::once((*place, error)))
                    .with_header(IDEMPOTENCY_REPLAYED.clone(), HeaderValue::from_static("true")));
            }
            let mut refusals = refusals.into_iter();
            // A line that was refused then may pass now, or the other way round: what happened then counts.
            let refused_now: Vec<Option<ApiError>> =
                fates.iter().map(|fate| matches!(fate, Fate::Refused).then(|| refusals.next()).flatten()).collect();
            let errors = items
                .iter()
                .zip(refused_now)
                .filter(|(item, _)| item.is_none())
                .map(|(_, error)| error.unwrap_or_else(refused_then))
                .collect();
            let mut response = reply(&places, items.into_iter(), errors, true)?;
            response.headers_mut().insert(IDEMPOTENCY_REPLAYED.clone(), HeaderValue::from_static("true"));
            Ok(response)
        }
        BatchResult::KeyConflict => Err(key_conflict()),
        BatchResult::OverQuota(quota) => Err(ApiError::over_quota(&quota)),
        BatchResult::Rejected { index, result } => {
            let error = item_error(result).unwrap_or_else(refused_then);
            let mut written = places.iter().zip(&fates).filter(|(_, fate)| matches!(fate, Fate::New));
            Err(reject(written.nth(index).map(|(place, _)| *place).into_iter().zip([error])))
        }
    }
}

fn refused_then() -> ApiError {
    ApiError::new(ProblemCode::InvalidRequest, "this job was refused when the batch first came")
}
