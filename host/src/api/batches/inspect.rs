//! `GET /v1/batches`, `/v1/batches/{id}` and `/v1/batches/{id}/jobs`.

use axum::response::Response;
use http::StatusCode;

use super::{ITEM_BYTES, batch_not_found};
use crate::api::error::ApiError;
use crate::api::extract::{NamePath, NoParameters, PageParameters, Parameters};
use crate::api::identity::Call;
use crate::api::jobs::{Bulk, View, json};
use crate::api::wire::Listing;
use crate::api::wire::batch::Batch;
use crate::api::wire::job::Job;
use crate::job::{BatchId, JobId};

/// A first guess at the length of one job, bytes.
const JOB_BYTES: usize = 640;

/// List batches
#[utoipa::path(
    get, path = "/v1/batches", tag = "batches",
    params(
        ("limit" = Option<u32>, Query, description = "1 to 500, default 50"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
    ),
    responses((status = 200, body = Listing<Batch>, description = "Newest first"), (status = 422, description = "`invalid_query`")),
)]
pub(in crate::api) async fn list_batches(
    api: Call,
    Parameters(page): Parameters<PageParameters>,
) -> Result<Response, ApiError> {
    let (limit, before) = page.parse::<BatchId>()?;
    let rows = api.store.batches(api.caller.tenant, false, before, limit + 1).await?;
    let listing = Listing::of(&rows, limit, Batch::from, |row| row.id.to_string());
    json(StatusCode::OK, &listing, ITEM_BYTES * rows.len() + 64)
}

/// Show a batch
#[utoipa::path(
    get, path = "/v1/batches/{id}", tag = "batches", params(("id" = String, Path)),
    responses((status = 200, body = Batch), (status = 404, description = "`batch_not_found`"), (status = 422, description = "`invalid_id`")),
)]
pub(in crate::api) async fn batch_detail(
    api: Call,
    NamePath(batch): NamePath<BatchId>,
    _: NoParameters,
) -> Result<Response, ApiError> {
    match api.store.batch(api.caller.tenant, batch, false).await? {
        Some(row) => json(StatusCode::OK, &Batch::from(&row), ITEM_BYTES),
        None => Err(batch_not_found(batch)),
    }
}

/// List the jobs of a batch
///
/// In the order they were added. `payload` and `output` are left out; read one job for them.
#[utoipa::path(
    get, path = "/v1/batches/{id}/jobs", tag = "batches",
    params(
        ("id" = String, Path),
        ("limit" = Option<u32>, Query, description = "1 to 500, default 50"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
    ),
    responses((status = 200, body = Listing<Job>, description = "Oldest first"), (status = 404, description = "`batch_not_found`")),
)]
pub(in crate::api) async fn batch_jobs(
    api: Call,
    NamePath(batch): NamePath<BatchId>,
    Parameters(page): Parameters<PageParameters>,
) -> Result<Response, ApiError> {
    let (limit, after) = page.parse::<JobId>()?;
    let members = api.store.jobs_of_batch(api.caller.tenant, batch, after, limit + 1).await?;
    let members = members.ok_or_else(|| batch_not_found(batch))?;
    let catalog = api.store.catalog();
    let view = View::new(&api, &catalog);
    let shown = &members[..members.len().min(limit)];
    // One that somebody deleted is no job any more.
    let there = shown.iter().filter_map(|member| Some((member.row.as_ref()?, &member.after)));
    let listing = Listing {
        items: there.map(|(row, after)| View::after(view.job(row, Bulk::default()), after)).collect(),
        next_cursor: shown.last().filter(|_| members.len() > limit).map(|last| last.id.to_string()),
    };
    json(StatusCode::OK, &listing, JOB_BYTES * members.len() + 64)
}
