//! Users are told with the success of a job: in their inbox, as a stream, theirs alone.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::io::{Read as _, Write as _};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use serde_json::{Value, json};
use stoker_tests::{
    Api, EventStream, Guest, TestHost, eventually, make_tenant, raw_request, reason_of, run_stoker, with_role,
};

const ADMIN_KEY: &str = "the-admins-key-of-this-test";
const JWT_SECRET: &str = "a-secret-of-at-least-thirty-two-bytes";

fn notify(user: &str, level: &str, message: &str) -> Value {
    json!({"do": "notify", "user": user, "level": level, "message": message})
}

/// Lets scripts tell users.
fn granted(api: &Api) {
    api.upload(Guest::Handlers);
    api.set_kind("script", &json!({"grants": {"notify": true, "kv": ["counts"]}}));
}

fn keyed() -> TestHost {
    let host = TestHost::builder().admin_key(ADMIN_KEY).start();
    granted(&host);
    host
}

/// Runs a script to its end.
#[track_caller]
fn ran(api: &Api, lines: &[Value]) -> Value {
    api.wait_end(&api.enqueue_kind("script", &json!({"lines": lines})))
}

#[track_caller]
fn tell(api: &Api, user: &str, message: &str) {
    let job = ran(api, &[notify(user, "info", message)]);
    assert_eq!(job["state"], "succeeded", "{job:#}");
}

#[track_caller]
fn messages(api: &Api, query: &str) -> Vec<String> {
    let page = api.get(&format!("/v1/notifications{query}")).expect(200);
    let items = page["items"].as_array().unwrap();
    items.iter().map(|item| item["message"].as_str().unwrap().to_owned()).collect()
}

/// A token of this host's for a user.
#[track_caller]
fn token(api: &Api, user: &str, expires_in: &str) -> String {
    let made = api.post("/v1/notifications/tokens", &json!({"user": user, "expires_in": expires_in})).expect(201);
    made["token"].as_str().unwrap().to_owned()
}

fn as_user(api: &Api, user: &str) -> Api {
    api.with_key(Some(&token(api, user, "1h")))
}

#[test]
fn an_inbox_fills_and_is_read() {
    let host = TestHost::start();
    granted(&host);
    let data = json!({"url": "/exports/7"});
    let mut last = notify("ann", "success", "ready");
    last["data"] = data.clone();
    let job = ran(&host, &[notify("ann", "info", "begun"), notify("bob", "error", "broken"), last]);
    assert_eq!(job["state"], "succeeded", "{job:#}");
    let page = host.get("/v1/notifications?user=ann").expect(200);
    let newest = &page["items"][0];
    assert_eq!(
        (&newest["user"], &newest["level"], &newest["message"]),
        (&"ann".into(), &"success".into(), &"ready".into())
    );
    assert_eq!((&newest["data"], &newest["job"], &newest["read_at"]), (&data, &job["id"], &Value::Null));
    assert_eq!((&page["unread_count"], &page["next_cursor"]), (&json!(2), &Value::Null));
    assert_eq!(messages(&host, ""), ["ready", "broken", "begun"]);

    let first = host.get("/v1/notifications?user=ann&limit=1").expect(200);
    let cursor = first["next_cursor"].as_str().unwrap();
    assert_eq!(messages(&host, &format!("?user=ann&limit=1&cursor={cursor}")), ["begun"]);

    let path = format!("/v1/notifications/{}", newest["id"].as_str().unwrap());
    assert!(host.act(&format!("{path}/read")).expect(200)["read_at"].is_string());
    assert_eq!(messages(&host, "?user=ann&unread=true"), ["begun"]);
    assert_eq!(host.act(&format!("{path}/unread")).expect(200)["read_at"], Value::Null);
    host.act("/v1/notifications/read-all").expect_problem_saying(422, &["user"]);
    assert_eq!(host.act("/v1/notifications/read-all?user=ann").expect(200), json!({"marked": 2}));
    assert_eq!(messages(&host, "?unread=true"), ["broken"]);
    host.delete(&path).expect_status(204);
    host.delete(&path).expect_problem_saying(404, &["no notification"]);
    host.act(&format!("{path}/read")).expect_problem(404);
    host.get("/v1/notifications?user=a%0Ab").expect_problem_saying(422, &["control characters"]);

    let shown = run_stoker(&["notifications", "--url", host.url(), "--unread"], &[], host.home(), b"").expect_success();
    assert!(shown.contains("broken") && !shown.contains("begun"), "{shown}");
}

