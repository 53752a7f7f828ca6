//! `POST /v1/mail/{id}/send` and `POST /v1/mail/send`: what is kept, or has failed, is to be sent.

use std::time::Duration;

use axum::extract::Request;
use axum::response::Response;
use http::StatusCode;
use serde::Deserialize;

use super::inspect::ITEM_BYTES;
use super::{mail_not_found, wrong_state};
use crate::api::error::{ApiError, ProblemCode};
use crate::api::extract::{NamePath, NoParameters, parse_json, require_json};
use crate::api::identity::Call;
use crate::api::jobs::json;
use crate::api::wire::mail::{Mail, QueuedMails};
use crate::job::{MailId, MailState};
use crate::store::SendMailResult;

/// Largest body, bytes.
const BODY_BYTES_MAX: usize = 1 << 10;
/// A first guess at the length of an answer, bytes.
const REPLY_BYTES: usize = 64;

/// Which mails are to be sent.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct SendMails {
    /// Those of this state: `kept`, `failed` or `partly_sent`.
    #[schema(value_type = String, example = "kept")]
    state: MailState,
    /// `next_cursor` of the answer before: only those after these, so that none is met twice.
    #[schema(value_type = Option<String>)]
    cursor: Option<String>,
}

/// Send a mail now
///
/// One that is kept is queued; one that waits is due at once; one that has failed, for all or some of its recipients, is tried again
/// with those. Each transmission has the `Message-ID` it always had. Who has the mail does not get it again.
#[utoipa::path(
    post, path = "/v1/mail/{id}/send", tag = "mail", params(("id" = String, Path)),
    responses(
        (status = 200, body = Mail, description = "As it is now"),
        (status = 404, description = "`mail_not_found`"),
        (status = 409, description = "`wrong_state`: it was sent, or is being transmitted; or `no_mail_server`"),
    ),
)]
pub(in crate::api) async fn send_mail(
    api: Call,
    NamePath(id): NamePath<MailId>,
    _: NoParameters,
) -> Result<Response, ApiError> {
    match api.store.send_mail(api.caller.tenant, id, tried_for(&api)?).await? {
        SendMailResult::Queued(row) => json(StatusCode::OK, &Mail::from(&*row), ITEM_BYTES),
        SendMailResult::Sending(row) => Err(wrong_state(row.state, "a host transmits the mail already")),
        SendMailResult::Sent(row) => {
            Err(wrong_state(row.state, "the server has taken the mail for every recipient; a job can send another"))
        }
        SendMailResult::NotFound => Err(mail_not_found(id)),
    }
}

/// Send many mails
///
/// The oldest of those that are kept, or have failed; at most 500 by one request. Where `more` says so, ask again with
/// `next_cursor`: what has failed once more meanwhile is not met again.
#[utoipa::path(
    post, path = "/v1/mail/send", tag = "mail", request_body = SendMails,
    responses(
        (status = 200, body = QueuedMails),
        (status = 409, description = "`no_mail_server`"),
        (status = 422, description = "`invalid_request`, with pointers"),
    ),
)]
pub(in crate::api) async fn send_mails(api: Call, _: NoParameters, request: Request) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    require_json(&parts.headers)?;
    let body = api.read_body(&parts.headers, body, BODY_BYTES_MAX).await?;
    let SendMails { state, cursor } = parse_json(&body)?;
    if !matches!(state, MailState::Kept | MailState::Failed | MailState::PartlySent) {
        return Err(ApiError::field("/state", "must be `kept`, `failed` or `partly_sent`: others need no help"));
    }
    let after = cursor.map(|cursor| cursor.parse::<MailId>()).transpose();
    let after = after.map_err(|_| ApiError::field("/cursor", "must be the `next_cursor` of the answer before"))?;
    let queued = api.store.send_mails(api.caller.tenant, state, after, tried_for(&api)?).await?;
    let more_after = queued.more_after.map(|id| id.to_string());
    let shown = QueuedMails { queued: queued.queued, more: more_after.is_some(), next_cursor: more_after };
    json(StatusCode::OK, &shown, REPLY_BYTES)
}

fn tried_for(api: &Call) -> Result<Duration, ApiError> {
    api.config.mail.tried_for().ok_or_else(|| {
        let detail =
            "this host has no server to give mail to: set `smtp_url` and start it again; mail is kept until then";
        ApiError::new(ProblemCode::NoMailServer, detail)
    })
}
