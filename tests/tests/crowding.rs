//! One tenant, or whoever has no key, takes all it can get of what requests share: others are served beside it.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;

use serde_json::json;
use stoker_tests::{CommandModule, Reply, TestHost, eventually, make_key, make_tenant, with_role};

const ADMIN_KEY: &str = "the-admins-long-key";
const JSON: (&str, &str) = ("content-type", "application/json");

#[test]
fn callers_that_wait_leave_room_for_other_tenants() {
    const CONNECTIONS_MAX: usize = 64;
    // One in sixteen is spared, and a quarter of the others may wait.
    const WAITING_MAX: usize = 60 / 4;
    let host = TestHost::builder()
        .workers(0)
        .admin_key(ADMIN_KEY)
        .flag("--connections-max", CONNECTIONS_MAX)
        .leaves_work_behind()
        .start();
    make_tenant(&host, "acme");
    host.upload_bytes("print", &CommandModule::printing("1").wasm());
    let (_, key) = make_key(&host, "default", "flood", "producer");
    let acme = with_role(&host, "acme", "operator");
    let (tell, told) = channel::<Reply>();
    let body = json!({"kind": "print"}).to_string();
    let waiting: Vec<_> = (0..CONNECTIONS_MAX - 1)
        .map(|_| {
            let (api, tell, body) = (host.with_key(Some(&key)), tell.clone(), body.clone());
            std::thread::spawn(move || {
                // Those that wait end with the host.
                eventually("it is answered, or the host has gone", || {
                    let reply =
                        api.try_request("POST", "/v1/jobs", &[JSON, ("prefer", "wait=60")], Some(body.as_bytes()));
                    let Ok(reply) = reply else { return Some(()) };
                    (reply.status != 429).then(|| drop(tell.send(reply)))
                });
            })
        })
        .collect();
    // Past those that wait the job is enqueued and answered as if nobody had asked to wait.
    for _ in 0..CONNECTIONS_MAX - 1 - WAITING_MAX {
        let reply = told.recv().unwrap().expect_status(201);
        assert_eq!(reply.header("preference-applied"), None);
    }
    let jobs = host.with_key(Some(&key)).get("/v1/jobs?limit=100").expect(200);
    assert_eq!(jobs["items"].as_array().unwrap().len(), CONNECTIONS_MAX - 1, "those that wait are enqueued too");
    acme.get("/v1/queues").expect_status(200);
    // Another tenant's callers wait as ever.
    host.in_tenant("acme").upload_bytes("print", &CommandModule::printing("1").wasm());
    let reply = acme.request("POST", "/v1/jobs", &[JSON, ("prefer", "wait=0")], Some(body.as_bytes()));
    assert_eq!(reply.expect_status(202).header("preference-applied"), Some("wait=0"));
    drop(host);
    for wait in waiting {
        wait.join().unwrap();
    }
}

#[test]
fn bodies_that_never_end_leave_memory_for_other_tenants() {
    /// What the host takes for a module.
    const BODY_BYTES: usize = 8 << 20;
    /// All that one tenant may take: half of what there is, which is enough for eight of them.
    const BODIES: usize = 4;
    let host = TestHost::builder()
        .workers(0)
        .admin_key(ADMIN_KEY)
        .flag("--module-max", "8MiB")
        .flag("--batch-max", "8MiB")
        .start();
    make_tenant(&host, "acme");
    let (_, key) = make_key(&host, "default", "flood", "operator");
    let acme = with_role(&host, "acme", "operator");
    let authority = host.authority().to_owned();
    let is_over = Arc::new(AtomicBool::new(false));
    let senders: Vec<_> = (0..BODIES)
        .map(|number| {
            let head = format!(
                "PUT /v1/modules/m{number} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {key}\r\n\
                 content-type: application/wasm\r\ncontent-length: {BODY_BYTES}\r\n\r\n"
            );
            let (authority, is_over) = (authority.clone(), Arc::clone(&is_over));
            std::thread::spawn(move || {
                // Until it holds its memory, and again when it has lost it.
                while !is_over.load(Ordering::Relaxed) {
                    let Ok(mut stream) = TcpStream::connect(&authority) else { return };
                    // All but the last byte; a host that has refused it stops reading.
                    let _refused =
                        stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&vec![0; BODY_BYTES - 1]));
                    let _answered = stream.read(&mut [0; 1_024]);
                }
            })
        })
        .collect();
    let body = vec![0; 4 << 20];
    let flood = host.with_key(Some(&key));
    let refused = eventually("nothing is left for the tenant itself", || {
        let reply = flood.put_module("own", &body);
        (reply.status == 429).then_some(reply)
    });
    refused.expect_problem_saying(429, &["busy", "this tenant"]);
    // It is no module, which is found out by reading it.
    acme.put_module("other", &body).expect_problem_saying(422, &["malformed_module"]);
    is_over.store(true, Ordering::Relaxed);
    drop(host);
    for sender in senders {
        sender.join().unwrap();
    }
}

#[test]
fn logins_that_never_end_leave_requests_for_those_with_keys() {
    const CONNECTIONS_MAX: usize = 64;
    // As many as there are requests that may be under way, one connection in sixteen being spared.
    const LOGINS: usize = 60;
    let host = TestHost::builder().workers(0).admin_key(ADMIN_KEY).flag("--connections-max", CONNECTIONS_MAX).start();
    make_tenant(&host, "acme");
    let acme = with_role(&host, "acme", "viewer");
    let head = "POST /dashboard/login HTTP/1.1\r\nhost: localhost\r\n\
                content-type: application/x-www-form-urlencoded\r\ncontent-length: 40\r\n\r\nkey=";
    let halves: Vec<TcpStream> = (0..LOGINS)
        .map(|_| {
            let mut stream = TcpStream::connect(host.authority()).unwrap();
            stream.write_all(head.as_bytes()).unwrap();
            stream
        })
        .collect();
    eventually("half of all are theirs", || {
        let mut one_more = TcpStream::connect(host.authority()).unwrap();
        let whole = head
            .replace("key=", &format!("key={}", "x".repeat(36)))
            .replace("\r\n\r\n", "\r\nconnection: close\r\n\r\n");
        one_more.write_all(whole.as_bytes()).unwrap();
        let mut answer = Vec::new();
        // It may have been closed for others, by a reset.
        let _reset = one_more.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).contains("without a credential").then_some(())
    });
    acme.get("/v1/queues").expect_status(200);
    host.get("/v1/queues").expect(200);
    drop(halves);
}