#[test]
fn what_is_not_granted_or_makes_no_sense_is_refused_and_nothing_else_stops() {
    let host = TestHost::start();
    host.upload(Guest::Handlers);
    let job = ran(&host, &[notify("ann", "info", "hello")]);
    assert_eq!(job["state"], "succeeded", "{job:#}");
    assert!(job["output"][0]["refused"].as_str().unwrap().contains("not granted"), "{job:#}");
    let attempts = host.get(&format!("/v1/jobs/{}/attempts", job["id"].as_str().unwrap())).expect(200);
    assert_eq!(attempts["items"][0]["denied"], json!(["notify"]), "{attempts:#}");
    let failed = ran(&host, &[notify("ann", "info", "hello"), json!({"do": "fail", "attempts": 99})]);
    assert_eq!((&failed["state"], reason_of(&failed)), (&json!("failed"), "capability_denied"), "{failed:#}");

    host.set_kind("script", &json!({"grants": {"notify": true}}));
    let mut large = notify("ann", "info", "hello");
    large["data"] = "x".repeat(64 << 10).into();
    let job = ran(
        &host,
        &[
            notify("a\u{7}b", "info", "hello"),
            notify("", "info", "hello"),
            notify(&"x".repeat(129), "info", "hello"),
            notify("ann", "info", ""),
            notify("ann", "info", &"x".repeat(4_097)),
            large,
            notify("ann", "warning", "good"),
        ],
    );
    assert_eq!(job["state"], "succeeded", "{job:#}");
    for (place, said) in
        ["control characters", "1 to 128 bytes", "not 129", "not 0", "not 4097", "64KiB"].iter().enumerate()
    {
        let refused = job["output"][place]["refused"].as_str().unwrap_or_default();
        assert!(refused.contains(said), "{place}: {refused}");
    }
    assert_eq!(messages(&host, ""), ["good"]);
}

#[test]
fn nothing_remains_of_an_attempt_that_failed() {
    let host = TestHost::start();
    granted(&host);
    host.set_kind(
        "script",
        &json!({"grants": {"notify": true, "kv": ["counts"]}, "retry": {"strategy": "fixed", "delay": 1}, "max_attempts": 2}),
    );
    let told = |message: &str| notify("ann", "info", message);
    for (line, state) in [
        (json!({"do": "fail", "attempts": 9}), "failed"),
        (json!({"do": "trap"}), "failed"),
        (json!({"do": "snooze", "ms": 1, "count": "s"}), "succeeded"),
        (json!({"do": "fail", "attempts": 1}), "succeeded"),
    ] {
        let before = messages(&host, "").len();
        let job = ran(&host, &[told("told"), line.clone()]);
        assert_eq!(job["state"], state, "{line}: {job:#}");
        assert_eq!(messages(&host, "").len() - before, usize::from(state == "succeeded"), "{line}");
    }
}

#[test]
fn users_see_their_own_and_may_do_nothing_else() {
    let host = keyed();
    make_tenant(&host, "acme");
    let acme = host.in_tenant("acme");
    granted(&acme);
    tell(&host, "ann", "for ann");
    tell(&host, "bob", "for bob");
    tell(&acme, "ann", "for ann of acme");
    let (ann, acmes) = (as_user(&host, "ann"), host.with_key(Some(&token(&acme, "ann", "1h"))));
    assert_eq!(messages(&ann, ""), ["for ann"]);
    assert_eq!(messages(&ann, "?user=ann"), ["for ann"]);
    assert_eq!(messages(&acmes, ""), ["for ann of acme"]);
    let bobs = host.get("/v1/notifications?user=bob").expect(200)["items"][0]["id"].as_str().unwrap().to_owned();
    for problem in [
        ann.get("/v1/notifications?user=bob").expect_problem(403),
        ann.act("/v1/notifications/read-all?user=bob").expect_problem(403),
        ann.get("/v1/jobs").expect_problem(403),
        ann.post("/v1/notifications/tokens", &json!({"user": "bob"})).expect_problem(403),
        ann.in_tenant("acme").get("/v1/notifications").expect_problem(404),
        ann.act(&format!("/v1/notifications/{bobs}/read")).expect_problem(404),
        ann.delete(&format!("/v1/notifications/{bobs}")).expect_problem(404),
        acmes.delete(&format!("/v1/notifications/{bobs}")).expect_problem(404),
    ] {
        assert!(!problem.to_string().contains("for bob"), "{problem}");
    }
    assert_eq!(ann.act("/v1/notifications/read-all").expect(200), json!({"marked": 1}));
    assert_eq!(messages(&host, "?unread=true"), ["for bob"]);

    let viewer = with_role(&host, "default", "viewer");
    assert_eq!(messages(&viewer, "?user=bob"), ["for bob"]);
    viewer.act(&format!("/v1/notifications/{bobs}/read")).expect_problem_saying(403, &["producer"]);
    viewer.post("/v1/notifications/tokens", &json!({"user": "bob"})).expect_problem(403);
    let producer = with_role(&host, "default", "producer");
    assert_eq!(messages(&as_user(&producer, "bob"), ""), ["for bob"]);
    host.post("/v1/keys", &json!({"name": "x", "role": "user"}))
        .expect_problem_saying(422, &["/v1/notifications/tokens"]);
    for (body, said) in [
        (json!({"user": "a\nb"}), "control characters"),
        (json!({"user": ""}), "1 to 128"),
        (json!({"user": "a", "expires_in": "25h"}), "to 1d"),
        (json!({"user": "a", "expires_in": "500ms"}), "1s"),
        (json!({"user": "a", "role": "admin"}), "unknown field"),
    ] {
        producer.post("/v1/notifications/tokens", &body).expect_problem_saying(422, &[said]);
    }
}

