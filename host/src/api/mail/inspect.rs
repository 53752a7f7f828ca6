//! `GET /v1/mail` and `GET /v1/mail/{id}`.

use axum::response::Response;
use http::StatusCode;
use serde::Deserialize;

use super::mail_not_found;
use crate::api::error::ApiError;
use crate::api::extract::{NamePath, NoParameters, Parameters, parse_limit, parse_parameter};
use crate::api::identity::Call;
use crate::api::jobs::json;
use crate::api::wire::Listing;
use crate::api::wire::mail::{Mail, MailPage, MailShown};
use crate::job::MailId;
use crate::store::MailFilter;

/// A first guess at the length of one mail, bytes.
pub(super) const ITEM_BYTES: usize = 768;

/// Parameters of the list.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct MailParameters {
    state: Option<String>,
    job: Option<String>,
    limit: Option<String>,
    cursor: Option<String>,
}

/// List mail
///
/// Newest first, with how many there are in each state, and how this host finds the server it gives mail to.
#[utoipa::path(
    get, path = "/v1/mail", tag = "mail",
    params(
        ("state" = Option<String>, Query, description = "`queued`, `sending`, `sent`, `partly_sent`, `failed` or `kept`"),
        ("job" = Option<String>, Query, description = "Of this job"),
        ("limit" = Option<u32>, Query, description = "1 to 500, default 50"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
    ),
    responses((status = 200, body = MailPage, description = "A page"), (status = 422, description = "`invalid_query`")),
)]
pub(in crate::api) async fn list_mail(
    api: Call,
    Parameters(parameters): Parameters<MailParameters>,
) -> Result<Response, ApiError> {
    let MailParameters { state, job, limit, cursor } = parameters;
    let filter = MailFilter { state: parse_parameter("state", state)?, job: parse_parameter("job", job)? };
    let limit = parse_limit(limit)?;
    let before = parse_parameter::<MailId>("cursor", cursor)?;
    let tenant = api.caller.tenant;
    let rows = api.store.mails(tenant, filter, before, limit + 1).await?;
    let counts = api.store.mail_counts_of(tenant).await?;
    let Listing { items, next_cursor } = Listing::of(&rows, limit, Mail::from, |row| row.id.to_string());
    let page = MailPage {
        items,
        next_cursor,
        counts: counts.into_iter().map(|(state, mails)| (state.as_str(), mails)).collect(),
        server: api.courier.status().reach.into(),
    };
    json(StatusCode::OK, &page, ITEM_BYTES * rows.len() + 256)
}

/// Show a mail
///
/// With its headers and bodies. Of attachments it says what they are, and how large.
#[utoipa::path(
    get, path = "/v1/mail/{id}", tag = "mail", params(("id" = String, Path)),
    responses((status = 200, body = MailShown), (status = 404, description = "`mail_not_found`")),
)]
pub(in crate::api) async fn mail_detail(
    api: Call,
    NamePath(id): NamePath<MailId>,
    _: NoParameters,
) -> Result<Response, ApiError> {
    let found = api.store.mail(api.caller.tenant, id).await?.ok_or_else(|| mail_not_found(id))?;
    let content = found.content.iter();
    let bodies = content.flat_map(|content| [&content.text, &content.html]).flatten().map(String::len).sum::<usize>();
    json(StatusCode::OK, &MailShown::from(&found), ITEM_BYTES + bodies)
}
