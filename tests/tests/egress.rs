//! Requests of handlers, against servers and name servers of the test: whom they reach, what they may take, and how they end.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use stoker_tests::{
    Guest, HostBuilder, NameServer, SilentServer, TestHost, WebServer, eventually, job_id, respond, state_of,
};

const LOOPBACK: Ipv4Addr = Ipv4Addr::LOCALHOST;

fn started(builder: HostBuilder, grants: &[&str]) -> TestHost {
    let host = builder.start();
    host.upload(Guest::Handlers);
    grant(&host, grants);
    host
}

fn grant(host: &TestHost, grants: &[&str]) {
    host.set_kind("http", &json!({"grants": {"http": grants}, "max_attempts": 1}));
}

/// What comes of one request of a handler that copes with whatever comes.
fn ask(host: &TestHost, request: &Value) -> Value {
    let job = ran(host, "http", &json!({"requests": [request]}));
    job["output"][0].clone()
}

fn denied_of(host: &TestHost, job: &str) -> Value {
    host.attempts(job)[0]["denied"].clone()
}

/// The job, once it has succeeded.
fn ran(host: &TestHost, kind: &str, payload: &Value) -> Value {
    let id = host.enqueue_kind(kind, payload);
    host.wait_for(&id, "succeeded")
}

#[test]
fn a_granted_host_is_reached_and_the_head_is_the_hosts() {
    let server = WebServer::start(|request, connection| {
        let length = request.head.to_ascii_lowercase().contains("content-length: 9");
        respond(connection, "201 Created", "x-told: yes\r\n", if length { "took nine" } else { "took none" })
    });
    let host = started(TestHost::builder(), &[&server.grant()]);
    let request =
        json!({"method": "POST", "url": server.url("/path?query=1"), "headers": [["x-mine", "a"]], "body_bytes": 9});
    let job = ran(&host, "http", &json!({"requests": [request, {"url": server.url("/again")}]}));
    assert_eq!(
        job["output"],
        json!([
            {"status": 201, "body": "took nine", "body_bytes": 9},
            {"status": 201, "body": "took none", "body_bytes": 9},
        ])
    );
    assert_eq!(job["receipt"]["http_calls"], 2);
    let head = server.requests()[0].head.clone();
    assert!(head.starts_with("POST /path?query=1 HTTP/1.1\r\n"), "{head}");
    let lower = head.to_ascii_lowercase();
    let count = |name: &str| lower.matches(&format!("\r\n{name}:")).count();
    assert_eq!((count("host"), count("content-length"), count("connection"), count("x-mine")), (1, 1, 1, 1), "{head}");
    assert_eq!(count("transfer-encoding"), 0, "{head}");
    assert_eq!(server.connections(), 2, "each request has a connection of its own");
    let log = host.log_text(&job_id(&job));
    assert!(log.contains(&format!("http 127.0.0.1:{} POST: 201", server.port())), "{log}");
    assert!(!log.contains("query") && !log.contains("/path"), "paths and queries hold secrets: {log}");
}

#[test]
fn what_a_guest_sets_can_not_make_two_requests_of_one() {
    let server = WebServer::saying("ok");
    let host = started(TestHost::builder(), &[&server.grant()]);
    let url = server.url("/");
    for headers in [
        json!([["transfer-encoding", "chunked"]]),
        json!([["host", "other.example"]]),
        json!([["connection", "upgrade"]]),
        json!([["upgrade", "websocket"]]),
        json!([["x-a", "b\r\nx-c: d"]]),
        json!([["x-a\r\nx-c", "d"]]),
        json!([["x a", "d"]]),
        json!([["te", "trailers"]]),
        json!([["content-length", "7"], ["content-length", "8"]]),
    ] {
        let answer = ask(&host, &json!({"url": url, "headers": headers}));
        assert!(answer["error"] == "invalid" || answer["error"] == "failed", "{headers}: {answer}");
    }
    for url in [
        format!("http://user:secret@127.0.0.1:{}/", server.port()),
        format!("http://127.0.0.1:{}/a b", server.port()),
        format!("http://127.0.0.1:{}/\r\nx: y", server.port()),
        format!("http://2130706433:{}/", server.port()),
        format!("http://0x7f.1:{}/", server.port()),
    ] {
        let answer = ask(&host, &json!({"url": url}));
        assert!(answer["error"] == "invalid" || answer["error"] == "denied", "{url}: {answer}");
    }
    let tunnel = ask(&host, &json!({"method": "CONNECT", "url": url}));
    assert_eq!(tunnel["error"], "invalid", "{tunnel}");
    assert_eq!(server.requests().len(), 0, "{:?}", server.requests());
}