#[test]
fn a_token_is_good_until_its_time_and_survives_a_restart() {
    let mut host = keyed();
    let (short, long) = (token(&host, "ann", "1s"), token(&host, "ann", "1h"));
    let status = |host: &TestHost, token: &str| host.with_key(Some(token)).get("/v1/notifications").status;
    assert_eq!(status(&host, &long), 200);
    let problem = eventually("it has expired", || {
        let reply = host.with_key(Some(&short)).get("/v1/notifications");
        (reply.status == 401).then(|| reply.expect_problem_saying(401, &["expired", "new one"]))
    });
    assert_eq!(problem["code"], "token_expired");
    // It is no guess: whoever comes again and again with it keeps nobody out.
    for _ in 0..50 {
        assert_eq!(status(&host, &short), 401);
    }
    let changed = format!("{}x", &long[..long.len() - 1]);
    let problem = host.with_key(Some(&changed)).get("/v1/notifications").expect_problem(401);
    assert_eq!(problem["code"], "unauthorized");
    host.restart();
    assert_eq!(status(&host, &long), 200);
    let said = host.log();
    assert!(!said.contains(&long) && !said.contains(&short), "{said}");
}

fn jwt(claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(&json!({"alg": "HS256"})), part(claims));
    let key = hmac::Key::new(hmac::HMAC_SHA256, JWT_SECRET.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(hmac::sign(&key, signed.as_bytes())))
}

#[test]
fn a_user_may_come_with_a_token_of_the_issuer() {
    let host = TestHost::builder()
        .admin_key(ADMIN_KEY)
        .flag("--jwt-alg", "HS256")
        .env("STOKER_JWT_SECRET", JWT_SECRET)
        .flag("--jwt-issuer", "https://idp.example")
        .flag("--jwt-audience", "stoker")
        .start();
    granted(&host);
    tell(&host, "ann", "for ann");
    tell(&host, "bob", "for bob");
    let now = jiff::Timestamp::now().as_second();
    let claims = |expires_at: i64| {
        jwt(&json!({"iss": "https://idp.example", "aud": "stoker", "exp": expires_at, "sub": "ann", "role": "user",
            "tenant": "default"}))
    };
    let ann = host.with_key(Some(&claims(now + 600)));
    assert_eq!(messages(&ann, ""), ["for ann"]);
    ann.get("/v1/notifications?user=bob").expect_problem(403);
    ann.get("/v1/jobs").expect_problem(403);
    let problem = host.with_key(Some(&claims(now - 600))).get("/v1/notifications").expect_problem(401);
    assert_eq!(problem["code"], "token_expired");
}

