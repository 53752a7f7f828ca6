//! `POST /v1/batches`: a batch with its first jobs, all or nothing.

use std::borrow::Cow;
use std::sync::Arc;

use axum::extract::Request;
use axum::response::Response;
use bytes::Bytes;
use http::header::LOCATION;
use http::{HeaderValue, StatusCode};
use serde::Deserialize;
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};

use super::ITEM_BYTES;
use super::items::Items;
use crate::api::error::{ApiError, ProblemCode};
use crate::api::extract::{NoParameters, parse_json, require_json};
use crate::api::identity::Call;
use crate::api::jobs::{
    IDEMPOTENCY_REPLAYED, JobRequest, Refusals, Rules, check_many, header_key, json, key_conflict, kind_gone,
    too_many_queues, unique_conflict, unknown_parent,
};
use crate::api::wire::batch::Batch;
use crate::job::{BatchId, control_character};
use crate::store::{
    Answer, BatchRow, Callbacks, Closing, CreateBatchResult, IdempotencyKey, NewBatch, NewJob, NewMember,
    OPEN_BATCHES_MAX,
};

/// Longest name, bytes.
const NAME_BYTES_MAX: usize = 128;

/// When a batch takes no more jobs.
#[derive(Clone, Copy, Debug, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::api) enum Close {
    /// From the beginning.
    AtOnce,
    /// From when `POST /v1/batches/{id}/close` says so.
    OnRequest,
    /// From when all its jobs have ended: its own jobs can add more.
    WhenDone,
}

/// A batch to be made.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct BatchRequest<'a> {
    /// For people: 1 to 128 bytes.
    #[serde(borrow, default)]
    #[schema(value_type = Option<String>)]
    name: Option<Cow<'a, str>>,
    /// When it takes no more jobs; by default at once if it has jobs, else on request.
    #[serde(default)]
    close: Option<Close>,
    /// A job to enqueue when all have succeeded.
    #[serde(borrow, default)]
    #[schema(value_type = Option<JobRequest>)]
    on_success: Option<&'a RawValue>,
    /// A job to enqueue when the first has failed for good.
    #[serde(borrow, default)]
    #[schema(value_type = Option<JobRequest>)]
    on_failure: Option<&'a RawValue>,
    /// A job to enqueue when all have ended.
    #[serde(borrow, default)]
    #[schema(value_type = Option<JobRequest>)]
    on_finish: Option<&'a RawValue>,
    /// Its first jobs: at most 10,000, all or none of which are enqueued.
    #[serde(borrow, default)]
    #[schema(value_type = Option<Vec<JobRequest>>)]
    jobs: Items<'a>,
}

/// Make a batch
///
/// Answered once the batch and all its jobs are committed. More jobs can be added with their field `batch` while it is open.
///
/// `on_failure` is enqueued in the transaction that writes the first failure, `on_finish` in the one in which, all jobs being
/// there, the last of them ends, `on_success` in the one after which all have succeeded, be it after a retry: each once, with
/// the batch's id among its tags.
#[utoipa::path(
    post, path = "/v1/batches", tag = "batches", request_body = BatchRequest,
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes the request repeatable for 24 h")),
    responses(
        (status = 201, body = Batch, description = "Made", headers(("Location" = String))),
        (status = 200, body = Batch, description = "The same request came before (`Idempotency-Replayed: true`)"),
        (status = 409, description = "`idempotency_conflict`; `unique_conflict`, with the pointer of the job: nothing was enqueued"),
        (status = 413, description = "`body_too_large`"),
        (status = 422, description = "`invalid_request`, `batch_rejected`, with pointers: nothing was enqueued"),
        (status = 403, description = "`quota_exceeded`: the tenant keeps too many bytes"),
        (status = 429, description = "`busy`, `quota_exceeded`; `too_many_open_batches`: so many wait for somebody to close them"),
        (status = 503, description = "`store_unavailable`"),
    ),
)]
pub(in crate::api) async fn create_batch(api: Call, _: NoParameters, request: Request) -> Result<Response, ApiError> {
    create(&api, request, false, parse).await
}