#[test]
fn what_is_not_granted_is_refused_and_said() {
    let server = WebServer::saying("no");
    let host = started(TestHost::builder(), &["api.example.com"]);
    let url = server.url("/");
    let coped = ran(&host, "http", &json!({"requests": [{"url": url}]}));
    assert_eq!(coped["output"][0]["error"], "denied", "{coped:#}");
    let name = format!("http 127.0.0.1:{}", server.port());
    assert_eq!(denied_of(&host, &job_id(&coped)), json!([name]));
    let failed = host.run_failing("http", &json!({"must": true, "requests": [{"url": url}]}), "capability_denied");
    let message = failed["error"]["message"].as_str().unwrap();
    assert!(message.contains(&name) && message.contains("grant"), "{message}");
    assert!(failed["error"]["detail"].as_str().unwrap().contains(&name), "{failed:#}");
    assert_eq!((failed["attempt"].as_u64(), &failed["receipt"]["http_calls"]), (Some(1), &json!(1)));
    assert_eq!(server.connections(), 0);
}

#[test]
fn a_name_that_leads_inside_is_refused_unless_the_address_is_granted_too() {
    let server = WebServer::saying("inside");
    let names = NameServer::start(|_, _| Some(vec![LOOPBACK]));
    let builder = TestHost::builder().flag("--egress-dns", names.address());
    let by_name = format!("http://inner.test:{}", server.port());
    let host = started(builder, &[&by_name]);
    let url = server.url_by("inner.test", "/");
    let refused = ran(&host, "http", &json!({"requests": [{"url": url}]}));
    assert_eq!(refused["output"][0]["error"], "denied", "{refused:#}");
    let expected = format!("http inner.test:{} (a loopback address)", server.port());
    assert_eq!(denied_of(&host, &job_id(&refused)), json!([expected]));
    assert_eq!((server.connections(), names.questions()), (0, vec!["inner.test".to_owned()]));
    grant(&host, &[&by_name, &server.grant()]);
    assert_eq!(ask(&host, &json!({"url": url}))["body"], "inside");
    assert!(server.requests()[0].head.to_ascii_lowercase().contains("host: inner.test"));
    // By the address alone the name is not granted.
    grant(&host, &[&server.grant()]);
    assert_eq!(ask(&host, &json!({"url": url}))["error"], "denied");
}

#[test]
fn an_answer_that_mixes_inside_and_outside_is_refused() {
    let names = NameServer::start(|_, _| Some(vec![Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::new(169, 254, 169, 254)]));
    let host = started(TestHost::builder().flag("--egress-dns", names.address()), &["http://mixed.test"]);
    assert_eq!(ask(&host, &json!({"url": "http://mixed.test/"}))["error"], "denied");
}

#[test]
fn an_answer_that_changes_meets_the_same_check_and_no_second_look() {
    let server = WebServer::saying("inside");
    let other = WebServer::saying("other");
    // First an address that is granted, then one that is not: whoever looked twice would go where it did not check.
    let elsewhere = Ipv4Addr::new(127, 0, 0, 2);
    let names = NameServer::start(move |_, before| Some(vec![if before % 2 == 0 { LOOPBACK } else { elsewhere }]));
    let by_name = format!("http://fickle.test:{}", server.port());
    let builder = TestHost::builder().flag("--egress-dns", names.address());
    let host = started(builder, &[&by_name, &server.grant()]);
    let url = server.url_by("fickle.test", "/");
    let answers = ran(&host, "http", &json!({"requests": [{"url": url}, {"url": url}, {"url": url}]}));
    let told: Vec<&Value> = answers["output"].as_array().unwrap().iter().collect();
    assert_eq!(
        (&told[0]["body"], &told[1]["error"], &told[2]["body"]),
        (&json!("inside"), &json!("denied"), &json!("inside"))
    );
    assert_eq!(names.questions().len(), 3, "one look for each request: {:?}", names.questions());
    assert_eq!((server.connections(), other.connections()), (2, 0));
}