#[test]
fn a_stream_goes_on_where_it_was_left_without_a_gap() {
    let mut host = keyed();
    let ann = token(&host, "ann", "1h");
    let stream = EventStream::open(&host.with_key(None), &format!("/v1/notifications/stream?access_token={ann}"), &[]);
    let tab = EventStream::open(&host.with_key(Some(&ann)), "/v1/notifications/stream", &[]);
    tell(&host, "bob", "not hers");
    tell(&host, "ann", "1");
    let message = |event: &stoker_tests::SentEvent| -> String {
        assert_eq!(event.event, "notification");
        let data: Value = serde_json::from_str(&event.data).unwrap();
        assert_eq!(Some(data["id"].as_str().unwrap()), event.id.as_deref());
        data["message"].as_str().unwrap().to_owned()
    };
    let first = stream.next_event().unwrap();
    assert_eq!((message(&first), message(&tab.next_event().unwrap())), ("1".to_owned(), "1".to_owned()));
    // Nobody is there, and then the host is not.
    drop((stream, tab));
    tell(&host, "ann", "2");
    tell(&host, "ann", "3");
    host.restart();
    let resumed = [("last-event-id", first.id.as_deref().unwrap())];
    let stream = EventStream::open(&host.with_key(Some(&ann)), "/v1/notifications/stream", &resumed);
    tell(&host, "ann", "4");
    for expected in ["2", "3", "4"] {
        assert_eq!(message(&stream.next_event().unwrap()), expected);
    }
    // An orderly stop says so.
    host.signal_terminate();
    let end = stream.next_event().unwrap();
    assert_eq!((end.event.as_str(), end.data.as_str()), ("end", "stopping"));
    assert_eq!(stream.next_event(), None);
    assert!(host.wait_exit(stoker_tests::DEADLINE).success());
    assert!(!host.log().contains(&ann), "{}", host.log());
}

#[test]
fn a_stream_lives_and_ends_with_what_it_came_with() {
    let host = TestHost::builder().admin_key(ADMIN_KEY).flag("--hub-keep-alive", "100ms").start();
    let api = host.with_key(None);
    let short = EventStream::open(&host.with_key(Some(&token(&host, "ann", "2s"))), "/v1/notifications/stream", &[]);
    assert_eq!(short.next_or_comment().map(|comment| comment.event), Some(":".to_owned()));
    let end = short.next_event().unwrap();
    assert_eq!((end.event.as_str(), end.data.as_str()), ("end", "token_expired"));
    assert_eq!(short.next_event(), None);

    let made = host.post("/v1/keys", &json!({"name": "v", "role": "viewer"})).expect(201);
    let viewer = host.with_key(Some(made["key"].as_str().unwrap()));
    viewer.get("/v1/notifications/stream").expect_problem_saying(422, &["user"]);
    let stream = EventStream::open(&viewer, "/v1/notifications/stream?user=ann", &[]);
    host.delete(&format!("/v1/keys/{}", made["id"].as_str().unwrap())).expect_status(204);
    assert_eq!(stream.next_event().unwrap().data, "unauthorized");
    api.get("/v1/notifications/stream").expect_problem(401);
    viewer
        .with_key(Some(ADMIN_KEY))
        .request("GET", "/v1/notifications/stream?user=ann", &[("last-event-id", "7")], None)
        .expect_problem_saying(422, &["ntf_"]);
}

#[test]
fn hints_may_all_be_lost() {
    let host = TestHost::builder().flag("--ignore-wakeups", true).flag("--hub-keep-alive", "200ms").start();
    granted(&host);
    let stream = EventStream::open(&host, "/v1/notifications/stream?user=ann", &[]);
    tell(&host, "ann", "late");
    assert!(stream.next_event().unwrap().data.contains("late"));
}

#[test]
fn a_user_has_so_many_connections_and_others_have_theirs() {
    let host = keyed();
    let (ann, bob) = (as_user(&host, "ann"), as_user(&host, "bob"));
    let path = "/v1/notifications/stream";
    let mut open: Vec<EventStream> = (0..32).map(|_| EventStream::open(&ann, path, &[])).collect();
    ann.get(path).expect_problem_saying(429, &["of this user"]);
    open.push(EventStream::open(&bob, path, &[]));
    tell(&host, "ann", "to all of them");
    for stream in &open[..32] {
        assert!(stream.next_event().unwrap().data.contains("to all of them"));
    }
}