/// Makes what `parse` finds in the body of a request.
pub(in crate::api) async fn create(
    api: &Call,
    request: Request,
    is_workflow: bool,
    parse: impl Fn(&mut Rules<'_>, &Bytes) -> Result<NewBatch, ApiError> + Clone + Send + 'static,
) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    require_json(&parts.headers)?;
    let key = header_key(&parts.headers)?.map(str::to_owned);
    let body = api.read_body(&parts.headers, body, api.config.requests.batch_bytes_max).await?;
    let turn = api.batches.take(api.part()).await?;
    let key = key.map(|key| {
        let mut hash = Sha256::new();
        hash.update(if is_workflow { "workflow\n" } else { "batch\n" });
        hash.update(&**body);
        IdempotencyKey { key, request_hash: hash.finalize().into() }
    });
    // What was accepted then is answered again, whatever would be refused now.
    if let Some(key) = &key
        && let Some(known) = api.store.replayed_batch(api.caller.tenant, key.clone()).await?
        && let Some(Answer::Made(id)) = known.first()
        && let id = BatchId::from_u128(id.as_u128())
        && let Some(row) = api.store.batch(api.caller.tenant, id, is_workflow).await?
    {
        return reply(api, &row, true).await;
    }
    let held = Arc::new((body, turn));
    let mut new = check_many(api, &held, parse).await?;
    new.key = key;
    let pointers: Vec<String> = if new.jobs.iter().any(|member| member.job.unique.is_some()) {
        new.jobs.iter().zip(0_usize..).map(|(member, index)| pointer_of(member, index)).collect()
    } else {
        Vec::new()
    };
    let created = api.store.create_batch(api.caller.tenant, new).await?;
    drop(held);
    match created {
        CreateBatchResult::Created(row) => reply(api, &row, false).await,
        CreateBatchResult::Replayed(row) => reply(api, &row, true).await,
        CreateBatchResult::KeyConflict => Err(key_conflict()),
        CreateBatchResult::KindGone(_) => Err(kind_gone()),
        CreateBatchResult::TooManyQueues(_) => Err(too_many_queues()),
        CreateBatchResult::TooManyOpen => Err(too_many_open()),
        CreateBatchResult::OverQuota(quota) => Err(ApiError::over_quota(&quota)),
        CreateBatchResult::UniqueConflict { index, other, is_replayed } => {
            let pointer = pointers.get(index).map_or("", String::as_str);
            let refusal = unique_conflict::of_member(pointer, other);
            Err(if is_replayed {
                refusal.with_header(IDEMPOTENCY_REPLAYED.clone(), HeaderValue::from_static("true"))
            } else {
                refusal
            })
        }
        CreateBatchResult::UnknownParent(job, place) => Err(unknown_parent(&format!("/jobs/{job}/after/{place}"))),
    }
}

fn too_many_open() -> ApiError {
    ApiError::new(
        ProblemCode::TooManyOpenBatches,
        format!(
            "{OPEN_BATCHES_MAX} batches are open, which is the most there may be; close some, or let it close by itself"
        ),
    )
}

/// Where a job stands in the body: jobs of a workflow under their names.
fn pointer_of(member: &NewMember, index: usize) -> String {
    match &member.name {
        Some(name) => format!("/jobs/{}", name.replace('~', "~0").replace('/', "~1")),
        None => format!("/jobs/{index}"),
    }
}

async fn reply(api: &Call, row: &BatchRow, replayed: bool) -> Result<Response, ApiError> {
    let status = if replayed { StatusCode::OK } else { StatusCode::CREATED };
    let batch = Batch::from(row);
    let folder = if row.is_workflow { "workflows" } else { "batches" };
    let location = HeaderValue::try_from(format!("/v1/{folder}/{}", batch.id));
    let location = location.map_err(|error| ApiError::internal(&error))?;
    let mut response = if row.is_workflow {
        crate::api::workflows::show(api, status, row.id).await?
    } else {
        json(status, &batch, ITEM_BYTES)?
    };
    response.headers_mut().insert(LOCATION, location);
    if replayed {
        response.headers_mut().insert(IDEMPOTENCY_REPLAYED.clone(), HeaderValue::from_static("true"));
    }
    Ok(response)
}

