//! `PUT` and `DELETE /v1/kv/{bucket}/{key}`.

use std::time::Duration;

use axum::extract::Request;
use bytes::Bytes;
use http::StatusCode;

use super::key_not_found;
use crate::api::error::{ApiError, ProblemCode};
use crate::api::extract::{KvPath, NoParameters, Parameters, ValueRequest, body_bytes_max, parse_value, require_json};
use crate::api::identity::Call;
use crate::job::kv::{KV_TTL_MAX, KV_VALUE_BYTES_MAX};
use crate::job::{DurationError, KvChange, KvChanged, KvQuota, QuotaName, Span};

use crate::store::KvWriter;

/// For how long it is set.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct Lasting {
    #[serde(default)]
    ttl: Option<String>,
}

/// For so long.
fn lasting(ttl: &str) -> Result<Duration, ApiError> {
    let refuse = |why: &str| ApiError::new(ProblemCode::InvalidQuery, format!("`ttl`: {why}"));
    let Span(ttl) = ttl.parse().map_err(|error: DurationError| refuse(&error.to_string()))?;
    if ttl.is_zero() || ttl > KV_TTL_MAX {
        let days = KV_TTL_MAX.as_secs() / 86_400;
        return Err(refuse(&format!("write a time of more than nothing, and at most {days} days")));
    }
    Ok(ttl)
}

/// Set a key
///
/// To a text in `value`, or any bytes as base64 in `value_base64`, at most 256 KiB. Handlers see it at once.
#[utoipa::path(
    put, path = "/v1/kv/{bucket}/{key}", tag = "kv", request_body = ValueRequest,
    params(
        ("bucket" = String, Path), ("key" = String, Path, description = "Percent-encoded, `/` as `%2F`"),
        ("ttl" = Option<String>, Query, description = "For how long: `30s`, `1h` or milliseconds; after that the key is not there"),
    ),
    responses(
        (status = 201, description = "The key is new"),
        (status = 204, description = "It has another value now"),
        (status = 403, description = "`kv_full`: the tenant may keep no more"),
        (status = 413, description = "`body_too_large`"),
        (status = 415, description = "`unsupported_media_type`"),
        (status = 422, description = "`invalid_request`, `invalid_query`"),
    ),
)]
pub(in crate::api) async fn set_kv_entry(
    api: Call,
    KvPath(bucket, key): KvPath,
    Parameters(Lasting { ttl }): Parameters<Lasting>,
    request: Request,
) -> Result<StatusCode, ApiError> {
    let ttl = ttl.as_deref().map(lasting).transpose()?;
    let (parts, body) = request.into_parts();
    require_json(&parts.headers)?;
    let body = api.read_body(&parts.headers, body, body_bytes_max(KV_VALUE_BYTES_MAX)).await?;
    let mut value = parse_value(&body)?;
    if value.len() > KV_VALUE_BYTES_MAX {
        return Err(ApiError::field("/value", format!("may have at most {KV_VALUE_BYTES_MAX} bytes")));
    }
    let value = Bytes::from(std::mem::take(&mut *value));
    let change = match ttl {
        None => KvChange::Set(vec![(key, value)]),
        Some(ttl) => KvChange::SetFor { key, value, ttl },
    };
    match api.store.change_kv(api.caller.tenant, KvWriter::Operator, bucket, change).await? {
        KvChanged::Done { keys: 0 } => Ok(StatusCode::NO_CONTENT),
        KvChanged::Done { .. } => Ok(StatusCode::CREATED),
        KvChanged::Full(quota) => {
            let name = match quota {
                KvQuota::Keys => "kv_keys",
                KvQuota::Bytes { .. } => QuotaName::KvBytes.as_str(),
            };
            let detail = format!("{}; delete keys first", quota.sentence());
            Err(ApiError::new(ProblemCode::KvFull, detail).with("quota", name))
        }
        other => Err(ApiError::internal(&format_args!("a key was set and answered with {other:?}"))),
    }
}

/// Delete a key
#[utoipa::path(
    delete, path = "/v1/kv/{bucket}/{key}", tag = "kv",
    params(("bucket" = String, Path), ("key" = String, Path, description = "Percent-encoded, `/` as `%2F`")),
    responses((status = 204, description = "Gone"), (status = 404, description = "`kv_key_not_found`")),
)]
pub(in crate::api) async fn delete_kv_entry(
    api: Call,
    KvPath(bucket, key): KvPath,
    _: NoParameters,
) -> Result<StatusCode, ApiError> {
    let change = KvChange::Delete(vec![key.clone()]);
    match api.store.change_kv(api.caller.tenant, KvWriter::Operator, bucket.clone(), change).await? {
        KvChanged::Done { keys: 0 } => Err(key_not_found(&bucket, &key)),
        KvChanged::Done { .. } => Ok(StatusCode::NO_CONTENT),
        other => Err(ApiError::internal(&format_args!("a key was deleted and answered with {other:?}"))),
    }
}
