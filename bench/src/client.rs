//! One blocking keep-alive connection, for everything that is not load: uploads, single jobs, counters.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::Context;
use serde_json::Value;

use crate::http;

/// An upload compiles the module before it answers.
const ANSWER_WAIT: Duration = Duration::from_mins(3);
const READ_BYTES: usize = 64 << 10;

/// A connection to the host.
#[derive(Debug)]
pub(crate) struct Client {
    address: SocketAddr,
    stream: TcpStream,
    received: Vec<u8>,
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).with_context(|| format!("cannot connect to {address}"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER_WAIT))?;
        stream.set_write_timeout(Some(ANSWER_WAIT))?;
        Ok(Self { address, stream, received: Vec::with_capacity(READ_BYTES) })
    }

    /// A request to be sent again and again with [`Client::send`].
    pub(crate) fn prepare(&self, line: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
        http::request(self.address, line, headers, body)
    }

    /// Sends the bytes of a request; the body of the answer, which must be a 2xx.
    pub(crate) fn send(&mut self, request: &[u8]) -> anyhow::Result<&[u8]> {
        self.stream.write_all(request)?;
        self.received.clear();
        let frame = loop {
            let filled = self.received.len();
            self.received.resize(filled + READ_BYTES, 0);
            let read = self.stream.read(&mut self.received[filled..])?;
            self.received.truncate(filled + read);
            anyhow::ensure!(read > 0, "the host closed the connection");
            if let Some(frame) = http::frame(&self.received)? {
                break frame;
            }
        };
        let body = &self.received[frame.body];
        anyhow::ensure!((200..300).contains(&frame.status), refusal(frame.status, body));
        Ok(body)
    }

    /// A request made once, its answer as JSON.
    pub(crate) fn call(&mut self, line: &str, headers: &[(&str, &str)], body: &[u8]) -> anyhow::Result<Value> {
        let request = self.prepare(line, headers, body);
        let answer = self.send(&request).with_context(|| format!("{line} failed"))?;
        Ok(serde_json::from_slice(answer)?)
    }

    /// `GET`, the answer as JSON.
    pub(crate) fn get(&mut self, path: &str) -> anyhow::Result<Value> {
        self.call(&format!("GET {path}"), &[], b"")
    }
}

/// What an answer that is no success says, for people.
pub(crate) fn refusal(status: u16, body: &[u8]) -> String {
    const SHOWN_BYTES_MAX: usize = 2_000;
    let text = String::from_utf8_lossy(&body[..body.len().min(SHOWN_BYTES_MAX)]);
    format!("the host answered {status}: {text}")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// Answers each request on one connection with the next of `answers`, in pieces.
    fn answering(answers: Vec<&'static str>) -> (SocketAddr, std::thread::JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let thread = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut buffer = [0; 4096];
            for answer in answers {
                assert!(stream.read(&mut buffer).unwrap() > 0);
                let (first, second) = answer.split_at(answer.len() / 2);
                stream.write_all(first.as_bytes()).unwrap();
                stream.flush().unwrap();
                stream.write_all(second.as_bytes()).unwrap();
            }
        });
        (address, thread)
    }

    #[test]
    fn one_connection_carries_many_requests() {
        let (address, server) = answering(vec![
            "HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\n{\"a\":1}",
            "HTTP/1.1 404 Not Found\r\ncontent-length: 4\r\n\r\ngone",
            "HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\n{\"a\":2}",
        ]);
        let mut client = Client::connect(address).unwrap();
        assert_eq!(client.get("/x").unwrap()["a"], 1);
        let refused = format!("{:#}", client.get("/x").unwrap_err());
        assert!(refused.contains("404") && refused.contains("gone"), "{refused}");
        assert_eq!(client.get("/x").unwrap()["a"], 2);
        assert!(client.get("/x").is_err(), "the host is gone");
        server.join().unwrap();
    }
}
