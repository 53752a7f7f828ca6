//! What may be asked for: a request to run a job, checked against the kind, the limits and the schema.
//! Pure but for the compiled schemas it is given. Says everything that is wrong at once, each with its pointer.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};

use super::after::{AfterRequest, ties};
use super::ends::{check_on_failed, expiry};
use super::payload::{self, Rejected};
use crate::api::error::{ApiError, FieldError, ProblemCode, quoted};
use crate::api::identity::Call;
use crate::api::wire::Instant;
use crate::job::field::{positive, ranged};
use crate::job::kind::{MAX_ATTEMPTS_DEFAULT, MAX_ATTEMPTS_LIMIT, PRIORITY_DEFAULT, PRIORITY_MAX};
use crate::job::pace::CONCURRENCY_KEY_BYTES_MAX;
use crate::job::spec::{TAG_BYTES_MAX, TAGS_MAX};
use crate::job::unique::OnConflict;
use crate::job::{
    ByteSize, FailureReason, JobOptions, JobSpec, KindName, LimitBounds, LimitRequest, OnFailed, QueueName, RetryWire,
    Span, Timestamp, Unique, UniqueWire, ceilings, check_retry_on, control_character,
};
use crate::modules::{KindValidators, Validators, accepts_anything};
use crate::schema::{Effort, Exhausted, SharedSchema, thread_cpu_time};
use crate::store::{Catalog, IdempotencyKey, KindEntry, NewJob, TenantId};

/// Longest idempotency key, bytes.
const IDEMPOTENCY_KEY_BYTES_MAX: usize = 255;
/// Most names compared with an unknown kind.
const KINDS_COMPARED_MAX: usize = 10_000;
/// Most names suggested for an unknown kind.
const SUGGESTIONS_MAX: usize = 3;
/// Names less alike than this are not suggested.
const SUGGESTION_LIKENESS_MIN: f64 = 0.75;
/// Longer names are compared with none, bytes: none that may be given is.
const SUGGESTION_BYTES_MAX: usize = 128;
/// Payloads of a batch between two looks at the clock, bytes, and what the smallest counts for: a look costs as much as
/// the check of a small one.
const BYTES_BETWEEN_LOOKS: usize = 4 << 10;
const PAYLOAD_BYTES_MIN: usize = 512;
/// Unknown kinds of one batch that get suggestions.
const SUGGESTED_KINDS_MAX: usize = 16;

/// A request to run a job.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct JobRequest<'a> {
    /// What to run.
    #[serde(borrow)]
    #[schema(value_type = String, example = "email.send")]
    kind: Cow<'a, str>,
    /// Any JSON, valid against the kind's input schema. Default `null`.
    #[serde(borrow, default)]
    #[schema(value_type = serde_json::Value, required = false)]
    payload: Option<&'a RawValue>,
    /// The lane; by default the kind's.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    queue: Option<QueueName>,
    /// 0 to 9, lower first; by default the kind's.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 9)]
    priority: Option<i64>,
    /// How long to wait before it may run: `"30s"`, `"1h30m"` or milliseconds. Not together with `run_at`.
    #[serde(default)]
    delay: Option<Span>,
    /// When it may run, RFC 3339. Not together with `delay`.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    run_at: Option<Instant>,
    /// 1 to 1000; by default the kind's.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 1000)]
    max_attempts: Option<i64>,
    /// Delays between attempts; by default the kind's.
    #[serde(default)]
    retry: Option<RetryWire>,
    /// Which reasons are tried again; replaces the kind's set.
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>)]
    retry_on: Option<Vec<FailureReason>>,
    /// The job is cancelled, as `deadline_expired`, if it was not entered by then, RFC 3339. Not together with `expires_in`.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Instant>,
    /// The same, counted from now: `"30s"`, `"1h30m"` or milliseconds.
    #[serde(default)]
    expires_in: Option<Span>,
    /// Enqueued, with what is known of the failure, when the job has `failed`; by default the kind's.
    #[serde(default)]
    on_failed: Option<OnFailed>,
    /// Wall time of an attempt: `"30s"` or milliseconds.
    #[serde(default)]
    timeout: Option<Span>,
    /// Units of fuel of an attempt.
    #[serde(default)]
    fuel: Option<u64>,
    /// Memory of an attempt: bytes or `"128MiB"`.
    #[serde(default)]
    memory: Option<ByteSize>,
    /// Jobs of a kind with the same key share the limits its settings have for keys: 1 to 128 bytes.
    #[serde(borrow, default)]
    #[schema(value_type = Option<String>, min_length = 1)]
    concurrency_key: Option<Cow<'a, str>>,
    /// Labels for finding it again: at most 16 of 1 to 128 bytes.
    #[serde(borrow, default)]
    #[schema(value_type = Option<Vec<String>>)]
    tags: Option<Vec<Cow<'a, str>>>,
    /// Run it after these jobs: each an id, or `{"job": id, "on": "succeeded" | "failed" | "finished"}`. A `delay` counts from
    /// the moment all of them have ended so; if one ends otherwise, the job is cancelled.
    #[serde(default)]
    #[schema(value_type = Option<Vec<AfterRequest>>, max_items = 100)]
    after: Option<Vec<AfterRequest>>,
    /// The batch it is of, while that takes jobs.
    #[serde(borrow, default)]
    #[schema(value_type = Option<String>)]
    batch: Option<Cow<'a, str>>,
    /// It will wait for others that are named elsewhere.
    #[serde(skip)]
    waits: bool,
    /// It is of a batch or workflow, of one there is or of one that is made with it.
    #[serde(skip)]
    is_of_batch: bool,
    /// Makes the request repeatable; the same as the header `Idempotency-Key`.
    #[serde(borrow, default)]
    #[schema(value_type = Option<String>)]
    idempotency_key: Option<Cow<'a, str>>,
    /// There is to be no other one like it.
    #[serde(default)]
    unique: Option<UniqueWire>,
}

