//! One request on a watched connection, from its complete head to the last piece of its answer.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};

use super::standing::Condemned;
use super::stream::Watched;

/// A request under way; over when dropped.
pub(super) struct UnderWay {
    watched: Watched,
    answering: bool,
}

impl UnderWay {
    /// Begins a request, unless its connection is being closed.
    pub(super) fn begin(watched: &Watched, is_http2: bool) -> Result<Self, Condemned> {
        watched.standing.begin(is_http2)?;
        Ok(Self { watched: watched.clone(), answering: false })
    }

    /// The answer has a head; the request lasts until the answer's body has been handed over.
    pub(super) fn answer(mut self, response: Response) -> http::Response<Answer> {
        self.watched.standing.answering(self.watched.clock.now_ms());
        self.answering = true;
        response.map(|body| Answer { body, request: self })
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.watched.standing.end(self.answering, self.watched.clock.now_ms());
    }
}

/// The body of an answer.
pub(super) struct Answer {
    body: Body,
    request: UnderWay,
}

impl hyper::body::Body for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        if frame.is_ready() {
            self.request.watched.standing.answered(self.request.watched.clock.now_ms());
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
