//! The bytes of one connection: counts the connection and tells its standing when bytes come, go, or can't go.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;

use super::standing::Standing;

/// Milliseconds since the host began to serve, as of the last sweep: costs a request nothing to read.
#[derive(Clone, Debug, Default)]
pub(super) struct CoarseClock(Arc<AtomicU64>);

impl CoarseClock {
    pub(super) fn now_ms(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn set(&self, now_ms: u64) {
        self.0.store(now_ms, Ordering::Relaxed);
    }
}

/// A connection, as everybody who looks at it shares it.
#[derive(Clone, Debug)]
pub(super) struct Watched {
    pub(super) standing: Arc<Standing>,
    pub(super) clock: CoarseClock,
}

/// A stream that is watched, and counts until it is dropped.
pub(super) struct Stream {
    tcp: TcpStream,
    watched: Watched,
    _permit: OwnedSemaphorePermit,
}

impl Stream {
    pub(super) fn new(tcp: TcpStream, watched: Watched, permit: OwnedSemaphorePermit) -> Self {
        Self { tcp, watched, _permit: permit }
    }

    fn note_write(&self, written: &Poll<io::Result<usize>>) {
        match written {
            Poll::Ready(Ok(_)) => self.watched.standing.sent(|| self.watched.clock.now_ms()),
            Poll::Ready(Err(_)) => {}
            Poll::Pending => self.watched.standing.blocked(),
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.tcp).poll_read(cx, buf);
        if buf.filled().len() > before {
            self.watched.standing.received(|| self.watched.clock.now_ms());
        }
        read
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.tcp).poll_write(cx, buf);
        self.note_write(&written);
        written
    }
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.tcp).poll_write_vectored(cx, bufs);
        self.note_write(&written);
        written
    }
    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}
