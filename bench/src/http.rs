//! As much of HTTP/1.1 as the bench needs: requests as bytes made once, answers framed by Content-Length.
//! Pure: no sockets here.

use std::net::SocketAddr;
use std::ops::Range;

/// Headers an answer may have.
const HEADERS_MAX: usize = 32;
/// Bytes an answer may have. An answer to a batch of 1,000 has about 100 KiB.
pub(crate) const ANSWER_BYTES_MAX: usize = 16 << 20;

/// Where an answer lies in the bytes received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) status: u16,
    pub(crate) body: Range<usize>,
}

/// The bytes of a request that are the same every time.
pub(crate) fn request(address: SocketAddr, line: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut head = format!("{line} HTTP/1.1\r\nHost: {address}\r\nContent-Length: {}\r\n", body.len());
    for (name, value) in headers {
        head.push_str(name);
        head.push_str(": ");
        head.push_str(value);
        head.push_str("\r\n");
    }
    head.push_str("\r\n");
    let mut bytes = head.into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

/// The answer at the start of `received`, or `None` while it is not complete.
pub(crate) fn frame(received: &[u8]) -> anyhow::Result<Option<Frame>> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut response = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(head_bytes) = response.parse(received)? else {
        anyhow::ensure!(received.len() <= ANSWER_BYTES_MAX, "the head of an answer does not end");
        return Ok(None);
    };
    let status = response.code.unwrap_or(0);
    let mut body_bytes = None;
    for header in response.headers.iter() {
        if header.name.eq_ignore_ascii_case("content-length") {
            body_bytes = Some(std::str::from_utf8(header.value)?.trim().parse::<usize>()?);
        } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
            anyhow::bail!("the host answered in chunks ({status}); the bench reads only answers with a Content-Length");
        }
    }
    let body_bytes = match body_bytes {
        Some(bytes) => bytes,
        None if status == 204 || status == 304 => 0,
        None => anyhow::bail!("an answer ({status}) without Content-Length"),
    };
    anyhow::ensure!(body_bytes <= ANSWER_BYTES_MAX, "an answer of {body_bytes} bytes; at most {ANSWER_BYTES_MAX}");
    let end = head_bytes + body_bytes;
    Ok((received.len() >= end).then_some(Frame { status, body: head_bytes..end }))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const ANSWER: &[u8] = b"HTTP/1.1 201 Created\r\ncontent-length: 4\r\nlocation: /v1/jobs/x\r\n\r\nbody";

    #[test]
    fn every_prefix_of_an_answer_is_incomplete() {
        for cut in 0..ANSWER.len() {
            assert_eq!(frame(&ANSWER[..cut]).unwrap(), None, "cut at {cut}");
        }
        let whole = frame(ANSWER).unwrap().unwrap();
        assert_eq!((whole.status, &ANSWER[whole.body]), (201, b"body".as_slice()));
    }

    #[test]
    fn the_next_answer_is_left_alone() {
        let mut two = ANSWER.to_vec();
        two.extend_from_slice(ANSWER);
        assert_eq!(frame(&two).unwrap().unwrap().body.end, ANSWER.len());
    }

    #[test]
    fn what_it_cannot_frame_it_refuses() {
        for wrong in [
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_owned(),
            "HTTP/1.1 200 OK\r\n\r\n".to_owned(),
            "HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n".to_owned(),
            format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", ANSWER_BYTES_MAX + 1),
            "nonsense\r\n\r\n".to_owned(),
        ] {
            assert!(frame(wrong.as_bytes()).is_err(), "{wrong:?}");
        }
        assert_eq!(frame(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap().unwrap().body.len(), 0);
    }

    #[test]
    fn a_request_has_its_length_and_host() {
        let bytes = request(([127, 0, 0, 1], 7700).into(), "POST /v1/jobs", &[("A", "b")], b"{}");
        assert_eq!(
            String::from_utf8(bytes).unwrap(),
            "POST /v1/jobs HTTP/1.1\r\nHost: 127.0.0.1:7700\r\nContent-Length: 2\r\nA: b\r\n\r\n{}"
        );
    }
}
