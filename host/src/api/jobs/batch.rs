//! `POST /v1/jobs/batch`: many jobs in one request, as a JSON array or as NDJSON.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::response::Response;
use http::{HeaderMap, HeaderValue};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::batch_lines::{Format, Line, Place, check_lines};
use super::batch_reply::{reject, reply};
use super::enqueue::{COMPILED_AGAIN_MAX, IDEMPOTENCY_REPLAYED, check_slowly, compile, header_key, key_conflict};
use super::request::{CpuTime, JobRequest, Rules, Unfinished};
use crate::api::error::{ApiError, ProblemCode};
use crate::api::extract::{Parameters, content_type_is, read_body};
use crate::api::shared::{Api, Shared};
use crate::job::JobId;
use crate::schema::Effort;
use crate::store::{BatchItem, BatchResult, IdempotencyKey, NewJob};

/// A body up to this size is checked at once; checking a larger one would hold up other requests and gets a thread.
const CHECKED_AT_ONCE_BYTES_MAX: usize = 64 << 10;
/// Processor time for the payloads of a batch that is checked at once: some times what honest ones take.
const CHECKED_AT_ONCE_CPU_MAX: Duration = Duration::from_millis(25);
/// For those of one that has a thread.
const CHECKED_QUICKLY_CPU_MAX: Duration = Duration::from_secs(2);
/// For those of one that takes long. What is left then is `busy`.
const CHECKED_SLOWLY_CPU_MAX: Duration = Duration::from_secs(10);
/// How long a batch that takes long waits for its turn and for the result.
const CHECKED_SLOWLY_WAIT_MAX: Duration = Duration::from_secs(30);

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
        (status = 409, description = "`idempotency_conflict`"),
        (status = 413, description = "`body_too_large`, `batch_too_large`"),
        (status = 415, description = "`unsupported_media_type`"),
        (status = 422, description = "`batch_rejected`: `atomic`, and a job was refused; see the description"),
        (status = 429, description = "`busy`: other batches take their turns, or the memory for bodies; or, all or none being asked for, the payloads take too long to check together"),
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
    let body = read_body(&api.bodies, &parts.headers, body, api.config.requests.batch_bytes_max).await?;
    let turn = api.batches.take().await?;

    let key = key.map(|key| {
        let mut hash = Sha256::new();
        hash.update([u8::from(atomic), u8::from(format == Format::Lines)]);
        hash.update(&**body);
        IdempotencyKey { key, request_hash: hash.finalize().into() }
    });
    let checked_at_once = body.len() <= CHECKED_AT_ONCE_BYTES_MAX;
    // Until the answer is written, and as long as anything checks it for a client that has hung up.
    let held = Arc::new((body, turn));
    let check = {
        let (api, held): (Arc<Api>, _) = (Arc::clone(&api), Arc::clone(&held));
        move |effort, cpu_max| {
            let catalog = api.store.catalog();
            let mut rules = Rules::new(&api, &catalog, effort);
            rules.cpu = Some(CpuTime::up_to(cpu_max));
            let lines = check_lines(&mut rules, format, &held.0, api.config.requests.batch_jobs_max)?;
            Ok::<_, ApiError>(rules.unfinished().map_or(Ok(lines), Err))
        }
    };
    let mut lines = Err(Unfinished::default());
    for _ in 0..COMPILED_AGAIN_MAX {
        let quickly = check.clone();
        lines = if checked_at_once {
            quickly(Effort::Quick, CHECKED_AT_ONCE_CPU_MAX)?
        } else {
            let checked = tokio::task::spawn_blocking(move || quickly(Effort::Quick, CHECKED_QUICKLY_CPU_MAX)).await;
            checked.map_err(|error| ApiError::internal(&error))??
        };
        match &lines {
            Err(unfinished) if !unfinished.uncompiled.is_empty() => compile(&api, unfinished).await?,
            _ => break,
        }
    }
    let lines = if let Ok(lines) = lines {
        lines
    } else {
        let slowly = move || check(Effort::Thorough, CHECKED_SLOWLY_CPU_MAX);
        check_slowly(&api, CHECKED_SLOWLY_WAIT_MAX, slowly).await?.unwrap_or_default()
    };
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
    Known(JobId),
    /// Refused.
    Refused,
}

