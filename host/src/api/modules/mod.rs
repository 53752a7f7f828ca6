//! Modules: upload, look, roll back, delete.

mod activate;
mod changes;
mod delete;
mod inspect;
mod upload;

pub(super) use activate::*;
pub(super) use changes::*;
pub(super) use delete::*;
pub(super) use inspect::*;
pub(super) use upload::*;

use super::error::{ApiError, ProblemCode};
use super::identity::Call;
use super::jobs::{alike, did_you_mean};
use crate::job::{Digest, KindName, ModuleName};

/// Most kinds named in one refusal.
const KINDS_NAMED_MAX: usize = 20;
/// Most names an unknown one is compared with.
const MODULES_COMPARED_MAX: usize = 500;

/// 404 with the names that look most alike.
async fn module_not_found(api: &Call, module: &ModuleName) -> ApiError {
    // A hint only: what can't be read is not hinted at.
    let known = api.store.modules(api.caller.tenant, None, MODULES_COMPARED_MAX).await.unwrap_or_default();
    let hint = did_you_mean(&alike(module.as_str(), known.iter().map(|row| row.module.as_str())))
        .unwrap_or_else(|| "GET /v1/modules lists them".to_owned());
    ApiError::new(ProblemCode::ModuleNotFound, format!("there is no module `{module}`; {hint}"))
}

fn version_not_found(module: &ModuleName, digest: Digest) -> ApiError {
    ApiError::new(
        ProblemCode::VersionNotFound,
        format!("module `{module}` has no version {digest}; GET /v1/modules/{module}/versions lists them"),
    )
}

/// The refusal of a version that is not there: the module, or only the version.
async fn not_found(api: &Call, module: &ModuleName, digest: Digest) -> Result<ApiError, ApiError> {
    let known = api.store.module(api.caller.tenant, module.clone()).await?.is_some();
    Ok(if known { version_not_found(module, digest) } else { module_not_found(api, module).await })
}

/// What it means that another module serves a kind.
pub(super) fn kind_owned_sentence(kind: &KindName, module: &ModuleName) -> String {
    format!("kind `{kind}` is served by module `{module}`; delete that module first, or rename the kind")
}

/// 409 with who serves the kind.
fn kind_owned(kind: &KindName, module: &ModuleName) -> ApiError {
    ApiError::new(ProblemCode::KindOwned, kind_owned_sentence(kind, module))
        .with("kind", kind.as_str())
        .with("module", module.as_str())
}

/// 409 with the kinds and how many unfinished jobs each has.
fn kinds_needed(kinds: &[(KindName, u64)], what: &str) -> ApiError {
    let named: Vec<String> =
        kinds.iter().take(KINDS_NAMED_MAX).map(|(kind, jobs)| format!("`{kind}` ({jobs})")).collect();
    let listed: Vec<_> = kinds
        .iter()
        .take(KINDS_NAMED_MAX)
        .map(|(kind, jobs)| serde_json::json!({"kind": kind.as_str(), "jobs": jobs}))
        .collect();
    ApiError::new(ProblemCode::KindsNeeded, format!("unfinished jobs need {what}: {}", named.join(", ")))
        .with("kinds", listed)
}

/// What `?force=true` would do.
const FORCE_HINT: &str = "add ?force=true to go on anyway; those jobs then wait as `no_handler`";
