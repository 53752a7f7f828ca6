//! Connections that cost more than they are worth: half-sent, idle, or simply too many.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::json;
use stoker_tests::{CommandModule, DEADLINE, TestHost, eventually};

const HALF: &[u8] = b"GET /v1/queues HTTP/1.1\r\nHost: local";

fn connect(host: &TestHost, sent: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(host.authority()).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream.write_all(sent).unwrap();
    stream
}

/// Waits until the host has closed it.
#[track_caller]
fn assert_closed(mut stream: TcpStream) {
    match stream.read(&mut [0]) {
        Ok(0) => {}
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => {}
        other => panic!("the connection was not closed: {other:?}"),
    }
}

/// One request on a connection that stays open.
fn ask(stream: &mut TcpStream) -> std::io::Result<()> {
    stream.write_all(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
    let mut seen = Vec::new();
    while !seen.windows(4).any(|window| window == b"\r\n\r\n") {
        let mut piece = [0; 1_024];
        match stream.read(&mut piece)? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            length => seen.extend_from_slice(&piece[..length]),
        }
    }
    assert!(seen.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&seen));
    Ok(())
}

#[test]
fn a_head_must_come_in_time_and_an_idle_connection_may_stay() {
    let host = TestHost::builder().flag("--request-head-timeout", "300ms").start();
    let mut idle = connect(&host, b"");
    ask(&mut idle).unwrap();
    assert_closed(connect(&host, b""));
    assert_closed(connect(&host, HALF));
    // It has been idle for longer than a head may take.
    ask(&mut idle).unwrap();
}

#[test]
fn a_head_has_a_largest_size() {
    let host = TestHost::start();
    let head = |bytes: usize| {
        let long = "x".repeat(bytes);
        format!("GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX-Long: {long}\r\n\r\n")
    };
    let mut answer = String::new();
    connect(&host, head(60_000).as_bytes()).read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    // What is refused may be reset before it is read: the rest of the head was not.
    let mut refused = Vec::new();
    let _reset = connect(&host, head(70_000).as_bytes()).read_to_end(&mut refused);
    assert!(refused.is_empty() || refused.starts_with(b"HTTP/1.1 431"), "{}", String::from_utf8_lossy(&refused));
    host.get("/health/live").expect_status(200);
}

#[test]
fn half_sent_requests_do_not_keep_anybody_out() {
    let host = TestHost::builder().flag("--connections-max", 32).flag("--request-head-timeout", "10m").start();
    let half: Vec<TcpStream> = (0..150).map(|_| connect(&host, HALF)).collect();
    let begun = Instant::now();
    host.get("/health/live").expect_status(200);
    host.get("/v1/queues").expect_status(200);
    assert!(begun.elapsed() < Duration::from_secs(30), "it took {:?}", begun.elapsed());
    drop(half);
}

#[test]
fn idle_connections_make_room_for_new_ones() {
    let host = TestHost::builder().flag("--connections-max", 16).start();
    let mut open: Vec<TcpStream> = Vec::new();
    for _ in 0..40 {
        let mut stream = connect(&host, b"");
        ask(&mut stream).unwrap();
        open.push(stream);
    }
    let last = open.pop().unwrap();
    let (first, mut last) = (open.swap_remove(0), last);
    assert_closed(first);
    ask(&mut last).unwrap();
}

/// Lets `most` callers wait for their jobs, which is as many as may, and looks whether others are answered.
fn assert_health_is_answered_beside(host: TestHost, most: usize) {
    host.upload_bytes("print", &CommandModule::printing("1").wasm());
    let waiting: Vec<_> = (0..most)
        .map(|_| {
            let api = host.api();
            std::thread::spawn(move || {
                // Ends with the host.
                let headers = [("content-type", "application/json"), ("prefer", "wait=60")];
                let body = json!({"kind": "print"}).to_string();
                eventually("there is room for one more", || {
                    let reply = api.try_request("POST", "/v1/jobs", &headers, Some(body.as_bytes()));
                    reply.map_or(true, |reply| reply.status != 429).then_some(())
                });
            })
        })
        .collect();
    eventually("all wait", || (host.get("/v1/queues").status == 429).then_some(()));
    host.get("/v1/queues").expect_problem_saying(429, &["busy"]);
    host.get("/health/live").expect_status(200);
    drop(host);
    for wait in waiting {
        wait.join().unwrap();
    }
}

