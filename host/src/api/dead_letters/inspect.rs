//! `GET /v1/dead-letters` and `GET /v1/dead-letters/{group}`: what failed, how often and in which words.

use axum::response::Response;
use http::StatusCode;
use serde::Deserialize;

use crate::api::error::{ApiError, ProblemCode};
use crate::api::extract::{NamePath, NoParameters, Parameters, parse_limit, parse_parameter};
use crate::api::identity::Call;
use crate::api::jobs::json;
use crate::api::wire::Listing;
use crate::api::wire::dead_letter::DeadLetterGroup;
use crate::job::GroupId;
use crate::store::DeadLetterFilter;

/// A first guess at the length of one item, bytes.
const ITEM_BYTES: usize = 480;

/// Parameters of the list.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct GroupParameters {
    kind: Option<String>,
    reason: Option<String>,
    limit: Option<String>,
    cursor: Option<String>,
}

/// List dead letters
///
/// Failed jobs by kind, reason and message, the group that came last first. A job that is retried, deleted or no longer kept is
/// counted no more, and a group without jobs goes.
#[utoipa::path(
    get, path = "/v1/dead-letters", tag = "jobs",
    params(
        ("kind" = Option<String>, Query), ("reason" = Option<String>, Query, description = "The word of `error.reason`"),
        ("limit" = Option<u32>, Query, description = "1 to 500, default 50"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
    ),
    responses(
        (status = 200, body = Listing<DeadLetterGroup>, description = "A page"),
        (status = 422, description = "`invalid_query`"),
    ),
)]
pub(in crate::api) async fn list_dead_letters(
    api: Call,
    Parameters(parameters): Parameters<GroupParameters>,
) -> Result<Response, ApiError> {
    let GroupParameters { kind, reason, limit, cursor } = parameters;
    let filter = DeadLetterFilter { kind: parse_parameter("kind", kind)?, reason: parse_parameter("reason", reason)? };
    let limit = parse_limit(limit)?;
    let page = api.store.dead_letters(api.caller.tenant, filter, limit, parse_parameter("cursor", cursor)?).await?;
    let listing = Listing {
        items: page.items.iter().map(DeadLetterGroup::from).collect(),
        next_cursor: page.next.map(|number| number.to_string()),
    };
    json(StatusCode::OK, &listing, ITEM_BYTES * page.items.len() + 64)
}

/// Show a group of dead letters
#[utoipa::path(
    get, path = "/v1/dead-letters/{group}", tag = "jobs", params(("group" = String, Path)),
    responses(
        (status = 200, body = DeadLetterGroup),
        (status = 404, description = "`group_not_found`: no failed job of it is left"),
    ),
)]
pub(in crate::api) async fn dead_letter_group(
    api: Call,
    NamePath(group): NamePath<GroupId>,
    _: NoParameters,
) -> Result<Response, ApiError> {
    let found = api.store.dead_letter_group(api.caller.tenant, group).await?;
    let found = found.ok_or_else(|| {
        let detail = format!("no failed job of {group} is left; GET /v1/dead-letters lists what there is");
        ApiError::new(ProblemCode::GroupNotFound, detail)
    })?;
    json(StatusCode::OK, &DeadLetterGroup::from(&found), ITEM_BYTES)
}
