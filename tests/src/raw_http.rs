//! HTTP written by hand, for requests no well-behaved client sends: lying lengths, foreign hosts, endless bodies.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// How long a reply may take.
const READ_TIMEOUT: Duration = Duration::from_mins(1);
/// Longest reply that is read.
const REPLY_BYTES_MAX: u64 = 4 << 20;

/// What came back.
#[derive(Debug)]
pub struct RawReply {
    /// Of HTTP; 0 when the connection ended without an answer.
    pub status: u16,
    /// Head and body as they came.
    pub text: String,
}

/// Sends `head` (lines without their ends; the method's line first) and then `body` piece by piece, until all is
/// sent or the host stops reading, and reads the answer. The connection is asked to close afterwards.
pub fn raw_request<'a>(authority: &str, head: &[&str], body: impl IntoIterator<Item = &'a [u8]>) -> RawReply {
    let mut stream = TcpStream::connect(authority).expect("the host listens");
    stream.set_read_timeout(Some(READ_TIMEOUT)).expect("a timeout");
    let mut text = head.join("\r\n");
    text.push_str("\r\nconnection: close\r\n\r\n");
    stream.write_all(text.as_bytes()).expect("the host reads the head");
    for piece in body {
        // A host that has answered already may stop reading: that is what some tests want to see.
        if stream.write_all(piece).is_err() {
            break;
        }
    }
    let mut reply = Vec::new();
    // A reset after the answer (it closed with unread input) does not spoil the answer.
    let _ = stream.take(REPLY_BYTES_MAX).read_to_end(&mut reply);
    let text = String::from_utf8_lossy(&reply).into_owned();
    let status = text.split(' ').nth(1).and_then(|word| word.parse().ok()).unwrap_or(0);
    RawReply { status, text }
}
