//! `GET /v1/audit`: who changed what.

use axum::response::Response;
use http::StatusCode;
use serde::Deserialize;

use super::error::{ApiError, ProblemCode};
use super::extract::{Parameters, parse_limit, parse_parameter, refuse_parameter};
use super::identity::Call;
use super::jobs::json;
use super::wire::Listing;
use super::wire::key::AuditEntry;
use super::wire::time;
use crate::job::{Role, Timestamp};
use crate::store::AuditFilter;

/// A first guess at the length of one item, bytes.
const ITEM_BYTES: usize = 768;
/// Longest text looked for, bytes.
const TEXT_BYTES_MAX: usize = 512;

/// Parameters of the list.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AuditParameters {
    who: Option<String>,
    action: Option<String>,
    object: Option<String>,
    since: Option<String>,
    until: Option<String>,
    deleted_tenant: Option<String>,
    limit: Option<String>,
    cursor: Option<String>,
}

/// List changes
///
/// Newest first. An operator sees those of its tenant; an admin all, and what was done to the host, or those of the tenant it
/// names. A page can be short, or empty, and still have a next one.
#[utoipa::path(
    get, path = "/v1/audit", tag = "audit",
    params(
        ("who" = Option<String>, Query, description = "By one caller, as the list names it"),
        ("action" = Option<String>, Query, description = "Whose name begins so, e.g. `queue.`"),
        ("object" = Option<String>, Query, description = "To one thing, e.g. `queue/mail`"),
        ("since" = Option<String>, Query, description = "At or after, RFC 3339"),
        ("until" = Option<String>, Query, description = "Before, RFC 3339"),
        ("deleted_tenant" = Option<String>, Query, description = "Of the tenant that was called so and is deleted; for admins"),
        ("limit" = Option<u32>, Query, description = "1 to 500, default 50"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
    ),
    responses(
        (status = 200, body = Listing<AuditEntry>, description = "A page"),
        (status = 403, description = "`forbidden`: what was done in a deleted tenant is for admins"),
        (status = 422, description = "`invalid_query`"),
    ),
)]
pub(super) async fn list_audit(
    api: Call,
    Parameters(parameters): Parameters<AuditParameters>,
) -> Result<Response, ApiError> {
    let AuditParameters { who, action, object, since, until, deleted_tenant, limit, cursor } = parameters;
    let instant = |name: &str, value: Option<String>| -> Result<Option<Timestamp>, ApiError> {
        value.map(|value| time::parse(&value).map_err(|error| refuse_parameter(name, error))).transpose()
    };
    for (name, text) in [("who", &who), ("action", &action), ("object", &object)] {
        if text.as_ref().is_some_and(|text| text.is_empty() || text.len() > TEXT_BYTES_MAX) {
            return Err(refuse_parameter(name, format!("must have 1 to {TEXT_BYTES_MAX} bytes")));
        }
    }
    let deleted_tenant = parse_parameter("deleted_tenant", deleted_tenant)?;
    if deleted_tenant.is_some() && api.caller.role < Role::Admin {
        let sentence = "what was done in a tenant that is deleted is for admins; leave out `deleted_tenant`";
        return Err(ApiError::new(ProblemCode::Forbidden, sentence));
    }
    let filter = AuditFilter {
        tenant: api.caller.scope,
        deleted_tenant,
        who,
        action,
        object,
        since: instant("since", since)?,
        until: instant("until", until)?,
    };
    let page = api.store.audit(filter, parse_limit(limit)?, parse_parameter("cursor", cursor)?).await?;
    let listing = Listing {
        items: page.rows.iter().map(AuditEntry::from).collect(),
        next_cursor: page.next_below.map(|id| id.to_string()),
    };
    json(StatusCode::OK, &listing, ITEM_BYTES * page.rows.len() + 64)
}
