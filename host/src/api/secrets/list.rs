//! `GET /v1/secrets`.

use axum::response::Response;
use http::StatusCode;

use crate::api::error::ApiError;
use crate::api::extract::{PageParameters, Parameters};
use crate::api::identity::Call;
use crate::api::jobs::json;
use crate::api::wire::Listing;
use crate::api::wire::secret::Secret;
use crate::job::SecretName;

/// A first guess at the length of one item, bytes.
const ITEM_BYTES: usize = 192;

/// List secrets
///
/// Their names, when they were set, and the key each is encrypted under: after the key was changed, the old one is needed as
/// long as a secret names it. Values are never told.
#[utoipa::path(
    get, path = "/v1/secrets", tag = "secrets",
    params(
        ("limit" = Option<u32>, Query, description = "1 to 500, default 50"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
    ),
    responses(
        (status = 200, body = Listing<Secret>, description = "By name"),
        (status = 422, description = "`invalid_query`"),
    ),
)]
pub(in crate::api) async fn list_secrets(
    api: Call,
    Parameters(page): Parameters<PageParameters>,
) -> Result<Response, ApiError> {
    let (limit, after) = page.parse::<SecretName>()?;
    let rows = api.vault.list(api.caller.tenant, after, limit + 1).await?;
    let listing = Listing::of(&rows, limit, Secret::from, |row| row.name.to_string());
    json(StatusCode::OK, &listing, ITEM_BYTES * rows.len() + 64)
}
