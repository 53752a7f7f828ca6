//! `GET /v1/kv/{bucket}/{key}`.

use axum::response::Response;
use http::StatusCode;

use super::key_not_found;
use crate::api::error::ApiError;
use crate::api::extract::{KvPath, NoParameters};
use crate::api::identity::Call;
use crate::api::jobs::json;
use crate::api::wire::kv::KvEntry;

/// A first guess at what surrounds a value, bytes.
const REPLY_BYTES: usize = 320;

/// Show a key
///
/// With its value: as text in `value`, or, where it is none, as base64 in `value_base64`.
#[utoipa::path(
    get, path = "/v1/kv/{bucket}/{key}", tag = "kv",
    params(("bucket" = String, Path), ("key" = String, Path, description = "Percent-encoded, `/` as `%2F`")),
    responses((status = 200, body = KvEntry), (status = 404, description = "`kv_key_not_found`")),
)]
pub(in crate::api) async fn kv_entry(
    api: Call,
    KvPath(bucket, key): KvPath,
    _: NoParameters,
) -> Result<Response, ApiError> {
    let Some(stored) = api.store.kv_value(api.caller.tenant, bucket.clone(), key.clone()).await? else {
        return Err(key_not_found(&bucket, &key));
    };
    json(StatusCode::OK, &KvEntry::of(&bucket, &key, &stored), REPLY_BYTES + stored.value.len())
}
