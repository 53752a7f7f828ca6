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

use super::payload::{self, Rejected};
use crate::api::error::{ApiError, FieldError, ProblemCode, quoted};
use crate::api::wire::Instant;
use crate::job::field::{positive, ranged};
use crate::job::kind::{MAX_ATTEMPTS_DEFAULT, MAX_ATTEMPTS_LIMIT, PRIORITY_DEFAULT, PRIORITY_MAX};
use crate::job::spec::{TAG_BYTES_MAX, TAGS_MAX};
use crate::job::{
    ByteSize, JobOptions, JobSpec, KindName, LimitBounds, LimitRequest, QueueName, RetryWire, Span, Timestamp, ceilings,
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
    /// Wall time of an attempt: `"30s"` or milliseconds.
    #[serde(default)]
    timeout: Option<Span>,
    /// Units of fuel of an attempt.
    #[serde(default)]
    fuel: Option<u64>,
    /// Memory of an attempt: bytes or `"128MiB"`.
    #[serde(default)]
    memory: Option<ByteSize>,
    /// Labels for finding it again: at most 16 of 1 to 128 bytes.
    #[serde(borrow, default)]
    #[schema(value_type = Option<Vec<String>>)]
    tags: Option<Vec<Cow<'a, str>>>,
    /// Makes the request repeatable; the same as the header `Idempotency-Key`.
    #[serde(borrow, default)]
    #[schema(value_type = Option<String>)]
    idempotency_key: Option<Cow<'a, str>>,
}

/// What requests are checked against. One per HTTP request: remembers the kinds of a batch.
pub(super) struct Rules<'r> {
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
pub(super) struct Unfinished {
    /// Kinds whose schemas have to be compiled first. Without any, it takes more effort.
    pub(super) uncompiled: Vec<Arc<KindEntry>>,
}

#[derive(Clone)]
struct KnownKind<'r> {
    entry: &'r KindEntry,
    validators: Option<Arc<KindValidators>>,
}

/// A request that may not be made now.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) error: ApiError,
    /// By which it is known if it was made before: what was accepted then is answered again, whatever the kind takes
    /// now.
    pub(super) key: Option<IdempotencyKey>,
}

impl From<ApiError> for Refused {
    fn from(error: ApiError) -> Self {
        Self { error, key: None }
    }
}

impl<'r> Rules<'r> {
    pub(super) fn new(api: &'r crate::api::shared::Api, catalog: &'r Catalog, effort: Effort) -> Self {
        Self {
            tenant: api.tenant(),
            catalog,
            validators: &api.validators,
            bounds: &api.config.limits,
            payload_bytes_max: api.config.requests.payload_bytes_max,
            default_queue: &api.default_queue,
            now: api.clock.now(),
            effort,
            cpu: None,
            gave_up: Cell::new(false),
            uncompiled: RefCell::default(),
            known: FxHashMap::default(),
        }
    }

    /// Whether something could not be found out with little effort; what was refused may only be that.
    pub(super) fn unfinished(&self) -> Option<Unfinished> {
        (self.effort == Effort::Quick && self.gave_up.get()).then(|| Unfinished { uncompiled: self.uncompiled.take() })
    }

    /// Checks one request whose text lies inside `body`. `header_key` is the header `Idempotency-Key`.
    pub(super) fn check(
        &mut self,
        request: JobRequest<'_>,
        body: &Bytes,
        header_key: Option<&str>,
    ) -> Result<NewJob, Refused> {
        let kind = self.kind(&request.kind);
        self.check_for(kind, request, body, header_key)
    }

    /// The same for one of many requests: kinds are looked up once.
    pub(super) fn check_next(&mut self, request: JobRequest<'_>, body: &Bytes) -> Result<NewJob, Refused> {
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
        let key = idempotency_key(request.idempotency_key.as_deref(), header_key, &mut errors);
        let idempotency =
            key.map(|key| IdempotencyKey { key: key.to_owned(), request_hash: request_hash(&request, &payload) });
        match kind.and_then(|kind| self.spec(&kind, request, payload, errors).map(|spec| (kind, spec))) {
            Ok((kind, spec)) => Ok(NewJob {
                kind: kind.entry.id,
                checked_against: kind.entry.version.as_ref().map(|version| version.id),
                spec,
                idempotency,
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
    ) -> Result<JobSpec, ApiError> {
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
            timeout,
            fuel,
            memory,
            tags,
            idempotency_key: _,
        } = request;
        let KindEntry { settings, .. } = kind.entry;
        let limits = LimitRequest {
            fuel: positive("/fuel", fuel, &mut errors),
            timeout_ms: positive("/timeout", timeout.map(Span::as_ms), &mut errors),
            memory_bytes: positive("/memory", memory.map(|size| size.0), &mut errors),
            ..LimitRequest::default()
        };
        ceilings::check(&limits, &self.bounds.ceilings, &mut errors);
        let spec = JobSpec {
            queue: queue.or_else(|| settings.queue.clone()).unwrap_or_else(|| self.default_queue.clone()),
            priority: ranged("/priority", priority, 0, i64::from(PRIORITY_MAX), &mut errors)
                .or(settings.priority)
                .unwrap_or(PRIORITY_DEFAULT),
            run_at: due(self.now, delay, run_at, &mut errors),
            max_attempts: ranged("/max_attempts", max_attempts, 1, i64::from(MAX_ATTEMPTS_LIMIT), &mut errors)
                .or(settings.max_attempts)
                .unwrap_or(MAX_ATTEMPTS_DEFAULT),
            options: JobOptions { retry: retry.and_then(|retry| retry.policy("/retry", &mut errors)), limits },
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
        Ok(spec)
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
    let lower = name.to_ascii_lowercase();
    let mut alike: Vec<(f64, &str)> = known
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
fn due(
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

fn labels(tags: Option<Vec<Cow<'_, str>>>, errors: &mut Vec<FieldError>) -> Vec<String> {
    let Some(tags) = tags else { return Vec::new() };
    if tags.len() > TAGS_MAX {
        errors.push(FieldError::new("/tags", format!("at most {TAGS_MAX} tags")));
        return Vec::new();
    }
    let mut labels: Vec<String> = Vec::with_capacity(tags.len());
    for (index, tag) in tags.into_iter().enumerate() {
        if tag.is_empty() || tag.len() > TAG_BYTES_MAX || tag.chars().any(char::is_control) {
            let message = format!("a tag has 1 to {TAG_BYTES_MAX} bytes and no control characters");
            errors.push(FieldError::new(format!("/tags/{index}"), message));
        } else if !labels.iter().any(|known| *known == tag) {
            labels.push(tag.into_owned());
        }
    }
    labels
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
        timeout_ms: Option<u64>,
        fuel: Option<u64>,
        memory_bytes: Option<u64>,
        tags: Option<&'c [Cow<'c, str>]>,
        payload_bytes: usize,
    }
    let canonical = Canonical {
        kind: &request.kind,
        queue: request.queue.as_ref(),
        priority: request.priority,
        delay_ms: request.delay.map(Span::as_ms),
        run_at_ms: request.run_at.map(|at| at.0.as_ms()),
        max_attempts: request.max_attempts,
        retry: request.retry.as_ref(),
        timeout_ms: request.timeout.map(Span::as_ms),
        fuel: request.fuel,
        memory_bytes: request.memory.map(|memory| memory.0),
        tags: request.tags.as_deref(),
        payload_bytes: payload.len(),
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
