//! Modules on their way back: whole, in pieces, and at no great cost.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::io::{Read, Write};
use std::net::TcpStream;

use stoker_tests::{CommandModule, DEADLINE, TestHost, eventually};

/// More than the host and the system hold for a client that does not read.
const MODULE_BYTES: usize = 24 << 20;

/// Uploads a large module; gives its bytes and the path they are at.
fn upload_large(host: &TestHost) -> (Vec<u8>, String) {
    let wasm = CommandModule::printing("1").padded(MODULE_BYTES).wasm();
    host.upload_bytes("large", &wasm);
    let digest = host.get("/v1/modules/large").expect(200)["digest"].as_str().unwrap().to_owned();
    (wasm, format!("/v1/modules/large/versions/{digest}/wasm"))
}

/// Asks for `path`, and reads no more than the head of the answer.
fn begin(host: &TestHost, method: &str, path: &str) -> (String, TcpStream) {
    let mut stream = TcpStream::connect(host.authority()).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let head = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.extend_from_slice(&byte);
    }
    (String::from_utf8(head).unwrap().to_ascii_lowercase(), stream)
}

#[test]
fn a_module_comes_back_as_it_was_sent() {
    let host = TestHost::start();
    let (wasm, path) = upload_large(&host);
    let reply = host.get(&path).expect_status(200);
    assert!(reply.body == wasm, "{} bytes of {}", reply.body.len(), wasm.len());

    let length = format!("content-length: {}\r\n", wasm.len());
    let (head, mut rest) = begin(&host, "HEAD", &path);
    assert!(head.starts_with("http/1.1 200") && head.contains(&length), "{head}");
    assert_eq!(rest.read(&mut [0]).unwrap(), 0, "HEAD has no body");

    // Deleted on the way: what comes is short of what was announced, and the connection ends.
    let (head, mut rest) = begin(&host, "GET", &path);
    assert!(head.contains(&length), "{head}");
    host.delete("/v1/modules/large").expect_status(204);
    let mut came = Vec::new();
    // A reset is an end as well.
    let _ = rest.read_to_end(&mut came);
    assert!(came.len() < wasm.len() && wasm.starts_with(&came), "{} bytes came", came.len());
    eventually("the log tells", || host.log().contains("a download broke off").then_some(()));
}

/// Resident memory of a process, bytes.
#[cfg(target_os = "linux")]
fn resident_bytes(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

#[test]
#[cfg(target_os = "linux")]
fn clients_that_read_slowly_cost_little_memory() {
    const SLOW: usize = 12;
    let host = TestHost::start();
    let (wasm, path) = upload_large(&host);
    let before = resident_bytes(host.pid());
    let mut slow: Vec<TcpStream> = (0..SLOW).map(|_| begin(&host, "GET", &path).1).collect();
    // What the host reads at once has been read when the first byte comes.
    for stream in &mut slow {
        stream.read_exact(&mut [0]).unwrap();
    }
    let grown = resident_bytes(host.pid()).saturating_sub(before);
    assert!(grown < (SLOW * MODULE_BYTES / 4) as u64, "{grown} bytes more for {SLOW} downloads");
    for mut stream in slow {
        let mut came = Vec::new();
        stream.read_to_end(&mut came).unwrap();
        assert_eq!(came.len() + 1, wasm.len());
    }
}