impl JobRequest<'_> {
    /// Takes out what it waits for, where that is named otherwise than by ids.
    pub(in crate::api) fn take_after(&mut self) -> Vec<AfterRequest> {
        let after = self.after.take().unwrap_or_default();
        self.waits = !after.is_empty();
        after
    }

    /// What it waits for is told elsewhere; its delay counts from then.
    pub(in crate::api) fn wait_for_others(&mut self) {
        self.waits = true;
    }

    /// It is enqueued with all others of its batch or workflow, or none of them is.
    pub(in crate::api) fn be_member(&mut self) {
        self.is_of_batch = true;
    }

    /// Whether it names jobs to run after.
    pub(in crate::api) fn has_after(&self) -> bool {
        self.after.is_some()
    }

    /// Whether it is to have begun by a given moment.
    pub(in crate::api) fn has_expires_at(&self) -> bool {
        self.expires_at.is_some()
    }

    /// Whether it is to be the only one like it.
    pub(in crate::api) fn has_unique(&self) -> bool {
        self.unique.is_some()
    }

    /// Whether it has a time of its own.
    pub(in crate::api) fn has_run_at(&self) -> bool {
        self.run_at.is_some()
    }

    /// Whether it names a batch.
    pub(in crate::api) fn has_batch(&self) -> bool {
        self.batch.is_some()
    }

    /// Whether it has an idempotency key.
    pub(in crate::api) fn has_key(&self) -> bool {
        self.idempotency_key.is_some()
    }
}

/// What requests are checked against. One per HTTP request: remembers the kinds of a batch.
pub(in crate::api) struct Rules<'r> {
    pub(super) tenant: TenantId,
    pub(super) catalog: &'r Catalog,
    pub(super) validators: &'r Validators,
    pub(super) bounds: &'r LimitBounds,
    pub(super) payload_bytes_max: usize,
    pub(super) default_queue: &'r QueueName,
    pub(super) now: Timestamp,
    /// How long a check may go on.
    pub(super) effort: Effort,
    /// Processor time for the payloads of a batch, all together.
    pub(super) cpu: Option<CpuTime>,
    /// Something could not be found out with the effort that was allowed.
    gave_up: Cell<bool>,
    /// Kinds whose schemas are not compiled.
    uncompiled: RefCell<Vec<Arc<KindEntry>>>,
    known: FxHashMap<String, Result<KnownKind<'r>, ApiError>>,
}

/// Processor time of this thread, up to a bound.
#[derive(Debug)]
pub(super) struct CpuTime {
    began: Duration,
    max: Duration,
    /// Bytes that may be checked before the next look at the clock.
    unlooked_bytes: Cell<usize>,
    is_used_up: Cell<bool>,
}

