//! Bodies on their way, counted: one that gets too long or too slow ends in an error.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};
use wasmtime_wasi_http::{Error, WasiBody};

use super::exchange::of_hyper;

/// What a guest sends, up to a bound.
pub(super) struct Upload {
    body: WasiBody,
    bytes_left: u64,
    bytes_max: u64,
    /// Told to whoever finds out why the exchange broke off.
    too_large: Arc<AtomicBool>,
}

impl Upload {
    pub(super) fn new(body: WasiBody, bytes_max: u64, too_large: Arc<AtomicBool>) -> Self {
        Self { body, bytes_left: bytes_max, bytes_max, too_large }
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        Poll::Ready(match frame {
            Some(Ok(frame)) => {
                let bytes = frame.data_ref().map_or(0, |data| data.len() as u64);
                if let Some(left) = self.bytes_left.checked_sub(bytes) {
                    self.bytes_left = left;
                    Some(Ok(frame))
                } else {
                    self.too_large.store(true, Ordering::Relaxed);
                    Some(Err(Error::HttpRequestBodySize(Some(self.bytes_max))))
                }
            }
            end => end,
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// What a server sends, up to a bound, each piece in time, all of it before the end.
pub(super) struct Download {
    body: hyper::body::Incoming,
    bytes_left: u64,
    bytes_max: u64,
    between_bytes: Duration,
    until: Instant,
    /// Runs while the next piece is waited for; a guest that takes its time is nothing the server must answer for.
    patience: Option<Pin<Box<Sleep>>>,
    has_failed: bool,
}

impl Download {
    pub(super) fn new(body: hyper::body::Incoming, bytes_max: u64, between_bytes: Duration, until: Instant) -> Self {
        Self { body, bytes_left: bytes_max, bytes_max, between_bytes, until, patience: None, has_failed: false }
    }

    fn fail(&mut self, error: Error) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        self.has_failed = true;
        Poll::Ready(Some(Err(error)))
    }
}

impl Body for Download {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if self.has_failed {
            return Poll::Ready(None);
        }
        match Pin::new(&mut self.body).poll_frame(context) {
            Poll::Ready(None) => Poll::Ready(None),
            // At the end of its time the connection is closed, which looks as if the server had left.
            Poll::Ready(Some(Err(_closed))) if Instant::now() >= self.until => self.fail(Error::HttpResponseTimeout),
            Poll::Ready(Some(Err(error))) => self.fail(of_hyper(&error)),
            Poll::Ready(Some(Ok(frame))) => {
                self.patience = None;
                let bytes = frame.data_ref().map_or(0, |data| data.len() as u64);
                if let Some(left) = self.bytes_left.checked_sub(bytes) {
                    self.bytes_left = left;
                    Poll::Ready(Some(Ok(frame)))
                } else {
                    let most = self.bytes_max;
                    self.fail(Error::HttpResponseBodySize(Some(most)))
                }
            }
            Poll::Pending => {
                let end = (Instant::now() + self.between_bytes).min(self.until);
                let patience = self.patience.get_or_insert_with(|| Box::pin(sleep_until(end)));
                ready!(patience.as_mut().poll(context));
                let is_late = Instant::now() >= self.until;
                self.fail(if is_late { Error::HttpResponseTimeout } else { Error::ConnectionReadTimeout })
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.has_failed || self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
