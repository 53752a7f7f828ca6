//! Refusals made before a body is read: the client gets to see them, though it is still sending.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::io::{Read, Write};
use std::net::TcpStream;

use stoker_tests::{DEADLINE, TestHost};

const KEY: &str = "a-key-of-more-than-sixteen-characters";
/// More than the system takes from a client whose bytes nobody reads.
const BODY_BYTES: usize = 24 << 20;
static PIECE: [u8; 64 << 10] = [b'x'; 64 << 10];
/// A connection closed under the client's hands is a matter of luck.
const TRIES: usize = 3;

/// Sends all of a request, as most clients do, and only then looks for the answer; gives its status.
fn status_of(host: &TestHost, request: &str, headers: &[&str]) -> u16 {
    let mut stream = TcpStream::connect(host.authority()).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let headers = headers.join("\r\n");
    let head = format!("{request} HTTP/1.1\r\n{headers}\r\ncontent-length: {BODY_BYTES}\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    for _ in 0..BODY_BYTES / PIECE.len() {
        stream.write_all(&PIECE).unwrap_or_else(|error| panic!("{request}: the body was not taken: {error}"));
    }
    let mut line = [0; b"HTTP/1.1 200".len()];
    stream.read_exact(&mut line).unwrap_or_else(|error| panic!("{request}: no answer: {error}"));
    std::str::from_utf8(&line[9..]).unwrap().parse().unwrap()
}

#[test]
fn a_client_that_sends_all_first_sees_why_it_is_refused() {
    let host = TestHost::builder().admin_key(KEY).start();
    let key = &format!("authorization: Bearer {KEY}");
    let (local, json, wasm) = ("host: localhost", "content-type: application/json", "content-type: application/wasm");
    for (status, request, headers) in [
        (401, "PUT /v1/modules/big", vec![local, wasm]),
        (401, "POST /v1/jobs", vec![local, json, "authorization: Bearer another-key-of-good-length"]),
        (403, "PUT /v1/modules/big", vec!["host: evil.example.com", wasm, key]),
        (404, "PUT /v1/nothing", vec![local, wasm, key]),
        (405, "PUT /v1/jobs", vec![local, json, key]),
        (413, "PUT /v1/kinds/any/settings", vec![local, json, key]),
        (415, "PUT /v1/modules/big", vec![local, json, key]),
        (415, "POST /v1/jobs", vec![local, "content-type: text/plain", key]),
        (415, "POST /v1/jobs/batch", vec![local, "content-type: text/csv", key]),
        (415, "POST /v1/jobs", vec![local, json, "content-encoding: gzip", key]),
        (422, "PUT /v1/modules/b%20g", vec![local, wasm, key]),
        (422, "PUT /v1/modules/big?forse=true", vec![local, wasm, key]),
        (422, "POST /v1/jobs/batch?atomic=maybe", vec![local, json, key]),
    ] {
        for _ in 0..TRIES {
            assert_eq!(status_of(&host, request, &headers), status, "{request} {headers:?}");
        }
    }
    host.get("/v1/queues").expect_status(200);
}

#[test]
fn a_client_that_asks_first_is_told_no_at_once() {
    let host = TestHost::builder().admin_key(KEY).start();
    for _ in 0..TRIES {
        let mut stream = TcpStream::connect(host.authority()).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        let head = format!(
            "PUT /v1/modules/big HTTP/1.1\r\nhost: localhost\r\nexpect: 100-continue\r\ncontent-length: {BODY_BYTES}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = String::new();
        // Nothing is waited for: the connection ends with the answer.
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    }
}
