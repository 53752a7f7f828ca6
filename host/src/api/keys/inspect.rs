//! `GET /v1/keys` and `GET /v1/keys/{id}`.

use axum::response::Response;
use http::StatusCode;

use super::{ITEM_BYTES, key_not_found};
use crate::api::error::ApiError;
use crate::api::extract::{NamePath, NoParameters, PageParameters, Parameters};
use crate::api::identity::Call;
use crate::api::jobs::json;
use crate::api::wire::Listing;
use crate::api::wire::key::Key;
use crate::job::KeyId;

/// List keys
///
/// Newest first, without their secrets: an operator's those of its tenant, an admin's all, or those of the tenant it names.
#[utoipa::path(
    get, path = "/v1/keys", tag = "keys",
    params(
        ("limit" = Option<u32>, Query, description = "1 to 500, default 50"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
    ),
    responses((status = 200, body = Listing<Key>, description = "A page"), (status = 422, description = "`invalid_query`")),
)]
pub(in crate::api) async fn list_keys(
    api: Call,
    Parameters(page): Parameters<PageParameters>,
) -> Result<Response, ApiError> {
    let (limit, before) = page.parse::<KeyId>()?;
    let rows = api.store.keys(api.caller.scope, before, limit + 1).await?;
    let listing = Listing::of(&rows, limit, Key::from, |row| row.id.to_string());
    json(StatusCode::OK, &listing, ITEM_BYTES * rows.len() + 64)
}

/// Show a key
#[utoipa::path(
    get, path = "/v1/keys/{id}", tag = "keys", params(("id" = String, Path)),
    responses((status = 200, body = Key, description = "Without its secret"), (status = 404, description = "`key_not_found`")),
)]
pub(in crate::api) async fn key_detail(
    api: Call,
    NamePath(key): NamePath<KeyId>,
    _: NoParameters,
) -> Result<Response, ApiError> {
    let row = api.store.key(api.caller.scope, key).await?.ok_or_else(|| key_not_found(key))?;
    json(StatusCode::OK, &Key::from(&row), ITEM_BYTES)
}
