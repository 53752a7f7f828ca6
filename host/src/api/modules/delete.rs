//! `DELETE /v1/modules/{name}` and `DELETE /v1/modules/{name}/versions/{digest}`.

use http::StatusCode;

use super::{FORCE_HINT, kinds_needed, module_not_found, not_found};
use crate::api::error::{ApiError, ProblemCode};
use crate::api::extract::{Force, NamePath, NoParameters, Parameters, VersionPath};
use crate::api::identity::Call;
use crate::job::{JobId, ModuleName};
use crate::store::DeleteModuleResult;

/// Delete a module
#[utoipa::path(
    delete, path = "/v1/modules/{name}", tag = "modules",
    params(("name" = String, Path), ("force" = Option<bool>, Query, description = "Although unfinished jobs need its kinds")),
    responses(
        (status = 204, description = "Gone, with its versions and kinds"),
        (status = 404, description = "`module_not_found`"),
        (status = 409, description = "`kinds_needed`, with the kinds and how many unfinished jobs each has"),
    ),
)]
pub(in crate::api) async fn delete_module(
    api: Call,
    NamePath(module): NamePath<ModuleName>,
    Parameters(Force { force }): Parameters<Force>,
) -> Result<StatusCode, ApiError> {
    match api.modules().delete_module(api.caller.tenant, module.clone(), force).await? {
        DeleteModuleResult::Deleted { .. } => Ok(StatusCode::NO_CONTENT),
        DeleteModuleResult::Needed { kinds } => {
            Err(kinds_needed(&kinds, &format!("kinds of module `{module}` ({FORCE_HINT})")))
        }
        DeleteModuleResult::HasSteps(job) => Err(has_steps(job)),
        DeleteModuleResult::Active => Err(active()),
        DeleteModuleResult::NotFound => Err(module_not_found(&api, &module).await),
    }
}

/// Delete a version
#[utoipa::path(
    delete, path = "/v1/modules/{name}/versions/{digest}", tag = "modules",
    params(("name" = String, Path), ("digest" = String, Path)),
    responses(
        (status = 204, description = "Gone"),
        (status = 404, description = "`module_not_found`, `version_not_found`"),
        (status = 409, description = "`version_active`, `version_has_steps`, `kinds_needed`"),
    ),
)]
pub(in crate::api) async fn delete_version(
    api: Call,
    VersionPath(module, digest): VersionPath,
    _: NoParameters,
) -> Result<StatusCode, ApiError> {
    match api.modules().delete_version(api.caller.tenant, module.clone(), digest).await? {
        DeleteModuleResult::Deleted { .. } => Ok(StatusCode::NO_CONTENT),
        DeleteModuleResult::Needed { kinds } => Err(kinds_needed(&kinds, "this version")),
        DeleteModuleResult::HasSteps(job) => Err(has_steps(job)),
        DeleteModuleResult::Active => Err(active()),
        DeleteModuleResult::NotFound => Err(not_found(&api, &module, digest).await?),
    }
}

fn has_steps(job: JobId) -> ApiError {
    let detail = format!(
        "{job} has recorded steps on this version, and stays on it until it has ended; wait for it, or cancel it first"
    );
    ApiError::new(ProblemCode::VersionHasSteps, detail)
}

fn active() -> ApiError {
    ApiError::new(
        ProblemCode::VersionActive,
        "the active version cannot be deleted alone; activate another one, or delete the module",
    )
}
