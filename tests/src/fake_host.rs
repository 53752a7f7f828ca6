//! Something that answers HTTP in place of a host: what a test wants to be said, or nothing at all.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

/// Answers until the test's process ends.
#[derive(Debug)]
pub struct FakeHost {
    url: String,
}

impl FakeHost {
    /// Answers each request, given as method and path (`GET /v1/jobs?limit=1`), with this body and 200; `None`: with
    /// silence, for as long as the client waits.
    pub fn start(answer: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> FakeHost {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let answer = Arc::new(answer);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let answer = Arc::clone(&answer);
                std::thread::spawn(move || answer_one(stream, &*answer));
            }
        });
        FakeHost { url }
    }

    /// Where it answers.
    pub fn url(&self) -> &str {
        &self.url
    }
}

/// A client that goes away is none of the test's concern.
fn answer_one(mut stream: TcpStream, answer: &dyn Fn(&str) -> Option<String>) -> Option<()> {
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    while !is_complete(&request) {
        let read = stream.read(&mut buffer).ok().filter(|read| *read > 0)?;
        request.extend_from_slice(&buffer[..read]);
    }
    let text = String::from_utf8_lossy(&request).into_owned();
    let target = text.lines().next()?.trim_end_matches(" HTTP/1.1");
    if let Some(body) = answer(target) {
        let length = body.len();
        return write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}").ok();
    }
    // Until the client has gone.
    stream.read_to_end(&mut Vec::new()).ok().map(drop)
}

fn is_complete(request: &[u8]) -> bool {
    let Some(end) = request.windows(4).position(|window| window == b"\r\n\r\n") else { return false };
    let head = String::from_utf8_lossy(&request[..end]).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
    request.len() - end - 4 >= length.unwrap_or(0)
}