#[test]
fn pages_of_other_origins_are_let_in_where_an_operator_says_so() {
    let app = "https://app.example";
    let host = TestHost::builder().admin_key(ADMIN_KEY).flag("--hub-origins", app).start();
    let ann = as_user(&host, "ann");
    let asks = |path: &str, origin: &str| {
        let headers = [
            ("origin", origin),
            ("access-control-request-method", "POST"),
            ("access-control-request-headers", "authorization,x-requested-with,x-signalr-user-agent"),
        ];
        host.with_key(None).request("OPTIONS", path, &headers, None)
    };
    let negotiate = "/hubs/notifications/negotiate?negotiateVersion=1";
    let preflight = asks(negotiate, app).expect_status(204);
    assert_eq!(preflight.header("access-control-allow-origin"), Some(app));
    assert_eq!(preflight.header("access-control-allow-credentials"), Some("true"));
    let allowed = preflight.header("access-control-allow-headers").unwrap();
    assert!(["authorization", "x-requested-with", "x-signalr-user-agent"].iter().all(|name| allowed.contains(name)));
    assert!(preflight.header("access-control-allow-methods").unwrap().contains("POST"));
    asks(negotiate, "https://evil.example").expect_problem(403);
    asks("/v1/jobs", app).expect_problem(403);

    let from = [("origin", app)];
    let reply = ann.request("POST", negotiate, &from, Some(b"")).expect_status(200);
    assert_eq!(reply.header("access-control-allow-origin"), Some(app));
    // A page reads why it is refused, too.
    let refused = host.with_key(None).request("POST", negotiate, &from, Some(b"")).expect_status(401);
    assert_eq!(refused.header("access-control-allow-origin"), Some(app));
    let evil = ann.request("POST", negotiate, &[("origin", "https://evil.example")], Some(b"")).expect_status(403);
    assert_eq!(evil.header("access-control-allow-origin"), None);
    ann.request("GET", "/v1/notifications", &from, None).expect_status(200);
    host.request("GET", "/v1/jobs", &from, None).expect_problem(403);
}

#[test]
fn what_is_no_signalr_client_is_told_what_would_be() {
    let host = TestHost::builder().admin_key(ADMIN_KEY).start();
    let ann = as_user(&host, "ann");
    let negotiated = ann.act("/hubs/notifications/negotiate?negotiateVersion=1").expect(200);
    assert_ne!(negotiated["connectionId"], negotiated["connectionToken"]);
    let transports: Vec<_> =
        negotiated["availableTransports"].as_array().unwrap().iter().map(|one| one["transport"].clone()).collect();
    assert_eq!(transports, ["WebSockets", "ServerSentEvents"]);
    for transport in negotiated["availableTransports"].as_array().unwrap() {
        assert_eq!(transport["transferFormats"], json!(["Text"]), "the protocol is one of text");
    }
    let newer = ann.act("/hubs/notifications/negotiate?negotiateVersion=99").expect(200);
    assert_eq!((&newer["negotiateVersion"], newer["connectionToken"].is_string()), (&json!(1), true));
    let old = ann.act("/hubs/notifications/negotiate").expect(200);
    assert_eq!((&old["negotiateVersion"], &old["connectionToken"]), (&json!(0), &Value::Null));
    host.act("/hubs/notifications/negotiate").expect_problem_saying(422, &["user"]);
    ann.get("/hubs/notifications").expect_problem_saying(422, &["SignalR client"]);
    ann.request("GET", "/hubs/notifications", &[("accept", "text/event-stream")], None)
        .expect_problem_saying(422, &["connectionToken"]);
    ann.act("/hubs/notifications?id=nobody").expect_problem_saying(404, &["connect again"]);
    ann.request("GET", "/hubs/notifications", &[("upgrade", "h2c"), ("connection", "upgrade")], None)
        .expect_problem_saying(422, &["WebSocket"]);
    // A page of somebody else's can't open one with what a browser sends along.
    let refused = raw_request(
        host.authority(),
        &[
            "GET /hubs/notifications HTTP/1.1",
            &format!("host: {}", host.authority()),
            "connection: upgrade",
            "upgrade: websocket",
            "sec-websocket-version: 13",
            "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==",
            "origin: https://evil.example",
            &format!("authorization: Bearer {ADMIN_KEY}"),
        ],
        [],
    );
    assert_eq!(refused.status, 403, "{refused:?}");
}

/// A WebSocket without a library, which says what no library would.
struct RawSocket(std::net::TcpStream);