fn parse(rules: &mut Rules<'_>, body: &Bytes) -> Result<NewBatch, ApiError> {
    let BatchRequest { name, close, on_success, on_failure, on_finish, jobs } = parse_json(body)?;
    let mut refusals = Refusals::default();
    let name = checked_name("/name", name, &mut refusals);
    let callbacks = callbacks(rules, body, [on_success, on_failure, on_finish], &mut refusals);
    let mut members = Vec::with_capacity(jobs.0.len());
    for (index, item) in jobs.0.iter().enumerate() {
        let pointer = || format!("/jobs/{index}");
        match checked_job(rules, body, item, &["batch", "idempotency_key"]) {
            Ok(job) => members.push(NewMember { name: None, job, after: Vec::new() }),
            Err(error) => refusals.add(&pointer(), &error),
        }
    }
    let closing = match close {
        None if jobs.0.is_empty() => Closing::OnRequest,
        None | Some(Close::AtOnce) => Closing::Closed,
        Some(Close::OnRequest) => Closing::OnRequest,
        Some(Close::WhenDone) => Closing::WhenDone,
    };
    if closing == Closing::WhenDone && jobs.0.is_empty() {
        refusals.field("/close", "`when_done` needs jobs to begin with: give some, or use `on_request`");
    }
    refusals.into_result()?;
    Ok(NewBatch { is_workflow: false, name, closing, callbacks, jobs: members, key: None })
}

/// One job of many, which must not have some fields of its own.
fn checked_job(rules: &mut Rules<'_>, body: &Bytes, item: &RawValue, forbidden: &[&str]) -> Result<NewJob, ApiError> {
    let mut request: JobRequest<'_> = parse_json(item.get().as_bytes())?;
    refuse_fields(&request, forbidden)?;
    request.be_member();
    rules.check_next(request, body).map_err(|refused| refused.error)
}

/// Fields that mean nothing where the job stands.
pub(in crate::api) fn refuse_fields(request: &JobRequest<'_>, forbidden: &[&str]) -> Result<(), ApiError> {
    for (field, is_there, why) in [
        ("batch", request.has_batch(), "it is of this one"),
        ("idempotency_key", request.has_key(), "give the whole request a header `Idempotency-Key`"),
        ("after", request.has_after(), "it runs when its time comes"),
        ("run_at", request.has_run_at(), "it runs when its time comes; a `delay` counts from then"),
        ("expires_at", request.has_expires_at(), "nobody knows yet when it is enqueued: give `expires_in`"),
        (
            "unique",
            request.has_unique(),
            "it is enqueued when others have ended, and nobody is there to be told what became of it",
        ),
    ] {
        if is_there && forbidden.contains(&field) {
            return Err(ApiError::field(format!("/{field}"), format!("is not for this job: {why}")));
        }
    }
    Ok(())
}

/// For people.
pub(in crate::api) fn checked_name(
    pointer: &str,
    name: Option<Cow<'_, str>>,
    refusals: &mut Refusals,
) -> Option<String> {
    let name = name?;
    if let Some(message) = no_name(&name) {
        refusals.field(pointer, message);
        return None;
    }
    Some(name.into_owned())
}

/// Why people could not read it; `None`: they can.
pub(in crate::api) fn no_name(name: &str) -> Option<String> {
    if (1..=NAME_BYTES_MAX).contains(&name.len()) {
        return control_character(name);
    }
    Some(format!("a name has 1 to {NAME_BYTES_MAX} bytes"))
}

/// The jobs that follow: success, failure, finish.
pub(in crate::api) fn callbacks(
    rules: &mut Rules<'_>,
    body: &Bytes,
    asked: [Option<&RawValue>; 3],
    refusals: &mut Refusals,
) -> Callbacks {
    let [on_success, on_failure, on_finish] = asked;
    let mut callback = |name: &str, item: Option<&RawValue>| {
        let checked = parse_json::<JobRequest<'_>>(item?.get().as_bytes()).and_then(|mut request| {
            refuse_fields(&request, &["batch", "idempotency_key", "after", "run_at", "unique", "expires_at"])?;
            // Its delay counts from when it is enqueued.
            request.wait_for_others();
            rules.check_next(request, body).map_err(|refused| refused.error)
        });
        checked.map_err(|error| refusals.add(&format!("/{name}"), &error)).ok()
    };
    Callbacks {
        on_success: callback("on_success", on_success),
        on_failure: callback("on_failure", on_failure),
        on_finish: callback("on_finish", on_finish),
    }
}
