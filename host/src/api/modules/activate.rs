//! `POST /v1/modules/{name}/activate`: run jobs on another stored version, at once.

use axum::extract::Request;
use axum::response::Response;
use http::StatusCode;
use serde::Deserialize;

use super::{FORCE_HINT, kind_owned, kinds_needed, not_found};
use crate::api::error::ApiError;
use crate::api::extract::{Force, NamePath, Parameters, parse_json, require_json};
use crate::api::identity::Call;
use crate::api::jobs::json;
use crate::api::wire::module::ModuleVersion;
use crate::job::{Digest, ModuleName};
use crate::store::ActivateResult;

/// Largest body, bytes.
const BODY_BYTES_MAX: usize = 4 << 10;

/// Which version.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct ActivateRequest {
    /// `sha256:…`, as the list of versions shows it.
    #[schema(value_type = String)]
    digest: Digest,
}

/// Activate a version
#[utoipa::path(
    post, path = "/v1/modules/{name}/activate", tag = "modules", request_body = ActivateRequest,
    params(("name" = String, Path), ("force" = Option<bool>, Query, description = "Although unfinished jobs need kinds it lacks")),
    responses(
        (status = 200, body = ModuleVersion, description = "Active now"),
        (status = 404, description = "`module_not_found`, `version_not_found`"),
        (status = 403, description = "`quota_exceeded`: too many kinds"),
        (status = 409, description = "`kind_owned`, `kinds_needed`"),
    ),
)]
pub(in crate::api) async fn activate(
    api: Call,
    NamePath(module): NamePath<ModuleName>,
    Parameters(Force { force }): Parameters<Force>,
    request: Request,
) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    require_json(&parts.headers)?;
    let body = api.read_body(&parts.headers, body, BODY_BYTES_MAX).await?;
    let ActivateRequest { digest } = parse_json(&body)?;
    match api.store.activate(api.caller.tenant, module.clone(), digest, force).await? {
        ActivateResult::Activated { version, .. } => {
            let catalog = api.store.catalog();
            let shown = ModuleVersion::from(&*version).with_missing_grants(&version, &catalog, api.caller.tenant);
            json(StatusCode::OK, &shown, 1_024)
        }
        ActivateResult::KindOwned { kind, module } => Err(kind_owned(&kind, &module)),
        ActivateResult::KindsNeeded { kinds } => {
            Err(kinds_needed(&kinds, &format!("kinds this version does not serve ({FORCE_HINT})")))
        }
        ActivateResult::OverQuota(quota) => Err(ApiError::over_quota(&quota)),
        ActivateResult::NotFound => Err(not_found(&api, &module, digest).await?),
    }
}