impl Fate {
    fn known(self) -> Option<JobId> {
        match self {
            Fate::Known(id) => Some(id),
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
async fn sort(api: &Api, mut lines: Vec<Line>) -> Result<Sorted, ApiError> {
    let keys = |line: &mut Line| line.checked.as_mut().err().and_then(|refused| refused.key.take());
    let (asked, keys): (Vec<usize>, Vec<IdempotencyKey>) =
        lines.iter_mut().enumerate().filter_map(|(index, line)| Some((index, keys(line)?))).unzip();
    let known = if keys.is_empty() { Vec::new() } else { api.store.replayed_jobs(api.tenant(), keys).await? };
    let mut known = asked.into_iter().zip(known).peekable();
    let mut sorted = Sorted::default();
    for (index, Line { place, checked }) in lines.into_iter().enumerate() {
        let known = known.next_if(|(asked, _)| *asked == index).and_then(|(_, job)| job);
        sorted.places.push(place);
        sorted.fates.push(match (checked, known) {
            (Ok(job), _) => {
                sorted.jobs.push(job);
                Fate::New
            }
            (Err(_), Some(job)) => Fate::Known(job),
            (Err(refused), None) => {
                sorted.refusals.push(refused.error);
                Fate::Refused
            }
        });
    }
    Ok(sorted)
}

async fn enqueue_lines(
    api: &Api,
    lines: Vec<Line>,
    atomic: bool,
    key: Option<IdempotencyKey>,
) -> Result<Response, ApiError> {
    let Sorted { places, fates, jobs, refusals } = sort(api, lines).await?;
    // Such a job may be sound: that it is refused now must not be what this key stands for.
    let is_busy = refusals.iter().any(|refusal| refusal.code() == ProblemCode::Busy);
    let result = if (atomic && !refusals.is_empty()) || (key.is_some() && is_busy) {
        let known = match key {
            Some(key) => api.store.replayed_batch(api.tenant(), key).await?,
            None => None,
        };
        let Some(ids) = known else {
            let refused = places.iter().zip(&fates).filter(|(_, fate)| matches!(fate, Fate::Refused));
            return Err(reject(refused.map(|(place, _)| *place).zip(refusals)));
        };
        BatchResult::Replayed(ids)
    } else if jobs.is_empty() && key.is_none() {
        BatchResult::Done(Vec::new())
    } else {
        let unwritten = fates.iter().enumerate().filter(|(_, fate)| !matches!(fate, Fate::New));
        let unwritten = unwritten.map(|(index, _)| index).collect();
        api.store.enqueue_batch(api.tenant(), jobs, atomic, key, unwritten).await?
    };
    match result {
        BatchResult::Done(items) => {
            let mut items = items.into_iter();
            let in_order = fates.iter().map(|fate| match fate {
                Fate::New => items.next(),
                Fate::Known(id) => Some(BatchItem::Replayed(*id)),
                Fate::Refused => None,
            });
            reply(&places, in_order, refusals, false)
        }
        BatchResult::Replayed(ids) => {
            let ids: Vec<Option<JobId>> = ids.iter().zip(&fates).map(|(id, fate)| id.or(fate.known())).collect();
            let mut refusals = refusals.into_iter();
            // A line that was refused then may pass now, or the other way round: what happened then counts.
            let refused_now: Vec<Option<ApiError>> =
                fates.iter().map(|fate| matches!(fate, Fate::Refused).then(|| refusals.next()).flatten()).collect();
            let errors = ids
                .iter()
                .zip(refused_now)
                .filter(|(id, _)| id.is_none())
                .map(|(_, error)| error.unwrap_or_else(refused_then))
                .collect();
            let mut response = reply(&places, ids.iter().map(|id| id.map(BatchItem::Replayed)), errors, true)?;
            response.headers_mut().insert(IDEMPOTENCY_REPLAYED.clone(), HeaderValue::from_static("true"));
            Ok(response)
        }
        BatchResult::KeyConflict => Err(key_conflict()),
        BatchResult::Rejected { index, result } => {
            let error = super::batch_reply::item_error(result).unwrap_or_else(refused_then);
            let mut written = places.iter().zip(&fates).filter(|(_, fate)| matches!(fate, Fate::New));
            Err(reject(written.nth(index).map(|(place, _)| *place).into_iter().zip([error])))
        }
    }
}

fn refused_then() -> ApiError {
    ApiError::new(ProblemCode::InvalidRequest, "this job was refused when the batch first came")
}
