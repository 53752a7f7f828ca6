//! `GET /v1/jobs/{id}/replay`: what `stoker replay` runs a job with on another machine.

use axum::response::Response;
use http::StatusCode;
use serde_json::value::RawValue;

use super::enqueue::{job_not_found, json};
use crate::api::error::{ApiError, ProblemCode};
use crate::api::extract::{JobPath, NoParameters};
use crate::api::identity::Call;
use crate::api::wire::Instant;
use crate::api::wire::replay::{FORMAT, Replay, ReplayedJob, ReplayedModule, ReplayedParent, ReplayedStep};
use crate::job::{ParentOutput, SettingsWire};
use crate::store::JobDetail;

/// A first guess at what surrounds the payload, bytes.
const REPLY_BYTES: usize = 2_048;

/// What it takes to replay a job
///
/// Its payload, recorded steps, settings, and what the jobs returned that it runs after. No secrets: whoever replays it brings
/// his own. Calls to other systems are not recorded.
#[utoipa::path(
    get, path = "/v1/jobs/{id}/replay", tag = "jobs", params(("id" = String, Path)),
    responses(
        (status = 200, body = Replay),
        (status = 404, description = "`job_not_found`; `version_not_found`: nothing serves its kind, and it has never run"),
    ),
)]
pub(in crate::api) async fn replay(api: Call, JobPath(job): JobPath, _: NoParameters) -> Result<Response, ApiError> {
    let tenant = api.caller.tenant;
    let detail = api.store.job(tenant, job).await?.ok_or_else(|| job_not_found(job))?;
    let JobDetail { row, payload, after, steps, .. } = detail;
    let Some((name, digest)) = row.module else {
        let detail = "the job has never run, and no active module serves its kind: there is nothing to run it with";
        return Err(ApiError::new(ProblemCode::VersionNotFound, detail));
    };
    let mut parents = Vec::new();
    for parent in after {
        let name = parent.name.unwrap_or_else(|| parent.job.to_string());
        if let ParentOutput::Json(output) = api.store.parent_output(job, name.clone()).await? {
            parents.push(ReplayedParent { name, output: raw(&output)? });
        }
    }
    let catalog = api.store.catalog();
    let settings = catalog.kind(tenant, &row.kind).map(|kind| SettingsWire::from(&kind.operator_settings));
    let replay = Replay {
        format: FORMAT,
        job: ReplayedJob {
            id: row.id,
            tenant: row.tenant,
            kind: row.kind,
            queue: row.queue,
            attempt: row.attempt.max(1),
            max_attempts: row.max_attempts,
            created_at: Instant(row.created_at),
            run_at: Instant(row.run_at),
            slot_at: row.slot.map(|slot| Instant(slot.slot_at)),
        },
        payload: raw(&payload)?,
        module: ReplayedModule { name, digest },
        settings: settings.unwrap_or_default(),
        limits: (&row.options.limits).into(),
        parents,
        steps: steps
            .iter()
            .map(ReplayedStep::of)
            .collect::<Result<_, _>>()
            .map_err(|error| ApiError::internal(&error))?,
    };
    json(StatusCode::OK, &replay, REPLY_BYTES + payload.len())
}

fn raw(text: &[u8]) -> Result<Box<RawValue>, ApiError> {
    serde_json::from_slice(text).map_err(|error| ApiError::internal(&error))
}
