//! `GET /v1/modules/{name}/versions/{digest}/changes`: what activating it would mean.

use axum::response::Response;
use http::StatusCode;

use super::not_found;
use crate::api::error::{ApiError, ProblemCode};
use crate::api::extract::{NoParameters, VersionPath};
use crate::api::identity::Call;
use crate::api::jobs::json;
use crate::api::wire::changes::VersionChanges;
use crate::modules::ChangesError;

/// What a version changes
///
/// Compared with the active version: kinds that come, go and change, in sentences, and how many waiting jobs the new
/// payload schemas refuse. The oldest waiting payloads are really checked, up to a bound, and only where the schema changed.
/// One comparison is made at a time, and has some seconds; what it had no time for is said.
#[utoipa::path(
    get, path = "/v1/modules/{name}/versions/{digest}/changes", tag = "modules",
    params(("name" = String, Path), ("digest" = String, Path)),
    responses(
        (status = 200, body = VersionChanges, description = "Every kind of both versions, by name"),
        (status = 404, description = "`module_not_found`, `version_not_found`"),
        (status = 429, description = "`busy`: others are compared, or the host lacks memory for it now"),
    ),
)]
pub(in crate::api) async fn version_changes(
    api: Call,
    VersionPath(module, digest): VersionPath,
    _: NoParameters,
) -> Result<Response, ApiError> {
    let _turn = api.comparisons.take(api.part()).await?;
    match api.modules.changes(api.caller.tenant, module.clone(), digest).await {
        Ok(Some(changes)) => json(StatusCode::OK, &VersionChanges::from(&changes), 1_024),
        Ok(None) => Err(not_found(&api, &module, digest).await?),
        Err(ChangesError::Store(error)) => Err(error.into()),
        Err(error @ ChangesError::NoRoom) => Err(ApiError::new(ProblemCode::Busy, error.to_string())),
        Err(error @ ChangesError::Schema(..)) => Err(ApiError::internal(&error)),
    }
}
