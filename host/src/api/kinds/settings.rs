//! `PUT /v1/kinds/{kind}/settings`: replaces what the operator set.

use axum::extract::{Request, State};
use axum::response::Response;

use super::inspect::show_kind;
use super::kind_not_found;
use crate::api::error::ApiError;
use crate::api::extract::{NamePath, NoParameters, parse_json, read_body, require_json};
use crate::api::shared::Shared;
use crate::api::wire::ceilings;
use crate::api::wire::kind::Kind;
use crate::job::{KindName, SettingsWire};

/// Largest body, bytes.
const BODY_BYTES_MAX: usize = 256 << 10;

/// Set a kind
///
/// Replaces all of the operator's settings; what is left out falls back to the module's, then the host's. `{}` removes
/// them. Jobs that wait already keep the queue, priority and attempts they were enqueued with.
#[utoipa::path(
    put, path = "/v1/kinds/{kind}/settings", tag = "kinds", request_body = SettingsWire, params(("kind" = String, Path)),
    responses(
        (status = 200, body = Kind, description = "The kind, with what is in force now"),
        (status = 404, description = "`kind_not_found`, with the nearest names"),
        (status = 422, description = "`invalid_request`, with pointers; limits over the host's ceilings say the ceiling"),
    ),
)]
pub(in crate::api) async fn set_kind_settings(
    State(api): Shared,
    NamePath(kind): NamePath<KindName>,
    _: NoParameters,
    request: Request,
) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    require_json(&parts.headers)?;
    let body = read_body(&api.bodies, &parts.headers, body, BODY_BYTES_MAX).await?;
    let settings: SettingsWire = parse_json(&body)?;
    let settings = settings.into_domain().map_err(ApiError::invalid)?;
    let mut errors = Vec::new();
    ceilings::check(&settings.limits, &api.config.limits.ceilings, &mut errors);
    if !errors.is_empty() {
        return Err(ApiError::invalid(errors));
    }
    if !api.store.set_kind_settings(api.tenant(), kind.clone(), settings).await? {
        return Err(kind_not_found(&api, &api.store.catalog(), &kind));
    }
    show_kind(&api, &kind)
}
