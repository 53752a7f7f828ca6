//! `GET /v1/kv`.

use axum::response::Response;
use http::StatusCode;

use crate::api::error::ApiError;
use crate::api::extract::{PageParameters, Parameters};
use crate::api::identity::Call;
use crate::api::jobs::json;
use crate::api::wire::Listing;
use crate::api::wire::kv::KvBucket;
use crate::job::BucketName;

/// A first guess at the length of one item, bytes.
const ITEM_BYTES: usize = 64;

/// List buckets
///
/// Those of the key-value store in which a key is.
#[utoipa::path(
    get, path = "/v1/kv", tag = "kv",
    params(
        ("limit" = Option<u32>, Query, description = "1 to 500, default 50"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
    ),
    responses(
        (status = 200, body = Listing<KvBucket>, description = "By name"),
        (status = 422, description = "`invalid_query`"),
    ),
)]
pub(in crate::api) async fn list_kv_buckets(
    api: Call,
    Parameters(page): Parameters<PageParameters>,
) -> Result<Response, ApiError> {
    let (limit, after) = page.parse::<BucketName>()?;
    let buckets = api.store.kv_buckets(api.caller.tenant, after, limit + 1).await?;
    let listing = Listing::of(&buckets, limit, |bucket| KvBucket { bucket }, ToString::to_string);
    json(StatusCode::OK, &listing, ITEM_BYTES * buckets.len() + 64)
}
