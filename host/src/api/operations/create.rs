//! `POST /v1/jobs/bulk`: an action on many jobs. It is accepted here and worked off by upkeep, so that no request hangs.

use std::fmt;

use axum::extract::Request;
use axum::response::Response;
use http::header::LOCATION;
use http::{HeaderValue, StatusCode};
use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use sha2::{Digest as _, Sha256};

use super::inspect::ITEM_BYTES;
use crate::api::error::{ApiError, FieldError, ProblemCode};
use crate::api::extract::{NoParameters, parse_json, require_json};
use crate::api::identity::Call;
use crate::api::jobs::{IDEMPOTENCY_REPLAYED, alike, did_you_mean, header_key, json, key_conflict};
use crate::api::wire::Instant;
use crate::api::wire::operation::Operation;
use crate::job::bulk::{BULK_IDS_MAX, paced};
use crate::job::field::ranged;
use crate::job::kind::PRIORITY_MAX;
use crate::job::spec::TAG_BYTES_MAX;
use crate::job::{
    BulkAction, BulkFilter, FailureReason, GroupId, JobId, JobState, KindName, ModuleName, QueueName, RateWire,
};
use crate::store::{BulkRequest, CreateOperationResult, IdempotencyKey, Unmatchable};

/// Largest body, bytes: as many ids as may be, and the rest.
const BODY_BYTES_MAX: usize = 64 << 10;
/// Most names compared with an unknown one.
const NAMES_COMPARED_MAX: usize = 10_000;

/// An action on many jobs.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = BulkRequest)]
pub(in crate::api) struct CreateRequest {
    /// What is done to each.
    action: BulkAction,
    /// Which jobs: those that all of it fits. Jobs enqueued later are never meant.
    filter: FilterRequest,
    /// `set_priority`: 0 to 9.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 9)]
    priority: Option<i64>,
    /// At most so many jobs in such a time: `"10/s"`, `"600/m"`, `{"limit": 100, "per": "1m", "burst": 10}`. Without `burst` it
    /// begins with no more at once than come in 100 ms.
    #[serde(default)]
    rate: Option<RateWire>,
}

/// Which jobs; for every one of them, `all` alone.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, remote = "Self")]
#[schema(as = BulkFilter)]
pub(in crate::api) struct FilterRequest {
    /// `true`: every job.
    #[serde(default)]
    all: bool,
    /// Only this state.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    state: Option<JobState>,
    /// `true`: only those that have not ended.
    #[serde(default)]
    unfinished: bool,
    /// Only this kind.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    kind: Option<KindName>,
    /// Only this lane.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    queue: Option<QueueName>,
    /// Only with this label.
    #[serde(default)]
    tag: Option<String>,
    /// Only kinds this module serves.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    module: Option<ModuleName>,
    /// Enqueued at or after, RFC 3339.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    since: Option<Instant>,
    /// Enqueued before, RFC 3339.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    until: Option<Instant>,
    /// Only those whose last failure has this reason.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    reason: Option<FailureReason>,
    /// Only dead letters of this group, by its name in `GET /v1/dead-letters`.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    group: Option<GroupId>,
    /// Only these, at most 1,000.
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>)]
    ids: Option<Vec<JobId>>,
}

