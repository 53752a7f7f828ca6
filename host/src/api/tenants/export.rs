//! `GET /v1/tenants/{tenant}/export`: everything a tenant has, one JSON object a line. Each piece is read when the client has
//! taken those before it, in a read of its own: however slow it is, it costs one job's memory and keeps no transaction open.

use std::sync::Arc;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use http::header::CONTENT_TYPE;

use super::exported::{ExportError, Exporter};
use super::named;
use crate::api::error::{ApiError, ProblemCode};
use crate::api::extract::{NamePath, NoParameters};
use crate::api::identity::Call;
use crate::api::wire::Binary;
use crate::job::TenantName;

/// Export a tenant
///
/// Everything it has as NDJSON: a line each for the tenant, its queues, kinds, module versions and their bytes (in pieces, base64),
/// schedules, batches, workflows, operations, the names of its secrets, notifications of its users, its keys and values, and its jobs with payload, output,
/// executions, history and logs. The last line is `{"type":"end"}`: without it the export broke off. Each job, and each key, is as
/// it was when it was read. No secret's value is ever in it.
#[utoipa::path(
    get, path = "/v1/tenants/{tenant}/export", tag = "tenants", params(("tenant" = String, Path)),
    responses(
        (status = 200, body = Binary, content_type = "application/x-ndjson", description = "One JSON object a line"),
        (status = 404, description = "`tenant_not_found`, with the nearest names"),
        (status = 429, description = "`busy`: as many exports as may be are being read"),
    ),
)]
pub(in crate::api) async fn export_tenant(
    api: Call,
    NamePath(tenant): NamePath<TenantName>,
    _: NoParameters,
) -> Result<Response, ApiError> {
    let id = named(&api, &tenant)?;
    let permit = Arc::clone(&api.exports).try_acquire_owned().map_err(|_| {
        ApiError::new(ProblemCode::Busy, "as many exports as may be are being read; try again when one is done")
    })?;
    let exporter = Exporter::new(api.store.clone(), id);
    let pieces = stream::try_unfold((exporter, permit), |(mut exporter, permit)| async move {
        let piece = exporter.next_piece().await?;
        Ok::<_, ExportError>(piece.map(|piece: Bytes| (piece, (exporter, permit))))
    });
    Ok(([(CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(pieces)).into_response())
}
