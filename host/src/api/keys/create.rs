//! `POST /v1/keys`.

use axum::extract::Request;
use axum::response::Response;
use http::StatusCode;
use http::header::{CACHE_CONTROL, HeaderValue};
use serde::Deserialize;

use super::ITEM_BYTES;
use crate::api::error::{ApiError, ProblemCode};
use crate::api::extract::{NoParameters, parse_json, require_json};
use crate::api::identity::{Call, new_key};
use crate::api::jobs::json;
use crate::api::wire::key::Key;
use crate::api::wire::time::Instant;
use crate::job::{FieldError, KeyName, Role, Span};
use crate::store::{CreateKeyResult, KEYS_MAX, NewKey};

/// Largest body, bytes.
const BODY_BYTES_MAX: usize = 4 << 10;

/// A key to be made.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct KeyRequest {
    /// What people call it: letters, digits, `.`, `_` and `-`.
    #[schema(value_type = String)]
    name: String,
    /// `viewer`, `producer`, `operator` or `admin`; not above the caller's.
    #[schema(value_type = String)]
    role: String,
    /// From then on it is worth nothing.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Instant>,
    /// The same as a time from now, e.g. `"90d"`.
    #[schema(value_type = Option<String>)]
    expires_in: Option<Span>,
}

/// Make a key
///
/// It belongs to the caller's tenant (an admin names another in `Stoker-Tenant`), an `admin`'s to the host. The key itself
/// stands in this answer and nowhere else. The first key of a host that has none must be an admin's.
#[utoipa::path(
    post, path = "/v1/keys", tag = "keys", request_body = KeyRequest,
    responses(
        (status = 201, body = Key, description = "Made, with the key itself"),
        (status = 403, description = "`forbidden`: a role above one's own"),
        (status = 409, description = "`admin_key_needed`: with it nobody could make another"),
        (status = 422, description = "`invalid_request`, with pointers; `too_many_keys`"),
    ),
)]
pub(in crate::api) async fn create_key(api: Call, _: NoParameters, request: Request) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    require_json(&parts.headers)?;
    let body = api.read_body(&parts.headers, body, BODY_BYTES_MAX).await?;
    let KeyRequest { name, role, expires_at, expires_in } = parse_json(&body)?;
    let now = api.clock.now();
    let mut errors = Vec::new();
    let name = name.parse::<KeyName>().map_err(|error| errors.push(FieldError::new("/name", error.to_string())));
    let role = role.parse::<Role>().map_err(|error| errors.push(FieldError::new("/role", error.to_string())));
    if role == Ok(Role::User) {
        let sentence = "`user` is the role of one user's token, which `POST /v1/notifications/tokens` makes";
        errors.push(FieldError::new("/role", sentence));
    }
    let expires_at = match (expires_at, expires_in) {
        (Some(_), Some(_)) => {
            errors.push(FieldError::new("/expires_in", "goes without `expires_at`"));
            None
        }
        (Some(Instant(at)), None) if at <= now => {
            errors.push(FieldError::new("/expires_at", "has passed already"));
            None
        }
        (Some(Instant(at)), None) => Some(at),
        (None, Some(Span(span))) if span.is_zero() => {
            errors.push(FieldError::new("/expires_in", "must be longer than nothing, e.g. `90d`"));
            None
        }
        (None, span) => span.map(|span| now.plus(span.0)),
    };
    let (Ok(name), Ok(role)) = (name, role) else { return Err(ApiError::invalid(errors)) };
    if !errors.is_empty() {
        return Err(ApiError::invalid(errors));
    }
    if role > api.caller.role {
        let own = api.caller.role;
        let sentence = format!("a key with the role `{role}` is made by somebody with that role; yours is `{own}`");
        return Err(ApiError::new(ProblemCode::Forbidden, sentence));
    }
    let tenant = (role != Role::Admin).then_some(api.caller.tenant);
    let secret = new_key();
    let has_root = api.identity.has_root();
    let new = NewKey { tenant, role, name, prefix: secret.prefix, hash: secret.hash, expires_at, has_root };
    match api.store.create_key(new).await? {
        CreateKeyResult::Created(row) => {
            let shown = Key { key: Some(&secret.text), ..Key::from(&*row) };
            let mut response = json(StatusCode::CREATED, &shown, ITEM_BYTES)?;
            response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
            Ok(response)
        }
        CreateKeyResult::FirstMustBeAdmin => Err(ApiError::new(
            ProblemCode::AdminKeyNeeded,
            "from the first key on this host asks everybody for one, and only an admin could make others: make a key with \
             the role `admin` first",
        )),
        CreateKeyResult::TooMany => Err(ApiError::new(
            ProblemCode::TooManyKeys,
            format!("there are {KEYS_MAX} keys already; revoke those that nobody uses (`last_used_at`)"),
        )),
    }
}