impl CpuTime {
    /// From now on.
    pub(super) fn up_to(max: Duration) -> Self {
        Self { began: thread_cpu_time(), max, unlooked_bytes: Cell::new(0), is_used_up: Cell::new(false) }
    }

    /// Whether nothing is left for a payload of so many bytes.
    fn is_used_up(&self, payload_bytes: usize) -> bool {
        if self.is_used_up.get() {
            return true;
        }
        let bytes = payload_bytes.saturating_add(PAYLOAD_BYTES_MIN);
        if let Some(left) = self.unlooked_bytes.get().checked_sub(bytes) {
            self.unlooked_bytes.set(left);
            return false;
        }
        self.unlooked_bytes.set(BYTES_BETWEEN_LOOKS);
        self.is_used_up.set(thread_cpu_time().saturating_sub(self.began) >= self.max);
        self.is_used_up.get()
    }

    /// A check may have taken long: the next one looks at the clock.
    fn may_be_used_up(&self) {
        self.unlooked_bytes.set(0);
    }
}

/// Why a quick check said nothing.
#[derive(Debug, Default)]
pub(in crate::api) struct Unfinished {
    /// Kinds whose schemas have to be compiled first. Without any, it takes more effort.
    pub(in crate::api) uncompiled: Vec<Arc<KindEntry>>,
}

#[derive(Clone)]
struct KnownKind<'r> {
    entry: &'r KindEntry,
    validators: Option<Arc<KindValidators>>,
}

/// A request that may not be made now.
#[derive(Debug)]
pub(in crate::api) struct Refused {
    pub(in crate::api) error: ApiError,
    /// By which it is known if it was made before: what was accepted then is answered again, whatever the kind takes
    /// now.
    pub(super) key: Option<IdempotencyKey>,
}

impl From<ApiError> for Refused {
    fn from(error: ApiError) -> Self {
        Self { error, key: None }
    }
}

/// What rules are made of.
#[derive(Clone, Copy)]
pub(in crate::api) struct RulesOf<'r> {
    pub(in crate::api) tenant: TenantId,
    pub(in crate::api) catalog: &'r Catalog,
    pub(in crate::api) validators: &'r Validators,
    pub(in crate::api) bounds: &'r LimitBounds,
    pub(in crate::api) payload_bytes_max: usize,
    pub(in crate::api) default_queue: &'r QueueName,
    pub(in crate::api) now: Timestamp,
    pub(in crate::api) effort: Effort,
}

impl<'r> Rules<'r> {
    pub(super) fn new(api: &'r Call, catalog: &'r Catalog, effort: Effort) -> Self {
        Self::of(RulesOf {
            tenant: api.caller.tenant,
            catalog,
            validators: &api.validators,
            bounds: &api.config.limits,
            payload_bytes_max: api.config.requests.payload_bytes_max,
            default_queue: &api.default_queue,
            now: api.clock.now(),
            effort,
        })
    }

    /// For whoever asks.
    pub(in crate::api) fn of(parts: RulesOf<'r>) -> Self {
        let RulesOf { tenant, catalog, validators, bounds, payload_bytes_max, default_queue, now, effort } = parts;
        Self {
            tenant,
            catalog,
            validators,
            bounds,
            payload_bytes_max,
            default_queue,
            now,
            effort,
            cpu: None,
            gave_up: Cell::new(false),
            uncompiled: RefCell::default(),
            known: FxHashMap::default(),
        }
    }

    /// Whether something could not be found out with little effort; what was refused may only be that.
    pub(in crate::api) fn unfinished(&self) -> Option<Unfinished> {
        (self.effort == Effort::Quick && self.gave_up.get()).then(|| Unfinished { uncompiled: self.uncompiled.take() })
    }

    /// Checks one request whose text lies inside `body`. `header_key` is the header `Idempotency-Key`.
    pub(in crate::api) fn check(
        &mut self,
        request: JobRequest<'_>,
        body: &Bytes,
        header_key: Option<&str>,
    ) -> Result<NewJob, Refused> {
        let kind = self.kind(&request.kind);
        self.check_for(kind, request, body, header_key)
    }