#[test]
fn health_is_answered_while_requests_take_all_the_room_they_may() {
    let host = TestHost::builder().workers(0).flag("--connections-max", 16).leaves_work_behind().start();
    assert_health_is_answered_beside(host, 15);
}

#[test]
fn a_connection_is_spared_where_the_system_allows_few() {
    let host = TestHost::builder().workers(0).open_files(272).leaves_work_behind().start();
    assert!(host.log().contains("at most 16 connections"), "{}", host.log());
    assert_health_is_answered_beside(host, 15);
}

#[test]
fn a_stop_does_not_wait_for_half_sent_requests() {
    let mut host = TestHost::start();
    let half = connect(&host, HALF);
    // Connections are accepted in order.
    host.get("/health/live").expect_status(200);
    let begun = Instant::now();
    assert!(host.terminate().success());
    assert!(begun.elapsed() < Duration::from_secs(8), "it took {:?}", begun.elapsed());
    drop(half);
}

#[test]
fn clients_that_send_slowly_keep_nobody_waiting() {
    /// More than are worked on at once.
    const SLOW: usize = 12;
    let host = TestHost::start();
    let module = CommandModule::printing("1").wasm();
    host.upload_bytes("print", &module);
    let batch = r#"{"kind": "print"}"#.as_bytes();
    let requests = [
        ("PUT /v1/modules/slow", "application/wasm", module.as_slice()),
        ("POST /v1/jobs/batch", "application/x-ndjson", batch),
    ];
    let slow: Vec<(TcpStream, &[u8])> = (0..SLOW)
        .flat_map(|_| requests)
        .map(|(line, content_type, body)| {
            let bytes = body.len();
            let head = format!(
                "{line} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nexpect: 100-continue\r\n\
                 content-type: {content_type}\r\ncontent-length: {bytes}\r\n\r\n"
            );
            let mut stream = connect(&host, head.as_bytes());
            // Said when the body begins to be read: nobody waits for somebody else's.
            let mut go_on = [0; b"HTTP/1.1 100 Continue\r\n\r\n".len()];
            stream.read_exact(&mut go_on).unwrap();
            assert!(go_on.starts_with(b"HTTP/1.1 100"), "{}", String::from_utf8_lossy(&go_on));
            let (sent, unsent) = body.split_at(bytes / 2);
            stream.write_all(sent).unwrap();
            (stream, unsent)
        })
        .collect();
    let reply = host.request("POST", "/v1/jobs/batch", &[("content-type", "application/x-ndjson")], Some(batch));
    host.wait_end(reply.expect(200)["results"][0]["id"].as_str().unwrap());
    host.put_module("print", &module).expect_status(200);
    // None of them was given up for the others.
    for (mut stream, unsent) in slow {
        stream.write_all(unsent).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 20"), "{answer}");
    }
    eventually("the jobs of the slow ones have run", || {
        let items = host.get("/v1/jobs?state=succeeded&limit=500").expect(200)["items"].clone();
        (items.as_array().unwrap().len() == SLOW + 1).then_some(())
    });
}

#[test]
fn callers_that_wait_for_their_jobs_keep_no_memory_from_others() {
    /// Together more than the 64 MiB that the bodies of all requests may take here.
    const WAITING: usize = 75;
    const PAYLOAD_BYTES: usize = 1_000_000;
    let host = TestHost::builder()
        .workers(0)
        .flag("--module-max", "16MiB")
        .flag("--batch-max", "16MiB")
        .leaves_work_behind()
        .start();
    host.upload_bytes("print", &CommandModule::printing("1").wasm());
    let body = json!({"kind": "print", "payload": "x".repeat(PAYLOAD_BYTES)}).to_string();
    let waiting: Vec<_> = (0..WAITING)
        .map(|_| {
            let (api, body) = (host.api(), body.clone());
            std::thread::spawn(move || {
                // Ends with the host.
                let headers = [("content-type", "application/json"), ("prefer", "wait=60")];
                let _ = api.try_request("POST", "/v1/jobs", &headers, Some(body.as_bytes()));
            })
        })
        .collect();
    eventually("all are enqueued", || {
        let queues = host.get("/v1/queues").expect(200);
        (queues["items"][0]["depth"] == WAITING).then_some(())
    });
    host.post_text("/v1/jobs", &[], &body).expect_status(201);
    drop(host);
    for wait in waiting {
        wait.join().unwrap();
    }
}