#[test]
fn names_nobody_answers_for_end_in_time_and_hold_up_nobody() {
    let server = WebServer::saying("quick");
    let names = NameServer::start(|name, _| (name != "silent.test").then(|| vec![LOOPBACK]));
    let builder =
        TestHost::builder().workers(8).flag("--egress-dns", names.address()).flag("--egress-dns-timeout", "2s");
    let by_name = format!("http://quick.test:{}", server.port());
    let host = started(builder, &["http://silent.test", &by_name, &server.grant()]);
    let silent = json!({"kind": "http", "payload": {"requests": [{"url": "http://silent.test/"}]}});
    let begun = Instant::now();
    let waiting: Vec<String> = (0..6).map(|_| host.enqueue(&silent)).collect();
    assert_eq!(ask(&host, &json!({"url": server.url_by("quick.test", "/")}))["body"], "quick");
    for id in &waiting {
        let job = host.wait_for(id, "succeeded");
        assert_eq!(job["output"][0]["error"], "timeout", "{job:#}");
    }
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    // The attempt's own time ends it as well.
    let impatient =
        json!({"kind": "http", "payload": {"requests": [{"url": "http://silent.test/"}]}, "timeout": "300ms"});
    let id = host.enqueue(&impatient);
    assert_eq!(host.wait_end(&id)["error"]["reason"], "timeout");
}

#[test]
fn a_redirect_is_a_request_like_any_other() {
    let inside = WebServer::saying("inside");
    let to = inside.url("/secret");
    let server = WebServer::redirecting(to);
    let host = started(TestHost::builder(), &[&server.grant()]);
    let told = ask(&host, &json!({"url": server.url("/")}));
    assert_eq!((&told["status"], &told["location"]), (&json!(302), &json!(inside.url("/secret"))));
    let followed = ran(&host, "http", &json!({"requests": [{"url": server.url("/"), "follow": true}]}));
    assert_eq!(followed["output"][0]["error"], "denied", "{followed:#}");
    assert_eq!(denied_of(&host, &job_id(&followed)), json!([format!("http 127.0.0.1:{}", inside.port())]));
    assert_eq!(inside.connections(), 0);
}

#[test]
fn certificates_are_verified() {
    let server = WebServer::start_tls(|_, connection| respond(connection, "200 OK", "", "sealed"));
    let names = NameServer::start(|_, _| Some(vec![LOOPBACK]));
    let grants = [server.grant(), server.url_by("inner.test", ""), server.url_by("other.test", "")];
    let grants: Vec<&str> = grants.iter().map(String::as_str).collect();
    let builder = || TestHost::builder().flag("--egress-dns", names.address());
    let trusting = started(builder().flag("--egress-ca-file", WebServer::authority_file().display()), &grants);
    assert_eq!(ask(&trusting, &json!({"url": server.url("/")}))["body"], "sealed");
    assert_eq!(ask(&trusting, &json!({"url": server.url_by("inner.test", "/")}))["body"], "sealed");
    let other = ask(&trusting, &json!({"url": server.url_by("other.test", "/")}));
    assert!(other["message"].as_str().unwrap().contains("certificate"), "{other}");
    let wary = started(builder(), &grants);
    let unknown = ask(&wary, &json!({"url": server.url("/")}));
    assert!(unknown["message"].as_str().unwrap().contains("certificate"), "{unknown}");
    assert_eq!(server.requests().len(), 2, "nothing is said to whom nobody vouches for");
}

