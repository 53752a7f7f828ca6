//! For tests: a server that gives prepared answers, one connection each, and hands back what it was asked.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread::JoinHandle;

/// An answer with this status line and body; an empty status closes the connection without a word.
pub(super) struct Prepared(pub(super) &'static str, pub(super) &'static str);

/// Starts to answer. Joining yields the requests, in order, once every answer has been given.
pub(super) fn answer_each(answers: Vec<Prepared>) -> (String, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || answers.iter().map(|answer| answer_one(&listener, answer)).collect());
    (url, server)
}

fn answer_one(listener: &TcpListener, Prepared(status, body): &Prepared) -> String {
    let (mut stream, _) = listener.accept().unwrap();
    let mut request = Vec::new();
    let mut buffer = [0; 1024];
    while !is_complete(&request) {
        let read = stream.read(&mut buffer).unwrap();
        assert!(read > 0, "the request broke off: {}", String::from_utf8_lossy(&request));
        request.extend_from_slice(&buffer[..read]);
    }
    if !status.is_empty() {
        let length = body.len();
        write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}").unwrap();
    }
    String::from_utf8(request).unwrap()
}

/// Head and body have come.
fn is_complete(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request).to_ascii_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
    body.len() >= length.unwrap_or(0)
}