    /// The same for one of many requests: kinds are looked up once.
    pub(in crate::api) fn check_next(&mut self, request: JobRequest<'_>, body: &Bytes) -> Result<NewJob, Refused> {
        let kind = if let Some(known) = self.known.get(request.kind.as_ref()) {
            known.clone()
        } else {
            let found = self.kind(&request.kind);
            self.known.insert(request.kind.clone().into_owned(), found.clone());
            found
        };
        self.check_for(kind, request, body, None)
    }

    fn kind(&self, name: &str) -> Result<KnownKind<'r>, ApiError> {
        let kind: KindName = name.parse().map_err(|error| ApiError::field("/kind", format!("{error}")))?;
        let Some(entry) = self.catalog.kind(self.tenant, &kind) else { return Err(self.unknown_kind(name)) };
        let validators = if accepts_anything(&entry.input_schema) {
            None
        } else {
            let Some(compiled) = self.validators.ready(entry) else {
                self.uncompiled.borrow_mut().push(Arc::clone(entry));
                return Err(self.give_up());
            };
            Some(compiled.map_err(|error| ApiError::internal(&error))?)
        };
        Ok(KnownKind { entry, validators })
    }

    #[cold]
    fn unknown_kind(&self, name: &str) -> ApiError {
        let suggest = self.known.len() < SUGGESTED_KINDS_MAX;
        let kinds = self.catalog.kinds.values().filter(|kind| suggest && kind.tenant == self.tenant);
        unknown_kind(name, kinds.take(KINDS_COMPARED_MAX).map(|kind| kind.name.as_str()))
    }

    fn check_for(
        &self,
        kind: Result<KnownKind<'_>, ApiError>,
        request: JobRequest<'_>,
        body: &Bytes,
        header_key: Option<&str>,
    ) -> Result<NewJob, Refused> {
        let mut errors = Vec::new();
        let payload = request.payload.map_or(Bytes::from_static(b"null"), |raw| body.slice_ref(raw.get().as_bytes()));
        let mut request = request;
        let key = idempotency_key(request.idempotency_key.as_deref(), header_key, &mut errors);
        let idempotency =
            key.map(|key| IdempotencyKey { key: key.to_owned(), request_hash: request_hash(&request, &payload) });
        let ties = ties(request.after.take(), request.batch.take().as_deref(), &mut errors);
        request.waits |= ties.as_ref().is_some_and(|ties| !ties.after.is_empty());
        request.is_of_batch |= ties.as_ref().is_some_and(|ties| ties.batch.is_some());
        match kind.and_then(|kind| self.spec(&kind, request, payload, errors).map(|spec| (kind, spec))) {
            Ok((kind, (spec, unique))) => Ok(NewJob {
                kind: kind.entry.id,
                checked_against: kind.entry.version.as_ref().map(|version| version.id),
                spec,
                idempotency,
                ties,
                unique,
            }),
            Err(error) => Err(Refused { error, key: idempotency }),
        }
    }

    /// What is to run; `errors` is what is wrong already.
    fn spec(
        &self,
        kind: &KnownKind<'_>,
        request: JobRequest<'_>,
        payload: Bytes,
        mut errors: Vec<FieldError>,
    ) -> Result<(JobSpec, Option<Box<Unique>>), ApiError> {
        if payload.len() > self.payload_bytes_max {
            return Err(payload_too_large(payload.len(), self.payload_bytes_max));
        }
        let JobRequest {
            kind: _,
            payload: _,
            queue,
            priority,
            delay,
            run_at,
            max_attempts,
            retry,
            retry_on,
            expires_at,
            expires_in,
            on_failed,
            timeout,
            fuel,
            memory,
            concurrency_key,
            tags,
            after: _,
            batch: _,
            waits,
            is_of_batch,
            idempotency_key: _,
            unique,
        } = request;
        let unique = unique.and_then(|unique| unique.rule("/unique", delay.map(|delay| delay.0), &mut errors));
        if let Some(message) = unique.as_ref().and_then(|rule| untieable(rule.on_conflict, waits, is_of_batch)) {
            errors.push(FieldError::new("/unique/on_conflict", message));
        }
        let KindEntry { settings, .. } = kind.entry;
        let limits = LimitRequest {
            fuel: positive("/fuel", fuel, &mut errors),
            timeout_ms: positive("/timeout", timeout.map(Span::as_ms), &mut errors),
            memory_bytes: positive("/memory", memory.map(|size| size.0), &mut errors),
            ..LimitRequest::default()
        };
        ceilings::check(&limits, &self.bounds.ceilings, &mut errors);
        check_retry_on(retry_on.as_deref(), &mut errors);
        check_on_failed(self.catalog, self.tenant, on_failed.as_ref(), &mut errors);
        let run_at = due(self.now, delay, run_at, &mut errors);
        // It counts from when the others have ended, not from now.
        let delay_ms = delay.filter(|delay| waits && !delay.0.is_zero()).map(Span::as_ms);
        let options = JobOptions {
            retry: retry.and_then(|retry| retry.policy("/retry", &mut errors)),
            retry_on,
            expires_at: expiry(self.now, run_at, expires_in, expires_at, &mut errors),
            expires_in_ms: expires_in.map(Span::as_ms),
            on_failed,
            enqueued_by: None,
            caused_by: None,
            is_keyed: false,
            named_until: None,
            limits,
            concurrency_key: checked_key(concurrency_key, &mut errors),
            delay_ms,
            has_parents: false,
            unique: None,
        };
        let spec = JobSpec {
            queue: queue.or_else(|| settings.queue.clone()).unwrap_or_else(|| self.default_queue.clone()),
            priority: ranged("/priority", priority, 0, i64::from(PRIORITY_MAX), &mut errors)
                .or(settings.priority)
                .unwrap_or(PRIORITY_DEFAULT),
            run_at: if delay_ms.is_some() { None } else { run_at },
            max_attempts: ranged("/max_attempts", max_attempts, 1, i64::from(MAX_ATTEMPTS_LIMIT), &mut errors)
                .or(settings.max_attempts)
                .unwrap_or(MAX_ATTEMPTS_DEFAULT),
            options,
            tags: labels(tags, &mut errors),
            payload,
        };
        if !errors.is_empty() {
            return Err(ApiError::invalid(errors));
        }
        if kind.entry.takes_text() {
            payload::check_text(&spec.payload)?;
        }
        if let Some(validator) = kind.validators.as_ref().and_then(|validators| validators.input.as_ref()) {
            self.check_payload(validator, &spec.payload)?;
        } else {
            payload::check_readable(&spec.payload)?;
        }
        let unique = unique.map(|rule| rule.of(kind.entry.name.as_str(), &spec.payload)).transpose();
        let unique = unique.map_err(|message| ApiError::field("/payload", message))?;
        Ok((spec, unique.map(Box::new)))
    }
}

