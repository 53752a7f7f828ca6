//! What may be put: the times of a schedule, and beside them, in the same object, a job as `POST /v1/jobs` takes it. The one
//! half is read here, the other as every other job is.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use utoipa::openapi::{RefOr, Schema};

use crate::api::error::{ApiError, FieldError, ProblemCode};
use crate::api::extract::parse_json;
use crate::api::identity::Call;
use crate::api::jobs::{JobRequest, alike, check_template, did_you_mean};
use crate::api::wire::Instant;
use crate::job::schedule::{Definition, Inherited, Misfire, Overlap, Plan, PlanRequest, Recurrence};
use crate::job::{JobSpec, OnConflict, Span, Timestamp, UniqueWire};
use crate::store::NewSchedule;

/// A schedule: when, and which job. Only its schema is used: the two halves are read one after the other.
pub(super) struct ScheduleRequest;

/// Of both halves in one: each alone would refuse the fields of the other.
impl utoipa::PartialSchema for ScheduleRequest {
    fn schema() -> RefOr<Schema> {
        let (times, job) =
            (<Times as utoipa::PartialSchema>::schema(), <JobRequest<'_> as utoipa::PartialSchema>::schema());
        let (RefOr::T(Schema::Object(mut whole)), RefOr::T(Schema::Object(job))) = (times, job) else {
            return RefOr::T(Schema::default());
        };
        let is_taken = |name: &String| name == "delay" || !REFUSED.iter().any(|(refused, _)| refused == name);
        whole.properties.extend(job.properties.into_iter().filter(|(name, _)| is_taken(name)));
        whole.required.extend(job.required);
        whole.description = Some("A schedule: when, and which job.".to_owned());
        RefOr::T(Schema::Object(whole))
    }
}

impl utoipa::ToSchema for ScheduleRequest {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("ScheduleRequest")
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        <Times as utoipa::ToSchema>::schemas(schemas);
        <JobRequest<'_> as utoipa::ToSchema>::schemas(schemas);
    }
}

/// When, and what becomes of times that were missed or overlap.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ScheduleTimes)]
pub(super) struct Times {
    /// Five fields, six with a second before them, or a name such as `@daily`. Either this or `every`.
    #[schema(example = "0 3 * * MON-FRI")]
    cron: Option<String>,
    /// An interval of at least a second, from the start or from now on: `"15m"` or milliseconds.
    every: Option<Span>,
    /// The zone whose clock `cron` means, by its IANA name; default `UTC`.
    #[schema(example = "Europe/Berlin")]
    timezone: Option<String>,
    /// No slot before it.
    #[schema(value_type = Option<String>, format = DateTime)]
    starts_at: Option<Instant>,
    /// No slot after it.
    #[schema(value_type = Option<String>, format = DateTime)]
    ends_at: Option<Instant>,
    /// The job of a slot waits for up to so long, at most a day: spreads schedules that come at the same time.
    jitter: Option<Span>,
    /// What becomes of slots nobody was there for; default `once`.
    misfire: Option<Misfire>,
    /// What becomes of a slot while an earlier run has not ended; default `skip`, with `misfire: "all"` `allow`.
    overlap: Option<Overlap>,
    /// Whether its slots are missed; by default as it is, and a new one is not.
    paused: Option<bool>,
}

/// Fields of [`Times`].
const TIMES: [&str; 9] =
    ["cron", "every", "timezone", "starts_at", "ends_at", "jitter", "misfire", "overlap", "paused"];
/// What a job may have and the job of a schedule may not.
const REFUSED: [(&str, &str); 6] = [
    ("run_at", "a schedule says when: give `cron` or `every`, and `starts_at` for the first time"),
    (
        "delay",
        "a schedule says when: give another time; `jitter` spreads jobs that come at the same time (`debounce` of `unique` needs one)",
    ),
    ("idempotency_key", "each slot makes one job, whatever restarts: there is nothing to repeat"),
    ("after", "the jobs of a schedule run when their time comes; a workflow has jobs that run after others"),
    ("batch", "a batch ends, a schedule does not"),
    ("expires_at", "every slot has a time of its own: give `expires_in`"),
];

/// The fields of an object with their texts, in their order, twice where they stand twice.
struct Fields<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Form;
        impl<'de> Visitor<'de> for Form {
            type Value = Fields<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(Form)
    }
}

/// An object of these fields.
fn object<'f>(fields: impl Iterator<Item = &'f (String, &'f RawValue)>) -> Result<Bytes, ApiError> {
    let mut text = Vec::from(*b"{");
    for (name, value) in fields {
        if text.len() > 1 {
            text.push(b',');
        }
        serde_json::to_writer(&mut text, name).map_err(|error| ApiError::internal(&error))?;
        text.push(b':');
        text.extend_from_slice(value.get().as_bytes());
    }
    text.push(b'}');
    Ok(Bytes::from(text))
}