#[test]
fn a_file_of_certificates_that_is_none_stops_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    std::fs::write(&file, "nothing").unwrap();
    let (status, log) = TestHost::builder().flag("--egress-ca-file", file.display()).try_start().unwrap_err();
    assert!(!status.success() && log.contains("egress_ca_file"), "{log}");
}

#[test]
fn servers_that_take_their_time_are_left() {
    let silent = SilentServer::start();
    let (stalling, dripping) = (WebServer::stalling(), WebServer::dripping());
    let builder = TestHost::builder()
        .flag("--egress-first-byte-timeout", "400ms")
        .flag("--egress-between-bytes-timeout", "400ms")
        .flag("--egress-total-timeout", "2s");
    let host = started(builder, &[&silent.url(), &stalling.grant(), &dripping.grant()]);
    assert_eq!(ask(&host, &json!({"url": silent.url()}))["error"], "timeout");
    // No piece comes for too long; each piece comes soon and all of them too late.
    for server in [&stalling, &dripping] {
        let late = ask(&host, &json!({"url": server.url("/")}));
        assert_eq!(late["error"], "timeout", "{late}");
    }
    // A handler may be less patient, and the attempt's time ends what a host would wait for.
    let patient = started(TestHost::builder(), &[&silent.url()]);
    assert_eq!(ask(&patient, &json!({"url": silent.url(), "timeout_ms": 200}))["error"], "timeout");
    let begun = Instant::now();
    let id = patient.enqueue(&json!({
        "kind": "http", "payload": {"requests": [{"url": silent.url()}]}, "timeout": "500ms", "max_attempts": 1,
    }));
    assert_eq!(patient.wait_end(&id)["error"]["reason"], "timeout");
    assert!(begun.elapsed() < Duration::from_secs(10));
}

#[test]
fn a_cancelled_job_waits_for_no_server() {
    let silent = SilentServer::start();
    let host = started(TestHost::builder(), &[&silent.url()]);
    let id = host.enqueue_kind("http", &json!({"requests": [{"url": silent.url()}]}));
    host.wait_for(&id, "running");
    host.act(&format!("/v1/jobs/{id}/cancel")).expect_status(202);
    assert_eq!(state_of(&host.wait_end(&id)), "cancelled");
}

#[test]
fn what_is_too_large_is_cut_off() {
    let (endless, boasting, taking) = (WebServer::endless(), WebServer::boasting(), WebServer::never_answering());
    let (long_head, many_lines) = (WebServer::endless_head(), WebServer::many_lines());
    let builder = TestHost::builder().flag("--egress-response-max", "1MiB").flag("--egress-request-max", "64KiB");
    let servers = [&endless, &boasting, &long_head, &many_lines, &taking];
    let grants: Vec<String> = servers.iter().map(|server| server.grant()).collect();
    let host = started(builder, &grants.iter().map(String::as_str).collect::<Vec<_>>());
    for request in [
        json!({"url": endless.url("/")}),
        json!({"url": endless.url("/"), "body_max": 1000}),
        json!({"url": boasting.url("/")}),
        json!({"url": long_head.url("/")}),
        json!({"url": many_lines.url("/")}),
        json!({"method": "POST", "url": taking.url("/"), "body_bytes": 65_537}),
    ] {
        let answer = ask(&host, &request);
        assert_eq!(answer["error"], "too_large", "{request}: {answer}");
    }
    assert_eq!(state_of(&ran(&host, "echo", &json!({}))), "succeeded");
}

