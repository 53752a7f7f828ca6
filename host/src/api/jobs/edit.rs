//! `PATCH /v1/jobs/{id}`: changes a job that waits. What is left out stays as it is.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::Request;
use axum::response::Response;
use bytes::Bytes;
use http::StatusCode;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::ends::expiry;
use super::enqueue::{check_slowly, compile, job_not_found, show_row, too_many_queues};
use super::payload::check_thoroughly;
use super::request::{Unfinished, due, kind_gone_since, labels, payload_too_large};
use crate::api::error::{ApiError, FieldError, ProblemCode};
use crate::api::extract::{Given, JobPath, NoParameters, parse_json, require_json};
use crate::api::identity::Call;
use crate::api::wire::Instant;
use crate::api::wire::job::Job;
use crate::job::field::{positive, ranged};
use crate::job::kind::{MAX_ATTEMPTS_LIMIT, PRIORITY_MAX};
use crate::job::{ByteSize, JobId, LimitRequest, QueueName, RetryWire, Span, ceilings};
use crate::store::{EditResult, JobEdit, JobRow, ModuleVersionId};

/// Room for everything of a request that is not its payload, bytes.
const EDIT_FIELDS_BYTES_MAX: usize = 64 << 10;
/// How long a payload waits for its turn to be checked, and for the result.
const CHECK_WAIT_MAX: Duration = Duration::from_secs(15);

/// Whatever stands there, `null` as well.
fn any_value<'de: 'a, 'a, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'a RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

/// What is to be changed on a waiting job.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = JobEdit)]
pub(in crate::api) struct EditRequest<'a> {
    /// Any JSON, valid against the kind's input schema.
    #[serde(borrow, default, deserialize_with = "any_value")]
    #[schema(value_type = Option<serde_json::Value>, required = false)]
    payload: Option<&'a RawValue>,
    /// The lane.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    queue: Option<QueueName>,
    /// 0 to 9, lower first.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 9)]
    priority: Option<i64>,
    /// How long to wait from now on. Not together with `run_at`.
    #[serde(default)]
    delay: Option<Span>,
    /// When it may run, RFC 3339; a time that has passed means at once. Not together with `delay`.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    run_at: Option<Instant>,
    /// The job is cancelled, as `deadline_expired`, if it was not entered by then, RFC 3339; `null`: whenever it can begin. Not
    /// together with `expires_in`.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Given<Instant>,
    /// The same, counted from now: `"30s"`, `"1h30m"` or milliseconds.
    #[serde(default)]
    #[schema(value_type = Option<Span>)]
    expires_in: Given<Span>,
    /// 1 to 1000.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 1000)]
    max_attempts: Option<i64>,
    /// Delays between attempts.
    #[serde(default)]
    retry: Option<RetryWire>,
    /// Wall time of an attempt.
    #[serde(default)]
    timeout: Option<Span>,
    /// Units of fuel of an attempt.
    #[serde(default)]
    fuel: Option<u64>,
    /// Memory of an attempt.
    #[serde(default)]
    memory: Option<ByteSize>,
    /// Labels, instead of those it has.
    #[serde(borrow, default)]
    #[schema(value_type = Option<Vec<String>>)]
    tags: Option<Vec<Cow<'a, str>>>,
}

/// Change a waiting job
///
/// For jobs that wait, whatever for; what is left out stays as it is. A job that was claimed and not entered yet is taken back
/// first. Its identity (`unique`) stays the one it was enqueued with.
#[utoipa::path(
    patch, path = "/v1/jobs/{id}", tag = "jobs", request_body = EditRequest, params(("id" = String, Path)),
    responses(
        (status = 200, body = Job, description = "As it is now"),
        (status = 403, description = "`quota_exceeded`: the new payload is larger"),
        (status = 404, description = "`job_not_found`; `kind_not_found`: nobody can say whether the new payload is right"),
        (status = 409, description = "`job_not_waiting`, with its `state`: it runs, is about to, or has ended"),
        (status = 413, description = "`body_too_large`, `payload_too_large`"),
        (status = 422, description = "`invalid_request`, `invalid_payload`, with pointers; `too_many_queues`"),
    ),
)]
pub(in crate::api) async fn edit(
    api: Call,
    JobPath(job): JobPath,
    _: NoParameters,
    request: Request,
) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    require_json(&parts.headers)?;
    let body_bytes_max = api.config.requests.payload_bytes_max.saturating_add(EDIT_FIELDS_BYTES_MAX);
    let body = api.read_body(&parts.headers, body, body_bytes_max).await?;
    let Read { mut edit, payload, expiry_pointer } = read(&api, &body)?;
    if let Some(payload) = payload {
        let checked_against = check_payload(&api, job, &payload).await?;
        edit.payload = Some((payload, checked_against));
    }
    match api.store.edit(api.caller.tenant, job, edit).await? {
        EditResult::Edited(row) => show_row(&api, StatusCode::OK, *row).await,
        EditResult::NotWaiting(row) => Err(not_waiting(&api, &row)),
        EditResult::TooLate { run_at, expires_at } => {
            let (run_at, expires_at) = (Instant(run_at), Instant(expires_at));
            let (pointer, message) = expiry_pointer.map_or_else(
                || {
                    (
                        "/run_at",
                        format!("the job is cancelled if it has not begun by {expires_at}; give an earlier time"),
                    )
                },
                |pointer| {
                    (pointer, format!("{expires_at} comes before the job is due, at {run_at}; give a later time"))
                },
            );
            Err(ApiError::field(pointer, message))
        }
        EditResult::TooManyQueues => Err(too_many_queues()),
        EditResult::OverQuota(quota) => Err(ApiError::over_quota(&quota)),
        EditResult::NotFound => Err(job_not_found(job)),
    }
}

