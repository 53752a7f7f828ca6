//! Where a guest's standard output and standard error go: into the attempt's log, or into the captured output of a
//! plain command, which is bounded and ends the guest when it is full.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::io::AsyncWrite;
use wasmtime_wasi::async_trait;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError, StreamResult};

use super::attempt_log::{SharedLog, Stream};
use super::state::Ended;

/// Bytes a guest may hand over in one write.
const WRITE_BYTES_MAX: usize = 1 << 20;

/// What a plain command wrote to standard output.
#[derive(Debug)]
pub(super) struct Capture {
    bytes: Vec<u8>,
    bytes_max: usize,
}

pub(super) type SharedCapture = Arc<Mutex<Capture>>;

impl Capture {
    pub(super) fn new(bytes_max: u64) -> Self {
        Self { bytes: Vec::new(), bytes_max: usize::try_from(bytes_max).unwrap_or(usize::MAX) }
    }

    pub(super) fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.bytes)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Ended> {
        if bytes.len() > self.bytes_max.saturating_sub(self.bytes.len()) {
            return Err(Ended::OutputTooLarge);
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }
}

/// One of the guest's output streams.
#[derive(Clone)]
pub(super) enum GuestStream {
    /// Lines of the attempt's log.
    Log(SharedLog, Stream),
    /// A plain command's output.
    Capture(SharedCapture),
}

impl GuestStream {
    fn accept(&self, bytes: &[u8]) -> Result<(), Ended> {
        match self {
            GuestStream::Log(log, stream) => {
                log.lock().write(*stream, bytes);
                Ok(())
            }
            GuestStream::Capture(capture) => capture.lock().write(bytes),
        }
    }
}

impl IsTerminal for GuestStream {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for GuestStream {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[async_trait]
impl OutputStream for GuestStream {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.accept(&bytes).map_err(|ended| StreamError::Trap(ended.into()))
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(WRITE_BYTES_MAX)
    }
}

#[async_trait]
impl Pollable for GuestStream {
    async fn ready(&mut self) {}
}

impl AsyncWrite for GuestStream {
    fn poll_write(self: Pin<&mut Self>, _context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(self.accept(bytes).map(|()| bytes.len()).map_err(io::Error::other))
    }

    fn poll_flush(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
