//! Large answers read by clients that take their time: what they cost, and that what was cut short is never taken for whole.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::LazyLock;

use serde_json::{Value, json};
use stoker_tests::{DEADLINE, Guest, TestHost, eventually, state_of};

/// Next to the most that a log may have: more than the sockets between a host and a client that reads nothing hold.
const LINES: u64 = 1_000;
const LINE_BYTES: u64 = 16_000;
/// More than there is room for.
const READERS: usize = 24;

static FLOOD: LazyLock<Value> = LazyLock::new(|| json!({"lines": LINES, "line_bytes": LINE_BYTES, "hold_ms": 0}));

fn flooded() -> TestHost {
    let host = TestHost::start();
    host.upload(Guest::Handlers);
    host.set_kind("flood-logs", &json!({"logs": "16MiB", "memory": "128MiB", "timeout": "2m"}));
    host
}

/// Asks, reads the head of the answer and nothing more. Without chunks, so that the body is what follows.
fn ask(host: &TestHost, path: &str) -> (Vec<String>, BufReader<TcpStream>) {
    let mut stream = TcpStream::connect(host.authority()).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream.write_all(format!("GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n").as_bytes()).unwrap();
    let mut answer = BufReader::new(stream);
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        answer.read_line(&mut line).unwrap();
        if line.trim().is_empty() {
            return (head, answer);
        }
        head.push(line.trim().to_ascii_lowercase());
    }
}

fn rest(mut answer: BufReader<TcpStream>) -> Value {
    let mut body = String::new();
    answer.read_to_string(&mut body).unwrap();
    serde_json::from_str(&body).unwrap()
}

fn resident_bytes(host: &TestHost) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", host.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

#[test]
fn readers_of_a_large_log_share_a_bound_and_the_others_are_told_to_come_again() {
    let host = flooded();
    let id = host.enqueue_kind("flood-logs", &FLOOD);
    host.wait_for(&id, "succeeded");
    let path = format!("/v1/jobs/{id}/logs");
    let before = resident_bytes(&host);
    let answers: Vec<_> = std::thread::scope(|scope| {
        let readers: Vec<_> = (0..READERS).map(|_| scope.spawn(|| ask(&host, &path))).collect();
        readers.into_iter().map(|reader| reader.join().unwrap()).collect()
    });
    let grown = resident_bytes(&host).saturating_sub(before);
    let whole_each = READERS as u64 * LINES * LINE_BYTES;
    assert!(grown < whole_each * 2 / 3, "{} MiB more for {READERS} readers", grown >> 20);
    let (served, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(|(head, _)| head[0].contains(" 200 "));
    assert!(served.len() >= 4 && !refused.is_empty(), "{} were served", served.len());
    for (head, _) in &refused {
        assert!(head[0].contains(" 429 "), "{head:?}");
        assert!(head.iter().any(|line| line.starts_with("retry-after:")), "{head:?}");
    }
    // Small answers are given meanwhile, and those that were begun are whole.
    assert_eq!(state_of(&host.job(&id)), "succeeded");
    for (_, answer) in served.into_iter().take(2) {
        let logs = rest(answer);
        let lines = logs["items"][0]["lines"].as_array().unwrap();
        assert_eq!((lines.len() as u64, &logs["items"][0]["dropped"]), (LINES, &json!(0)));
        assert_eq!(logs["items"][0]["incomplete"], Value::Null);
        for (number, line) in lines.iter().enumerate() {
            assert!(line["message"].as_str().unwrap().starts_with(&format!("{number} xxx")), "line {number}");
        }
    }
    // The room of those who left is free again.
    let (head, answer) = eventually("room", || {
        let (head, answer) = ask(&host, &path);
        head[0].contains(" 200 ").then_some((head, answer))
    });
    assert!(head.contains(&"content-type: application/json".to_owned()), "{head:?}");
    assert_eq!(rest(answer)["items"][0]["lines"].as_array().unwrap().len() as u64, LINES);
}

#[test]
fn a_log_whose_execution_ends_while_it_is_read_says_that_lines_are_missing() {
    let host = flooded();
    let id = host.enqueue_kind("flood-logs", &json!({"lines": LINES, "line_bytes": LINE_BYTES, "hold_ms": 60_000}));
    let path = format!("/v1/jobs/{id}/logs");
    let last = format!("\"message\":\"{} xxx", LINES - 1);
    eventually("the last line", || host.get(&path).text().contains(&last).then_some(()));
    let (head, answer) = ask(&host, &path);
    assert!(head[0].contains(" 200 "), "{head:?}");
    host.act(&format!("/v1/jobs/{id}/cancel"));
    host.wait_for(&id, "cancelled");
    let cut = rest(answer);
    let log = &cut["items"][0];
    assert!((log["lines"].as_array().unwrap().len() as u64) < LINES, "it came whole");
    assert_eq!((&log["running"], &log["incomplete"]), (&json!(true), &json!(true)));
    let whole = host.get(&path).expect(200);
    let log = &whole["items"][0];
    assert_eq!(log["lines"].as_array().unwrap().len() as u64, LINES);
    assert_eq!((&log["running"], &log["incomplete"]), (&json!(false), &Value::Null));
}