/// The refusal of a change to a job that does not wait.
pub(super) fn not_waiting(api: &Call, row: &JobRow) -> ApiError {
    let is_running = api.dispatcher.active(row.id).is_some_and(|active| {
        row.leased_by.is_some_and(|(host, number)| host == api.host && number == active.lease_number)
    });
    let (state, detail) = if row.state.is_terminal() {
        (row.state.as_str(), format!("the job has {} already; POST …/retry brings a failed one back", row.state))
    } else if is_running || !row.state.is_waiting() {
        ("running", "the job is running; cancel it, or change it when it waits for its next attempt".to_owned())
    } else {
        (
            row.state.as_str(),
            "the job is about to run; if it is waiting again in a moment, it can be changed".to_owned(),
        )
    };
    ApiError::new(ProblemCode::JobNotWaiting, detail).with("state", state)
}

/// What is asked for.
struct Read {
    edit: JobEdit,
    /// Not checked yet.
    payload: Option<Bytes>,
    /// Where it says by when the job is to have begun.
    expiry_pointer: Option<&'static str>,
}

fn read(api: &Call, body: &Bytes) -> Result<Read, ApiError> {
    let EditRequest {
        payload,
        queue,
        priority,
        delay,
        run_at,
        expires_at,
        expires_in,
        max_attempts,
        retry,
        timeout,
        fuel,
        memory,
        tags,
    } = parse_json(body)?;
    let mut errors = Vec::new();
    let limits = LimitRequest {
        fuel: positive("/fuel", fuel, &mut errors),
        timeout_ms: positive("/timeout", timeout.map(Span::as_ms), &mut errors),
        memory_bytes: positive("/memory", memory.map(|size| size.0), &mut errors),
        ..LimitRequest::default()
    };
    ceilings::check(&limits, &api.config.limits.ceilings, &mut errors);
    let now = api.clock.now();
    let is_moved = delay.is_some() || run_at.is_some();
    let delay_ms = delay.map(Span::as_ms);
    let run_at = due(now, delay, run_at, &mut errors).or(is_moved.then_some(now));
    let expiry_pointer = match (expires_at.is_there(), expires_in.is_there()) {
        (true, true) => {
            errors.push(FieldError::new("/expires_in", "give `expires_in` or `expires_at`, not both"));
            None
        }
        (true, false) => Some("/expires_at"),
        (false, true) => Some("/expires_in"),
        (false, false) => None,
    };
    let expires_at = expiry_pointer
        .map(|_| expiry(now, run_at.filter(|at| *at > now), expires_in.value(), expires_at.value(), &mut errors));
    let edit = JobEdit {
        payload: None,
        run_at,
        delay_ms,
        expires_at,
        queue,
        priority: ranged("/priority", priority, 0, i64::from(PRIORITY_MAX), &mut errors),
        max_attempts: ranged("/max_attempts", max_attempts, 1, i64::from(MAX_ATTEMPTS_LIMIT), &mut errors),
        tags: tags.map(|tags| labels(Some(tags), &mut errors)),
        retry: retry.and_then(|retry| retry.policy("/retry", &mut errors)),
        limits,
    };
    let payload = payload.map(|raw| body.slice_ref(raw.get().as_bytes()));
    if errors.is_empty() && payload.is_none() && edit == JobEdit::default() {
        errors
            .push(FieldError::new("", "name at least one field to change, such as `run_at`, `priority` or `payload`"));
    }
    if !errors.is_empty() {
        return Err(ApiError::invalid(errors));
    }
    let payload_bytes_max = api.config.requests.payload_bytes_max;
    match payload {
        Some(payload) if payload.len() > payload_bytes_max => Err(payload_too_large(payload.len(), payload_bytes_max)),
        payload => Ok(Read { edit, payload, expiry_pointer }),
    }
}

/// Against the schema of the job's kind; the version it is of.
async fn check_payload(api: &Call, job: JobId, payload: &Bytes) -> Result<Option<ModuleVersionId>, ApiError> {
    let Some(detail) = api.store.job(api.caller.tenant, job).await? else { return Err(job_not_found(job)) };
    let kind = api.store.catalog().kind(api.caller.tenant, &detail.row.kind).cloned();
    let Some(kind) = kind else { return Err(kind_gone_since()) };
    compile(api, &Unfinished { uncompiled: vec![Arc::clone(&kind)] }).await?;
    let validators = api.validators.wait_for(&kind).await.map_err(|error| ApiError::internal(&error))?;
    let (payload, version) = (payload.clone(), kind.version.as_ref().map(|version| version.id));
    check_slowly(api, CHECK_WAIT_MAX, move || check_thoroughly(validators.input.as_ref(), kind.takes_text(), &payload))
        .await?;
    Ok(version)
}