/// An object only: what is derived would take an array, too, as the fields in their order.
impl<'de> Deserialize<'de> for FilterRequest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = FilterRequest;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object, e.g. {\"state\":\"failed\",\"kind\":\"email.send\"}")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<FilterRequest, A::Error> {
                FilterRequest::deserialize(MapAccessDeserializer::new(map))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

impl FilterRequest {
    fn parse(self, errors: &mut Vec<FieldError>) -> BulkFilter {
        let FilterRequest { all, state, unfinished, kind, queue, tag, module, since, until, reason, group, ids } = self;
        if tag.as_ref().is_some_and(|tag| tag.is_empty() || tag.len() > TAG_BYTES_MAX) {
            errors.push(FieldError::new("/filter/tag", format!("must have 1 to {TAG_BYTES_MAX} bytes")));
        }
        if ids.as_ref().is_some_and(|ids| ids.is_empty() || ids.len() > BULK_IDS_MAX) {
            let message =
                format!("name 1 to {BULK_IDS_MAX} jobs, or leave it out and let the rest of the filter decide");
            errors.push(FieldError::new("/filter/ids", message));
        }
        let (since, until) = (since.map(|at| at.0), until.map(|at| at.0));
        let filter = BulkFilter { state, unfinished, kind, queue, tag, module, since, until, reason, group, ids };
        if filter.is_empty() && !all {
            let message = "is empty, which would be every job; if that is meant, say `\"all\": true`";
            errors.push(FieldError::new("/filter", message));
        }
        if all && !filter.is_empty() {
            errors.push(FieldError::new("/filter/all", "stands alone: leave out either it or the rest of the filter"));
        }
        filter
    }
}

impl CreateRequest {
    fn parse(self) -> Result<BulkRequest, ApiError> {
        let CreateRequest { action, filter, priority, rate } = self;
        let mut errors = Vec::new();
        let filter = filter.parse(&mut errors);
        match (action, priority) {
            (BulkAction::SetPriority, None) => {
                errors.push(FieldError::new("/priority", format!("give the new one, 0 to {PRIORITY_MAX}")));
            }
            (BulkAction::SetPriority, Some(_)) | (_, None) => {}
            (_, Some(_)) => errors.push(FieldError::new("/priority", "is only for the action `set_priority`")),
        }
        let priority = ranged("/priority", priority, 0, i64::from(PRIORITY_MAX), &mut errors);
        errors.extend(filter.contradictions(action));
        if let Some(rate) = rate {
            // What comes of it is reckoned where it is needed.
            paced(rate).rate("/rate", &mut errors);
        }
        if errors.is_empty() {
            Ok(BulkRequest { action, filter, priority, rate })
        } else {
            Err(ApiError::invalid(errors))
        }
    }
}

/// Change many jobs
///
/// Accepted at once, and worked off in the background, newest jobs first; `GET /v1/operations/{id}` says how far it is. It
/// survives restarts, and does to each job at most once what was asked for. Jobs enqueued after it are never meant.
#[utoipa::path(
    post, path = "/v1/jobs/bulk", tag = "bulk", request_body = CreateRequest,
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes the request repeatable as long as the operation is kept, 7 days after its end")),
    responses(
        (status = 202, body = Operation, description = "Accepted", headers(("Location" = String))),
        (status = 200, body = Operation, description = "The same request came before (`Idempotency-Replayed: true`)"),
        (status = 409, description = "`idempotency_conflict`"),
        (status = 422, description = "`invalid_request`, with pointers"),
        (status = 429, description = "`too_many_operations`: so many are not finished"),
    ),
)]
pub(in crate::api) async fn create_operation(
    api: Call,
    _: NoParameters,
    request: Request,
) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    require_json(&parts.headers)?;
    let key = header_key(&parts.headers)?.map(str::to_owned);
    let body = api.read_body(&parts.headers, body, BODY_BYTES_MAX).await?;
    let request = parse_json::<CreateRequest>(&body)?.parse()?;
    let asked = serde_json::to_vec(&request).map_err(|error| ApiError::internal(&error))?;
    let key = key.map(|key| IdempotencyKey { key, request_hash: Sha256::digest(&asked).into() });
    let filter = request.filter.clone();
    let (status, row, replayed) = match api.store.create_operation(api.caller.tenant, request, key).await? {
        CreateOperationResult::Created(row) => (StatusCode::ACCEPTED, row, false),
        CreateOperationResult::Replayed(row) => (StatusCode::OK, row, true),
        CreateOperationResult::KeyConflict => return Err(key_conflict()),
        CreateOperationResult::Unmatchable(what) => return Err(unmatchable(&api, what, &filter)),
        CreateOperationResult::TooMany(unfinished) => {
            return Err(ApiError::new(
                ProblemCode::TooManyOperations,
                format!("{unfinished} operations are not finished; wait for them, or cancel some: GET /v1/operations"),
            ));
        }
    };
    let mut response = json(status, &Operation::from(&*row), ITEM_BYTES)?;
    let location = HeaderValue::try_from(format!("/v1/operations/{}", row.id));
    response.headers_mut().insert(LOCATION, location.map_err(|error| ApiError::internal(&error))?);
    if replayed {
        response.headers_mut().insert(IDEMPOTENCY_REPLAYED.clone(), HeaderValue::from_static("true"));
    }
    Ok(response)
}