impl RawSocket {
    fn open(host: &TestHost, token: &str) -> Self {
        let mut stream = std::net::TcpStream::connect(host.authority()).unwrap();
        stream.set_read_timeout(Some(std::time::Duration::from_secs(20))).unwrap();
        let request = format!(
            "GET /hubs/notifications?access_token={token} HTTP/1.1\r\nhost: {}\r\nconnection: upgrade\r\n\
             upgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
            host.authority()
        );
        stream.write_all(request.as_bytes()).unwrap();
        let (mut head, mut byte) = (Vec::new(), [0]);
        while !head.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        assert!(head.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&head));
        Self(stream)
    }

    /// A frame: its first byte, and what it holds, masked with nothing.
    fn send(&mut self, first: u8, payload: &[u8]) {
        let mut frame = vec![first];
        match u16::try_from(payload.len()) {
            Ok(short @ 0..126) => frame.push(0x80 | u8::try_from(short).unwrap()),
            Ok(longer) => {
                frame.push(0x80 | 0x7e);
                frame.extend(longer.to_be_bytes());
            }
            Err(_) => {
                frame.push(0x80 | 127);
                frame.extend((payload.len() as u64).to_be_bytes());
            }
        }
        frame.extend([0; 4]);
        frame.extend(payload);
        self.0.write_all(&frame).unwrap();
    }

    /// The texts the host says, and the code it closes with.
    fn rest(&mut self) -> (Vec<String>, u16) {
        let mut texts = Vec::new();
        loop {
            let mut head = [0; 2];
            self.0.read_exact(&mut head).unwrap();
            let mut length = usize::from(head[1]);
            if length == 126 {
                let mut longer = [0; 2];
                self.0.read_exact(&mut longer).unwrap();
                length = usize::from(u16::from_be_bytes(longer));
            }
            let mut payload = vec![0; length];
            self.0.read_exact(&mut payload).unwrap();
            match head[0] {
                0x81 => texts.push(String::from_utf8(payload).unwrap()),
                0x88 => return (texts, u16::from_be_bytes([payload[0], payload[1]])),
                other => panic!("{other:#x}"),
            }
        }
    }
}

const GREETING: &[u8] = b"{\"protocol\":\"json\",\"version\":1}\x1e";

#[test]
fn a_connection_that_ends_says_why_in_its_code() {
    const TEXT: u8 = 0x81;
    const BINARY: u8 = 0x82;
    const CLOSE: u8 = 0x88;
    /// With a bit that nobody has agreed on.
    const NO_FRAME: u8 = 0xf1;
    let host = TestHost::builder().admin_key(ADMIN_KEY).start();
    let ann = token(&host, "ann", "1h");
    let large = vec![b'x'; 33 << 10];
    let longer = vec![b'x'; 300 << 10];
    for (first, payload, code, part) in [
        (TEXT, &large[..], 1009, "at most 32768 bytes"),
        (TEXT, &longer, 1009, "at most 32768 bytes"),
        (BINARY, b"{\"type\":6}\x1e", 1003, "as text, not as binary"),
        (TEXT, b"{\"type\":\"\xff\"}\x1e", 1007, "UTF-8"),
        (NO_FRAME, b"{}", 1002, "no frame"),
        (TEXT, b"{\"type\":7}\x1e", 1000, ""),
    ] {
        // As the first message and after a greeting: the protocol has words of its own for each.
        for is_greeted in [false, true] {
            if !is_greeted && (code == 1000 || first == BINARY) {
                continue;
            }
            let mut socket = RawSocket::open(&host, &ann);
            if is_greeted {
                socket.send(TEXT, GREETING);
            }
            socket.send(first, payload);
            let (texts, found) = socket.rest();
            assert_eq!(found, code, "{code}, greeted {is_greeted}: {texts:?}");
            let last: Value = serde_json::from_str(texts.last().unwrap().trim_end_matches('\u{1e}')).unwrap();
            if code == 1000 {
                assert_eq!(last, json!({}), "the answer to the greeting, and no error");
            } else {
                assert!(last["error"].as_str().unwrap().contains(part), "{last}");
                assert_eq!(last["type"], if is_greeted { json!(7) } else { Value::Null });
            }
        }
    }
    // What speaks another protocol greets in its frames, and is answered in ours.
    let mut socket = RawSocket::open(&host, &ann);
    socket.send(BINARY, b"{\"protocol\":\"messagepack\",\"version\":1}\x1e");
    let (texts, code) = socket.rest();
    assert!(code == 1000 && texts[0].contains("`messagepack` is not spoken here; connect with `json`"), "{texts:?}");
    let mut socket = RawSocket::open(&host, &ann);
    socket.send(BINARY, b"\x94\x01\x80\xc0\xa4send");
    assert_eq!(socket.rest().1, 1003);
    // A client that closes is answered with its own code.
    let mut socket = RawSocket::open(&host, &ann);
    socket.send(TEXT, GREETING);
    socket.send(CLOSE, &1001_u16.to_be_bytes());
    assert_eq!(socket.rest().1, 1001);
}