/// Reads and checks both halves; says everything that is wrong with either.
pub(super) async fn check(api: &Call, body: &Bytes) -> Result<NewSchedule, ApiError> {
    let Fields(fields) = parse_json(body)?;
    let is_given = |name: &str| fields.iter().any(|(field, value)| field == name && value.get() != "null");
    let times: Times = parse_json(&object(fields.iter().filter(|(name, _)| TIMES.contains(&name.as_str())))?)?;
    let mut errors = Vec::new();
    // Nothing else tells how long a debounced job waits.
    let is_debounced = fields.iter().any(|(field, value)| field == "unique" && is_debounce(value));
    let is_refused =
        |name: &str| REFUSED.iter().any(|(refused, _)| *refused == name) && !(is_debounced && name == "delay");
    for (name, why) in REFUSED {
        if is_given(name) && is_refused(name) {
            errors.push(FieldError::new(format!("/{name}"), why));
        }
    }
    let is_paused = times.paused;
    let plan = times.plan(api.clock.now(), &mut errors);
    let is_of_job = |name: &str| !TIMES.contains(&name) && !is_refused(name);
    let job = object(fields.iter().filter(|(name, _)| is_of_job(name)))?;
    let new = match check_template(api, &job).await {
        Ok(new) => new,
        Err(error) if error.code() == ProblemCode::InvalidRequest => {
            errors.extend(error.errors().iter().map(meant));
            return Err(ApiError::invalid(errors));
        }
        Err(error) if errors.is_empty() => return Err(error),
        Err(_) => return Err(ApiError::invalid(errors)),
    };
    let Some(plan) = plan.filter(|_| errors.is_empty()) else { return Err(ApiError::invalid(errors)) };
    let kind = api.store.catalog().kinds.get(&new.kind).map(|kind| kind.name.clone());
    let definition = Definition {
        kind: kind.ok_or_else(crate::api::jobs::kind_gone)?,
        asked: asked(&fields, &plan)?,
        plan,
        inherited: Inherited {
            queue: !is_given("queue"),
            priority: !is_given("priority"),
            max_attempts: !is_given("max_attempts"),
        },
        // The slot says when, and its delay counts from then.
        job: JobSpec { run_at: None, ..new.spec },
        unique: new.unique,
    };
    Ok(NewSchedule { kind: new.kind, definition, checked_against: new.checked_against, is_paused })
}

/// Whether `unique` pushes the waiting job out. Whatever else is wrong with it is found where it is read.
fn is_debounce(unique: &RawValue) -> bool {
    serde_json::from_str::<UniqueWire>(unique.get())
        .is_ok_and(|unique| unique.on_conflict == Some(OnConflict::Debounce))
}

/// A field that no job has may have been meant for a schedule.
fn meant(error: &FieldError) -> FieldError {
    let name = error.pointer.trim_start_matches('/');
    let names = if error.message.starts_with("unknown field") { alike(name, TIMES.into_iter()) } else { Vec::new() };
    match did_you_mean(&names) {
        Some(hint) => FieldError::new(error.pointer.clone(), format!("unknown field; {hint}")),
        None => error.clone(),
    }
}

/// What was asked for, with what holds where nothing was said; without the payload, which is kept apart, and without what is
/// no part of it.
fn asked(fields: &[(String, &RawValue)], plan: &Plan) -> Result<String, ApiError> {
    #[derive(Serialize)]
    struct Defaults {
        #[serde(skip_serializing_if = "Option::is_none")]
        timezone: Option<String>,
        misfire: Misfire,
        overlap: Overlap,
    }
    let is_cron = matches!(plan.recurrence, Recurrence::Cron(_));
    let defaults = Defaults {
        timezone: is_cron.then(|| plan.zone.name().to_owned()),
        misfire: plan.misfire,
        overlap: plan.overlap,
    };
    let mut all: Map<String, Value> = Map::new();
    for (name, value) in fields {
        if name != "payload" && name != "paused" && value.get() != "null" {
            all.insert(name.clone(), serde_json::from_str(value.get()).map_err(|error| ApiError::internal(&error))?);
        }
    }
    if let Value::Object(defaults) = serde_json::to_value(defaults).map_err(|error| ApiError::internal(&error))? {
        all.extend(defaults);
    }
    serde_json::to_string(&all).map_err(|error| ApiError::internal(&error))
}

impl Times {
    pub(super) fn plan(self, now: Timestamp, errors: &mut Vec<FieldError>) -> Option<Plan> {
        let Times { cron, every, timezone, starts_at, ends_at, jitter, misfire, overlap, paused: _ } = self;
        let mut instant = |field: &str, at: Option<Instant>| {
            let at = at?.0;
            if at > Timestamp::MAX {
                errors.push(FieldError::new(format!("/{field}"), "is too far in the future"));
            }
            Some(at)
        };
        let (starts_at, ends_at) = (instant("starts_at", starts_at), instant("ends_at", ends_at));
        PlanRequest { cron, every, timezone, starts_at, ends_at, jitter, misfire, overlap }.check("", now, errors)
    }
}
