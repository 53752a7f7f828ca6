//! Answers that are held whole until they are read. Those that are large take room for it (see `room.rs`) until the last piece of them
//! has been handed over, so that whoever asks for much and reads nothing takes the memory of its part, and of few more that wait.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER};
use hyper::body::{Body as _, Frame, SizeHint};

use super::error::{ApiError, ProblemCode};
use super::room::{Room, STEP_BYTES, Taken};
use crate::store::TenantId;

/// Takes room for a large answer out of a tenant's part, or of nobody's; a few wait for it where it is short. Without room an answer
/// that can be asked for again is refused with 429; of one that says what was done (`is_final`) the status and head go out, and a
/// sentence instead of the rest.
pub(super) async fn hold(
    room: &Room,
    part: Option<TenantId>,
    is_final: bool,
    response: Response,
) -> Result<Response, ApiError> {
    // What has no length is made as it is read.
    let bytes = response.body().size_hint().exact().and_then(|bytes| usize::try_from(bytes).ok());
    let Some(bytes) = bytes.filter(|bytes| *bytes > STEP_BYTES) else { return Ok(response) };
    let mut taken = room.nothing_taken(part);
    match taken.grow_made(bytes).await {
        Ok(()) => Ok(response.map(|body| Body::new(Held { body, rest: Bytes::new(), _taken: taken }))),
        // What failed is asked for again anyway.
        Err(refusal) if !is_final || !response.status().is_success() => Err(refusal),
        Err(refusal) => Ok(left_out(response, &refusal)),
    }
}

/// The head of what was done, with a sentence for a body.
fn left_out(response: Response, refusal: &ApiError) -> Response {
    let (done, _) = response.into_parts();
    let sentence = format!("this was done, and its answer is left out: {}", refusal.detail());
    let mut short = ApiError::new(ProblemCode::Busy, sentence).into_response();
    *short.status_mut() = done.status;
    let own = [CONTENT_TYPE, CONTENT_LENGTH, RETRY_AFTER];
    for (name, value) in done.headers.iter().filter(|(name, _)| !own.contains(name)) {
        short.headers_mut().append(name, value.clone());
    }
    short.headers_mut().remove(RETRY_AFTER);
    short
}

/// A body that is handed over piece by piece: a connection that is not read takes one more and no further ones.
struct Held {
    body: Body,
    /// Of what the body gave.
    rest: Bytes,
    _taken: Taken,
}

impl hyper::body::Body for Held {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.rest.is_empty() {
            match Pin::new(&mut self.body).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => self.rest = data,
                    Err(frame) => return Poll::Ready(Some(Ok(frame))),
                },
                other => return other,
            }
        }
        let piece_bytes = self.rest.len().min(STEP_BYTES);
        Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(piece_bytes)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let mut hint = self.body.size_hint();
        let rest = u64::try_from(self.rest.len()).unwrap_or(u64::MAX);
        if let Some(upper) = hint.upper() {
            hint.set_upper(upper.saturating_add(rest));
        }
        hint.set_lower(hint.lower().saturating_add(rest));
        hint
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use http::header::LOCATION;
    use http::{HeaderValue, StatusCode};
    use http_body_util::BodyExt;

    use super::*;

    const TENANT: Option<TenantId> = Some(TenantId(2));

    fn answer(bytes: usize) -> Response {
        vec![b'x'; bytes].into_response()
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_not_read_keeps_its_room_and_what_is_read_gives_it_back() {
        let room = Room::for_answers();
        let large = 1 << 20;
        let mut unread = Vec::new();
        let refusal = loop {
            match hold(&room, TENANT, false, answer(large)).await {
                Ok(response) => unread.push(response),
                Err(refusal) => break refusal,
            }
            assert!(unread.len() < 1_000, "it is bounded");
        };
        assert_eq!(refusal.code(), crate::api::ProblemCode::Busy);
        hold(&room, TENANT, false, answer(STEP_BYTES)).await.unwrap();
        let mut done = answer(large);
        *done.status_mut() = StatusCode::CREATED;
        done.headers_mut().insert(LOCATION, HeaderValue::from_static("/v1/jobs/job_1"));
        let done = hold(&room, TENANT, true, done).await.unwrap();
        assert_eq!(done.status(), StatusCode::CREATED);
        assert_eq!(done.headers()[LOCATION], "/v1/jobs/job_1");
        assert!(
            !done.headers().contains_key(RETRY_AFTER) && done.headers()[CONTENT_TYPE] != "application/octet-stream"
        );
        let said = done.into_body().collect().await.unwrap().to_bytes();
        assert!(String::from_utf8_lossy(&said).contains("this was done, and its answer is left out"), "{said:?}");
        hold(&room, Some(TenantId(3)), false, answer(large)).await.unwrap();
        let read = unread.pop().unwrap().into_body().collect().await.unwrap().to_bytes();
        assert_eq!(read, vec![b'x'; large]);
        hold(&room, TENANT, false, answer(large)).await.unwrap();
    }

    #[tokio::test]
    async fn it_is_handed_over_in_pieces_and_its_length_is_known() {
        let bytes = 2 * STEP_BYTES + 5;
        let response = hold(&Room::for_answers(), None, false, answer(bytes)).await.unwrap();
        let mut body = response.into_body();
        let mut left = bytes;
        for piece in [STEP_BYTES, STEP_BYTES, 5] {
            assert_eq!(body.size_hint().exact(), u64::try_from(left).ok());
            assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap().len(), piece);
            left -= piece;
        }
        assert!(body.is_end_stream() && body.frame().await.is_none());
    }
}
