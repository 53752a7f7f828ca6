//! What comes from a server, looked at before the client keeps it: a message is kept whole there, so one that is larger than any
//! result may be is refused by its head, and the connection ends. So does one whose answers to one call take no end.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::job::database::RESULT_BYTES_MAX;
use crate::job::{ByteSize, DatabaseError};

/// Largest message, bytes: any row that a result may have, whose values have lengths there, and a sentence of the server's.
const MESSAGE_BYTES_MAX: usize = 2 * RESULT_BYTES_MAX + (64 << 10);
/// Answers to one call of the client. It asks for each type that it does not know, and for those that such a one is made of, one in
/// the other: what it needs of its stack grows with them.
const ANSWERS_MAX: u32 = 128;
/// A tag, and the length of what follows, itself included.
const HEAD_BYTES: usize = 5;
const READY_FOR_QUERY: u8 = b'Z';

const TOO_LARGE: u8 = 1;
const TOO_MANY_ANSWERS: u8 = 2;

/// What a connection was ended for, and how often it has answered.
#[derive(Debug, Default)]
pub(super) struct Wire {
    refused: AtomicU8,
    answers: AtomicU32,
}

impl Wire {
    /// A call begins.
    pub(super) fn begins(&self) {
        self.answers.store(0, Ordering::Relaxed);
    }

    /// Why the connection was ended, if it was.
    pub(super) fn refusal(&self) -> Option<DatabaseError> {
        match self.refused.load(Ordering::Acquire) {
            0 => None,
            TOO_LARGE => Some(DatabaseError::Refused(format!(
                "the server answered with more than {} at once, and a result may have at most {}; ask for fewer rows or columns at \
                 a time, or for parts of a value",
                ByteSize(MESSAGE_BYTES_MAX as u64),
                ByteSize(RESULT_BYTES_MAX as u64),
            ))),
            _ => Some(DatabaseError::refused(
                "the types of the statement are too many, or made of too many others; cast them: column::text",
            )),
        }
    }

    fn refuse(&self, why: u8) -> io::Error {
        self.refused.store(why, Ordering::Release);
        io::Error::new(io::ErrorKind::InvalidData, "the server sent more than it may")
    }
}

/// Follows where messages begin.
#[derive(Debug, Default)]
struct Messages {
    head: [u8; HEAD_BYTES],
    head_bytes: usize,
    /// Of the message whose head was read.
    body_bytes: usize,
}

impl Messages {
    fn read(&mut self, mut bytes: &[u8], wire: &Wire) -> io::Result<()> {
        while !bytes.is_empty() {
            if self.head_bytes == HEAD_BYTES {
                let skipped = self.body_bytes.min(bytes.len());
                bytes = &bytes[skipped..];
                self.body_bytes -= skipped;
            } else {
                let taken = (HEAD_BYTES - self.head_bytes).min(bytes.len());
                self.head[self.head_bytes..self.head_bytes + taken].copy_from_slice(&bytes[..taken]);
                self.head_bytes += taken;
                bytes = &bytes[taken..];
                if self.head_bytes == HEAD_BYTES {
                    self.begins(wire)?;
                }
            }
            if self.head_bytes == HEAD_BYTES && self.body_bytes == 0 {
                self.head_bytes = 0;
            }
        }
        Ok(())
    }

    fn begins(&mut self, wire: &Wire) -> io::Result<()> {
        let [tag, length @ ..] = self.head;
        // The length counts itself; one that does not is the client's to refuse.
        self.body_bytes = (u32::from_be_bytes(length) as usize).saturating_sub(size_of::<u32>());
        if self.body_bytes > MESSAGE_BYTES_MAX {
            return Err(wire.refuse(TOO_LARGE));
        }
        if tag == READY_FOR_QUERY && wire.answers.fetch_add(1, Ordering::Relaxed) >= ANSWERS_MAX {
            return Err(wire.refuse(TOO_MANY_ANSWERS));
        }
        Ok(())
    }
}

/// A stream of messages, bounded. See the file's head.
pub(super) struct Bounded<S> {
    stream: S,
    messages: Messages,
    wire: Arc<Wire>,
}

impl<S> Bounded<S> {
    pub(super) fn new(stream: S, wire: Arc<Wire>) -> Self {
        Self { stream, messages: Messages::default(), wire }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Bounded<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        let Self { messages, wire, .. } = &mut *self;
        Poll::Ready(messages.read(&buffer.filled()[before..], wire))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Bounded<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn message(tag: u8, body: usize) -> Vec<u8> {
        let mut bytes = vec![tag];
        bytes.extend(u32::try_from(body + 4).unwrap().to_be_bytes());
        bytes.extend(std::iter::repeat_n(b'Z', body));
        bytes
    }

    #[test]
    fn a_message_is_refused_by_its_head_however_it_comes_in_parts() {
        let good = [message(b'D', 300), message(b'Z', 1), message(b'1', 0), message(b'D', 7)].concat();
        for part in [1, 2, 5, 6, 100, good.len()] {
            let (wire, mut messages) = (Wire::default(), Messages::default());
            good.chunks(part).for_each(|bytes| messages.read(bytes, &wire).unwrap());
            assert_eq!((wire.answers.load(Ordering::Relaxed), wire.refusal()), (1, None));
            assert_eq!((messages.head_bytes, messages.body_bytes), (0, 0));
            let head = &message(b'D', MESSAGE_BYTES_MAX + 1)[..HEAD_BYTES];
            assert!(head.chunks(part).map(|bytes| messages.read(bytes, &wire)).any(|read| read.is_err()));
            assert!(wire.refusal().unwrap().to_string().contains("at most 4MiB"));
        }
        let head = &message(b'D', MESSAGE_BYTES_MAX)[..HEAD_BYTES];
        assert!(Messages::default().read(head, &Wire::default()).is_ok());
    }

    #[test]
    fn a_call_has_so_many_answers() {
        let (wire, mut messages) = (Wire::default(), Messages::default());
        for _ in 0..2 {
            wire.begins();
            (0..ANSWERS_MAX).for_each(|_| messages.read(&message(b'Z', 1), &wire).unwrap());
        }
        assert!(messages.read(&message(b'Z', 1), &wire).is_err());
        assert!(wire.refusal().unwrap().to_string().contains("::text"));
    }
}
