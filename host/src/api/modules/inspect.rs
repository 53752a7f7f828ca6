//! What modules and versions there are, and their bytes.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream::{self, Stream};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use http::{HeaderMap, HeaderValue, StatusCode};

use super::{module_not_found, not_found};
use crate::api::error::ApiError;
use crate::api::extract::{NamePath, NoParameters, PageParameters, Parameters, VersionPath};
use crate::api::identity::Call;
use crate::api::jobs::json;
use crate::api::wire::module::ModuleVersion;
use crate::api::wire::{Binary, Listing};
use crate::job::{Digest, ModuleName};
use crate::store::{ModuleVersionId, Store, StoreError};

/// A first guess at the length of one item, bytes.
const ITEM_BYTES: usize = 512;

/// List modules
#[utoipa::path(
    get, path = "/v1/modules", tag = "modules",
    params(
        ("limit" = Option<u32>, Query, description = "1 to 500, default 50"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
    ),
    responses(
        (status = 200, body = Listing<ModuleVersion>, description = "The active version of each, by name"),
        (status = 422, description = "`invalid_query`"),
    ),
)]
pub(in crate::api) async fn list_modules(
    api: Call,
    Parameters(page): Parameters<PageParameters>,
) -> Result<Response, ApiError> {
    let (limit, after) = page.parse::<ModuleName>()?;
    let rows = api.store.modules(api.caller.tenant, after, limit + 1).await?;
    let listing = Listing::of(&rows, limit, ModuleVersion::from, |row| row.module.to_string());
    json(StatusCode::OK, &listing, ITEM_BYTES * rows.len() + 64)
}

/// One module
#[utoipa::path(
    get, path = "/v1/modules/{name}", tag = "modules", params(("name" = String, Path)),
    responses((status = 200, body = ModuleVersion, description = "Its active version"), (status = 404, description = "`module_not_found`")),
)]
pub(in crate::api) async fn module_detail(
    api: Call,
    NamePath(module): NamePath<ModuleName>,
    _: NoParameters,
) -> Result<Response, ApiError> {
    let Some(version) = api.store.module(api.caller.tenant, module.clone()).await? else {
        return Err(module_not_found(&api, &module).await);
    };
    json(StatusCode::OK, &ModuleVersion::from(&version), ITEM_BYTES)
}

/// A module's versions
#[utoipa::path(
    get, path = "/v1/modules/{name}/versions", tag = "modules",
    params(
        ("name" = String, Path),
        ("limit" = Option<u32>, Query, description = "1 to 500, default 50"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
    ),
    responses(
        (status = 200, body = Listing<ModuleVersion>, description = "Newest first"),
        (status = 404, description = "`module_not_found`"),
        (status = 422, description = "`invalid_query`"),
    ),
)]
pub(in crate::api) async fn list_versions(
    api: Call,
    NamePath(module): NamePath<ModuleName>,
    Parameters(page): Parameters<PageParameters>,
) -> Result<Response, ApiError> {
    let (limit, before) = page.parse::<i64>()?;
    let before = before.map(ModuleVersionId);
    let rows = api.store.versions(api.caller.tenant, module.clone(), before, limit + 1).await?;
    let Some(rows) = rows else { return Err(module_not_found(&api, &module).await) };
    let listing = Listing::of(&rows, limit, ModuleVersion::from, |row| row.id.0.to_string());
    json(StatusCode::OK, &listing, ITEM_BYTES * rows.len() + 64)
}

/// Download a version
#[utoipa::path(
    get, path = "/v1/modules/{name}/versions/{digest}/wasm", tag = "modules",
    params(
        ("name" = String, Path), ("digest" = String, Path),
        ("If-None-Match" = Option<String>, Header, description = "The `ETag` of an earlier answer"),
    ),
    responses(
        (status = 200, body = Binary, content_type = "application/wasm", description = "The bytes as uploaded, with an `ETag`"),
        (status = 304, description = "They are those of `If-None-Match`"),
        (status = 404, description = "`module_not_found`, `version_not_found`"),
    ),
)]
pub(in crate::api) async fn download_version(
    api: Call,
    VersionPath(module, digest): VersionPath,
    _: NoParameters,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let Some(version) = api.store.version(api.caller.tenant, module.clone(), digest).await? else {
        return Err(not_found(&api, &module, digest).await?);
    };
    // Bytes under a digest never change.
    let etag = HeaderValue::try_from(format!("\"{digest}\"")).map_err(|error| ApiError::internal(&error))?;
    if headers.get(IF_NONE_MATCH) == Some(&etag) {
        return Ok((StatusCode::NOT_MODIFIED, [(ETAG, etag)]).into_response());
    }
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("application/wasm")),
        (CONTENT_LENGTH, HeaderValue::from(version.size_bytes)),
        (ETAG, etag),
    ];
    let bytes = Body::from_stream(chunks(api.store.clone(), digest, version.size_bytes));
    Ok((headers, bytes).into_response())
}

/// Why a download ends before its end. The client sees it end; it has the length to tell by.
#[derive(Debug, thiserror::Error)]
enum BrokenOff {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the version was deleted meanwhile")]
    Deleted,
}

/// The bytes of a module, each chunk read when the client has taken those before it: however slow it is, it costs one
/// chunk of memory and keeps no transaction open.
fn chunks(store: Store, digest: Digest, size_bytes: u64) -> impl Stream<Item = Result<Bytes, BrokenOff>> {
    stream::try_unfold((store, 0, size_bytes), move |(store, index, left)| async move {
        if left == 0 {
            return Ok(None);
        }
        let chunk = store.module_chunk(digest, index).await.map_err(BrokenOff::Store);
        let chunk = chunk.and_then(|chunk| chunk.filter(|chunk| !chunk.is_empty()).ok_or(BrokenOff::Deleted));
        let chunk = chunk.inspect_err(|error| tracing::warn!(%digest, %error, "a download broke off"))?;
        let left = left.saturating_sub(u64::try_from(chunk.len()).unwrap_or(u64::MAX));
        Ok(Some((chunk, (store, index + 1, left))))
    })
}
