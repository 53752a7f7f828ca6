//! `GET /v1/kv/{bucket}`.

use axum::response::Response;
use http::StatusCode;
use serde::Deserialize;

use crate::api::error::ApiError;
use crate::api::extract::{NamePath, Parameters, parse_limit, parse_parameter, refuse_parameter};
use crate::api::identity::Call;
use crate::api::jobs::json;
use crate::api::wire::Listing;
use crate::api::wire::kv::KvListedKey;
use crate::job::{BucketName, KvKey};

/// A first guess at the length of one item, bytes.
const ITEM_BYTES: usize = 160;

/// Which keys.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct KeyParameters {
    prefix: Option<String>,
    limit: Option<String>,
    cursor: Option<String>,
}

/// List keys
///
/// Of one bucket, without their values. A bucket in which no key is has an empty list.
#[utoipa::path(
    get, path = "/v1/kv/{bucket}", tag = "kv",
    params(
        ("bucket" = String, Path),
        ("prefix" = Option<String>, Query, description = "What the keys begin with"),
        ("limit" = Option<u32>, Query, description = "1 to 500, default 50"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
    ),
    responses(
        (status = 200, body = Listing<KvListedKey>, description = "In the order of their bytes"),
        (status = 422, description = "`invalid_query`"),
    ),
)]
pub(in crate::api) async fn list_kv_keys(
    api: Call,
    NamePath(bucket): NamePath<BucketName>,
    Parameters(parameters): Parameters<KeyParameters>,
) -> Result<Response, ApiError> {
    let KeyParameters { prefix, limit, cursor } = parameters;
    let prefix = prefix.unwrap_or_default();
    if prefix.len() > KvKey::BYTES_MAX {
        return Err(refuse_parameter("prefix", format!("no key is longer than {} bytes", KvKey::BYTES_MAX)));
    }
    let limit = parse_limit(limit)?;
    let after = parse_parameter::<KvKey>("cursor", cursor)?;
    let rows = api.store.kv_keys(api.caller.tenant, bucket, prefix, after, limit + 1).await?;
    let listing = Listing::of(&rows, limit, KvListedKey::from, |row| row.key.to_string());
    json(StatusCode::OK, &listing, ITEM_BYTES * rows.len() + 64)
}