impl Rules<'_> {
    /// Quickly, which is enough for nearly all; of the others with whatever effort is allowed.
    fn check_payload(&self, schema: &SharedSchema, payload: &[u8]) -> Result<(), ApiError> {
        let is_in_vain = self.effort == Effort::Quick && self.gave_up.get();
        if is_in_vain || self.cpu.as_ref().is_some_and(|cpu| cpu.is_used_up(payload.len())) {
            return Err(self.give_up());
        }
        let mut checked = payload::check(schema, payload, Effort::Quick);
        if matches!(checked, Err(Rejected::Unfinished(Exhausted::Time | Exhausted::Depth))) {
            if self.effort == Effort::Quick {
                return Err(self.give_up());
            }
            checked = payload::check(schema, payload, Effort::Thorough);
            if let Some(cpu) = &self.cpu {
                cpu.may_be_used_up();
            }
        }
        checked.map_err(|rejected| match rejected {
            Rejected::Refused(error) => error,
            Rejected::Unfinished(exhausted) => payload::refuse_unfinished(exhausted),
        })
    }

    /// What could not be looked at now may be sound: nothing is said against it but that.
    #[cold]
    fn give_up(&self) -> ApiError {
        self.gave_up.set(true);
        ApiError::new(
            ProblemCode::Busy,
            "the payloads before this one took all the time one request has for checks, or the schemas of the kind are not \
             compiled yet; send this job again, with fewer others",
        )
    }
}

/// 413 with both sizes.
pub(in crate::api) fn payload_too_large(bytes: usize, bytes_max: usize) -> ApiError {
    let detail = format!("the payload has {bytes} bytes and may have at most {bytes_max}");
    ApiError::new(ProblemCode::PayloadTooLarge, detail).with("bytes_max", bytes_max)
}

