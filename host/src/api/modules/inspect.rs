//! What modules and versions there are, and their bytes.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use http::{HeaderMap, HeaderValue, StatusCode};

use super::{module_not_found, version_not_found};
use crate::api::error::ApiError;
use crate::api::extract::{NamePath, NoParameters, VersionPath};
use crate::api::jobs::json;
use crate::api::shared::Shared;
use crate::api::wire::Items;
use crate::api::wire::module::ModuleVersion;
use crate::job::ModuleName;

/// A first guess at the length of one item, bytes.
const ITEM_BYTES: usize = 512;

/// List modules
#[utoipa::path(
    get, path = "/v1/modules", tag = "modules",
    responses((status = 200, body = Items<ModuleVersion>, description = "The active version of each")),
)]
pub(in crate::api) async fn list_modules(State(api): Shared, _: NoParameters) -> Result<Response, ApiError> {
    let rows = api.store.modules(api.tenant()).await?;
    json(StatusCode::OK, &Items { items: rows.iter().map(ModuleVersion::from).collect() }, ITEM_BYTES * rows.len())
}

/// One module
#[utoipa::path(
    get, path = "/v1/modules/{name}", tag = "modules", params(("name" = String, Path)),
    responses((status = 200, body = ModuleVersion, description = "Its active version"), (status = 404, description = "`module_not_found`")),
)]
pub(in crate::api) async fn module_detail(
    State(api): Shared,
    NamePath(module): NamePath<ModuleName>,
    _: NoParameters,
) -> Result<Response, ApiError> {
    let versions = api.store.versions(api.tenant(), module.clone()).await?;
    let version = versions.as_ref().and_then(|versions| versions.iter().find(|row| row.active).or(versions.first()));
    let version = version.ok_or_else(|| module_not_found(&module))?;
    json(StatusCode::OK, &ModuleVersion::from(version), ITEM_BYTES)
}

/// A module's versions
#[utoipa::path(
    get, path = "/v1/modules/{name}/versions", tag = "modules", params(("name" = String, Path)),
    responses((status = 200, body = Items<ModuleVersion>, description = "Newest first"), (status = 404, description = "`module_not_found`")),
)]
pub(in crate::api) async fn list_versions(
    State(api): Shared,
    NamePath(module): NamePath<ModuleName>,
    _: NoParameters,
) -> Result<Response, ApiError> {
    let versions = api.store.versions(api.tenant(), module.clone()).await?;
    let versions = versions.ok_or_else(|| module_not_found(&module))?;
    let items = Items { items: versions.iter().map(ModuleVersion::from).collect() };
    json(StatusCode::OK, &items, ITEM_BYTES * versions.len())
}

/// Download a version
#[utoipa::path(
    get, path = "/v1/modules/{name}/versions/{digest}/wasm", tag = "modules",
    params(("name" = String, Path), ("digest" = String, Path)),
    responses(
        (status = 200, body = Vec<u8>, content_type = "application/wasm", description = "The bytes as uploaded"),
        (status = 404, description = "`module_not_found`, `version_not_found`"),
    ),
)]
pub(in crate::api) async fn download_version(
    State(api): Shared,
    VersionPath(module, digest): VersionPath,
    _: NoParameters,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let versions = api.store.versions(api.tenant(), module.clone()).await?;
    let versions = versions.ok_or_else(|| module_not_found(&module))?;
    if !versions.iter().any(|version| version.digest == digest) {
        return Err(version_not_found(&module, digest));
    }
    // Bytes under a digest never change.
    let etag = HeaderValue::try_from(format!("\"{digest}\"")).map_err(|error| ApiError::internal(&error))?;
    if headers.get(IF_NONE_MATCH) == Some(&etag) {
        return Ok((StatusCode::NOT_MODIFIED, [(ETAG, etag)]).into_response());
    }
    let bytes = api.store.module_bytes(digest).await?.ok_or_else(|| version_not_found(&module, digest))?;
    Ok(([(CONTENT_TYPE, HeaderValue::from_static("application/wasm")), (ETAG, etag)], bytes).into_response())
}
