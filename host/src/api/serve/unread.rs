//! The body of a request, from the connection to whoever reads it.
//!
//! Guarantees: who answers without having read all of it (a missing key, an unknown path, a wrong content type) need not
//! care for the rest. Closing a connection with unread bytes resets it, and the client never sees why; so what it still
//! sends is read beside the answer and thrown away, within bounds. A body that was read to its end costs nothing more.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::EXPECT;
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

/// What is read and thrown away of one body.
const LINGER_BYTES_MAX: usize = 64 << 20;
/// And for how long.
const LINGER_MS: u64 = 2_000;
/// Bodies of which the rest is read at once; that of further ones is not.
const LINGERING_MAX: usize = 256;

/// Of the whole process, like the threads and the memory it spares.
static LINGERING: Semaphore = Semaphore::const_new(LINGERING_MAX);

/// A request's body.
pub(super) struct Unread<B: Rest = Incoming> {
    /// `None` once nothing more can come.
    body: Option<B>,
    /// The client asked whether to send it at all, and has not been told to: an answer tells it not to.
    is_held_back: bool,
}

/// A body of which the rest can be read by somebody else.
pub(super) trait Rest: Body<Data = Bytes> + Unpin + Send + 'static {}

impl<B: Body<Data = Bytes> + Unpin + Send + 'static> Rest for B {}

impl<B: Rest> Unread<B> {
    /// Of a request as it came.
    pub(super) fn of(request: http::Request<B>) -> http::Request<Self> {
        let is_empty = request.body().is_end_stream();
        let is_held_back = !is_empty && request.headers().contains_key(EXPECT);
        request.map(|body| Self { body: (!is_empty).then_some(body), is_held_back })
    }
}

impl<B: Rest> Body for Unread<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        self.is_held_back = false;
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        let frame = Pin::new(body).poll_frame(cx);
        if matches!(frame, Poll::Ready(None | Some(Err(_)))) {
            self.body = None;
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(B::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), B::size_hint)
    }
}

impl<B: Rest> Drop for Unread<B> {
    fn drop(&mut self) {
        let Some(rest) = self.body.take().filter(|body| !self.is_held_back && !body.is_end_stream()) else { return };
        if let (Ok(runtime), Ok(permit)) = (Handle::try_current(), LINGERING.try_acquire()) {
            runtime.spawn(async move {
                let _permit = permit;
                // Whether it came to its end or not, there was time to read the answer.
                let _ended = tokio::time::timeout(Duration::from_millis(LINGER_MS), read_off(rest)).await;
            });
        }
    }
}

async fn read_off(mut body: impl Rest) {
    let mut left = LINGER_BYTES_MAX;
    while let Some(Ok(frame)) = body.frame().await {
        let read = frame.data_ref().map_or(0, Bytes::len);
        if read > left {
            return;
        }
        left -= read;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::convert::Infallible;

    use super::*;
    use http_body_util::StreamBody;
    use tokio::sync::mpsc;

    type Piece = Result<Frame<Bytes>, Infallible>;

    /// A request whose body is what is sent here, one piece at a time.
    fn request(expects: bool) -> (mpsc::Sender<Piece>, http::Request<impl Rest>) {
        let (sender, receiver) = mpsc::channel::<Piece>(1);
        let next = |mut receiver: mpsc::Receiver<Piece>| async move { Some((receiver.recv().await?, receiver)) };
        let body = StreamBody::new(Box::pin(futures_util::stream::unfold(receiver, next)));
        let mut request = http::Request::new(body);
        if expects {
            request.headers_mut().insert(EXPECT, "100-continue".parse().unwrap());
        }
        (sender, Unread::of(request))
    }

    async fn send(sender: &mpsc::Sender<Piece>, bytes: usize) {
        sender.send(Ok(Frame::data(Bytes::from(vec![0; bytes])))).await.unwrap();
    }

    #[tokio::test]
    async fn what_nobody_reads_is_read_off() {
        let (sender, request) = request(false);
        drop(request);
        for _ in 0..100 {
            send(&sender, 1_000).await;
        }
    }

    #[tokio::test]
    async fn the_rest_of_what_was_begun_is_read_off() {
        let (sender, request) = request(true);
        send(&sender, 5).await;
        let mut body = request.into_body();
        body.frame().await.unwrap().ok().unwrap();
        drop(body);
        for _ in 0..100 {
            send(&sender, 1_000).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn reading_off_has_its_bounds() {
        let (endless, request_1) = request(false);
        drop(request_1);
        let piece_bytes = LINGER_BYTES_MAX / 8;
        for _ in 0..8 {
            send(&endless, piece_bytes).await;
        }
        send(&endless, 1).await;
        endless.closed().await;
        let (silent, request_2) = request(false);
        let began = tokio::time::Instant::now();
        drop(request_2);
        silent.closed().await;
        assert_eq!(began.elapsed().as_millis(), u128::from(LINGER_MS));
    }

    /// A client that waits to be told takes a refusal for a no, and sends nothing.
    #[tokio::test(start_paused = true)]
    async fn a_body_that_is_held_back_is_not_asked_for() {
        let began = tokio::time::Instant::now();
        let (sender, request) = request(true);
        drop(request);
        sender.closed().await;
        assert_eq!(began.elapsed(), Duration::ZERO);
    }
}
