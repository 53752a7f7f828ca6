//! `GET /v1/notifications/stream`: a user's notifications as server-sent events.

use std::convert::Infallible;
use std::fmt::Write as _;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderName};

use super::follow::{Followed, Following};
use super::{UserParameters, one_user};
use crate::api::error::{ApiError, ProblemCode};
use crate::api::extract::Parameters;
use crate::api::identity::Call;
use crate::api::wire::notification::Notification;
use crate::job::NotificationId;
use crate::store::NotificationRow;

/// The id of the last event a client has seen.
const LAST_EVENT_ID: &str = "last-event-id";
/// In how long clients are to come again, ms.
const RETRY_MS: u32 = 2_000;

/// Follow notifications
///
/// Server-sent events: `notification`, with the notification as data and its id as `id`. `Last-Event-ID` goes on after that one,
/// without a gap; without it the stream begins now. Comments show that it lives. An event `end` says why it is over: the host
/// stops, or the credential has expired. A token may stand in the query, as `access_token`.
#[utoipa::path(
    get, path = "/v1/notifications/stream", tag = "notifications",
    params(
        ("user" = Option<String>, Query, description = "Whose; with a user's token that user's"),
        ("Last-Event-ID" = Option<String>, Header, description = "The id of the last one that was seen"),
    ),
    responses(
        (status = 200, body = String, content_type = "text/event-stream", description = "Events, until it is over"),
        (status = 422, description = "`invalid_query`: no user is named; `invalid_id`: of `Last-Event-ID`"),
        (status = 429, description = "`busy`: as many connections as may be are open"),
    ),
)]
pub(in crate::api) async fn notification_stream(
    api: Call,
    Parameters(parameters): Parameters<UserParameters>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let user = one_user(&api.caller, parameters.said())?;
    let following = Following::begin(api, user, last_event_id(&headers)?).await?;
    let begin = format!("retry: {RETRY_MS}\n\n");
    let pieces = stream::unfold((Some(begin), Some(following)), |(begin, following)| async move {
        if let Some(begin) = begin {
            return Some((Ok::<_, Infallible>(Bytes::from(begin)), (None, following)));
        }
        let mut following = following?;
        Some(match following.next().await {
            Followed::New(rows) => (Ok(events(&rows)), (None, Some(following))),
            Followed::Quiet => (Ok(Bytes::from_static(b":\n\n")), (None, Some(following))),
            Followed::Over(over) => (Ok(Bytes::from(format!("event: end\ndata: {}\n\n", over.as_str()))), (None, None)),
        })
    });
    Ok(event_stream(Body::from_stream(pieces)))
}

/// An answer of server-sent events, which nothing on the way is to keep.
pub(in crate::api) fn event_stream(body: Body) -> Response {
    let headers = [
        (CONTENT_TYPE, "text/event-stream"),
        (CACHE_CONTROL, "no-cache, no-store"),
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    (headers, body).into_response()
}

fn last_event_id(headers: &HeaderMap) -> Result<Option<NotificationId>, ApiError> {
    let Some(value) = headers.get(LAST_EVENT_ID).filter(|value| !value.is_empty()) else { return Ok(None) };
    let id = value.to_str().ok().and_then(|text| text.parse().ok());
    let sentence = "`Last-Event-ID` is the `id` of an event of this stream, like ntf_01ARZ3NDEKTSV4RRFFQ69G5FAV";
    id.map(Some).ok_or_else(|| ApiError::new(ProblemCode::InvalidId, sentence))
}

/// JSON text has no line breaks of its own, but data may have: between its tokens, where a space means the same.
fn events(rows: &[NotificationRow]) -> Bytes {
    let mut text = String::new();
    for row in rows {
        // What is shown consists of texts and JSON: it serialises.
        let shown = serde_json::to_string(&Notification::from(row)).unwrap_or_default().replace(['\n', '\r'], " ");
        let _infallible = write!(text, "id: {}\nevent: notification\ndata: {shown}\n\n", row.id);
    }
    Bytes::from(text)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::job::{JobId, NotificationLevel, Timestamp};

    #[test]
    fn an_event_is_one_line_of_data() {
        let row = NotificationRow {
            id: NotificationId::from_u128(7),
            user: "ann".parse().unwrap(),
            level: NotificationLevel::Warning,
            message: "two\nlines".to_owned(),
            data: Some(Bytes::from_static(b"{\n \"a\":\r\n1}")),
            job: JobId::from_u128(1),
            created_at: Timestamp(0),
            read_at: None,
        };
        let text = String::from_utf8(events(&[row]).to_vec()).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 4, "{text}");
        assert_eq!(lines[..2], ["id: ntf_00000000000000000000000007", "event: notification"]);
        let data: serde_json::Value = serde_json::from_str(lines[2].strip_prefix("data: ").unwrap()).unwrap();
        assert_eq!((&data["message"], &data["data"]["a"]), (&"two\nlines".into(), &1.into()));
    }

    #[test]
    fn a_last_event_is_one_of_this_stream() {
        let of = |text: &str| {
            let headers = [("last-event-id", text)].into_iter();
            let headers = headers.map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
            last_event_id(&headers).map_err(|error| error.code())
        };
        assert_eq!(of(""), Ok(None));
        assert_eq!(of("ntf_00000000000000000000000007"), Ok(Some(NotificationId::from_u128(7))));
        assert_eq!(of("7"), Err(ProblemCode::InvalidId));
    }
}
