//! `POST /v1/workflows`: named jobs and what each waits for, checked as a whole and written in one transaction.

use std::borrow::Cow;
use std::fmt;

use axum::extract::Request;
use axum::response::Response;
use bytes::Bytes;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::graph::{escaped, ordered, resolve};
use crate::api::batches::{callbacks, checked_name, create, no_name, refuse_fields};
use crate::api::error::ApiError;
use crate::api::extract::{NoParameters, parse_json};
use crate::api::identity::Call;
use crate::api::jobs::{JobRequest, Refusals, Rules};
use crate::api::wire::batch::Workflow;
use crate::job::workflow::WORKFLOW_JOBS_MAX;
use crate::store::{Closing, NewBatch, NewMember};

/// A workflow to be made.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct WorkflowRequest<'a> {
    /// For people: 1 to 128 bytes.
    #[serde(borrow, default)]
    #[schema(value_type = Option<String>)]
    name: Option<Cow<'a, str>>,
    /// 1 to 1,000 jobs by their names; `after` names others of them.
    #[serde(borrow)]
    #[schema(value_type = std::collections::BTreeMap<String, JobRequest>)]
    jobs: NamedJobs<'a>,
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
}

/// Jobs by their names, in the order given, not looked at.
#[derive(Debug)]
struct NamedJobs<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for NamedJobs<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct UpTo;
        impl<'de> Visitor<'de> for UpTo {
            type Value = NamedJobs<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of jobs by their names")
            }
            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<NamedJobs<'de>, M::Error> {
                let mut jobs: Vec<(String, &'de RawValue)> = Vec::new();
                while let Some((name, job)) = map.next_entry::<String, &'de RawValue>()? {
                    if jobs.len() == WORKFLOW_JOBS_MAX {
                        let message =
                            format!("a workflow has at most {WORKFLOW_JOBS_MAX} jobs; make several, or a batch");
                        return Err(M::Error::custom(message));
                    }
                    jobs.push((name, job));
                }
                Ok(NamedJobs(jobs))
            }
        }
        deserializer.deserialize_map(UpTo)
    }
}

/// Submit a workflow
///
/// All jobs are enqueued in one transaction, or none. Each runs when those it is `after` have ended as it asks; if one can't,
/// it is cancelled, and so are those after it, unless they ask for `failed` or `finished`.
#[utoipa::path(
    post, path = "/v1/workflows", tag = "workflows", request_body = WorkflowRequest,
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes the request repeatable for 24 h")),
    responses(
        (status = 201, body = Workflow, description = "Submitted", headers(("Location" = String))),
        (status = 200, body = Workflow, description = "The same request came before (`Idempotency-Replayed: true`)"),
        (status = 403, description = "`quota_exceeded`: the tenant keeps too many bytes"),
        (status = 409, description = "`idempotency_conflict`; `unique_conflict`, with the pointer of the job: nothing was enqueued"),
        (status = 413, description = "`body_too_large`"),
        (status = 422, description = "`invalid_request`, `batch_rejected`, with pointers; `workflow_cycle`, with the `cycle`"),
        (status = 429, description = "`busy`, `quota_exceeded`"),
        (status = 503, description = "`store_unavailable`"),
    ),
)]
pub(in crate::api) async fn submit_workflow(
    api: Call,
    _: NoParameters,
    request: Request,
) -> Result<Response, ApiError> {
    create(&api, request, true, parse).await
}

fn parse(rules: &mut Rules<'_>, body: &Bytes) -> Result<NewBatch, ApiError> {
    let WorkflowRequest { name, jobs: NamedJobs(jobs), on_success, on_failure, on_finish } = parse_json(body)?;
    let mut refusals = Refusals::default();
    let name = checked_name("/name", name, &mut refusals);
    if jobs.is_empty() {
        refusals.field("/jobs", "a workflow has at least one job");
    }
    let mut checked = Vec::with_capacity(jobs.len());
    let mut after = Vec::with_capacity(jobs.len());
    for (index, (name, item)) in jobs.iter().enumerate() {
        let pointer = format!("/jobs/{}", escaped(name));
        if let Some(message) = no_name(name) {
            refusals.field(pointer.as_str(), message);
        }
        let mut own = Vec::new();
        let job = parse_json::<JobRequest<'_>>(item.get().as_bytes()).and_then(|mut request| {
            refuse_fields(&request, &["batch", "idempotency_key"])?;
            request.be_member();
            own = request.take_after();
            rules.check_next(request, body).map_err(|refused| refused.error)
        });
        after.push(own);
        match job {
            Ok(job) => checked.push((index, job)),
            Err(error) => refusals.add(&pointer, &error),
        }
    }
    let names: Vec<&str> = jobs.iter().map(|(name, _)| name.as_str()).collect();
    let mut twice = rustc_hash::FxHashSet::default();
    for name in names.iter().filter(|name| !twice.insert(**name)) {
        refusals.field(format!("/jobs/{}", escaped(name)), "stands twice in `jobs`");
    }
    let callbacks = callbacks(rules, body, [on_success, on_failure, on_finish], &mut refusals);
    let parents = resolve(&names, after, &mut refusals);
    refusals.into_result()?;
    let order = ordered(&names, &parents)?;
    let mut places = vec![0; order.len()];
    for (place, job) in order.iter().enumerate() {
        if let Some(own) = places.get_mut(*job) {
            *own = place;
        }
    }
    let place_of = |job: usize| places.get(job).copied().unwrap_or_default();
    let mut members: Vec<(usize, NewMember)> = checked
        .into_iter()
        .zip(parents)
        .map(|((index, job), parents)| {
            let after = parents.into_iter().map(|(parent, wanted)| (place_of(parent), wanted)).collect();
            (place_of(index), NewMember { name: names.get(index).map(|name| (*name).to_owned()), job, after })
        })
        .collect();
    members.sort_by_key(|(place, _)| *place);
    let jobs = members.into_iter().map(|(_, member)| member).collect();
    Ok(NewBatch { is_workflow: true, name, closing: Closing::Closed, callbacks, jobs, key: None })
}