/// 404 where a job's kind is served by nobody any more.
pub(super) fn kind_gone_since() -> ApiError {
    ApiError::new(
        ProblemCode::KindNotFound,
        "the job's kind no longer exists, so nobody can say whether the payload is right; upload a module that serves it, or \
         leave `payload` as it is",
    )
}

/// 404 with the names that look most alike.
pub(in crate::api) fn unknown_kind<'n>(name: &str, known: impl Iterator<Item = &'n str>) -> ApiError {
    let names = alike(name, known);
    let hint = did_you_mean(&names)
        .unwrap_or_else(|| "GET /v1/kinds lists what there is; upload a module that serves it".to_owned());
    ApiError::new(ProblemCode::KindNotFound, format!("there is no kind `{}`; {hint}", quoted(name.to_owned())))
        .with("nearest", serde_json::json!(names))
}

/// The names that look most like this one.
pub(in crate::api) fn alike<'n>(name: &str, known: impl Iterator<Item = &'n str>) -> Vec<&'n str> {
    // The comparison takes the product of their lengths.
    if name.len() > SUGGESTION_BYTES_MAX {
        return Vec::new();
    }
    let lower = name.to_ascii_lowercase();
    let mut alike: Vec<(f64, &str)> = known
        .filter(|known| known.len() <= SUGGESTION_BYTES_MAX)
        .map(|known| (strsim::jaro_winkler(&lower, &known.to_ascii_lowercase()), known))
        .filter(|(likeness, _)| *likeness >= SUGGESTION_LIKENESS_MIN)
        .collect();
    alike.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    alike.truncate(SUGGESTIONS_MAX);
    alike.into_iter().map(|(_, name)| name).collect()
}

/// … in a sentence; `None` where there are none.
pub(in crate::api) fn did_you_mean(names: &[&str]) -> Option<String> {
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    (!names.is_empty()).then(|| format!("did you mean {}?", names.join(", ")))
}

/// When the job may run; `None` at once.
pub(super) fn due(
    now: Timestamp,
    delay: Option<Span>,
    run_at: Option<Instant>,
    errors: &mut Vec<FieldError>,
) -> Option<Timestamp> {
    match (delay, run_at) {
        (None | Some(Span(Duration::ZERO)), None) => None,
        (Some(_), Some(_)) => {
            errors.push(FieldError::new("/delay", "give `delay` or `run_at`, not both"));
            None
        }
        (None, Some(Instant(at))) => {
            if at > Timestamp::MAX {
                errors.push(FieldError::new("/run_at", "is too far in the future"));
            }
            // A time that has passed already means at once.
            (at > now).then_some(at)
        }
        (Some(delay), None) => Some(now.plus(delay.0)),
    }
}

pub(super) fn labels(tags: Option<Vec<Cow<'_, str>>>, errors: &mut Vec<FieldError>) -> Vec<String> {
    let Some(tags) = tags else { return Vec::new() };
    if tags.len() > TAGS_MAX {
        errors.push(FieldError::new("/tags", format!("at most {TAGS_MAX} tags")));
        return Vec::new();
    }
    let mut labels: Vec<String> = Vec::with_capacity(tags.len());
    for (index, tag) in tags.into_iter().enumerate() {
        let wrong = if tag.is_empty() || tag.len() > TAG_BYTES_MAX {
            Some(format!("a tag has 1 to {TAG_BYTES_MAX} bytes"))
        } else {
            control_character(&tag)
        };
        if let Some(wrong) = wrong {
            errors.push(FieldError::new(format!("/tags/{index}"), wrong));
        } else if !labels.iter().any(|known| *known == tag) {
            labels.push(tag.into_owned());
        }
    }
    labels
}

/// What can't become of the other job, since it has ties of its own.
fn untieable(on_conflict: OnConflict, runs_after: bool, is_of_batch: bool) -> Option<&'static str> {
    match on_conflict {
        OnConflict::Reject => None,
        _ if is_of_batch => {
            Some("in a batch or workflow it is `reject`: the other job is not of it, and can't become so")
        }
        OnConflict::Replace | OnConflict::Debounce if runs_after => {
            Some("with `after` it is `reject` or `return_existing`: the other job runs when its own time comes")
        }
        _ => None,
    }
}