#[test]
fn servers_that_lie_or_leave_are_told_from_those_that_answer() {
    let (leaving, in_a_chunk) = (WebServer::leaving(), WebServer::leaving_in_a_chunk());
    let babbling = WebServer::start(|_, connection| write!(connection, "220 smtp ready\r\n\r\n"));
    let gone = WebServer::start(|_, _| Ok(()));
    let two_lengths = WebServer::start(|_, connection| {
        write!(connection, "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab")
    });
    let servers = [&babbling, &two_lengths, &leaving, &in_a_chunk, &gone];
    let closed = "http://127.0.0.1:1";
    let mut grants: Vec<String> = servers.iter().map(|server| server.grant()).collect();
    grants.push(closed.to_owned());
    let host = started(TestHost::builder(), &grants.iter().map(String::as_str).collect::<Vec<_>>());
    for url in servers[..2].iter().map(|server| server.url("/")).chain([closed.to_owned()]) {
        let answer = ask(&host, &json!({"url": url}));
        assert_eq!(answer["error"], "failed", "{url}: {answer}");
    }
    // What breaks off may have been done all the same.
    for server in &servers[2..] {
        let answer = ask(&host, &json!({"url": server.url("/")}));
        assert_eq!(answer["error"], "incomplete", "{answer}");
    }
}

#[test]
fn an_attempt_makes_so_many_requests_and_no_more() {
    let server = WebServer::saying("ok");
    let host = started(TestHost::builder().flag("--egress-requests", 3), &[&server.grant()]);
    let job = ran(&host, "http", &json!({"requests": [{"url": server.url("/"), "times": 5}]}));
    assert_eq!(job["output"][0]["error"], "failed", "{job:#}");
    assert_eq!((server.connections(), &job["receipt"]["http_calls"]), (3, &json!(5)));
    assert!(host.log_text(&job_id(&job)).contains("made its 3 requests"));
    assert_eq!(ask(&host, &json!({"url": server.url("/")}))["status"], 200, "the next attempt has its own");
}

#[test]
fn places_for_connections_are_a_tenants_and_the_hosts_and_come_back() {
    let (release, held) = std::sync::mpsc::channel::<()>();
    let held = std::sync::Mutex::new(held);
    let holding = WebServer::start(move |_, connection| {
        // One after the other, when the test says so.
        let _sender_is_gone = held.lock().unwrap().recv();
        respond(connection, "200 OK", "", "let go")
    });
    let builder = TestHost::builder()
        .workers(8)
        .flag("--egress-connections", 1)
        .flag("--egress-tenant-connections", 2)
        .flag("--egress-host-connections", 3)
        .flag("--egress-connect-timeout", "1s");
    let host = started(builder, &[&holding.grant()]);
    host.post("/v1/tenants", &json!({"name": "acme"})).expect(201);
    let acme = host.in_tenant("acme");
    acme.upload(Guest::Handlers);
    acme.set_kind("http", &json!({"grants": {"http": [holding.grant()]}, "max_attempts": 1}));
    let asking = json!({"requests": [{"url": holding.url("/")}]});
    let connected = |count: usize| {
        eventually("so many are connected", || (holding.requests().len() >= count).then_some(()));
        assert_eq!(holding.connections(), count);
    };
    let first = [host.enqueue_kind("http", &asking), host.enqueue_kind("http", &asking)];
    connected(2);
    // The tenant's are taken: the third waits for one, and not for ever.
    let third = host.enqueue_kind("http", &asking);
    let refused = host.wait_for(&third, "succeeded")["output"][0].clone();
    assert_eq!(refused["error"], "failed", "{refused}");
    connected(2);
    // Another tenant has its own, as far as the host's go.
    let others = acme.enqueue_kind("http", &asking);
    connected(3);
    let one_more = acme.enqueue_kind("http", &asking);
    assert_eq!(acme.wait_for(&one_more, "succeeded")["output"][0]["error"], "failed");
    connected(3);
    // One that waits gets the place that is left.
    let patient = host.enqueue_kind("http", &asking);
    host.wait_for(&patient, "running");
    (0..4).for_each(|_| release.send(()).unwrap());
    for id in &first {
        assert_eq!(host.wait_for(id, "succeeded")["output"][0]["body"], "let go");
    }
    assert_eq!(acme.wait_for(&others, "succeeded")["output"][0]["body"], "let go");
    assert_eq!(host.wait_for(&patient, "succeeded")["output"][0]["body"], "let go");
    connected(4);
}