/// The refusal of a filter that no job could ever fit, with the names that look most like the one that was meant.
fn unmatchable(api: &Call, what: Unmatchable, filter: &BulkFilter) -> ApiError {
    let catalog = api.store.catalog();
    let tenant = api.caller.tenant;
    let nearest = |name: &str, known: Vec<&str>, otherwise: &str| {
        did_you_mean(&alike(name, known.into_iter().take(NAMES_COMPARED_MAX))).unwrap_or_else(|| otherwise.to_owned())
    };
    let kinds = || catalog.kinds.values().filter(|kind| kind.tenant == tenant);
    let text = |name: Option<&str>| name.unwrap_or_default().to_owned();
    match what {
        Unmatchable::Kind => {
            let name = text(filter.kind.as_ref().map(KindName::as_str));
            let hint =
                nearest(&name, kinds().map(|kind| kind.name.as_str()).collect(), "GET /v1/kinds lists what there is");
            ApiError::field("/filter/kind", format!("there never was a kind `{name}`; {hint}"))
        }
        Unmatchable::Queue => {
            let name = text(filter.queue.as_ref().map(QueueName::as_str));
            let own = catalog.queue_settings.iter().filter(|(_, settings)| settings.tenant == tenant);
            let known = own.filter_map(|(id, _)| catalog.queues.get(id).map(QueueName::as_str)).collect();
            let hint = nearest(&name, known, "GET /v1/queues lists what there is");
            ApiError::field("/filter/queue", format!("there is no queue `{name}`; {hint}"))
        }
        Unmatchable::Module => {
            let name = text(filter.module.as_ref().map(ModuleName::as_str));
            let versions = kinds().filter_map(|kind| kind.version.as_ref());
            let known: std::collections::BTreeSet<&str> = versions.map(|version| version.module.as_str()).collect();
            let hint = nearest(&name, known.into_iter().collect(), "GET /v1/modules lists what there is");
            ApiError::field("/filter/module", format!("there never was a module `{name}`; {hint}"))
        }
        Unmatchable::KindOfModule => {
            let module = text(filter.module.as_ref().map(ModuleName::as_str));
            let kind = text(filter.kind.as_ref().map(KindName::as_str));
            ApiError::field("/filter/module", format!("`{module}` does not serve `{kind}`: leave out one of both"))
        }
        Unmatchable::Group => ApiError::field(
            "/filter/group",
            "no failed job of this group is left; GET /v1/dead-letters lists the groups there are",
        ),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn refused(json: &str) -> Vec<String> {
        let parsed = parse_json::<CreateRequest>(json.as_bytes()).and_then(CreateRequest::parse);
        parsed.err().map(|error| error.errors().iter().map(|field| field.pointer.clone()).collect()).unwrap_or_default()
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (json, pointers) in [
            (r#"{"action":"retry","filter":{"all":true}}"#, &[][..]),
            (r#"{"action":"cancel","filter":{"unfinished":true,"kind":"a.b"},"rate":"10/s"}"#, &[]),
            (r#"{"action":"set_priority","filter":{"state":"ready"},"priority":0}"#, &[]),
            (r#"{"action":"retry","filter":{}}"#, &["/filter"]),
            (r#"{"action":"retry"}"#, &["/filter"]),
            (r#"{"action":"retry","filter":[true]}"#, &["/filter"]),
            (r#"{"action":"explode","filter":{"all":true}}"#, &["/action"]),
            (r#"{"action":"retry","filter":{"stat":"failed"}}"#, &["/filter/stat"]),
            (r#"{"action":"retry","filter":{"state":"done"}}"#, &["/filter/state"]),
            (r#"{"action":"retry","filter":{"reason":"bad"}}"#, &["/filter/reason"]),
            (r#"{"action":"retry","filter":{"ids":[]}}"#, &["/filter/ids"]),
            (r#"{"action":"retry","filter":{"ids":["x"]}}"#, &["/filter/ids/0"]),
            (r#"{"action":"retry","filter":{"all":true,"state":"failed"}}"#, &["/filter/all"]),
            (r#"{"action":"retry","filter":{"tag":""}}"#, &["/filter/tag"]),
            (r#"{"action":"retry","filter":{"since":"soon"}}"#, &["/filter/since"]),
            (r#"{"action":"retry","filter":{"all":true},"priority":1}"#, &["/priority"]),
            (r#"{"action":"set_priority","filter":{"all":true}}"#, &["/priority"]),
            (r#"{"action":"set_priority","filter":{"all":true},"priority":10}"#, &["/priority"]),
            (r#"{"action":"retry","filter":{"all":true},"rate":"fast"}"#, &["/rate"]),
            (r#"{"action":"retry","filter":{"all":true},"rate":"0/s"}"#, &["/rate"]),
            (r#"{"action":"retry","filter":{"all":true},"rate":{"limit":5,"per":"1s","burst":0}}"#, &["/rate"]),
            (r#"{"action":"retry","filter":{"all":true},"rate":{"limit":5,"per":"1s","burst":2}}"#, &[]),
            (r#"{"action":"cancel","filter":{"state":"succeeded"}}"#, &["/filter/state"]),
            (
                r#"{"action":"retry","filter":{"since":"2026-11-21T09:00:00Z","until":"2026-11-21T08:00:00Z"}}"#,
                &["/filter/until"],
            ),
            (r#"{"action":"retry","filter":{"group":"group_0123456789abcdef0123456789abcdef"}}"#, &[]),
            (r#"{"action":"retry","filter":{"group":"mail"}}"#, &["/filter/group"]),
        ] {
            assert_eq!(refused(json), pointers, "{json}");
        }
    }
}