fn checked_key(key: Option<Cow<'_, str>>, errors: &mut Vec<FieldError>) -> Option<String> {
    let key = key?;
    let wrong = if key.is_empty() || key.len() > CONCURRENCY_KEY_BYTES_MAX {
        Some(format!("a key has 1 to {CONCURRENCY_KEY_BYTES_MAX} bytes"))
    } else {
        control_character(&key)
    };
    errors.extend(wrong.map(|wrong| FieldError::new("/concurrency_key", wrong)));
    Some(key.into_owned())
}

fn idempotency_key<'k>(
    field: Option<&'k str>,
    header: Option<&'k str>,
    errors: &mut Vec<FieldError>,
) -> Option<&'k str> {
    if let (Some(field), Some(header)) = (field, header)
        && field != header
    {
        errors.push(FieldError::new("/idempotency_key", "differs from the header `Idempotency-Key`; give one of them"));
        return None;
    }
    let key = field.or(header)?;
    if !is_idempotency_key(key) {
        errors.push(FieldError::new("/idempotency_key", IDEMPOTENCY_KEY_EXPECTED));
        return None;
    }
    Some(key)
}

/// What an idempotency key must be.
pub(super) const IDEMPOTENCY_KEY_EXPECTED: &str = "an idempotency key has 1 to 255 printable ASCII characters";

/// Whether a key may be used.
pub(super) fn is_idempotency_key(key: &str) -> bool {
    (1..=IDEMPOTENCY_KEY_BYTES_MAX).contains(&key.len()) && key.bytes().all(|b| matches!(b, b' '..=b'~'))
}

/// The request as it was asked, not as it was defaulted: a change of the kind's settings in between must not turn a
/// repetition into another request.
fn request_hash(request: &JobRequest<'_>, payload: &[u8]) -> [u8; 32] {
    #[derive(Serialize)]
    struct Canonical<'c> {
        kind: &'c str,
        queue: Option<&'c QueueName>,
        priority: Option<i64>,
        delay_ms: Option<u64>,
        run_at_ms: Option<i64>,
        max_attempts: Option<i64>,
        retry: Option<&'c RetryWire>,
        // What came later is left out where it is not given: requests of before keep their hash.
        #[serde(skip_serializing_if = "Option::is_none")]
        retry_on: Option<&'c [FailureReason]>,
        #[serde(skip_serializing_if = "Option::is_none")]
        expires_at_ms: Option<i64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        expires_in_ms: Option<u64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        on_failed: Option<&'c OnFailed>,
        timeout_ms: Option<u64>,
        fuel: Option<u64>,
        memory_bytes: Option<u64>,
        tags: Option<&'c [Cow<'c, str>]>,
        // Younger fields are left out where they are not given: what was hashed before they were there stays the same.
        #[serde(skip_serializing_if = "Option::is_none")]
        concurrency_key: Option<&'c str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        after: Option<&'c [AfterRequest]>,
        #[serde(skip_serializing_if = "Option::is_none")]
        batch: Option<&'c str>,
        payload_bytes: usize,
        // What came later is left out where it is not given: keys outlive an upgrade.
        #[serde(skip_serializing_if = "Option::is_none")]
        unique: Option<&'c UniqueWire>,
    }
    let canonical = Canonical {
        kind: &request.kind,
        queue: request.queue.as_ref(),
        priority: request.priority,
        delay_ms: request.delay.map(Span::as_ms),
        run_at_ms: request.run_at.map(|at| at.0.as_ms()),
        max_attempts: request.max_attempts,
        retry: request.retry.as_ref(),
        retry_on: request.retry_on.as_deref(),
        expires_at_ms: request.expires_at.map(|at| at.0.as_ms()),
        expires_in_ms: request.expires_in.map(Span::as_ms),
        on_failed: request.on_failed.as_ref(),
        timeout_ms: request.timeout.map(Span::as_ms),
        fuel: request.fuel,
        memory_bytes: request.memory.map(|memory| memory.0),
        tags: request.tags.as_deref(),
        concurrency_key: request.concurrency_key.as_deref(),
        after: request.after.as_deref(),
        batch: request.batch.as_deref(),
        payload_bytes: payload.len(),
        unique: request.unique.as_ref(),
    };
    let mut hash = Sha256::new();
    // Plain text and numbers always serialise; were that ever wrong, the payload alone would still be compared.
    hash.update(serde_json::to_vec(&canonical).unwrap_or_default());
    hash.update(payload);
    hash.finalize().into()
}

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;
